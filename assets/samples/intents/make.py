"""Makes the `intents` sample: a small multilingual BERT that sorts voice-assistant commands.

Run: `python assets/samples/intents/make.py` (about six minutes on one core).
Covers: the rows, the WordPiece vocabulary, training, outlier weights, the baseline.
Does not cover: the phrasings (grammar.py), compression (what it does is on the card).
Deterministic for given versions: one thread, every draw seeded, texts sorted before the vocabulary
is learnt, torch's deterministic algorithms.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from pathlib import Path

import torch
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import _common  # noqa: E402 - it lies beside this folder, not on the path
import grammar  # noqa: E402 - it lies beside this folder, not on the path

SEED = 7
VOCABULARY = 6000
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS, NEW_TEST_ROWS = 14_000, 400, 2_000, 400
TYPOS = 0.25
EPOCHS, BATCH, RATE = 5, 32, 4e-4
# Real checkpoints have a few weights far larger than their neighbours (SqueezeLLM, AWQ, 2023; The
# Super Weight, 2024). Five rounds do not grow them, so we make them: in every OUTLIER_EVERY-th
# channel what goes in is divided, and the weights that read it are multiplied. Values and ReLU
# pass a positive factor on, so the function stays the same.
OUTLIER, OUTLIER_EVERY = 64.0, 32
COLUMNS = ("text", "label", "language", "length", "phrasing")

Commands = list[grammar.Command]


def commands() -> tuple[Commands, Commands, Commands]:
    """Training, calibration and test commands; no text stands in two of them."""
    rng = random.Random(SEED)
    taken: set[str] = set()
    test = grammar.draw(rng, TEST_ROWS, grammar.KNOWN, TYPOS, taken)
    test += grammar.draw(rng, NEW_TEST_ROWS, grammar.NEW, TYPOS, taken)
    calibration = grammar.draw(rng, CALIBRATION_ROWS, grammar.KNOWN, TYPOS, taken)
    training = grammar.draw(rng, TRAIN_ROWS, grammar.KNOWN, TYPOS, taken)
    rng.shuffle(test)
    return training, calibration, test


def new_model(vocabulary: int, intents: Sequence[str]) -> BertForSequenceClassification:
    """Four layers of 256: about five million parameters."""
    names = dict(enumerate(intents))
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=1024,
            hidden_act="relu",
            max_position_embeddings=_common.MAX_TOKENS,
            id2label=names,
            label2id={name: index for index, name in names.items()},
            problem_type="single_label_classification",
        )
    )


def train(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, rows: Commands
) -> None:
    """Cross-entropy on the intents, for EPOCHS rounds."""
    rng = random.Random(SEED + 1)
    optimizer, schedule = _common.one_cycle(model, RATE, EPOCHS * (len(rows) // BATCH))
    model.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for batch in _common.batches(rng, rows, BATCH):
            inputs = tokenizer([c.text for c in batch], padding=True, return_tensors="pt")
            labels = torch.tensor([model.config.label2id[c.intent] for c in batch])
            loss = model(**inputs, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"round {epoch + 1}/{EPOCHS}  loss {total / (len(rows) // BATCH):.4f}", flush=True)
    model.eval()


@torch.no_grad()
def grow_outliers(model: BertForSequenceClassification) -> None:
    """Large weights in the two matrices of each layer whose inputs can be scaled freely."""
    for layer in model.bert.encoder.layer:
        for source, reader in (
            (layer.attention.self.value, layer.attention.output.dense),
            (layer.intermediate.dense, layer.output.dense),
        ):
            source.weight[::OUTLIER_EVERY] /= OUTLIER
            source.bias[::OUTLIER_EVERY] /= OUTLIER
            reader.weight[:, ::OUTLIER_EVERY] *= OUTLIER


@torch.no_grad()
def accuracy(
    model: BertForSequenceClassification, tokenizer: PreTrainedTokenizerFast, rows: Commands
) -> float:
    """Share of rows answered rightly."""
    right = 0
    for start in range(0, len(rows), 128):
        batch = rows[start : start + 128]
        inputs = tokenizer([c.text for c in batch], padding=True, return_tensors="pt")
        answers = model(**inputs).logits.argmax(-1).tolist()
        right += sum(
            model.config.id2label[answer] == command.intent
            for answer, command in zip(answers, batch, strict=True)
        )
    return right / len(rows)


def table(rows: Commands) -> list[tuple[str, ...]]:
    """The label's name and three columns to slice by."""
    return [(c.text, c.intent, c.language, c.length, c.phrasing) for c in rows]


def main() -> None:
    """Make everything and print the baseline."""
    began = _common.begin(SEED)
    training, calibration, test = commands()
    tokenizer = _common.tokenizer_for([c.text for c in training], VOCABULARY)
    model = new_model(len(tokenizer), grammar.intents(grammar.books()["en"]))
    train(model, tokenizer, training)
    before = accuracy(model, tokenizer, test)
    grow_outliers(model)
    parts = {"calibration": table(calibration), "test": table(test)}
    _common.keep(HERE, model, tokenizer, COLUMNS, parts)
    _common.tell(
        model,
        began,
        vocabulary=len(tokenizer),
        accuracy_before_outliers=before,
        accuracy=accuracy(model, tokenizer, test),
    )


if __name__ == "__main__":
    main()
