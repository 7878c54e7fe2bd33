"""How much each part of a model matters: the error of its final answers when one part is rounded.

Covers: one session whose weights can be swapped per run, the answers' error for any set of swapped
weights, the order in which parts give up bits, the longest beginning of it that keeps a limit.
Does not cover: how parts are rounded and written (mixed_precision.py).
"""

from __future__ import annotations

import heapq
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.nouns import LayerDamage
from wizard.strategies import _graph
from wizard.strategies._activations import rows_of
from wizard.strategies._contract import Workbench

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]
    Weights = Mapping[str, Array]

SIDECAR = "sensitivity.json"


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One part (by position) goes down to the form at that position of its ladder."""

    part: int
    form: int


class Answers:
    """The model's first output on sample rows, with any weights put in the place of its own.

    Raises CalibrationTooSmall below eight rows.
    """

    def __init__(
        self, model: onnx.ModelProto, weights: Sequence[str], samples: int, bench: Workbench
    ) -> None:
        feeds, rows = rows_of(bench, samples)
        working = bench.folder / "working.onnx"
        own = len(model.graph.input)
        _open(model, weights)
        _graph.save(model, working)
        self._session = _graph.session(working, bench.threads)
        given = {value.name for value in model.graph.input[:own]}
        del model.graph.input[own:]
        for left in bench.folder.glob("working.onnx*"):
            left.unlink()
        self._feeds = [
            {name: value for name, value in feeds.row(row).items() if name in given} for row in rows
        ]
        self._first = [self._session.get_outputs()[0].name]
        self._expected = list(self._run({}))
        self._power = sum(float((one.astype("f8") ** 2).sum()) for one in self._expected)

    def error(self, weights: Weights) -> float:
        """Norm of the difference over the norm of the original's answers; 0 is no change."""
        pairs = zip(self._run(weights), self._expected, strict=True)
        wrong = sum(float(((one.astype("f8") - other) ** 2).sum()) for one, other in pairs)
        return float((wrong / (self._power or 1.0)) ** 0.5)

    def _run(self, weights: Weights) -> Iterator[Array]:
        for feed in self._feeds:
            yield self._session.run(self._first, {**feed, **weights})[0]


def _open(model: onnx.ModelProto, weights: Sequence[str]) -> None:
    """Make stored weights inputs as well: what is stored is then only the default."""
    from onnx.helper import make_tensor_value_info

    known = _graph.stored(model)
    model.graph.input.extend(
        make_tensor_value_info(name, known[name].data_type, list(known[name].dims))
        for name in weights
    )


def order(damage: Sequence[Sequence[float]], sizes: Sequence[Sequence[float]]) -> list[Step]:
    """Every step down, the least damage per byte saved first; a part goes down in its own order.

    `damage` and `sizes` are [part][form], forms from many bits to few. Errors of parts are taken
    as independent: their squares add up.
    """
    waiting: list[tuple[float, int, int]] = []

    def offer(part: int, form: int) -> None:
        if form < len(sizes[part]):
            saved = max(sizes[part][form - 1] - sizes[part][form], 1.0)
            worse = max(damage[part][form] ** 2 - damage[part][form - 1] ** 2, 0.0)
            heapq.heappush(waiting, (worse / saved, part, form))

    for part in range(len(sizes)):
        offer(part, 1)
    steps = []
    while waiting:
        _, part, form = heapq.heappop(waiting)
        steps.append(Step(part=part, form=form))
        offer(part, form + 1)
    return steps


def longest(steps: Sequence[Step], parts: int, keeps: Callable[[Sequence[int]], bool]) -> list[int]:
    """The form of each part after as many steps as `keeps` allows, found by halving."""

    def after(count: int) -> list[int]:
        forms = [0] * parts
        for step in steps[:count]:
            forms[step.part] = step.form
        return forms

    low, high = 0, len(steps)
    while low < high:
        middle = (low + high + 1) // 2
        if keeps(after(middle)):
            low = middle
        else:
            high = middle - 1
    return after(low)


def write(folder: Path, found: Sequence[LayerDamage]) -> None:
    """Beside the model, so that a chart can be drawn of it."""
    rows = [
        {"layer": one.layer, "operator": one.operator, "relative_error": one.relative_error}
        for one in found
    ]
    (folder / SIDECAR).write_text(json.dumps(rows, indent=1))
