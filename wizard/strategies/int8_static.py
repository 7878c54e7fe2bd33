"""8-bit weights and activations with ranges learnt beforehand from example rows.

Covers: QDQ with unsigned activations and signed weights on MatMul, Gemm and Conv only; ranges by
min and max, percentile or entropy; rows padded to one length.
Does not cover: masks, sums and norms; quantizing them broke every attention model we measured
(accuracy 0.87 -> 0.26 with the library's default operators).
Sources: ONNX Runtime, quantization.md; measured: signed activations run slower than fp32 on x86.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from wizard.errors import CalibrationTooSmall, NotSupported, PromiseBroken
from wizard.examples.feeds import Feeds, load_feeds
from wizard.nouns import Artifact, Kind, Settings
from wizard.strategies import _graph
from wizard.strategies._contract import Strategy, Workbench

ROWS_NEEDED = 8
ROWS_PER_BATCH = 8
OPERATORS = ("MatMul", "Gemm", "Conv")


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8StaticSettings(Settings):
    """`samples` rows are used for the ranges; `exclude` names nodes that stay in fp32."""

    method: Literal["minmax", "percentile", "entropy"] = "minmax"
    per_channel: bool = True
    reduce_range: bool = False
    samples: int = 128
    percentile: float = 99.99
    exclude: tuple[str, ...] = ()


def requires(artifact: Artifact, settings: Int8StaticSettings, bench: Workbench) -> None:
    """Enough rows, and something to quantize."""
    rows = len(load_feeds(bench.calibration)) if bench.calibration else 0
    if rows < ROWS_NEEDED:
        raise CalibrationTooSmall(rows=rows, needed=ROWS_NEEDED)
    model = _graph.load(artifact.path)
    found = _graph.footprint(model)
    if not found.matmul + found.conv:
        because = "the model has no products or convolutions with stored weights"
        raise NotSupported(strategy=STRATEGY.title, because=because)


class _Reader:
    """Rows for the calibrator, all of one shape: its histograms cannot take ragged ones."""

    def __init__(self, feeds: Feeds, rows: int, wanted: set[str]) -> None:
        self._feeds, self._wanted = feeds, wanted
        self._count = min(rows, len(feeds))
        self._length = feeds.longest() or None
        self._batches = self._all()

    def _all(self) -> Iterator[dict[str, Any]]:
        for start in range(0, self._count - self._count % ROWS_PER_BATCH, ROWS_PER_BATCH):
            rows = range(start, start + ROWS_PER_BATCH)
            batch = self._feeds.padded(rows, self._length)
            yield {name: value for name, value in batch.items() if name in self._wanted}

    def get_next(self) -> dict[str, Any] | None:
        """The next batch, or None at the end."""
        return next(self._batches, None)

    def __iter__(self) -> _Reader:
        return self

    def __next__(self) -> dict[str, Any]:
        return next(self._batches)


def apply(artifact: Artifact, settings: Int8StaticSettings, bench: Workbench) -> Path:
    """Pre-process (without symbolic shapes, which fail on such graphs), calibrate, quantize."""
    from onnxruntime.quantization import QuantFormat, QuantType, quantize_static
    from onnxruntime.quantization.shape_inference import quant_pre_process

    assert bench.calibration is not None  # noqa: S101 - `requires` has checked it
    path = bench.folder / f"{STRATEGY.file_stem}.onnx"
    prepared, temporary = path.with_suffix(".prepared.onnx"), path.with_suffix(".partial.onnx")
    feeds = load_feeds(bench.calibration)
    wanted = {one.name for one in _graph.session(artifact.path).get_inputs()}
    try:
        with _graph.quiet():
            quant_pre_process(str(artifact.path), str(prepared), skip_symbolic_shape=True)
            quantize_static(
                prepared,
                temporary,
                _Reader(feeds, settings.samples, wanted),
                quant_format=QuantFormat.QDQ,
                op_types_to_quantize=list(OPERATORS),
                nodes_to_exclude=_excluded(prepared, settings.exclude),
                per_channel=settings.per_channel,
                reduce_range=settings.reduce_range,
                activation_type=QuantType.QUInt8,
                weight_type=QuantType.QInt8,
                calibrate_method=_method(settings.method),
                extra_options={"CalibPercentile": settings.percentile, "MatMulConstBOnly": True},
            )
        _graph.save(_graph.load(temporary), path)
    finally:
        prepared.unlink(missing_ok=True)
        temporary.unlink(missing_ok=True)
    return path


def _method(name: str) -> Any:
    from onnxruntime.quantization import CalibrationMethod

    return {
        "minmax": CalibrationMethod.MinMax,
        "percentile": CalibrationMethod.Percentile,
        "entropy": CalibrationMethod.Entropy,
    }[name]


def _excluded(path: Path, names: tuple[str, ...]) -> list[str]:
    if not names:
        return []
    model = _graph.load(path)
    return [node.name for node in model.graph.node if any(name in node.name for name in names)]


def ensures(before: Artifact, after: Artifact, settings: Int8StaticSettings) -> None:
    """8-bit weights in the file, a smaller file, and it loads."""
    if not any(_graph.operators(_graph.load(after.path))[one] for one in ("QuantizeLinear",)):
        raise PromiseBroken(strategy=STRATEGY.title, promised="8-bit products", found="none")
    if after.bytes > 0.95 * before.bytes:
        found = f"{after.bytes / before.bytes:.0%} of it"
        raise PromiseBroken(
            strategy=STRATEGY.title, promised="at most 95 % of the size", found=found
        )
    _graph.session(after.path)


STRATEGY = Strategy(
    name="int8_static",
    title="8-bit with learnt ranges",
    summary="Stores weights in 8 bits and uses activation ranges learnt from example rows.",
    stage=2,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Int8StaticSettings,
    file_stem="model_quantized",
    requires=requires,
    apply=apply,
    ensures=ensures,
)
