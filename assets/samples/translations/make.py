"""Makes the `translations` sample: a small Marian that says foreign wishes in plain English.

Run: `python assets/samples/translations/make.py` (about ten minutes on one core).
Covers: the pairs, one byte-level vocabulary for both sides, training, the baseline.
Does not cover: the phrasings (grammar.py), compression (what it does is on the card).
Deterministic for given versions: one thread, every draw seeded, torch's deterministic algorithms.
The weights are stored as bfloat16, as most published language models are; the baseline is theirs.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import MarianConfig, MarianMTModel, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import _common  # noqa: E402 - it lies beside this folder, not on the path
import _small  # noqa: E402 - it lies beside this folder, not on the path
import grammar  # noqa: E402 - it lies beside this folder, not on the path

SEED = 23
VOCABULARY = 1500
# As many are drawn; English ones are left out. A sixth of the test is phrased as no row learnt.
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS, NEW_ROWS = 20_000, 400, 800, 160
TYPOS = 0.05
EPOCHS, BATCH, RATE = 6, 64, 3e-3
LONGEST, LONGEST_ANSWER = 64, 32
LAST, PADDING = "</s>", "<pad>"
# Two slots say the same thing in words that fit a phrasing.
SAME = {"in_room": "room", "the_event": "event"}
COLUMNS = ("text", "translation", "language", "length", "phrasing")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is said in German, Spanish or French, and what it is in English."""

    text: str
    english: str
    language: str
    length: str
    phrasing: str


def _meant(slots: object) -> frozenset[str]:
    return frozenset(SAME.get(str(one), str(one)) for one in slots)  # type: ignore[attr-defined]


def plain_phrasings(book: grammar.Book) -> dict[tuple[str, frozenset[str]], str]:
    """The first English phrasing of each intent that says a given set of slots, choices settled."""
    found: dict[tuple[str, frozenset[str]], str] = {}
    for intent in grammar.intents(book):
        for phrasing in book[intent][grammar.KNOWN]:
            for at in (0, -1):  # a choice may be between saying a slot and not saying it
                text = grammar.CHOICE.sub(lambda one, at=at: one[1].split("|")[at], phrasing)
                slots = grammar.SLOT.findall(text)
                found.setdefault((intent, _meant(slots)), " ".join(text.split()))
    return found


def english_of(command: grammar.Command, book: grammar.Book, known: Mapping[object, str]) -> str:
    """The plain English of a command; "" where no phrasing says just that."""
    given = {SAME.get(slot, slot): index for slot, index in command.filling}
    text = known.get((command.intent, frozenset(given)), "")
    for slot in grammar.SLOT.findall(text):
        index = given[SAME.get(slot, slot)]
        text = text.replace(f"{{{slot}}}", book["slots"][slot][index], 1)
    return text


def rows() -> tuple[list[Row], list[Row], list[Row]]:
    """Training, calibration and test rows; no text stands in two of them."""
    rng = random.Random(SEED)
    taken: set[str] = set()
    test, calibration, training = (
        _pairs(grammar.draw(rng, count, grammar.KNOWN, TYPOS, taken))
        for count in (TEST_ROWS, CALIBRATION_ROWS, TRAIN_ROWS)
    )
    test += _pairs(grammar.draw(rng, NEW_ROWS, grammar.NEW, TYPOS, taken))
    rng.shuffle(test)
    return training, calibration, test


def _pairs(commands: list[grammar.Command]) -> list[Row]:
    """Those that are not English and have a plain English phrasing."""
    english = grammar.books()["en"]
    known = plain_phrasings(english)
    return [
        Row(
            text=one.text,
            english=said,
            language=one.language,
            length=one.length,
            phrasing=one.phrasing,
        )
        for one in commands
        if one.language != "en" and (said := english_of(one, english, known))
    ]


def tokenizer_for(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte pairs learnt from both sides."""
    return _common.byte_pairs(
        texts,
        VOCABULARY,
        template=f"$A {LAST}",
        longest=LONGEST,
        spaced=True,
        pad_token=PADDING,
        eos_token=LAST,
    )


def new_model(tokenizer: PreTrainedTokenizerFast) -> MarianMTModel:
    """Three layers that read, two that write, all of 128: about a million parameters."""
    return MarianMTModel(
        MarianConfig(
            vocab_size=len(tokenizer),
            d_model=128,
            encoder_layers=3,
            decoder_layers=2,
            encoder_attention_heads=4,
            decoder_attention_heads=4,
            encoder_ffn_dim=384,
            decoder_ffn_dim=384,
            max_position_embeddings=LONGEST,
            activation_function="relu",
            dropout=0.05,
            scale_embedding=True,
            eos_token_id=tokenizer.eos_token_id,
            forced_eos_token_id=None,
            pad_token_id=tokenizer.pad_token_id,
            decoder_start_token_id=tokenizer.pad_token_id,
        )
    )


def train(model: MarianMTModel, tokenizer: PreTrainedTokenizerFast, known: list[Row]) -> None:
    """The next English token after the foreign text and the English so far, EPOCHS rounds."""

    def loss_of(batch: list[tuple[list[int], list[int]]]) -> torch.Tensor:
        ids = _small.padded([line for line, _ in batch], tokenizer.pad_token_id)
        return model(
            input_ids=ids,
            attention_mask=(ids != tokenizer.pad_token_id).long(),
            labels=_small.padded([line for _, line in batch], -100),
        ).loss

    lines = [(tokenizer.encode(row.text), tokenizer.encode(row.english)) for row in known]
    _small.fit(model, lines, loss_of, epochs=EPOCHS, batch=BATCH, rate=RATE, seed=SEED + 1)


@torch.no_grad()
def said_of(model: MarianMTModel, tokenizer: PreTrainedTokenizerFast, row: Row) -> str:
    """What it writes greedily."""
    given = torch.tensor([tokenizer.encode(row.text)])
    said = model.generate(
        input_ids=given,
        attention_mask=torch.ones_like(given),
        max_new_tokens=LONGEST_ANSWER,
        do_sample=False,
        num_beams=1,
    )
    return str(tokenizer.decode(said[0], skip_special_tokens=True)).strip()


def baseline(
    model: MarianMTModel, tokenizer: PreTrainedTokenizerFast, asked: list[Row]
) -> dict[str, float]:
    """BLEU over all rows, and the share that is right letter by letter."""
    from sacrebleu import corpus_bleu

    said = [said_of(model, tokenizer, row) for row in asked]
    right = sum(text == row.english for text, row in zip(said, asked, strict=True))
    bleu = corpus_bleu(said, [[row.english for row in asked]]).score
    return {"BLEU": round(bleu / 100, 4), "exact match": round(right / len(asked), 4)}


def table(some: list[Row]) -> list[tuple[str, ...]]:
    """The English beside the text, and three columns to slice by."""
    return [(row.text, row.english, row.language, row.length, row.phrasing) for row in some]


def main() -> None:
    """Make everything and print the baseline."""
    began = _common.begin(SEED)
    training, calibration, test = rows()
    tokenizer = tokenizer_for([text for row in training for text in (row.text, row.english)])
    model = new_model(tokenizer)
    train(model, tokenizer, training)
    model = model.bfloat16()
    parts = {"calibration": table(calibration), "test": table(test)}
    _common.keep(HERE, model, tokenizer, COLUMNS, parts)
    _common.tell(
        model,
        began,
        vocabulary=len(tokenizer),
        **baseline(model.float(), tokenizer, test),
        longest=max(len(tokenizer.encode(row.english)) for row in training),
    )


if __name__ == "__main__":
    main()
