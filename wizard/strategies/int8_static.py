"""Static int8: weights and activations in 8 bits, activation ranges learnt from sample rows.

Covers: MatMul, Gemm, Conv with stored weights, as QuantizeLinear / DequantizeLinear pairs
(unsigned activations, signed weights: the pairing CPUs have kernels for); embeddings row by row.
Does not cover: everything else, on purpose: quantizing the attention mask's -inf destroys
accuracy, and multiplying activations by activations gains nothing (engine facts, finding 7).
"""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wizard import examples, nouns
from wizard.errors import CalibrationTooSmall, NotSupported
from wizard.nouns import Artifact, Kind
from wizard.strategies import _equal, _feeds, _graph, _short
from wizard.strategies._contract import Strategy, Workbench
from wizard.strategies._rows import embeddings_to_int8

if TYPE_CHECKING:
    import onnx

TITLE = "Static int8"
OPERATORS = ["MatMul", "Gemm", "Conv"]
# One that follows such a layer gives it its range: between the two nothing is rounded, and ONNX
# Runtime runs both as one.
TAKEN_IN = ["Relu", "Clip"]
BYTES_PER_FILTER, BYTES_PER_LAYER = 13, 800  # two scales, zero points; three pairs of nodes
FEWEST_ROWS = 8  # below that a range is an accident


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`samples` rows are calibrated on; `percentile` is for that method only.

    `exclude` holds patterns of node names to leave in float32 (`*output*`): the layers that a
    sensitivity check found to matter. `moving_average` smooths minmax over batches. `equalize`:
    even out the channels between convolutions first, for networks whose channels lie far apart.
    """

    method: Literal["minmax", "percentile", "entropy"] = "minmax"
    per_channel: bool = True
    reduce_range: bool = False
    samples: int = 128
    percentile: float = 99.99
    moving_average: bool = False
    embeddings: bool = True
    exclude: tuple[str, ...] = ()
    equalize: bool = False


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses without rows to calibrate on (8 at least), or without stored weights."""
    rows = len(examples.load_feeds(bench.calibration)) if bench.calibration else 0
    if min(rows, settings.samples) < FEWEST_ROWS:
        raise CalibrationTooSmall(rows=min(rows, settings.samples), needed=FEWEST_ROWS)
    found = _graph.footprint(artifact.path)
    if found.matmul + found.conv == 0:
        because = "no matrix multiplication or convolution with stored weights to quantize"
        raise NotSupported(strategy=TITLE, because=because)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Run the rows through the model, then write the ranges into it."""
    model = _graph.load(artifact.path)
    _graph.fold_transposed_weights(model)
    if settings.equalize:
        bench.report(0.02, "evening out the channels")
        _equal.equalize(model, settings.samples, bench, per_channel=settings.per_channel)
    bench.report(0.05, "learning the ranges of activations")
    known = _short.names(model)
    model = _quantized(model, settings, bench)
    bench.report(0.9, "rounding the embeddings")
    if settings.embeddings:
        embeddings_to_int8(model)
    _short.shorten(model, known)
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def _quantized(model: onnx.ModelProto, settings: Settings, bench: Workbench) -> onnx.ModelProto:
    if bench.calibration is None:
        raise CalibrationTooSmall(rows=0, needed=FEWEST_ROWS)
    names = frozenset(value.name for value in model.graph.input)
    batches = list(_feeds.padded_batches(bench.calibration, names, settings.samples, bench.seed))
    left_alone = _excluded(model, settings.exclude)
    working = bench.folder / "working.onnx"
    with _graph.quiet():
        from onnxruntime.quantization import (
            CalibrationMethod,
            QuantFormat,
            QuantType,
            quantize_static,
        )

        methods = {
            "minmax": CalibrationMethod.MinMax,
            "percentile": CalibrationMethod.Percentile,
            "entropy": CalibrationMethod.Entropy,
        }
        quantize_static(
            model,
            str(working),
            _Reader(batches, bench.report),
            quant_format=QuantFormat.QDQ,
            op_types_to_quantize=[*OPERATORS, *TAKEN_IN],
            nodes_to_exclude=left_alone,
            per_channel=settings.per_channel,
            reduce_range=settings.reduce_range,
            activation_type=QuantType.QUInt8,
            weight_type=QuantType.QInt8,
            calibrate_method=methods[settings.method],
            use_external_data_format=_graph.is_large(model),
            extra_options=_options(settings),
        )
        made = _graph.load(working)
    for left in bench.folder.glob("working.onnx*"):
        left.unlink()
    return made


def _options(settings: Settings) -> dict[str, Any]:
    # One batch at a time: else entropy and percentile hold every activation of every row. The
    # option made for that, CalibMaxIntermediateOutputs, forgets what it clears (1.32).
    options: dict[str, Any] = {"MatMulConstBOnly": True, "CalibStridedMinMax": 1}
    if settings.method == "minmax":
        options["CalibMovingAverage"] = settings.moving_average
    if settings.method == "percentile":
        options["CalibPercentile"] = settings.percentile
    return options


def _excluded(model: onnx.ModelProto, patterns: tuple[str, ...]) -> list[str]:
    """Names of nodes to leave alone: those the user named, and what multiplies no weight."""
    known = _graph.stored(model)
    heavy = [node for node in model.graph.node if node.op_type in OPERATORS]
    return [
        node.name
        for node in heavy
        if node.input[1] not in known or any(fnmatch.fnmatch(node.name, one) for one in patterns)
    ]


class _Reader:
    """Gives ONNX Runtime one batch per range it asks for, in order."""

    def __init__(self, batches: list[_feeds.Arrays], report: Callable[[float, str], None]) -> None:
        self._batches, self._report = batches, report
        self._next = self._end = 0

    def __len__(self) -> int:
        return len(self._batches)

    def set_range(self, start_index: int, end_index: int) -> None:
        self._next, self._end = start_index, end_index
        share = 0.05 + 0.7 * start_index / len(self)
        self._report(share, f"batch {start_index + 1} of {len(self)}")

    def get_next(self) -> _feeds.Arrays | None:
        if self._next >= self._end:
            return None
        self._next += 1
        return self._batches[self._next - 1]


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """8-bit layers are in the file, no range is infinite, it is as small as arithmetic says."""
    was = _graph.footprint(before.path)
    model = _graph.load(after.path)
    now = _graph.operators(model)
    _graph.must_hold(now["QuantizeLinear"], "layer with 8-bit activations", TITLE)
    _graph.must_be_finite(model, TITLE)
    if not settings.exclude:
        saved = (was.matmul + was.conv) * 0.7 - 5 * was.columns - _beside_filters(before)
        if settings.embeddings:
            saved += was.embedding * 3 / 4 - 4 * was.rows
        _graph.must_weigh(after.bytes, before.bytes - saved, TITLE)
    _graph.must_load(after.path, TITLE)


def _beside_filters(before: Artifact) -> int:
    """Bytes: scales and zero points of filters and biases, and the quantizers around each layer."""
    model = _graph.load(before.path)
    known = _graph.stored(model)
    filters = [int(known[node.input[1]].dims[0]) for node in _graph.weight_convs(model)]
    return BYTES_PER_FILTER * sum(filters) + BYTES_PER_LAYER * len(filters)


STRATEGY = Strategy(
    name="int8_static",
    title=TITLE,
    summary="8-bit weights and activations, ranges learnt from your rows; the way for CNNs",
    stage=4,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_quantized",
)
