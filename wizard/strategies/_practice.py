"""Rows to learn on and rows to be judged by, as batches of tensors.

Covers: the split of the sample rows, batches with padding and mask, variations of the rows that
are learnt on: pieces of words replaced or taken from another row, pictures shifted and mixed. The
original answers every variation itself, so no label is needed and none can be wrong.
Does not cover: what is learnt from them (_distill.py).

Variations multiply some hundred rows; TinyBERT (Jiao et al. 2020, arXiv 1909.10351) replaces words
for the same reason, and pictures are mixed as by Zhang et al. 2018 (arXiv 1710.09412).
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch

    from wizard import examples

    Arrays = dict[str, np.ndarray[Any, Any]]
    Batch = dict[str, torch.Tensor]

HELD_SHARE, HELD_AT_LEAST, HELD_AT_MOST = 0.2, 6, 128
AS_THEY_ARE = 0.25  # of the rows in a batch
REPLACED = (0.1, 0.4)  # of a row's inner pieces
SPLICED = 0.3  # of the varied rows take their end from another row
SHIFT = 0.08  # of a picture's side, either way
IDS, MASK, TYPES, PIXELS = "input_ids", "attention_mask", "token_type_ids", "pixel_values"


@dataclass(frozen=True, slots=True, kw_only=True)
class Practice:
    """Rows by number: those to learn on and those held out; which inputs the model takes."""

    feeds: examples.Feeds
    learn: tuple[int, ...]
    held: tuple[int, ...]
    accepted: frozenset[str]
    pad: int
    pool: np.ndarray[Any, Any] | None  # word pieces of the rows that are learnt on


def practice(model: Any, feeds: examples.Feeds, samples: int, seed: int) -> Practice:
    """At most `samples` rows in two parts that share none; a fifth is held out.

    What was cut before was cut by rows in the same order: the last are those it may not have seen.
    """
    import numpy as np

    order = [int(at) for at in np.random.default_rng(seed).permutation(len(feeds))[:samples]]
    held = min(HELD_AT_MOST, max(HELD_AT_LEAST, round(HELD_SHARE * len(order))))
    learn = tuple(order[:-held])
    rows = [feeds.row(at) for at in learn]
    inner = [one[IDS][0, 1:-1] for one in rows if IDS in one]
    pad = getattr(model.config, "pad_token_id", None)
    return Practice(
        feeds=feeds,
        learn=learn,
        held=tuple(order[-held:]),
        accepted=frozenset(inspect.signature(model.forward).parameters),
        pad=pad if isinstance(pad, int) and pad >= 0 else 0,
        pool=np.concatenate(inner) if inner else None,
    )


def held_out(rows: Practice, size: int) -> list[Batch]:
    """The rows to be judged by, as they are, in batches of about equal lengths."""
    singles = sorted((rows.feeds.row(at) for at in rows.held), key=_length)
    return [_batch(rows, singles[at : at + size]) for at in range(0, len(singles), size)]


def as_they_are(rows: Practice, size: int) -> list[Batch]:
    """The rows to learn on without variations."""
    singles = sorted((rows.feeds.row(at) for at in rows.learn), key=_length)
    return [_batch(rows, singles[at : at + size]) for at in range(0, len(singles), size)]


def varied(rows: Practice, size: int, random: np.random.Generator) -> Batch:
    """A batch to learn on; most of its rows are variations."""
    chosen = random.choice(len(rows.learn), size, replace=len(rows.learn) < size)
    singles = [rows.feeds.row(rows.learn[int(at)]) for at in chosen]
    others = [rows.feeds.row(rows.learn[int(random.integers(len(rows.learn)))]) for _ in chosen]
    pairs = zip(singles, others, strict=True)
    return _batch(rows, [_vary(rows, one, other, random) for one, other in pairs])


def _vary(rows: Practice, one: Arrays, other: Arrays, random: np.random.Generator) -> Arrays:
    if random.random() < AS_THEY_ARE:
        return one
    if IDS in one and rows.pool is not None:
        return _other_words(rows.pool, one, other, random)
    return (
        {**one, PIXELS: _other_picture(one[PIXELS], other[PIXELS], random)}
        if (PIXELS in one)
        else one
    )


def _other_words(
    pool: np.ndarray[Any, Any], one: Arrays, other: Arrays, random: np.random.Generator
) -> Arrays:
    """Some pieces replaced by pieces of any row; or the second half of another row."""
    import numpy as np

    ids = one[IDS].copy()
    alone = not (TYPES in one and one[TYPES].any()) and not (TYPES in other and other[TYPES].any())
    if alone and random.random() < SPLICED:
        first, second = ids.shape[1] // 2, other[IDS].shape[1] // 2
        ids = np.concatenate([ids[:, :first], other[IDS][:, second:]], 1)
    inner = np.arange(1, ids.shape[1] - 1)
    hit = inner[random.random(len(inner)) < random.uniform(*REPLACED)]
    ids[0, hit] = random.choice(pool, len(hit))
    varied = {IDS: ids, MASK: np.ones_like(ids)}
    return {**varied, TYPES: one[TYPES] if not alone else np.zeros_like(ids)}


def _other_picture(one: Any, other: Any, random: np.random.Generator) -> Any:
    """Shifted by a few points, then mixed with another picture."""
    import numpy as np

    most = max(1, round(SHIFT * one.shape[-1]))
    down, right = random.integers(-most, most + 1, 2)
    moved = np.roll(one, (int(down), int(right)), (-2, -1))
    share = random.beta(0.4, 0.4) if random.random() < SPLICED else 1.0
    return (share * moved + (1 - share) * other).astype(np.float32)


def _length(single: Arrays) -> int:
    return int(single[IDS].shape[1]) if IDS in single else 0


def _batch(rows: Practice, singles: Sequence[Arrays]) -> Batch:
    """One batch, filled up at the ends; the mask says where there is something."""
    import numpy as np
    import torch

    batch = {}
    for name in [one for one in singles[0] if one in rows.accepted]:
        values = [one[name] for one in singles]
        sides = np.max([value.shape[1:] for value in values], axis=0, initial=0)
        fill = rows.pad if name == IDS else 0
        filled = [
            np.pad(
                value,
                [(0, 0), *((0, int(m) - n) for m, n in zip(sides, value.shape[1:], strict=True))],
                constant_values=fill,
            )
            for value in values
        ]
        batch[name] = torch.from_numpy(np.concatenate(filled))
    return batch
