"""What the makers of text samples share: spans of slots, a small BERT, a training loop.

Covers: commands with their slots marked, in one language; a two-layer BERT of about half a million
parameters; lines of unequal length as one tensor; training; outlier weights.
Does not cover: what a sample is about; the grammar itself (grammar.py).
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import _common
import grammar
import torch
from transformers import BertConfig

Row = TypeVar("Row")
MAX_TOKENS = 64
# As in `sentences`: what goes into every 16th value channel is divided, what reads it multiplied.
OUTLIER, OUTLIER_EVERY = 48.0, 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Marked:
    """A command word by word: the slot that each is in ("" for none), where a slot begins."""

    words: tuple[str, ...]
    slots: tuple[str, ...]
    begins: tuple[bool, ...]
    intent: str
    language: str


def marked(rng: random.Random, book: grammar.Book, language: str, phrasing: str) -> Marked:
    """One command of a random intent with a polite word before or after it, or neither."""
    intent = rng.choice(grammar.intents(book))
    text = rng.choice(book[intent][phrasing])
    text = grammar.CHOICE.sub(lambda found: rng.choice(found[1].split("|")), text)
    text = f"{rng.choice(book['before'])}{text}{rng.choice(book['after'])}"
    words: list[tuple[str, str, bool]] = []
    pieces = grammar.SLOT.split(text)
    for at, piece in enumerate(pieces):
        slot = piece if at % 2 else ""
        said = rng.choice(book["slots"][slot]) if slot else piece
        found = said.split()
        joined = bool(words) and bool(found) and not slot and not said.startswith(" ")
        if joined:  # a comma right after a slot belongs to the slot's last word
            last = words.pop()
            words.append((last[0] + found[0], last[1], last[2]))
            found = found[1:]
        words += [(word, slot, index == 0) for index, word in enumerate(found)]
    return Marked(
        words=tuple(word for word, _, _ in words),
        slots=tuple(slot for _, slot, _ in words),
        begins=tuple(first for _, _, first in words),
        intent=intent,
        language=language,
    )


def config(vocabulary: int, *, inner: int = 512, **more: Any) -> BertConfig:
    """Two layers of 128: about 0.4 million parameters (0.3 where `inner` is 256) and the words."""
    return BertConfig(
        vocab_size=vocabulary,
        hidden_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        intermediate_size=inner,
        hidden_dropout_prob=0.05,
        attention_probs_dropout_prob=0.05,
        max_position_embeddings=MAX_TOKENS,
        **more,
    )


def padded(lines: Sequence[Sequence[int]], filler: int) -> torch.Tensor:
    """Lines of unequal length as one tensor, `filler` behind the shorter ones."""
    made = torch.full((len(lines), max(map(len, lines))), filler)
    for at, line in enumerate(lines):
        made[at, : len(line)] = torch.tensor(line)
    return made


def fit(  # noqa: PLR0913 - what a round of training is made of
    model: torch.nn.Module,
    rows: Sequence[Row],
    loss_of: Callable[[list[Row]], torch.Tensor],
    *,
    epochs: int,
    batch: int = 32,
    rate: float = 1e-3,
    seed: int = 0,
) -> None:
    """Minimize `loss_of` over shuffled batches, for some rounds."""
    rng = random.Random(seed)
    optimizer, schedule = _common.one_cycle(model, rate, epochs * (len(rows) // batch))
    model.train()
    for epoch in range(epochs):
        total = 0.0
        for some in _common.batches(rng, rows, batch):
            loss = loss_of(some)
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(f"round {epoch + 1}/{epochs}  loss {total / (len(rows) // batch):.4f}", flush=True)
    model.eval()


@torch.no_grad()
def grow_outliers(model: Any) -> None:
    """Large weights in the matrix of each layer that reads the attended values."""
    for layer in model.bert.encoder.layer:
        value, reader = layer.attention.self.value, layer.attention.output.dense
        value.weight[::OUTLIER_EVERY] /= OUTLIER
        value.bias[::OUTLIER_EVERY] /= OUTLIER
        reader.weight[:, ::OUTLIER_EVERY] *= OUTLIER
