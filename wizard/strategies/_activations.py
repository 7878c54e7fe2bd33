"""What flows into a model's layers on sample rows: ranges per channel, and some of the values.

Covers: any inner value, seen row by row without padding, so that no pad token stretches a range
and no attention mask is among them unless asked for. Memory stays within HELD_BYTES.
Does not cover: what is made of them (_smoothing.py, _sensitivity.py).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard import examples
from wizard.errors import CalibrationTooSmall
from wizard.nouns import Json
from wizard.strategies import _graph
from wizard.strategies._contract import Workbench
from wizard.strategies._kept import remembered

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

FEWEST_ROWS = 8  # below that a range is an accident
MOST_POSITIONS = 512  # values kept per channel: enough to compare roundings
HELD_BYTES = 400_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """Lowest and highest value of each channel over all rows [channels]; some `values` as they are.

    `values` is [positions, channels].
    """

    low: Array
    high: Array
    values: Array


def rows_of(bench: Workbench, samples: int) -> tuple[examples.Feeds, list[int]]:
    """The sample rows, and which of them to use, drawn by the bench's seed.

    Raises CalibrationTooSmall below eight.
    """
    import numpy as np

    feeds = None if bench.calibration is None else examples.load_feeds(bench.calibration)
    rows = min(0 if feeds is None else len(feeds), samples)
    if feeds is None or rows < FEWEST_ROWS:
        raise CalibrationTooSmall(rows=rows, needed=FEWEST_ROWS)
    drawn = np.random.default_rng(bench.seed).permutation(len(feeds))[:samples]
    return feeds, [int(row) for row in drawn]


def seen(
    model: onnx.ModelProto,
    names: Sequence[str],
    samples: int,
    bench: Workbench,
    report: Callable[[float], None],
) -> Mapping[str, Seen]:
    """Every named value on up to `samples` rows, channels last. Raises CalibrationTooSmall."""
    rows_of(bench, samples)
    wanted = list(dict.fromkeys(names))
    parts: dict[str, Json] = {"samples": samples, "values": wanted}

    def find() -> dict[str, Array]:
        found = _seen(model, wanted, samples, bench, report)
        return {
            f"{part} {name}": array
            for name, one in found.items()
            for part, array in (("low", one.low), ("high", one.high), ("values", one.values))
        }

    arrays = remembered(model, bench, parts, find)
    report(1.0)
    return {
        name: Seen(
            low=arrays[f"low {name}"], high=arrays[f"high {name}"], values=arrays[f"values {name}"]
        )
        for name in wanted
    }


def _seen(
    model: onnx.ModelProto,
    names: Sequence[str],
    samples: int,
    bench: Workbench,
    report: Callable[[float], None],
) -> Mapping[str, Seen]:
    kept: dict[str, _Keeper] = {}
    rows = rows_of(bench, samples)[1]
    for at, values in enumerate(_runs(model, names, samples, bench)):
        each = max(1, _positions(values) // len(rows))
        for name, value in values.items():
            flat = value.reshape(-1, value.shape[-1])
            kept.setdefault(name, _Keeper(flat.shape[1])).take(flat, each)
        report((at + 1) / len(rows))
    return {name: one.seen() for name, one in kept.items()}


def _positions(values: Mapping[str, Array]) -> int:
    channels = sum(value.shape[-1] for value in values.values())
    return int(min(MOST_POSITIONS, HELD_BYTES // (4 * max(channels, 1))))


class _Keeper:
    """The running range of one value, and evenly spaced positions of each row."""

    def __init__(self, channels: int) -> None:
        import numpy as np

        self._low, self._high = np.zeros(channels, np.float32), np.zeros(channels, np.float32)
        self._parts: list[Array] = []

    def take(self, flat: Array, positions: int) -> None:
        import numpy as np

        self._low = np.minimum(self._low, flat.min(axis=0))
        self._high = np.maximum(self._high, flat.max(axis=0))
        at = np.unique(np.linspace(0, len(flat) - 1, min(positions, len(flat))).astype(int))
        self._parts.append(flat[at].copy())

    def seen(self) -> Seen:
        import numpy as np

        return Seen(low=self._low, high=self._high, values=np.concatenate(self._parts))


def _runs(
    model: onnx.ModelProto, names: Sequence[str], samples: int, bench: Workbench
) -> Iterator[dict[str, Array]]:
    """The named values of one row after the other."""
    feeds, rows = rows_of(bench, samples)
    working = bench.folder / "working.onnx"
    own = len(model.graph.output)
    _show(model, names)
    _graph.save(model, working)
    del model.graph.output[own:]
    session = _graph.session(working, bench.threads)
    given = {value.name for value in session.get_inputs()}
    wanted = [name for name in dict.fromkeys(names) if name not in given]
    for row in rows:
        feed = {name: one for name, one in feeds.row(row).items() if name in given}
        # Asked for nothing, a session gives everything.
        made = session.run(wanted, feed) if wanted else []
        values = dict(zip(wanted, made, strict=True)) | feed
        yield {name: values[name] for name in names}
    for left in bench.folder.glob("working.onnx*"):
        left.unlink()


def _show(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """Make inner values outputs, after the model's own."""
    import onnx

    made = {out for node in model.graph.node for out in node.output}
    there = {one.name for one in model.graph.output}
    for name in dict.fromkeys(names):
        if name in made and name not in there:
            model.graph.output.append(onnx.ValueInfoProto(name=name))
