"""16-bit floating point: half the size, the same answers to three digits.

Covers: weights and arithmetic in fp16, inputs and outputs kept in fp32.
Does not cover: speed on x86; ONNX Runtime turns fp16 back into fp32 there.
Sources: ONNX Runtime, float16.md; measured: size 0.50, time 0.8 to 1.5 of fp32 on x86.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wizard.errors import NotSupported, PromiseBroken
from wizard.nouns import Artifact, Kind, Settings
from wizard.strategies import _graph
from wizard.strategies._contract import Strategy, Workbench

FLOAT = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Float16Settings(Settings):
    """`keep_io` leaves inputs and outputs in fp32, so that callers need no change."""

    keep_io: bool = True


def requires(artifact: Artifact, settings: Float16Settings, bench: Workbench) -> None:
    """Weights that are still in fp32."""
    model = _graph.load(artifact.path)
    if not any(weight.data_type == FLOAT for weight in model.graph.initializer):
        raise NotSupported(strategy=STRATEGY.title, because="no weight is in 32-bit floating point")


def apply(artifact: Artifact, settings: Float16Settings, bench: Workbench) -> Path:
    """Convert weights and arithmetic."""
    from onnxruntime.transformers.float16 import convert_float_to_float16

    model = _graph.load(artifact.path)
    with _graph.quiet():
        half = convert_float_to_float16(
            model, keep_io_types=settings.keep_io, disable_shape_infer=False
        )
    return _graph.save(half, bench.folder / f"{STRATEGY.file_stem}.onnx")


def ensures(before: Artifact, after: Artifact, settings: Float16Settings) -> None:
    """About half the size, and it loads."""
    if after.bytes > 0.65 * before.bytes:
        found = f"{after.bytes / before.bytes:.0%} of it"
        raise PromiseBroken(
            strategy=STRATEGY.title, promised="at most 65 % of the size", found=found
        )
    _graph.session(after.path)


STRATEGY = Strategy(
    name="float16",
    title="16-bit weights",
    summary="Stores and computes in 16-bit floating point; half the size, hardly any change.",
    stage=2,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Float16Settings,
    file_stem="model_fp16",
    requires=requires,
    apply=apply,
    ensures=ensures,
)
