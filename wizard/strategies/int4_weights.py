"""4-bit weights, float32 arithmetic: the smallest file that needs no retraining.

Covers: matrix multiplications (one scale per block) and embeddings. No sample data.
Does not cover: convolutions, whose few weights per filter do not survive 4 bits; they are
refused where they dominate. A technique for size: on CPUs it is rarely faster.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wizard import nouns
from wizard.errors import NotSupported
from wizard.nouns import Artifact, Kind
from wizard.strategies import _graph, _nbits, _tied
from wizard.strategies._contract import Strategy, Workbench

TITLE = "4-bit weights"
BITS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`block`: stored numbers that share one scale. Defaults as in transformers.js's q4."""

    block: Literal[16, 32, 64, 128] = 32
    symmetric: bool = True
    embeddings: bool = True


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses a model without stored matrices, and one that is mostly convolutions."""
    del settings, bench
    found = _graph.footprint(artifact.path)
    if found.conv > found.matmul + found.embedding:
        because = "its weights are mostly convolutions, which the 4-bit kernels do not take"
        raise NotSupported(strategy=TITLE, because=because)
    if found.matmul == 0:
        because = "no matrix multiplication with stored weights: there is nothing to quantize"
        raise NotSupported(strategy=TITLE, because=because)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Matrices, then embeddings."""
    model = _graph.load(artifact.path)
    if settings.embeddings:
        _graph.fold_transposed_weights(model)
        _tied.untie(model)
    bench.report(0.1, "rounding weights to 4 bits")
    model = _nbits.quantize_matmuls(
        model, bits=BITS, block=settings.block, symmetric=settings.symmetric
    )
    if settings.embeddings:
        _nbits.quantize_embeddings(model, bits=BITS, block=settings.block)
    bench.report(0.9, "writing the file")
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """4-bit weights are in the file, it is as small as arithmetic says, it opens."""
    was = _graph.footprint(before.path)
    now = _graph.load(after.path)
    _graph.must_hold(_nbits.quantized_nodes(now, BITS), "layer with 4-bit weights", TITLE)
    saved = _nbits.saved_bytes(was, bits=BITS, block=settings.block, embeddings=settings.embeddings)
    if settings.embeddings:
        saved += _nbits.saved_apart(
            _tied.shared(before.path).bytes, bits=BITS, block=settings.block
        )
    _graph.must_weigh(after.bytes, before.bytes - saved, TITLE)
    _graph.must_load(after.path, TITLE)


STRATEGY = Strategy(
    name="int4_weights",
    title=TITLE,
    summary="stored in 4 bits, computed in float32: the smallest file, for text and ViT models",
    stage=4,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_q4",
)
