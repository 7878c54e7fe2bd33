"""Makes the `gaps` sample: a small BERT that says which word is missing in a voice command.

Run: `python assets/samples/gaps/make.py` (five to eight minutes on one core).
Covers: commands in English and German with a word left out, the vocabulary, training, the baseline.
Does not cover: the phrasings (grammar.py), general language.
Deterministic for given versions: one thread, every draw seeded.
"""

from __future__ import annotations

import random
import sys
from collections import Counter, defaultdict
from pathlib import Path

import torch
from transformers import BertForMaskedLM

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import _common  # noqa: E402 - it lies beside this folder, not on the path
import _small  # noqa: E402 - likewise
import grammar  # noqa: E402 - likewise

SEED = 41
VOCABULARY = 1500
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 8_000, 300, 1_200
LANGUAGES = ("en", "de")
MASKED = 0.2
SEEN, SURE = 5, 0.9  # times, share: how well known the right word of a gap is
COLUMNS = ("text", "answer", "language")


def texts(seed: int, count: int, taken: set[str]) -> list[tuple[str, str]]:
    """(text, language); no text twice."""
    rng, books = random.Random(seed), grammar.books()
    made: list[tuple[str, str]] = []
    while len(made) < count:
        language = rng.choice(LANGUAGES)
        text = " ".join(_small.marked(rng, books[language], language, grammar.KNOWN).words)
        if text.casefold() not in taken:
            taken.add(text.casefold())
            made.append((text, language))
    return made


def around(words: list[str], at: int) -> tuple[str, ...]:
    """The two words before a place and the two after it."""
    padded = ["", "", *(word.lower() for word in words), "", ""]
    return (*padded[at : at + 2], *padded[at + 3 : at + 5])


def known(texts: list[tuple[str, str]]) -> dict[tuple[str, ...], Counter[str]]:
    """Which words stood between which others."""
    found: dict[tuple[str, ...], Counter[str]] = defaultdict(Counter)
    for text, _ in texts:
        words = text.split()
        for at, word in enumerate(words):
            found[around(words, at)][word.lower()] += 1
    return found


def gaps(tokenizer, rows, before, seed: int) -> list[tuple[str, str, str]]:
    """Each text with one word left out: a single piece of the vocabulary that nothing else fits.

    Where any of twenty cities could stand, no model can be right.
    """
    rng = random.Random(seed)
    made = []
    for text, language in rows:
        words = text.split()
        fit = [
            at
            for at, word in enumerate(words)
            if word.lower() in tokenizer.get_vocab()
            and (there := before[around(words, at)]).total() >= SEEN
            and there[word.lower()] >= SURE * there.total()
        ]
        if not fit:
            continue
        at = rng.choice(fit)
        answer, words[at] = words[at].lower(), tokenizer.mask_token
        made.append((" ".join(words), answer, language))
    return made


@torch.no_grad()
def score(model, tokenizer, rows) -> float:
    """Share of gaps filled with the very word."""
    right = 0
    for text, answer, _ in rows:
        inputs = tokenizer(text, return_tensors="pt")
        at = (inputs["input_ids"][0] == tokenizer.mask_token_id).nonzero()[0, 0]
        best = int(model(**inputs).logits[0, at].argmax())
        right += best == tokenizer.convert_tokens_to_ids(answer)
    return right / len(rows)


def main() -> None:
    """Make everything and print the baseline."""
    began = _common.begin(SEED)
    taken: set[str] = set()
    test_texts = texts(SEED, TEST_ROWS, taken)
    calibration_texts = texts(SEED + 1, CALIBRATION_ROWS, taken)
    training = texts(SEED + 2, TRAIN_ROWS, taken)
    tokenizer = _common.tokenizer_for([text for text, _ in training], VOCABULARY)
    before = known(training)
    test = gaps(tokenizer, test_texts, before, SEED)
    calibration = gaps(tokenizer, calibration_texts, before, SEED + 1)
    model = BertForMaskedLM(_small.config(len(tokenizer), inner=256, initializer_range=0.06))
    special = len(_common.SPECIALS)

    def loss_of(batch):
        inputs = tokenizer([text for text, _ in batch], padding=True, return_tensors="pt")
        ids = inputs["input_ids"]
        hidden = (torch.rand(ids.shape) < MASKED) & (ids >= special)
        labels = torch.where(hidden, ids, -100)
        inputs["input_ids"] = torch.where(hidden, tokenizer.mask_token_id, ids)
        return model(**inputs, labels=labels).loss if hidden.any() else 0 * labels.sum()

    _small.fit(model, training, loss_of, epochs=16, rate=3e-3, seed=SEED)
    at_first = score(model, tokenizer, test)
    _small.grow_outliers(model)
    parts = {"calibration": calibration, "test": test}
    _common.keep(HERE, model, tokenizer, COLUMNS, parts)
    _common.tell(model, began, top_1_before_outliers=at_first, top_1=score(model, tokenizer, test))


if __name__ == "__main__":
    main()
