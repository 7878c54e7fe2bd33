"""A large model that writes in few bits, tensor by tensor: its weights never stand in memory whole.

Covers: language models, of one part or two, from safetensors (any float type, any number of files)
to one ONNX file with the caches as inputs and outputs; matrices in 4 or 8 bits, the word table and
the last layer in 8; a table that is both is stored once. The graph is traced without weights
(_hollow.py).
Does not cover: encoders and smaller models, which fit and can be compared with PyTorch whole
(to_onnx, then a few-bit technique); sample rows; ends of blocks that are searched for.
The memory needed is that of the file written and a few copies of the largest tensor.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wizard import nouns, tasks
from wizard.errors import NotSupported, PickleOnly
from wizard.nouns import Artifact, Kind
from wizard.strategies import _graph, _hollow, _lowbit
from wizard.strategies._contract import Strategy, Workbench

if TYPE_CHECKING:
    import onnx

TITLE = "Few-bit weights, one tensor at a time"
OPSET = 20
SPARED_BITS, SPARED_BLOCK = 8, 32
READS = ".encoder."  # in the names of weights of the part that reads


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`bits` of the matrices, `block`: numbers that share a scale.

    `reading_bits`: of the part that reads or listens, where there are two (None: the same); it
    bears less (practice: R10). The word table and the last layer always have 8 bits (practice: R8;
    ZeroQuant-V2).
    """

    bits: Literal[4, 8] = 4
    reading_bits: Literal[4, 8] | None = None
    block: Literal[16, 32, 64, 128] = 32


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses models that do not write, and folders without safetensors."""
    del settings
    if not tasks.writes(bench.profile.task):
        because = "it is made for language models that write; others fit into memory"
        raise NotSupported(strategy=TITLE, because=because)
    if not list(artifact.path.glob("*.safetensors")):
        raise PickleOnly(model=artifact.path.name)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Trace, then tables (the largest tensors first, while little is held), matrices, the rest."""
    bench.report(0.02, "reading the computation, without weights")
    assert bench.profile.task is not None  # noqa: S101 - it was asked whether it writes
    hollow = _hollow.writing(artifact.path, bench.profile.task, OPSET)
    rewrite = _lowbit.Rewrite(hollow.model, hollow.values)
    _tables(hollow, rewrite, bench)
    spared, tied = _graph.heads(hollow.model), _lowbit.tied_tables(hollow.model)
    nodes = [one for one in _matmuls(hollow.model) if one.input[1] not in tied]
    for at, node in enumerate(nodes):
        bench.report(0.3 + 0.6 * at / len(nodes), f"weights, {at + 1} of {len(nodes)}")
        form = _form(settings, node.input[1], spared=node.output[0] in spared)
        rewrite.matrices([node], form)
    rewrite.done()
    _fill(hollow)
    bench.report(0.95, "writing the file")
    return _graph.save(hollow.model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def _form(settings: Settings, weight: str, *, spared: bool) -> _lowbit.Form:
    asked = settings.bits
    if READS in f".{weight}" and settings.reading_bits is not None:
        asked = settings.reading_bits
    bits = SPARED_BITS if spared else asked
    block = min(settings.block, SPARED_BLOCK) if spared else settings.block
    return _lowbit.Form(bits=bits, block=block, method="nearest", even=False)


def _matmuls(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """One multiplication for each stored matrix that only multiplications read."""
    reads, nodes = _graph.users(model), _graph.weight_matmuls(model)
    ours = [node.input[1] for node in nodes]
    return [node for node in nodes if reads[node.input[1]] == ours.count(node.input[1]) == 1]


def _tables(hollow: _hollow.Hollow, rewrite: _lowbit.Rewrite, bench: Workbench) -> None:
    """Word tables and what is tied to them, in 8 bits."""
    model = hollow.model
    tied = _lowbit.tied_tables(model)
    lookups = _graph.embeddings(model)
    free = {node.input[0] for node in _graph.free_tables(model)}
    for at, name in enumerate(sorted(free | tied.keys())):
        bench.report(0.1 + 0.2 * at, "the word table")
        block = _lowbit.block_for(_graph.stored(model)[name].dims[1], SPARED_BLOCK)
        if block is None:
            continue
        form = _lowbit.Form(bits=SPARED_BITS, block=block, method="nearest", even=False)
        ours = [node for node in lookups if node.input[0] == name]
        rewrite.table(ours, form, tied.get(name))


def _fill(hollow: _hollow.Hollow) -> None:
    """What stays in float32: norms, biases, whatever no few-bit operator takes."""
    for one in hollow.model.graph.initializer:
        if _hollow.is_empty(one):
            one.raw_data = hollow.values(one.name).astype("<f4").tobytes()


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """Few-bit layers are in the file, no placeholder is left, it is as small as promised."""
    model = _graph.load(after.path)
    count = sum(
        node.op_type == "MatMulNBits" and _graph.attribute(node, "bits", 4) == settings.bits
        for node in model.graph.node
    )
    _graph.must_hold(count, f"layer with {settings.bits}-bit weights", TITLE)
    _graph.must_weigh(after.bytes, _predicted(before.path, settings), TITLE)
    del model
    _graph.must_load(after.path, TITLE)


def _predicted(folder: Path, settings: Settings) -> float:
    """Bytes at the stated bits, read off the shapes in the files' headers.

    A matrix with as many rows as the vocabulary is a table or the last layer.
    """
    import json

    from safetensors import safe_open

    words = json.loads((folder / "config.json").read_text(encoding="utf-8")).get("vocab_size", 0)
    total = 0.0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                shape = file.get_slice(name).get_shape()
                count = math.prod(shape)
                spared = len(shape) == 2 and shape[0] == words
                form = _form(settings, name, spared=spared)
                total += count * (form.bits_each(table=False) / 8 if len(shape) == 2 else 4)
    return total


STRATEGY = Strategy(
    name="streamed_weights",
    title=TITLE,
    summary="large models that write in 4 or 8 bits, made while their weights are read",
    stage=4,
    accepts=Kind.CHECKPOINT,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_q4_streamed",
)
