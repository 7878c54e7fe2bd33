"""8-bit weights, float32 arithmetic: nearly the same answers from a smaller file.

Covers: matrix multiplications, embeddings, and convolutions (on disk only). No sample data.
Does not cover: activations. Not faster than dynamic int8; a convolution gets no faster at all.
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

TITLE = "8-bit weights"
BITS = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`block`: stored numbers that share one scale."""

    block: Literal[16, 32, 64, 128] = 32
    symmetric: bool = True
    embeddings: bool = True


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses a model without a single stored matrix or convolution."""
    del settings, bench
    found = _graph.footprint(artifact.path)
    if found.matmul + found.conv == 0:
        because = "no matrix multiplication with stored weights: there is nothing to quantize"
        raise NotSupported(strategy=TITLE, because=because)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Matrices, then embeddings, then convolutions."""
    model = _graph.load(artifact.path)
    if settings.embeddings:
        _graph.fold_transposed_weights(model)
        _tied.untie(model)
    bench.report(0.1, "rounding weights to 8 bits")
    model = _nbits.quantize_matmuls(
        model, bits=BITS, block=settings.block, symmetric=settings.symmetric
    )
    if settings.embeddings:
        _nbits.quantize_embeddings(model, bits=BITS, block=settings.block)
    _nbits.quantize_convs(model)
    bench.report(0.9, "writing the file")
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """8-bit weights are in the file, it is as small as arithmetic says, it opens."""
    was = _graph.footprint(before.path)
    now = _graph.load(after.path)
    _graph.must_hold(_nbits.quantized_nodes(now, BITS), "layer with 8-bit weights", TITLE)
    saved = _nbits.saved_bytes(was, bits=BITS, block=settings.block, embeddings=settings.embeddings)
    if settings.embeddings:
        saved += _nbits.saved_apart(
            _tied.shared(before.path).bytes, bits=BITS, block=settings.block
        )
    _graph.must_weigh(after.bytes, before.bytes - saved - was.conv * 0.7, TITLE)
    _graph.must_load(after.path, TITLE)


STRATEGY = Strategy(
    name="int8_weights",
    title=TITLE,
    summary="stored in 8 bits, computed in float32: smaller, answers hardly change",
    stage=4,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_int8",
)
