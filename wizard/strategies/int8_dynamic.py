"""Dynamic int8: weights stored in 8 bits, activations rounded to 8 bits on the fly.

Covers: matrix multiplications (one scale per column) and embeddings (one scale per row). No
sample data. Does not cover: convolutions, which ONNX Runtime runs ten times slower this way.
Norms, biases and the arithmetic between layers stay in float32. A last layer that shares the
embedding table gets a copy of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wizard import nouns
from wizard.errors import NotSupported
from wizard.nouns import Artifact, Kind
from wizard.strategies import _graph, _tied
from wizard.strategies._contract import Strategy, Workbench
from wizard.strategies._integers import multiply_in_integers
from wizard.strategies._rows import embeddings_to_int8

TITLE = "Dynamic int8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`reduce_range` keeps weights in 7 bits: for AVX2 without VNNI, whose sums can saturate."""

    per_channel: bool = True
    reduce_range: bool = False
    weight_type: Literal["int8", "uint8"] = "int8"
    embeddings: bool = True


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses a model without stored matrices, and one that is mostly convolutions."""
    del settings, bench
    found = _graph.footprint(artifact.path)
    if found.conv > found.matmul + found.embedding:
        because = "its weights are mostly convolutions, which run about ten times slower this way"
        raise NotSupported(strategy=TITLE, because=because)
    if found.matmul == 0:
        because = "no matrix multiplication with stored weights: there is nothing to quantize"
        raise NotSupported(strategy=TITLE, because=because)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Rewrite Gemm as MatMul + Add, quantize, then the embedding tables row by row."""
    model = _graph.load(artifact.path)
    _graph.gemm_to_matmul(model)
    _graph.fold_transposed_weights(model)
    if settings.embeddings:
        _tied.untie(model)
    bench.report(0.1, "rounding weights to 8 bits")
    multiply_in_integers(
        model,
        per_channel=settings.per_channel,
        seven_bits=settings.reduce_range,
        signed=settings.weight_type == "int8",
    )
    bench.report(0.8, "rounding the embeddings")
    if settings.embeddings:
        embeddings_to_int8(model)
    made = _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")
    bench.report(1.0, "")
    return made


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """Integer multiplications are in the file, it is as small as arithmetic says, it opens."""
    was = _graph.footprint(before.path)
    now = _graph.operators(_graph.load(after.path))
    _graph.must_hold(now["MatMulInteger"], "8-bit matrix multiplication", TITLE)
    saved = was.matmul * 3 / 4 - 5 * was.columns
    if settings.embeddings:
        tied = _tied.shared(before.path)
        saved += was.embedding * 3 / 4 - 4 * was.rows + tied.bytes / 2 - 9 * tied.rows
    _graph.must_weigh(after.bytes, before.bytes - saved, TITLE)
    _graph.must_load(after.path, TITLE)


STRATEGY = Strategy(
    name="int8_dynamic",
    title=TITLE,
    summary="8-bit weights and 8-bit arithmetic, without sample data; for text and ViT models",
    stage=4,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_quantized",
)
