"""Makes the `intents` sample: a small multilingual BERT that sorts voice-assistant commands.

Run: `OMP_NUM_THREADS=2 python assets/samples/intents/make.py` (about five minutes on two cores).
Covers: the text, the WordPiece vocabulary, training, the data files, the measured baseline.
Does not cover: compression; what each technique does to it is on the card.
Deterministic for given versions: every draw is seeded, torch runs its deterministic algorithms.
"""

from __future__ import annotations

import csv
import json
import random
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import torch
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors, trainers
from torch import nn
from transformers import BertConfig, BertForSequenceClassification, PreTrainedTokenizerFast

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parent))
import grammar  # noqa: E402 - it lies beside this folder, not on the path

SEED = 7
VOCABULARY = 6000
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 9000, 420, 2520
TYPOS_TRAIN, TYPOS_TEST = 0.25, 0.3
EPOCHS, BATCH, RATE = 7, 48, 5e-4
MAX_TOKENS = 64
# Real checkpoints have attention channels of very different size. We give ours the same, by
# scaling value channels up and the matching output columns down: the function stays the same.
CHANNEL_SPREAD = 8.0
SPECIALS = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]


def commands() -> tuple[list[grammar.Command], list[grammar.Command], list[grammar.Command]]:
    """Training, calibration and test commands; no text stands in two of them."""
    rng = random.Random(SEED)
    taken: set[str] = set()
    seen = range(9 - grammar.HELD_OUT)
    unseen = range(9 - grammar.HELD_OUT, 9)
    test = grammar.draw(rng, TEST_ROWS // 2, seen, TYPOS_TEST, taken)
    test += grammar.draw(rng, TEST_ROWS - len(test), unseen, TYPOS_TEST, taken)
    calibration = grammar.draw(rng, CALIBRATION_ROWS, seen, TYPOS_TEST, taken)
    train = grammar.draw(rng, TRAIN_ROWS, range(9 - grammar.HELD_OUT), TYPOS_TRAIN, taken)
    hints = grammar.draw(rng, TRAIN_ROWS // 16, unseen, TYPOS_TRAIN, taken)
    rng.shuffle(test)
    return train + hints, calibration, test


def tokenizer_for(texts: Sequence[str]) -> PreTrainedTokenizerFast:
    """A WordPiece vocabulary learnt from the training texts, with BERT's special tokens."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))
    tokenizer.normalizer = normalizers.BertNormalizer(lowercase=True, strip_accents=False)
    tokenizer.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    trainer = trainers.WordPieceTrainer(
        vocab_size=VOCABULARY, special_tokens=SPECIALS, show_progress=False
    )
    tokenizer.train_from_iterator(sorted(texts), trainer)
    ids = [(token, tokenizer.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair="[CLS] $A [SEP] $B:1 [SEP]:1", special_tokens=ids
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        unk_token="[UNK]",
        pad_token="[PAD]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        mask_token="[MASK]",
        model_max_length=MAX_TOKENS,
        model_input_names=["input_ids", "token_type_ids", "attention_mask"],
    )


def new_model(vocabulary: int) -> BertForSequenceClassification:
    """Four layers of 256; about five million parameters."""
    names = dict(enumerate(grammar.INTENTS))
    return BertForSequenceClassification(
        BertConfig(
            vocab_size=vocabulary,
            hidden_size=256,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=1024,
            max_position_embeddings=MAX_TOKENS,
            id2label=names,
            label2id={name: index for index, name in names.items()},
            problem_type="single_label_classification",
        )
    )


def train(model: nn.Module, tokenizer: PreTrainedTokenizerFast, rows: list[grammar.Command]) -> None:
    """AdamW, linear warm-up and decay."""
    rng = random.Random(SEED + 1)
    steps = EPOCHS * (len(rows) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.01)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps, pct_start=0.1)
    model.train()
    for epoch in range(EPOCHS):
        order = rows[:]
        rng.shuffle(order)
        total = 0.0
        for start in range(0, len(order) - BATCH + 1, BATCH):
            batch = order[start : start + BATCH]
            inputs = tokenizer([c.text for c in batch], padding=True, return_tensors="pt")
            labels = torch.tensor([grammar.INTENTS.index(c.intent) for c in batch])
            loss = model(**inputs, labels=labels).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"epoch {epoch + 1}/{EPOCHS}  loss {total / (len(order) // BATCH):.4f}", flush=True)
    model.eval()


@torch.no_grad()
def spread_channels(model: BertForSequenceClassification) -> None:
    """Scale value channels by factors of 1/CHANNEL_SPREAD..CHANNEL_SPREAD; outputs are the same."""
    generator = torch.Generator().manual_seed(SEED)
    for layer in model.bert.encoder.layer:
        value, output = layer.attention.self.value, layer.attention.output.dense
        power = 2 * torch.rand(value.out_features, generator=generator) - 1
        factor = CHANNEL_SPREAD**power
        value.weight.mul_(factor[:, None])
        value.bias.mul_(factor)
        output.weight.div_(factor[None, :])


@torch.no_grad()
def accuracy(model: nn.Module, tokenizer: PreTrainedTokenizerFast, rows: list[grammar.Command]) -> float:
    """Share of rows answered rightly."""
    right = 0
    for start in range(0, len(rows), 128):
        batch = rows[start : start + 128]
        inputs = tokenizer([c.text for c in batch], padding=True, return_tensors="pt")
        answers = model(**inputs).logits.argmax(-1).tolist()
        right += sum(grammar.INTENTS[a] == c.intent for a, c in zip(answers, batch, strict=True))
    return right / len(rows)


def write_rows(path: Path, rows: list[grammar.Command]) -> None:
    """CSV with the label's name and two columns to slice by."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("text", "label", "language", "length"))
        writer.writerows((c.text, c.intent, c.language, c.length) for c in rows)


def main() -> None:
    """Make everything and print the baseline."""
    began = time.time()
    torch.manual_seed(SEED)
    torch.use_deterministic_algorithms(True)
    training, calibration, test = commands()
    tokenizer = tokenizer_for([c.text for c in training])
    model = new_model(len(tokenizer))
    train(model, tokenizer, training)
    before = accuracy(model, tokenizer, test)
    spread_channels(model)
    print(json.dumps({
        "parameters": sum(p.numel() for p in model.parameters()),
        "vocabulary": len(tokenizer),
        "accuracy_before_spreading": before,
        "accuracy": accuracy(model, tokenizer, test),
        "seconds": round(time.time() - began),
    }))  # fmt: skip
    (HERE / "data").mkdir(exist_ok=True)
    write_rows(HERE / "data" / "calibration.csv", calibration)
    write_rows(HERE / "data" / "test.csv", test)
    model.save_pretrained(HERE / "model")
    tokenizer.save_pretrained(HERE / "model")


if __name__ == "__main__":
    main()
