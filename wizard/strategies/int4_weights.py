"""4-bit weights only; activations stay in floating point.

Covers: matrix products (MatMulNBits, 4 bits) and embedding tables (GatherBlockQuantized).
Does not cover: convolutions; there is no 4-bit kernel for them, so they are refused.
Sources: ONNX Runtime MatMulNBits; measured on x86: 0.7 to 1.3 times the fp32 time, so it is sold
as size; below about 300 M parameters it usually costs accuracy (Hohman et al. 2024).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wizard.errors import NotSupported, PromiseBroken
from wizard.nouns import Artifact, Kind, Settings
from wizard.strategies import _graph, _weights
from wizard.strategies._contract import Strategy, Workbench


@dataclass(frozen=True, slots=True, kw_only=True)
class Int4WeightsSettings(Settings):
    """`block` weights share one scale (16, 32, 64 or 128); smaller is finer and larger."""

    block: int = 32
    symmetric: bool = True
    embeddings: bool = True


def requires(artifact: Artifact, settings: Int4WeightsSettings, bench: Workbench) -> None:
    """Matrix products with stored weights."""
    model = _graph.load(artifact.path)
    found = _graph.footprint(model)
    if found.conv > found.matmul:
        because = "it is a convolutional model, and there is no 4-bit kernel for convolutions"
        raise NotSupported(strategy=STRATEGY.title, because=because)
    if not found.matmul:
        because = "the model has no matrix products with stored weights"
        raise NotSupported(strategy=STRATEGY.title, because=because)


def apply(artifact: Artifact, settings: Int4WeightsSettings, bench: Workbench) -> Path:
    """Products and tables in 4 bits."""
    model = _graph.load(artifact.path)
    _graph.gemm_to_matmul(model)
    model = _weights.quantize_products(model, 4, settings.block, symmetric=settings.symmetric)
    if settings.embeddings:
        model = _weights.quantize_tables_to_4_bits(model, settings.block)
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def ensures(before: Artifact, after: Artifact, settings: Int4WeightsSettings) -> None:
    """4-bit products in the file, a smaller file, and it loads."""
    if not any(_graph.operators(_graph.load(after.path))[one] for one in ("MatMulNBits",)):
        raise PromiseBroken(strategy=STRATEGY.title, promised="4-bit products", found="none")
    if after.bytes > 0.75 * before.bytes:
        found = f"{after.bytes / before.bytes:.0%} of it"
        raise PromiseBroken(
            strategy=STRATEGY.title, promised="at most 75 % of the size", found=found
        )
    _graph.session(after.path)


STRATEGY = Strategy(
    name="int4_weights",
    title="4-bit weights",
    summary="Stores weights in 4 bits and computes in floating point; small to download.",
    stage=2,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Int4WeightsSettings,
    file_stem="model_q4",
    requires=requires,
    apply=apply,
    ensures=ensures,
)
