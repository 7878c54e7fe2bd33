"""Rows for techniques that look at data: calibration, and comparing two files bit by bit.

Covers: prepared rows padded to one length, made-up rows where there are none, fed batch by batch.
Does not cover: reading the user's rows (examples).
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import examples
from wizard.strategies import _graph
from wizard.strategies._contract import Workbench

if TYPE_CHECKING:
    import numpy as np
    import onnxruntime

    Arrays = dict[str, np.ndarray[Any, Any]]

BATCH = 8  # rows at a time: enough to fill two cores, small enough to hold every activation
MADE_UP_TOKENS, MADE_UP_SAMPLES = 12, 8_000


def padded_batches(
    calibration: Path, names: frozenset[str], samples: int, seed: int
) -> Iterator[Arrays]:
    """Up to `samples` rows, drawn by `seed`, in batches padded to one length.

    Rows of unequal length cannot be stacked; entropy and percentile calibration would stop.
    """
    import numpy as np

    feeds = examples.load_feeds(calibration)
    rows = [int(row) for row in np.random.default_rng(seed).permutation(len(feeds))[:samples]]
    length = feeds.longest() or None
    for start in range(0, len(rows), BATCH):
        batch = feeds.padded(rows[start : start + BATCH], length)
        yield {name: value for name, value in batch.items() if name in names}


def same_bits(one: Path, other: Path, bench: Workbench, rows: int) -> bool:
    """Whether both files answer the same to the last bit, on real rows if there are any."""
    import numpy as np

    first, second = _graph.session(one), _graph.session(other)
    if [i.name for i in first.get_inputs()] != [i.name for i in second.get_inputs()]:
        return False
    for feed in _few(first, bench, rows):
        for left, right in zip(first.run(None, feed), second.run(None, feed), strict=True):
            if left.shape != right.shape or not np.array_equal(left, right, equal_nan=True):
                return False
    return True


def _few(session: onnxruntime.InferenceSession, bench: Workbench, rows: int) -> Iterator[Arrays]:
    names = frozenset(value.name for value in session.get_inputs())
    if bench.calibration is None:
        yield made_up(session, 2, bench.seed)
        return
    feeds = examples.load_feeds(bench.calibration)
    for row in range(min(rows, len(feeds))):
        yield {name: value for name, value in feeds.row(row).items() if name in names}


def made_up(session: onnxruntime.InferenceSession, batch: int, seed: int) -> Arrays:
    """Random inputs of the right types: small whole numbers, or normal floats."""
    import numpy as np

    random = np.random.default_rng(seed)
    made: Arrays = {}
    for value in session.get_inputs():
        free = {
            "batch": batch,
            "sequence": MADE_UP_TOKENS,
            "total_sequence": MADE_UP_TOKENS,
            "past_sequence": 0,
            "source": MADE_UP_TOKENS,
            "total_source": MADE_UP_TOKENS,
            "past_source": 0,
            "new_batch": batch,
            "heard_batch": 0,
            "samples": MADE_UP_SAMPLES,
        }
        shape = [one if isinstance(one, int) else free.get(one, 1) for one in value.shape]
        if value.type == "tensor(float)":
            made[value.name] = random.standard_normal(shape, np.float32)
        elif value.name == "attention_mask":
            made[value.name] = np.ones(shape, np.int64)
        elif value.name == "token_type_ids":
            made[value.name] = np.zeros(shape, np.int64)
        elif value.name == "position_ids":
            made[value.name] = np.tile(np.arange(shape[1], dtype=np.int64), (shape[0], 1))
        else:
            made[value.name] = random.integers(0, 16, shape)
    return made
