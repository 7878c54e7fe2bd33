"""The same model in fewer bytes: duplicates merged, unused parts dropped, constants computed.

Covers: equal stored values, values and nodes no output needs, nodes whose inputs are all stored.
Outputs are bit-identical on real or made-up rows, or the result is refused.
Does not cover: any rounding, fusions (ONNX Runtime fuses at load by itself).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import nouns
from wizard.errors import NotSupported, PromiseBroken
from wizard.nouns import Artifact, Kind
from wizard.strategies import _feeds, _graph
from wizard.strategies._contract import Strategy, Workbench

if TYPE_CHECKING:
    import onnx

TITLE = "Tidy up without loss"
# Bytes of the largest constant worth computing: larger ones would make the file larger.
LARGEST_CONSTANT = 16_384
# Operators whose result is not settled by their inputs, or that make 8-bit weights large again.
NOT_CONSTANT = frozenset(
    ("RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Bernoulli",
     "Multinomial", "DequantizeLinear", "If", "Loop", "Scan")
)  # fmt: skip


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`rows`: how many rows the two files are compared on, bit by bit."""

    fold_constants: bool = True
    rows: int = 8


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Any ONNX file will do; whether there is something to gain is seen afterwards."""
    del artifact, settings, bench


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Tidy, write, compare. Raises NotSupported when a single bit of an answer differs."""
    model = _graph.load(artifact.path)
    _graph.drop_unused(model)
    _graph.fold_transposed_weights(model)
    if settings.fold_constants:
        bench.report(0.2, "computing constants")
        fold_constants(model, bench.folder)
    merge_duplicates(model)
    made = _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")
    bench.report(0.6, "comparing the answers")
    if not _feeds.same_bits(artifact.path, made, bench, settings.rows):
        because = "the tidied file would not give exactly the same answers"
        raise NotSupported(strategy=TITLE, because=because)
    bench.report(1.0, "")
    return made


def merge_duplicates(model: onnx.ModelProto) -> int:
    """Let every reader of equal stored values read one of them; returns how many went."""
    first: dict[bytes, str] = {}
    renamed: dict[str, str] = {}
    outputs = {output.name for output in model.graph.output}
    for one in model.graph.initializer:
        if one.name in outputs:
            continue
        kept = first.setdefault(_content(one), one.name)
        if kept != one.name:
            renamed[one.name] = kept
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            if name in renamed:
                node.input[at] = renamed[name]
    _graph.drop_unused(model)
    return len(renamed)


def _content(tensor: onnx.TensorProto) -> bytes:
    """Type, shape and numbers, without the name."""
    import hashlib

    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor)
    about = f"{tensor.data_type} {list(tensor.dims)} ".encode()
    return hashlib.sha256(about + values.tobytes()).digest()


def fold_constants(model: onnx.ModelProto, folder: Path) -> int:
    """Compute every node whose inputs are all stored, with ONNX Runtime; returns how many."""
    nodes = _constant_nodes(model)
    wanted = _read_by_others(model, nodes)
    if not wanted:
        return 0
    for value in _computed(model, nodes, wanted, folder / "constants.onnx"):
        model.graph.initializer.append(value)
    kept = _graph.stored(model)
    gone = {node.output[0] for node in nodes if all(name in kept for name in node.output)}
    _graph.replace_nodes(model, {name: [] for name in gone})
    _graph.drop_unused(model)
    return len(nodes)


def _constant_nodes(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    settled = set(_graph.stored(model))
    found = []
    for node in model.graph.node:
        ours = node.domain in ("", "ai.onnx") and len(node.output) == 1
        if not ours or node.op_type in NOT_CONSTANT:
            continue
        if all(name in settled for name in node.input if name):
            settled.update(node.output)
            found.append(node)
    return found


def _read_by_others(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> list[str]:
    made = {name for node in nodes for name in node.output if name}
    inside = {id(node) for node in nodes}
    names = [n for node in model.graph.node if id(node) not in inside for n in node.input]
    return sorted({name for name in names if name in made})


def _computed(
    model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto], wanted: Sequence[str], path: Path
) -> list[onnx.TensorProto]:
    """The wanted values, those that would bloat the file left out."""
    import onnx
    from onnx import helper, numpy_helper

    known = _graph.stored(model)
    inputs = {name for node in nodes for name in node.input if name in known}
    graph = helper.make_graph(
        nodes, "constants", [], [onnx.ValueInfoProto(name=name) for name in wanted],
        [known[name] for name in sorted(inputs)],
    )  # fmt: skip
    part = helper.make_model(graph, opset_imports=model.opset_import, ir_version=model.ir_version)
    _graph.save(part, path)
    values = _graph.session(path).run(list(wanted), {})
    path.unlink()
    return [
        numpy_helper.from_array(value, name)
        for name, value in zip(wanted, values, strict=True)
        if value.nbytes <= LARGEST_CONSTANT
    ]


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """Never larger (but for one small constant), and the file opens."""
    del settings
    if after.bytes > before.bytes + LARGEST_CONSTANT:
        raise PromiseBroken(
            strategy=TITLE,
            promised=f"at most {before.bytes / 1e6:.2f} MB",
            found=f"{after.bytes / 1e6:.2f} MB",
        )
    _graph.must_load(after.path, TITLE)


STRATEGY = Strategy(
    name="lossless",
    title=TITLE,
    summary="duplicates merged, leftovers dropped; every answer stays the same to the last bit",
    stage=3,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model",
)
