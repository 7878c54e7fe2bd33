"""Makes the `topics` sample: a small BERT that says whether a sentence follows from a command.

Run: `python assets/samples/topics/make.py` (about three minutes on one core).
Covers: commands in English with sentences that do or do not follow ("This is about music."), the
vocabulary, training, the baseline by labels to choose from.
Does not cover: the phrasings (grammar.py), inference in general.
Deterministic for given versions: one thread, every draw seeded.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import torch
from transformers import BertForSequenceClassification

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import _common  # noqa: E402 - it lies beside this folder, not on the path
import _small  # noqa: E402 - likewise
import grammar  # noqa: E402 - likewise

SEED = 53
VOCABULARY = 1200
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 6_000, 300, 1_200
OTHERS = 3
LABELS = ("entailment", "neutral", "contradiction")
SENTENCE = "This example is {}."
TOPICS = {
    "music": ("play_music", "stop_music", "next_track", "volume_up", "volume_down"),
    "light and heating": ("lights_on", "lights_off", "set_temperature"),
    "alarms and timers": ("set_alarm", "cancel_alarm", "set_timer", "set_reminder"),
    "the calendar": ("add_event", "query_calendar"),
    "other people": ("send_message", "call_contact"),
    "the way or the weather": ("weather", "navigate"),
    "shopping": ("add_to_list",),
    "languages": ("translate",),
}
TOPIC_OF = {intent: topic for topic, intents in TOPICS.items() for intent in intents}
COLUMNS = ("text", "label")


def rows(seed: int, count: int, taken: set[str]) -> list[tuple[str, str]]:
    """(text, topic); no text twice. Every third row of the test is in a new phrasing."""
    rng, book = random.Random(seed), grammar.books()["en"]
    made: list[tuple[str, str]] = []
    while len(made) < count:
        new = seed == SEED and rng.random() < 1 / 3
        phrasing = grammar.NEW if new else grammar.KNOWN
        said = _small.marked(rng, book, "en", phrasing)
        text = grammar.typed(rng, " ".join(said.words), 0.1)
        if text.casefold() not in taken:
            taken.add(text.casefold())
            made.append((text, TOPIC_OF[said.intent]))
    return made


def pairs_of(rng: random.Random, row: tuple[str, str]) -> list[tuple[str, str, int]]:
    """The text with its own topic's sentence, with three others', and with one that says nothing.

    Each with its label; the one that follows comes first.
    """
    others = rng.sample([topic for topic in TOPICS if topic != row[1]], OTHERS)
    return [
        (row[0], SENTENCE.format(row[1]), 0),
        *((row[0], SENTENCE.format(one), 2) for one in others),
        (row[0], SENTENCE.format("something"), 1),
    ]


@torch.no_grad()
def score(model, tokenizer, test) -> float:
    """Share of texts for which the right label's sentence follows most of all."""
    right = 0
    for text, topic in test:
        pairs = [SENTENCE.format(one) for one in TOPICS]
        inputs = tokenizer([text] * len(pairs), pairs, padding=True, return_tensors="pt")
        best = int(model(**inputs).logits[:, 0].argmax())
        right += list(TOPICS)[best] == topic
    return right / len(test)


def main() -> None:
    """Make everything and print the baseline."""
    began = _common.begin(SEED)
    taken: set[str] = set()
    test = rows(SEED, TEST_ROWS, taken)
    calibration = rows(SEED + 1, CALIBRATION_ROWS, taken)
    training = rows(SEED + 2, TRAIN_ROWS, taken)
    said = [text for text, _ in training] + [SENTENCE.format(one) for one in [*TOPICS, "something"]]
    tokenizer = _common.tokenizer_for(said, VOCABULARY)
    names = dict(enumerate(LABELS))
    model = BertForSequenceClassification(
        _small.config(
            len(tokenizer),
            inner=256,
            id2label=names,
            label2id={name: at for at, name in names.items()},
        )
    )
    rng = random.Random(SEED + 3)

    def loss_of(batch):
        pairs = [one for row in batch for one in pairs_of(rng, row)]
        inputs = tokenizer(
            [one[0] for one in pairs], [one[1] for one in pairs], padding=True, return_tensors="pt"
        )
        said = model(**inputs, labels=torch.tensor([one[2] for one in pairs]))
        follows = said.logits[:, 0].reshape(len(batch), -1)
        first = torch.zeros(len(batch), dtype=torch.long)
        return said.loss + torch.nn.functional.cross_entropy(follows, first)

    _small.fit(model, training, loss_of, epochs=3, batch=16, rate=1.5e-3, seed=SEED)
    before = score(model, tokenizer, test)
    _small.grow_outliers(model)
    parts = {"calibration": calibration, "test": test}
    _common.keep(HERE, model, tokenizer, COLUMNS, parts)
    _common.tell(model, began, right_before_outliers=before, right=score(model, tokenizer, test))


if __name__ == "__main__":
    main()
