"""Runs two files row by row and compares what their layers put out.

Loaded by path inside the measuring process, like feeds.py: numpy only, nothing of ours.
Covers: sums of squares per layer, activations beyond their 8-bit range, shares cut off.
Does not cover: which tensors belong to which layer, and what the numbers mean (layers.py).
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# What stands for "not a number", which JSON does not have: a thousand times the original.
WORST = 1000.0
AT_LEAST = 4
# One row in four is run with overflows: eight times the work, and a share settles soon.
EVERY = 4


class Sums:
    """What is added up for one layer over the rows."""

    def __init__(self) -> None:
        self.size = self.moved = self.own = 0.0
        self.given = False
        self.seen = self.beyond = 0

    def told(self) -> dict[str, Any]:
        """Errors as norms over the original's norm; shares, or None where nothing was seen."""
        share = self.beyond / self.seen if self.seen else None
        own = _ratio(self.own, self.size) if self.given else None
        return {"moved": _ratio(self.moved, self.size), "own": own, "clipped": share}


def _ratio(moved: float, size: float) -> float:
    if not moved < float("inf"):  # also when it is no number
        return WORST
    if size == 0:
        return 0.0 if moved == 0 else WORST
    return float(min(WORST, (moved / size) ** 0.5))


def look(
    layers: Sequence[Mapping[str, Any]],
    sessions: Mapping[str, Any],
    feed: Callable[[int], Mapping[str, Array]],
    rows: int,
    within: float,
) -> dict[str, Any]:
    """Sums over up to `rows` rows (fewer, but four, when `within` seconds are spent).

    `sessions`: "original", "candidate" and "given" (each layer fed with the original's inputs). A
    layer names its `output` and its `input` in both files, the input of "given" and its `ranges`
    ([tensor, low, high]).
    """
    sums = [Sums() for _ in layers]
    began, done = time.perf_counter(), 0
    for row in range(rows):
        if done >= AT_LEAST and time.perf_counter() - began > within:
            break
        values = {name: _run(sessions[name], feed(row)) for name in ("original", "candidate")}
        known = {**feed(row), **_as_given(layers, values["original"])}
        values["given"] = _run(sessions["given"], known)
        for layer, kept in zip(layers, sums, strict=True):
            _add(layer, kept, values)
        done += 1
    return {"rows": done, "layers": [one.told() for one in sums]}


def overflowing(
    session: Any, feed: Callable[[int], Mapping[str, Array]], rows: int, within: float
) -> dict[str, float]:
    """The mean of each counter of an emulated file, by the counter's name."""
    seen: list[dict[str, Array]] = []
    began = time.perf_counter()
    for row in range(0, rows, EVERY):
        if seen and time.perf_counter() - began > within:
            break
        seen.append(_run(session, feed(row)))
    names = [name for name in seen[0] if seen[0][name].ndim == 0]
    return {name: float(sum(one[name] for one in seen)) / len(seen) for name in names}


def _run(session: Any, known: Mapping[str, Array]) -> dict[str, Array]:
    wanted = [one.name for one in session.get_outputs()]
    inputs = {one.name: known[one.name] for one in session.get_inputs()}
    return dict(zip(wanted, session.run(None, inputs), strict=True))


def _as_given(layers: Sequence[Mapping[str, Any]], original: Mapping[str, Array]) -> dict[str, Any]:
    names = {one["input"]: one["given"] for one in layers if one.get("given")}
    return {given: original[name] for name, given in names.items()}


def _add(layer: Mapping[str, Any], kept: Sums, values: Mapping[str, Mapping[str, Array]]) -> None:
    before = values["original"][layer["output"]].astype("float64")
    after = values["candidate"][layer["output"]].astype("float64")
    kept.size += _square(before)
    kept.moved += _square(after - before) if after.shape == before.shape else float("inf")
    alone = values["given"].get(layer["output"])
    if alone is not None and alone.shape == before.shape:
        kept.own += _square(alone.astype("float64") - before)
        kept.given = True
    for name, low, high in layer["ranges"]:
        found = values["candidate"][name]
        kept.seen += found.size
        kept.beyond += int(((found < low) | (found > high)).sum())


def _square(values: Array) -> float:
    return float((values * values).sum())
