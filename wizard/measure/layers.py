"""Where a compressed file hurts: how far each layer's output moved from the original's.

Covers: the layers with weights (MatMul, Gemm, Conv, embedding tables) of any file made from the
original by renaming nothing: integer operators, QuantizeLinear pairs, n-bit operators, float16.
Each is compared twice: as it runs, and fed with the original's own inputs, which tells what the
layer adds from what it inherits. Shares of activations beyond a learnt 8-bit range, and of sums
that a processor without VNNI would cut off. Names are the original's modules.
Where a smaller network takes fewer inputs, the layers that changed are fed together.
Does not cover: layers that were fused away or give fewer outputs than before, and other layers
under an old name (they are left out); files above 1.5 GB together.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.errors import WorkerFailed
from wizard.measure import saturation, skeleton
from wizard.measure.process import Process
from wizard.measure.sizes import alike, sizes
from wizard.nouns import LayerDamage

if TYPE_CHECKING:
    import onnx

ROWS, SECONDS = 32, 3.0
# Three sessions are open at once, which pack the weights anew: about twice this in memory.
LOOKED_INTO_UP_TO = 1_500_000_000
FLOAT, FLOAT16 = 1, 10  # onnx.TensorProto's types
WITH_WEIGHTS = {"MatMul": 1, "Gemm": 1, "Conv": 1, "Gather": 0}  # which input is the weight
HEAVY = {*WITH_WEIGHTS, "MatMulInteger", "ConvInteger", "QLinearMatMul", "QLinearConv", "QGemm",
         "MatMulNBits", "GatherBlockQuantized", "MatMulIntegerToFloat",
         "DynamicQuantizeMatMul"}  # fmt: skip
# What quantizers leave between an operator and the value that kept the original's name.
BETWEEN = {"Mul", "Cast", "Add", "Sub", "Identity", "DequantizeLinear", "QuantizeLinear", "Reshape"}
STEPS_BACK = 6
CUT = {"Relu", "Clip"}  # taken into the layer before them where ranges are learnt
BYTES = {2: (0, 255), 3: (-128, 127)}  # ends of uint8 and int8, by onnx.TensorProto's types


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """One layer of the original; tensors are named alike in both files.

    `whole`: the other file's layer takes as many inputs.
    """

    name: str
    operator: str
    input: str
    output: str
    whole: bool = True


def damage(
    process: Process, original: Path, candidate: Path, feeds: Path, folder: Path
) -> tuple[LayerDamage, ...]:
    """Every layer that both files have, the one that adds most damage first.

    `process` is any measuring process; `feeds` holds the rows (32 at most are run); copies
    that show their inner values lie in `folder` meanwhile. Empty above 1.5 GB, and where the copies
    cannot be run; `process` has ended then.
    """
    if _bytes(original) + _bytes(candidate) > LOOKED_INTO_UP_TO:
        return ()
    before, after = skeleton.load(original), skeleton.load(candidate)
    layers = _both(before, after)
    if not layers:
        return ()
    seen = _Seen.of(after, layers)
    with tempfile.TemporaryDirectory(dir=folder, prefix="layers-") as room:
        places = [Path(room) / name for name in ("original", "candidate")]
        for path, place in zip((original, candidate), places, strict=True):
            place.mkdir()
            skeleton.beside(path, place)
        emulated = saturation.emulate(candidate, places[1] / "emulated.onnx")
        sessions = _write(before, after, layers, seen, places)
        if emulated.path is not None:
            sessions["emulated"] = str(emulated.path)
        asked = [_asked(one, seen) for one in layers]
        request: dict[str, Any] = {
            "layers": asked,
            "sessions": sessions,
            "feeds": str(feeds),
            "rows": ROWS,
        }
        try:
            said = process.ask("layers", within=SECONDS, **request)
        except WorkerFailed:  # a figure more or less; whether the file works is measured elsewhere
            return ()
    found = [
        _noun(layer, seen, numbers, _overflowing(layer, seen, emulated, said))
        for layer, numbers in zip(layers, said["layers"], strict=True)
    ]
    return tuple(sorted(found, key=_rank, reverse=True))


def _rank(one: LayerDamage) -> tuple[float, float]:
    own = one.relative_error if one.own_error is None else one.own_error
    return own, one.relative_error


def _bytes(path: Path) -> int:
    beside = path.with_name(path.name + ".data")
    return path.stat().st_size + (beside.stat().st_size if beside.is_file() else 0)


def _users(model: onnx.ModelProto) -> Mapping[str, list[onnx.NodeProto]]:
    found: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            found.setdefault(name, []).append(node)
    return found


def _output(
    node: onnx.NodeProto,
    users: Mapping[str, list[onnx.NodeProto]],
    theirs: Mapping[str, onnx.NodeProto],
) -> str | None:
    """The layer's output that the other file has too, or that behind what cuts it off there."""
    if node.output[0] in theirs:
        return str(node.output[0])
    behind = users.get(node.output[0], [])
    if len(behind) == 1 and behind[0].op_type in CUT and behind[0].output[0] in theirs:
        return str(behind[0].output[0])
    return None


def _both(before: onnx.ModelProto, after: onnx.ModelProto) -> list[_Layer]:
    """The original's layers whose output the other file has too, in the model's order."""
    stored, makers = _parts(before)
    theirs, their_makers = _parts(after)
    users = _users(before)
    found = []
    for node in before.graph.node:
        place = WITH_WEIGHTS.get(node.op_type)
        output = _output(node, users, their_makers) if place is not None else None
        if place is None or output is None:
            continue
        weight = _weight(node.input[place], stored, makers)
        if weight is None or (node.op_type == "Gather" and len(weight.dims) != 2):
            continue
        there = _behind(output, their_makers)
        same, whole = True, True
        if there is not None:
            now = sizes(there, theirs, their_makers)
            whole, same = alike(sizes(node, stored, makers), now)
        if not same or (there is not None and _another(node, there)):
            continue
        found.append(
            _Layer(
                name=_module(node, weight.name),
                operator=node.op_type,
                input=node.input[1 - place],
                output=output,
                whole=whole,
            )
        )
    return found


def _parts(model: onnx.ModelProto) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is stored, by name, and who makes each value."""
    stored = {one.name: one for one in model.graph.initializer}
    return stored, {out: node for node in model.graph.node for out in node.output}


def _another(node: onnx.NodeProto, there: onnx.NodeProto) -> bool:
    """Whether the two come from modules of different names: layers were left out before it."""
    names = [one.name.rpartition("/")[0] for one in (node, there)]
    return all(names) and names[0] != names[1]


def _weight(name: str, stored: Mapping[str, Any], makers: Mapping[str, Any]) -> Any | None:
    """The stored weight behind a value: directly, or through a Transpose or Cast."""
    maker = makers.get(name)
    if maker is not None and maker.op_type in {"Transpose", "Cast", "Identity"}:
        name = maker.input[0]
    return stored.get(name)


def _module(node: onnx.NodeProto, weight: str) -> str:
    """The module's name: the export keeps it in the node's; else the weight's, else the node's."""
    if "/" in node.name and not node.name.startswith("/"):
        return str(node.name.rsplit("/", 1)[0])
    if weight.endswith(".weight"):
        return weight.removesuffix(".weight")
    return str(node.name or node.output[0]).strip("/")


@dataclass(frozen=True, slots=True, kw_only=True)
class _Seen:
    """What the candidate does for each layer, by the layer's output.

    `heavy`: the operator that multiplies or looks up. `ranges`: (tensor, low, high) of each learnt
    8-bit range at its input or output. `given`: the name under which the layer takes an
    input from outside.
    """

    heavy: Mapping[str, onnx.NodeProto]
    ranges: Mapping[str, tuple[tuple[str, float, float], ...]]
    given: Mapping[str, str]

    @classmethod
    def of(cls, after: onnx.ModelProto, layers: list[_Layer]) -> _Seen:
        makers = {out: node for node in after.graph.node for out in node.output}
        stored = {one.name: one for one in after.graph.initializer}
        outside = {one.name for one in after.graph.input}
        heavy = {one.output: _behind(one.output, makers) for one in layers}
        cut = {one.input for one in layers if not one.whole}
        made = {one.input for one in layers if one.operator != "Gather"} & set(makers) - cut
        return cls(
            heavy={name: node for name, node in heavy.items() if node is not None},
            ranges={
                one.output: tuple(_ranges(one, heavy[one.output], after, makers, stored))
                for one in layers
            },
            given={name: f"{name}__given" for name in made - outside},
        )


def _behind(name: str, makers: Mapping[str, Any]) -> onnx.NodeProto | None:
    """The nearest node before `name` that multiplies or looks up."""
    front = [name]
    for _ in range(STEPS_BACK):
        nodes = [makers[one] for one in front if one in makers]
        heavy = next((node for node in nodes if node.op_type in HEAVY), None)
        if heavy is not None:
            return heavy
        front = [one for node in nodes if node.op_type in BETWEEN for one in node.input]
    return None


def _ranges(
    layer: _Layer,
    heavy: onnx.NodeProto | None,
    after: onnx.ModelProto,
    makers: Mapping[str, Any],
    stored: Mapping[str, Any],
) -> list[tuple[str, float, float]]:
    """The learnt ranges just before and just after a layer."""
    quantizers = [
        node
        for node in after.graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] == layer.output
    ]
    if heavy is not None and heavy.input[0] in makers:
        back = makers[heavy.input[0]]
        maker = makers.get(back.input[0]) if back.op_type == "DequantizeLinear" else None
        quantizers += [maker] if maker is not None and maker.op_type == "QuantizeLinear" else []
    found = [_range(node, stored) for node in quantizers if node.input[0] in makers]
    return [one for one in found if one is not None]


def _range(node: onnx.NodeProto, stored: Mapping[str, Any]) -> tuple[str, float, float] | None:
    """The values that a quantizer can hold, half a step beyond its ends."""
    from onnx import numpy_helper

    if len(node.input) < 3 or not {*node.input[1:3]} <= {*stored}:
        return None
    if any(stored[name].data_location == skeleton.EXTERNAL for name in node.input[1:3]):
        return None  # thousands of ranges, not one
    scale, zero = (numpy_helper.to_array(stored[name]).reshape(-1) for name in node.input[1:3])
    ends = BYTES.get(stored[node.input[2]].data_type)
    if ends is None or scale.size != 1:
        return None
    low, high = ((end - int(zero[0]) + side) * float(scale[0])
                 for end, side in zip(ends, (-0.5, 0.5), strict=True))  # fmt: skip
    return node.input[0], low, high


def _write(
    before: onnx.ModelProto,
    after: onnx.ModelProto,
    layers: list[_Layer],
    seen: _Seen,
    places: list[Path],
) -> dict[str, str]:
    """Copies that show what is asked for; `given` takes each layer's input from outside."""
    outputs = [one.output for one in layers]
    ranged = [name for one in layers for name, _, _ in seen.ranges[one.output]]
    given = _cut(after, outputs, seen.given)
    _show(before, [*outputs, *seen.given])
    _show(after, [*outputs, *ranged])
    files = {
        "original": (before, places[0] / "shown.onnx"),
        "candidate": (after, places[1] / "shown.onnx"),
        "given": (given, places[1] / "given.onnx"),
    }
    for model, file in files.values():
        file.write_bytes(model.SerializeToString())
    return {name: str(file) for name, (_, file) in files.items()}


def _show(model: onnx.ModelProto, names: list[str]) -> None:
    """Make inner values outputs; the file's own outputs stay first."""
    import onnx

    made = {out for node in model.graph.node for out in node.output}
    there = {one.name for one in model.graph.output}
    for name in dict.fromkeys(names):
        if name in made and name not in there:
            model.graph.output.append(onnx.ValueInfoProto(name=name))


def _cut(after: onnx.ModelProto, outputs: list[str], given: Mapping[str, str]) -> onnx.ModelProto:
    """A copy in which each layer's input comes from outside and only their outputs are left."""
    import onnx
    from onnx.helper import make_node, make_tensor_value_info

    halves = {one.name for one in after.graph.initializer if one.data_type == FLOAT16}
    half = {n.input[0] for n in after.graph.node if n.op_type in HEAVY and n.input[1] in halves}
    model = onnx.ModelProto()
    model.CopyFrom(after)
    nodes = []
    for name, outside in given.items():
        model.graph.input.append(make_tensor_value_info(outside, FLOAT, None))
        to = FLOAT16 if name in half else FLOAT
        nodes.append(make_node("Cast", [outside], [f"{outside}_cast"], name=outside, to=to))
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            if name in given:
                node.input[at] = f"{given[name]}_cast"
    kept = _needed([*nodes, *model.graph.node], outputs)
    del model.graph.node[:], model.graph.output[:]
    model.graph.node.extend(kept)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in outputs)
    read = {name for node in kept for name in node.input}
    for part in (model.graph.input, model.graph.initializer):
        for one in [one for one in part if one.name not in read]:
            part.remove(one)
    return model


def _needed(nodes: list[Any], outputs: list[str]) -> list[Any]:
    """Copies of the nodes that the outputs depend on; the file need not be in running order."""
    import onnx

    makers = {out: at for at, node in enumerate(nodes) for out in node.output}
    wanted, kept = [makers[name] for name in outputs], set()
    while wanted:
        at = wanted.pop()
        if at not in kept:
            kept.add(at)
            wanted += [makers[name] for name in nodes[at].input if name in makers]
    copies = []
    for at in sorted(kept):
        copies.append(onnx.NodeProto())
        copies[-1].CopyFrom(nodes[at])
    return copies


def _asked(layer: _Layer, seen: _Seen) -> dict[str, Any]:
    return {
        "input": layer.input,
        "output": layer.output,
        "given": seen.given.get(layer.input) if layer.operator != "Gather" else None,
        "ranges": [list(one) for one in seen.ranges[layer.output]],
    }


def _overflowing(
    layer: _Layer, seen: _Seen, emulated: saturation.Emulated, said: Mapping[str, Any]
) -> float | None:
    """The share of the layer's sums cut off; 0 where none can be, None where nobody looked."""
    heavy = seen.heavy.get(layer.output)
    if heavy is None:
        return None
    if heavy.output[0] in emulated.safe:
        return 0.0
    found: Mapping[str, float] = said.get("overflowing", {})
    return found.get(emulated.counters.get(heavy.output[0], ""))


def _noun(
    layer: _Layer, seen: _Seen, numbers: Mapping[str, Any], saturated: float | None
) -> LayerDamage:
    heavy = seen.heavy.get(layer.output)
    return LayerDamage(
        layer=layer.name,
        operator=heavy.op_type if heavy is not None else layer.operator,
        relative_error=numbers["moved"],
        own_error=numbers["own"],
        clipped=numbers["clipped"],
        saturated=saturated,
    )
