"""Makes the `calls` sample: a small Llama that writes the function call a spoken wish asks for.

Run: `python assets/samples/calls/make.py` (about ten minutes on one core).
Covers: the rows, the byte-level vocabulary, training as a language model, the baseline.
Does not cover: the phrasings (grammar.py), compression (what it does is on the card).
Deterministic for given versions: one thread, every draw seeded, torch's deterministic algorithms.
The weights are stored as bfloat16, as most published language models are; the baseline is theirs.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import _common  # noqa: E402 - it lies beside this folder, not on the path
import _small  # noqa: E402 - it lies beside this folder, not on the path
import grammar  # noqa: E402 - it lies beside this folder, not on the path

SEED = 11
VOCABULARY = 1500
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 16_000, 300, 600
TYPOS = 0.05
EPOCHS, BATCH, RATE = 6, 64, 4e-3
LONGEST, LONGEST_CALL = 96, 40
FIRST, LAST, PADDING = "<s>", "</s>", "<pad>"
ARROW = " =>"
# Two slots say the same thing in words that fit a phrasing; a call knows one name for each.
CALLED = {"in_room": "room", "the_event": "event"}
COLUMNS = ("text", "label", "language", "length")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """What is said and the call it asks for."""

    text: str
    call: str
    language: str
    length: str


def call_of(command: grammar.Command, book: grammar.Book) -> str:
    """`lights_on(room=kitchen)`: arguments in English, in the order of their names."""
    given = {CALLED.get(slot, slot): index for slot, index in command.filling}
    words = (f"{slot}={book['slots'][slot][index]}" for slot, index in sorted(given.items()))
    return f"{command.intent}({', '.join(words)})"


def rows() -> tuple[list[Row], list[Row], list[Row]]:
    """Training, calibration and test rows; no text stands in two of them."""
    rng = random.Random(SEED)
    taken: set[str] = set()
    counts = (TEST_ROWS, CALIBRATION_ROWS, TRAIN_ROWS)
    english = grammar.books()["en"]
    drawn = [
        [
            Row(
                text=f"{one.text}{ARROW}",
                call=call_of(one, english),
                language=one.language,
                length=one.length,
            )
            for one in grammar.draw(rng, count, grammar.KNOWN, TYPOS, taken)
        ]
        for count in counts
    ]
    rng.shuffle(drawn[0])
    return drawn[2], drawn[1], drawn[0]


def tokenizer_for(texts: list[str]) -> PreTrainedTokenizerFast:
    """Byte pairs learnt from the texts."""
    return _common.byte_pairs(
        texts,
        VOCABULARY,
        template=f"{FIRST} $A",
        longest=LONGEST,
        spaced=False,
        pad_token=PADDING,
        bos_token=FIRST,
        eos_token=LAST,
    )


def new_model(tokenizer: PreTrainedTokenizerFast) -> LlamaForCausalLM:
    """Four layers of 128, two key heads for four queries: about a million parameters."""
    return LlamaForCausalLM(
        LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=128,
            num_hidden_layers=4,
            num_attention_heads=4,
            num_key_value_heads=2,
            intermediate_size=384,
            max_position_embeddings=256,
            tie_word_embeddings=True,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
    )


def written(tokenizer: PreTrainedTokenizerFast, row: Row) -> list[int]:
    """The tokens of a whole row, from the first to the last."""
    call = tokenizer.encode(f" {row.call}", add_special_tokens=False)
    return [*tokenizer.encode(row.text), *call, tokenizer.eos_token_id]


def train(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, known: list[Row]) -> None:
    """The next token of everything, said and called, for EPOCHS rounds."""

    def loss_of(batch: list[list[int]]) -> torch.Tensor:
        ids = _small.padded(batch, tokenizer.pad_token_id)
        labels = ids.masked_fill(ids == tokenizer.pad_token_id, -100)
        return model(input_ids=ids, labels=labels).loss

    lines = [written(tokenizer, row) for row in known]
    _small.fit(model, lines, loss_of, epochs=EPOCHS, batch=BATCH, rate=RATE, seed=SEED + 1)


@torch.no_grad()
def exact(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, asked: list[Row]) -> float:
    """Share of rows whose greedy call is the right one, letter by letter."""
    right = 0
    for row in asked:
        given = torch.tensor([tokenizer.encode(row.text)])
        said = model.generate(
            input_ids=given,
            attention_mask=torch.ones_like(given),
            max_new_tokens=LONGEST_CALL,
            do_sample=False,
        )
        text = tokenizer.decode(said[0, given.shape[1] :], skip_special_tokens=True)
        right += text.strip() == row.call
    return right / len(asked)


def table(some: list[Row]) -> list[tuple[str, ...]]:
    """The call as the label, and two columns to slice by."""
    return [(row.text, row.call, row.language, row.length) for row in some]


def main() -> None:
    """Make everything and print the baseline."""
    began = _common.begin(SEED)
    training, calibration, test = rows()
    tokenizer = tokenizer_for([f"{row.text} {row.call}" for row in training])
    model = new_model(tokenizer)
    train(model, tokenizer, training)
    model = model.bfloat16()
    parts = {"calibration": table(calibration), "test": table(test)}
    _common.keep(HERE, model, tokenizer, COLUMNS, parts)
    _common.tell(
        model,
        began,
        vocabulary=len(tokenizer),
        exact_match=exact(model.float(), tokenizer, test),
        longest_call=max(len(written(tokenizer, row)) for row in training),
    )


if __name__ == "__main__":
    main()
