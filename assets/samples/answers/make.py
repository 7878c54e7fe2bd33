"""Makes the `answers` sample: a small BERT that finds the answer to a question in a note.

Run: `python assets/samples/answers/make.py` (about three minutes on one core).
Covers: notes of several sentences, questions about one of them, the vocabulary, training on the
window that holds the answer, the baseline.
Does not cover: general reading.
Deterministic for given versions: one thread, every draw seeded.
"""

from __future__ import annotations

import json
import random
import sys
from pathlib import Path

import torch
from transformers import BertForQuestionAnswering

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import _common  # noqa: E402 - it lies beside this folder, not on the path
import _small  # noqa: E402 - likewise
import grammar  # noqa: E402 - likewise

SEED = 61
VOCABULARY = 700
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 10_000, 300, 1_000
LONG = 0.25  # of the test's notes do not fit into one window; training needs no such
COLUMNS = ("question", "context", "answers", "kind")
# Each kind of sentence: how it is said, and what may be asked of it -> the slot that answers.
FACTS = {
    "event": (
        "{event} is {day} at {time}.",
        {"When is {event}?": "time", "On which day is {event}?": "day"},
    ),
    "person": (
        "{person} went to {city} to buy {item}.",
        {
            "Where did {person} go?": "city",
            "What did {person} buy?": "item",
            "Who went to {city}?": "person",
        },
    ),
    "room": (
        "It is {degrees} {in_room}.",
        {"How warm is it {in_room}?": "degrees"},
    ),
    "timer": (
        "The timer for {item} runs {span}.",
        {"How long does the timer for {item} run?": "span"},
    ),
}
SLOTS = {
    name: values
    for name, values in grammar.books()["en"]["slots"].items()
    if name in {"time", "day", "city", "person", "item", "degrees", "in_room", "span", "the_event"}
}
SLOTS["event"] = SLOTS.pop("the_event")


def note(rng: random.Random, long: float) -> tuple[str, str, str, str]:
    """(question, context, answer, kind): what is asked about stands once in the note."""
    count = rng.randrange(6, 10) if rng.random() < long else rng.randrange(1, 4)
    shuffled = {name: rng.sample(values, len(values)) for name, values in SLOTS.items()}
    facts = []
    for _ in range(count):
        kind = rng.choice(list(FACTS))
        said, asked = FACTS[kind]
        names = grammar.SLOT.findall(said)
        if any(not shuffled[name] for name in names):
            continue
        filling = {name: shuffled[name].pop() for name in names}
        facts.append((kind, said.format(**filling), asked, filling))
    kind, _, asked, filling = rng.choice(facts)
    question, slot = rng.choice(list(asked.items()))
    sentences = [text[0].upper() + text[1:] for _, text, _, _ in facts]
    return question.format(**filling), " ".join(sentences), filling[slot], kind


def rows(seed: int, count: int, long: float, taken: set[str]) -> list[tuple[str, str, str, str]]:
    """Notes with questions; no note twice."""
    rng = random.Random(seed)
    made = []
    while len(made) < count:
        row = note(rng, long)
        if row[1] not in taken:
            taken.add(row[1])
            made.append(row)
    return made


def encode(tokenizer, batch):
    """The window that holds the answer, and the answer's first and last token in it."""
    inputs = tokenizer(
        [row[0] for row in batch],
        [row[1] for row in batch],
        padding=True,
        truncation="only_second",
        max_length=_small.MAX_TOKENS,
        stride=24,
        return_overflowing_tokens=True,
        return_offsets_mapping=True,
        return_tensors="pt",
    )
    chosen, starts, ends = {}, [], []
    for window, row in enumerate(inputs.pop("overflow_to_sample_mapping").tolist()):
        start = batch[row][1].lower().index(batch[row][2].lower())
        end = start + len(batch[row][2])
        first = inputs.char_to_token(window, start, sequence_index=1)
        last = inputs.char_to_token(window, end - 1, sequence_index=1)
        if first is not None and last is not None and row not in chosen:
            chosen[row] = window
            starts.append(first)
            ends.append(last)
    kept = list(chosen.values())
    given = {name: inputs[name][kept] for name in ("input_ids", "attention_mask", "token_type_ids")}
    return given, torch.tensor(starts), torch.tensor(ends)


@torch.no_grad()
def score(model, tokenizer, test) -> float:
    """Share of answers found exactly, given the right window."""
    right = 0
    for start in range(0, len(test), 50):
        inputs, first, last = encode(tokenizer, test[start : start + 50])
        said = model(**inputs)
        right += int(
            ((said.start_logits.argmax(-1) == first) & (said.end_logits.argmax(-1) == last)).sum()
        )
    return right / len(test)


def main() -> None:
    """Make everything and print the baseline."""
    began = _common.begin(SEED)
    taken: set[str] = set()
    test = rows(SEED, TEST_ROWS, LONG, taken)
    calibration = rows(SEED + 1, CALIBRATION_ROWS, LONG, taken)
    training = rows(SEED + 2, TRAIN_ROWS, 0.0, taken)
    tokenizer = _common.tokenizer_for([f"{row[0]} {row[1]}" for row in training], VOCABULARY)
    model = BertForQuestionAnswering(_small.config(len(tokenizer), inner=256))

    def loss_of(batch):
        inputs, first, last = encode(tokenizer, batch)
        return model(**inputs, start_positions=first, end_positions=last).loss

    _small.fit(model, training, loss_of, epochs=5, rate=2e-3, seed=SEED)
    before = score(model, tokenizer, test)
    _small.grow_outliers(model)
    parts = {
        name: [(q, c, json.dumps([a]), kind) for q, c, a, kind in some]
        for name, some in (("calibration", calibration), ("test", test))
    }
    _common.keep(HERE, model, tokenizer, COLUMNS, parts)
    _common.tell(model, began, exact_before_outliers=before, exact=score(model, tokenizer, test))


if __name__ == "__main__":
    main()
