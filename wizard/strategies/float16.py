"""Half precision: weights and arithmetic in 16-bit floating point, inputs and outputs in 32.

Covers: every float32 weight that fits. Does not cover: speed on CPUs, which mostly compute
16-bit numbers by widening them; a technique for size, GPUs and phones.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wizard import nouns
from wizard.errors import NotSupported
from wizard.nouns import Artifact, Kind
from wizard.strategies import _graph
from wizard.strategies._contract import Strategy, Workbench

TITLE = "Half precision"
FLOAT, FLOAT16 = 1, 10  # onnx.TensorProto
LARGEST = 65504.0  # of a 16-bit float


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`keep_norms` leaves normalization layers, the ones that overflow first, in 32 bits."""

    keep_norms: bool = True


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses a model that has no 32-bit weights left, or weights beyond what 16 bits hold."""
    del settings, bench
    model = _graph.load(artifact.path)
    floats = [one for one in model.graph.initializer if one.data_type == FLOAT]
    if _graph.footprint(artifact.path).total == 0 or _already_half(model):
        raise NotSupported(strategy=TITLE, because="its weights are not in 32-bit floats")
    if any(_too_large(one) for one in floats if len(one.dims) > 1):
        because = f"it holds weights above {LARGEST:.0f}, the largest 16-bit number"
        raise NotSupported(strategy=TITLE, because=because)


def _already_half(model: object) -> bool:
    return any(one.data_type == FLOAT16 for one in model.graph.initializer)  # type: ignore[attr-defined] # onnx is imported where it is used


def _too_large(tensor: object) -> bool:
    import numpy as np
    from onnx import numpy_helper

    return bool(np.abs(numpy_helper.to_array(tensor)).max(initial=0) > LARGEST)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Convert; values too small for 16 bits become the smallest ones it has."""
    model = _graph.load(artifact.path)
    bench.report(0.2, "rounding weights to 16 bits")
    with _graph.quiet():
        from onnxruntime.transformers.float16 import (
            DEFAULT_OP_BLOCK_LIST,
            convert_float_to_float16,
        )
        from onnxruntime.transformers.onnx_model import OnnxModel

        norms = ["LayerNormalization", "InstanceNormalization"] if settings.keep_norms else []
        model = convert_float_to_float16(
            model, keep_io_types=True, op_block_list=[*DEFAULT_OP_BLOCK_LIST, *norms]
        )
        # It appends its Casts at the end; ONNX wants every operator behind those it reads.
        OnnxModel.graph_topological_sort(model.graph)
    bench.report(0.9, "writing the file")
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """Half the bytes of the weights, 32-bit inputs and outputs, and the file opens."""
    del settings
    now = _graph.load(after.path)
    halves = sum(one.data_type == FLOAT16 for one in now.graph.initializer)
    _graph.must_hold(halves, "16-bit weight", TITLE)
    weights = _graph.footprint(before.path)
    _graph.must_weigh(after.bytes, before.bytes - (weights.total - weights.other) / 2, TITLE)
    _graph.must_load(after.path, TITLE)


STRATEGY = Strategy(
    name="float16",
    title=TITLE,
    summary="half the size, same answers; faster on GPUs and phones, not on this kind of CPU",
    stage=4,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_fp16",
)
