"""2- or 4-bit weights that keep their answers: loud columns apart, scales fitted, small overhead.

Covers: matrix multiplications (2, 4 bits), embeddings (2, 4, 8 bits), tied tables kept tied, the
last layer in 8 bits; with sample rows, each column makes good what the ones before it lost.
Does not cover: 3 bits (ONNX Runtime has no such kernel; codebooks do that), convolutions (neither;
they are refused where they dominate), activations.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wizard import nouns
from wizard.errors import NotSupported
from wizard.nouns import Artifact, Kind
from wizard.strategies import _graph, _inputs, _lowbit
from wizard.strategies._contract import Strategy, Workbench

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

TITLE = "Fitted low-bit weights"
READS, WRITES = "encoder", "decoder"  # the parts by the modules' names
LAST_BITS, LAST_BLOCK = 8, 32


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`block`: numbers that share a scale. `even`: multiply loud columns out of the weights.

    `method`: how the ends of a block are found. `embeddings`: their bits, 32 leaves them alone.
    `reading`: bits of the part that reads, in a model of two parts; 0 is as many as the part that
    writes. `spare_last`: the last layer in 8 bits. `informed`: choose codes by what the layers see
    on up to `samples` sample rows.
    """

    bits: Literal[2, 4] = 4
    block: Literal[16, 32, 64, 128] = 64
    method: Literal["nearest", "clipping"] = "clipping"
    even: bool = True
    embeddings: Literal[2, 4, 8, 32] = 4
    reading: Literal[0, 4, 8] = 0
    spare_last: bool = True
    informed: bool = False
    samples: int = 128


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses without matrices, and what is mostly convolutions; asks for rows to learn from."""
    if settings.informed:
        _inputs.enough_rows(bench)
    found = _graph.footprint(artifact.path)
    if found.conv > found.matmul + found.embedding:
        because = "its weights are mostly convolutions, which the low-bit kernels do not take"
        raise NotSupported(strategy=TITLE, because=because)
    if found.matmul == 0:
        because = "no matrix multiplication with stored weights: there is nothing to quantize"
        raise NotSupported(strategy=TITLE, because=because)
    if settings.reading and not _of_two_parts(artifact.path):
        because = "it has no part of its own that reads, which could get more bits"
        raise NotSupported(strategy=TITLE, because=because)


def _of_two_parts(path: Path) -> bool:
    names = [node.name for node in _graph.load_graph(path).graph.node]
    return any(_part(name) == READS for name in names) and any(
        _part(name) == WRITES for name in names
    )


def _part(name: str) -> str:
    """`encoder` of `model.encoder.layers.0.fc1/MatMul`, `decoder`, or nothing."""
    parts = [one for one in name.partition("/")[0].split(".")[:2] if one in {READS, WRITES}]
    return parts[0] if parts else ""


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Matrices by the input they share, then tables."""
    model = _graph.load(artifact.path)
    _graph.gemm_to_matmul(model)
    _graph.fold_transposed_weights(model)
    rewrite = _lowbit.Rewrite(model)
    groups = {nodes[0].input[1]: nodes for nodes in _lowbit.by_input(_matrices(model))}
    heads = _graph.heads(model) if settings.spare_last else set()
    for at, (name, moments) in enumerate(_moments(model, groups, settings, bench)):
        bench.report(0.05 + 0.7 * at / len(groups), f"fitting weights, {at + 1} of {len(groups)}")
        form = _form_of(groups[name][0], rewrite.known, heads, settings)
        rewrite.matrices(groups[name], form, moments)
    bench.report(0.8, "fitting the word tables")
    for table, block in _tables(model, settings).items():
        form = _form(settings, settings.embeddings, block)
        lookups = [node for node in _graph.embeddings(model) if node.input[0] == table]
        rewrite.table(lookups, form, _lowbit.tied_tables(model).get(table))
    rewrite.done()
    bench.report(0.9, "writing the file")
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def _moments(
    model: onnx.ModelProto,
    groups: Mapping[str, list[onnx.NodeProto]],
    settings: Settings,
    bench: Workbench,
) -> Iterator[tuple[str, Array | None]]:
    """Every group by its first weight, with the second moments of its input or None."""
    if not settings.informed:
        yield from ((name, None) for name in groups)
        return
    firsts = {name: nodes[0] for name, nodes in groups.items()}
    for found in _inputs.moments(model, firsts, settings.samples, bench):
        yield from found.items()


def _form(settings: Settings, bits: int, block: int) -> _lowbit.Form:
    return _lowbit.Form(bits=bits, block=block, method=settings.method, even=settings.even)


def _form_of(
    node: onnx.NodeProto,
    known: Mapping[str, onnx.TensorProto],
    heads: set[str],
    settings: Settings,
) -> _lowbit.Form:
    """Eight bits for the last layer, else its part's; the widest block that the inputs fill."""
    spared = node.output[0] in heads
    wanted = min(settings.block, LAST_BLOCK) if spared else settings.block
    block = _lowbit.block_for(known[node.input[1]].dims[0], wanted) or wanted
    reads = settings.reading and _part(node.name) == READS
    own = settings.reading if reads else settings.bits
    return _form(settings, LAST_BITS if spared else own, block)


def _matrices(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Multiplications by a stored matrix that nothing but multiplications reads."""
    nodes = _graph.weight_matmuls(model)
    reads = _graph.users(model)
    ours = [node.input[1] for node in nodes]
    return [node for node in nodes if reads[node.input[1]] == ours.count(node.input[1])]


def _tables(model: onnx.ModelProto, settings: Settings) -> dict[str, int]:
    """Tables to store in few bits, and the block that fits their width."""
    if settings.embeddings == 32:
        return {}
    known = _graph.stored(model)
    names = {node.input[0] for node in _graph.free_tables(model)} | {*_lowbit.tied_tables(model)}
    found = {}
    for name in sorted(names):
        block = _lowbit.block_for(known[name].dims[1], settings.block)
        if block is not None:
            found[name] = block
    return found


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """Low-bit weights are in the file, it is as small as arithmetic says, it opens."""
    now = _graph.load(after.path)
    count = sum(
        node.op_type == "MatMulNBits" and _graph.attribute(node, "bits", 4) == settings.bits
        for node in now.graph.node
    )
    _graph.must_hold(count, f"layer with {settings.bits}-bit weights", TITLE)
    _graph.must_weigh(after.bytes, _predicted(before, settings), TITLE)
    _graph.must_load(after.path, TITLE)


def _predicted(before: Artifact, settings: Settings) -> float:
    """Bytes: each weight, filled up to whole blocks, at its bits with its share of a scale."""
    model = _graph.load(before.path)
    _graph.gemm_to_matmul(model)
    _graph.fold_transposed_weights(model)
    known = _graph.stored(model)
    heads = _graph.heads(model) if settings.spare_last else set()
    forms = {
        node.input[1]: _form_of(node, known, heads, settings)
        for nodes in _lowbit.by_input(_matrices(model))
        for node in nodes
    }
    forms |= {
        name: _form(settings, settings.embeddings, block)
        for name, block in _tables(model, settings).items()
    }
    total, tables = float(before.bytes), _tables(model, settings)
    halved = tables.keys() - _lowbit.tied_tables(model).keys()
    for name, form in forms.items():
        rows, columns = known[name].dims
        inputs = columns if name in tables else rows
        filled = -(-inputs // form.block) * form.block
        each = form.bits_each(table=name in halved) / 8
        total += rows * columns / inputs * filled * each - 4 * rows * columns
    return total


STRATEGY = Strategy(
    name="low_bit_weights",
    title=TITLE,
    summary="2 or 4 bits that keep their answers, computed in float32: small text and ViT models",
    stage=4,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_q_fitted",
)
