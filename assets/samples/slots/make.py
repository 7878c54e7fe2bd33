"""Makes the `slots` sample: a small BERT that marks what a voice command is about, word by word.

Run: `python assets/samples/slots/make.py` (about two minutes on one core).
Covers: tagged commands in English and German, the vocabulary, training, the baseline.
Does not cover: the phrasings (grammar.py), other entities than these slots.
Deterministic for given versions: one thread, every draw seeded.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch
from seqeval.metrics import f1_score
from transformers import BertForTokenClassification

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import _common  # noqa: E402 - it lies beside this folder, not on the path
import _small  # noqa: E402 - likewise
import grammar  # noqa: E402 - likewise

SEED = 31
VOCABULARY = 1500
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 6_000, 300, 1_200
LANGUAGES = ("en", "de")
TYPOS, NEW_SHARE = 0.1, 0.3
TAG_OF = {
    "time": "TIME", "span": "DURATION", "day": "DAY", "city": "CITY", "song": "MUSIC",
    "in_room": "ROOM", "room": "ROOM", "person": "PERSON", "words": "MESSAGE", "event": "EVENT",
    "the_event": "EVENT", "to_place": "PLACE", "chore": "CHORE", "item": "ITEM",
    "phrase": "MESSAGE", "tongue": "LANGUAGE", "degrees": "DEGREES",
}  # fmt: skip
TAGS = ["O", *(f"{kind}-{tag}" for tag in sorted({*TAG_OF.values()}) for kind in "BI")]
COLUMNS = ("text", "tags", "language", "phrasing")


def rows(seed: int, count: int, new_share: float, taken: set[str]) -> list[tuple[str, ...]]:
    """(text, tags, language, phrasing); no text twice."""
    rng, books = random.Random(seed), grammar.books()
    made: list[tuple[str, ...]] = []
    while len(made) < count:
        language = rng.choice(LANGUAGES)
        phrasing = grammar.NEW if rng.random() < new_share else grammar.KNOWN
        said = _small.marked(rng, books[language], language, phrasing)
        words = [_typed(rng, word) for word in said.words]
        tags = [
            f"{'B' if first else 'I'}-{TAG_OF[slot]}" if slot else "O"
            for slot, first in zip(said.slots, said.begins, strict=True)
        ]
        if " ".join(words).casefold() not in taken:
            taken.add(" ".join(words).casefold())
            made.append((" ".join(words), " ".join(tags), language, phrasing))
    return made


def _typed(rng: random.Random, word: str) -> str:
    """The word with a slip, now and then."""
    if len(word) > 4 and rng.random() < TYPOS / 2:
        at = rng.randrange(len(word) - 1)
        return word[:at] + word[at + 1 :]
    return word


def encode(tokenizer, batch):
    """Padded inputs, and for each token the tag of the word that it begins (-100 elsewhere)."""
    texts = [row[0].split() for row in batch]
    inputs = tokenizer(texts, is_split_into_words=True, padding=True, return_tensors="pt")
    labels = torch.full_like(inputs["input_ids"], -100)
    for at, row in enumerate(batch):
        tags, before = row[1].split(), None
        for place, word in enumerate(inputs.word_ids(at)):
            if word is not None and word != before:
                labels[at, place] = TAGS.index(tags[word])
            before = word
    return inputs, labels


@torch.no_grad()
def score(model, tokenizer, test) -> float:
    """Seqeval's F1 over all rows."""
    truth, said = [], []
    for start in range(0, len(test), 64):
        inputs, labels = encode(tokenizer, test[start : start + 64])
        answers = model(**inputs).logits.argmax(-1)
        for answer, label in zip(answers, labels, strict=True):
            kept = label != -100
            truth.append([TAGS[one] for one in label[kept]])
            said.append([TAGS[one] for one in answer[kept]])
    return float(f1_score(truth, said))


def main() -> None:
    """Make everything and print the baseline."""
    began = _common.begin(SEED)
    taken: set[str] = set()
    test = rows(SEED, TEST_ROWS, NEW_SHARE, taken)
    calibration = rows(SEED + 1, CALIBRATION_ROWS, 0.0, taken)
    training = rows(SEED + 2, TRAIN_ROWS, 0.0, taken)
    tokenizer = _common.tokenizer_for([row[0] for row in training], VOCABULARY)
    names = dict(enumerate(TAGS))
    model = BertForTokenClassification(
        _small.config(
            len(tokenizer), id2label=names, label2id={tag: at for at, tag in names.items()}
        )
    )

    def loss_of(batch):
        inputs, labels = encode(tokenizer, batch)
        return model(**inputs, labels=labels).loss

    _small.fit(model, training, loss_of, epochs=4, rate=2e-3, seed=SEED)
    before = score(model, tokenizer, test)
    _small.grow_outliers(model)
    parts = {"calibration": calibration, "test": test}
    _common.keep(HERE, model, tokenizer, COLUMNS, parts)
    _common.tell(model, began, F1_before_outliers=before, F1=score(model, tokenizer, test))


if __name__ == "__main__":
    main()
