"""8-bit weights only; activations stay in floating point.

Covers: matrix products (MatMulNBits, 8 bits), embedding tables (8-bit rows), convolutions (8-bit
weights, turned back when loaded). Does not cover: speed; it is the safest way to a quarter.
Sources: ONNX Runtime MatMulNBits; measured on MiniLM: cosine 0.9997 to the original.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wizard.errors import NotSupported, PromiseBroken
from wizard.nouns import Artifact, Kind, Settings
from wizard.strategies import _graph, _weights
from wizard.strategies._contract import Strategy, Workbench
from wizard.strategies._rows import embeddings_to_int8


@dataclass(frozen=True, slots=True, kw_only=True)
class Int8WeightsSettings(Settings):
    """`block` weights share one scale (16, 32, 64 or 128)."""

    block: int = 64
    embeddings: bool = True


def requires(artifact: Artifact, settings: Int8WeightsSettings, bench: Workbench) -> None:
    """Something with stored weights."""
    model = _graph.load(artifact.path)
    found = _graph.footprint(model)
    if not found.matmul + found.conv:
        because = "the model has no products or convolutions with stored weights"
        raise NotSupported(strategy=STRATEGY.title, because=because)


def apply(artifact: Artifact, settings: Int8WeightsSettings, bench: Workbench) -> Path:
    """Products, tables and convolutions in 8 bits."""
    model = _graph.load(artifact.path)
    _graph.gemm_to_matmul(model)
    if _graph.weight_matmuls(model):
        model = _weights.quantize_products(model, 8, settings.block, symmetric=True)
    if settings.embeddings:
        embeddings_to_int8(model)
    _weights.quantize_convolutions(model)
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def ensures(before: Artifact, after: Artifact, settings: Int8WeightsSettings) -> None:
    """Low-bit weights in the file, a smaller file, and it loads."""
    if not any(
        _graph.operators(_graph.load(after.path))[one]
        for one in ("MatMulNBits", "DequantizeLinear")
    ):
        raise PromiseBroken(strategy=STRATEGY.title, promised="8-bit weights", found="none")
    if after.bytes > 0.75 * before.bytes:
        found = f"{after.bytes / before.bytes:.0%} of it"
        raise PromiseBroken(
            strategy=STRATEGY.title, promised="at most 75 % of the size", found=found
        )
    _graph.session(after.path)


STRATEGY = Strategy(
    name="int8_weights",
    title="8-bit weights",
    summary="Stores weights in 8 bits and computes in floating point; nearly lossless, no data.",
    stage=2,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Int8WeightsSettings,
    file_stem="model_q8",
    requires=requires,
    apply=apply,
    ensures=ensures,
)
