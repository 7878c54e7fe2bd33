"""Weights written as codes and a table of entries, which the runtime expands when it opens a file.

Covers: which stored weights there are and how each is used, their view as rows of outputs, the few
standard operators that expand them (Cast, Gather, Reshape, Transpose, Mul), which ONNX Runtime
computes once, at load. A weight with several readers (a tied table) is stored once and stays tied.
Does not cover: choosing codes (_codebook.py). Names are short: in small models they weigh.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.strategies import _fit, _graph

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

FLOAT, INT32 = 1, 6  # onnx.TensorProto's types
FEWEST = 512  # numbers in a weight worth a table
PRODUCTS = {"MatMul": 1, "Gemm": 1, "Conv": 1}


@dataclass(frozen=True, slots=True, kw_only=True)
class Weight:
    """A stored weight. `node`: its first reader; `turned`: its columns are the outputs.

    `alone`: a layer is the only reader, so that the layer's inputs say what its numbers matter.
    """

    name: str
    node: onnx.NodeProto
    turned: bool
    alone: bool
    table: bool

    @property
    def grouped(self) -> bool:
        """A convolution whose filters see a part of the channels only."""
        return bool(self.node.op_type == "Conv" and _graph.attribute(self.node, "group", 1) > 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class Coded:
    """What is stored for one weight: codes [outputs, codes a row], scales of rows and columns.

    `book`: the name of a stored table of entries [entries, numbers a code]; `filled`: numbers that
    the codes of one row stand for, a few more than it has where they do not come out even.
    """

    weight: Weight
    codes: Array
    rows: Array
    columns: Array
    book: str
    filled: int


def weights(model: onnx.ModelProto) -> list[Weight]:
    """Every stored float32 matrix, table and filter bank worth coding, in the model's order."""
    known, reads = _graph.stored(model), _graph.users(model)
    tables = {node.input[0] for node in _graph.embeddings(model)}
    found: dict[str, Weight] = {}
    for node in model.graph.node:
        place: int | None = 0 if node.op_type == "Gather" else PRODUCTS.get(node.op_type)
        if place is None or node.input[place] in found:
            continue
        tensor = known.get(node.input[place])
        if tensor is None or not _is_weight(tensor, node, tables):
            continue
        found[tensor.name] = Weight(
            name=tensor.name,
            node=node,
            turned=node.op_type == "MatMul"
            or (node.op_type == "Gemm" and not _graph.attribute(node, "transB", 0)),
            alone=reads[tensor.name] == 1 and node.op_type != "Gather",
            table=tensor.name in tables,
        )
    return list(found.values())


def _is_weight(tensor: onnx.TensorProto, node: onnx.NodeProto, tables: set[str]) -> bool:
    if tensor.data_type != FLOAT or math.prod(tensor.dims) < FEWEST:
        return False
    if node.op_type == "Gather":
        return tensor.name in tables
    return bool(len(tensor.dims) == (4 if node.op_type == "Conv" else 2))


def rows_first(weight: Weight, stored: Array) -> Array:
    """The weight as [outputs, input channels, positions]."""
    import numpy as np

    turned = stored.T if weight.turned else stored
    return np.ascontiguousarray(turned.reshape(*turned.shape[:2], -1), dtype=np.float32)


def write(model: onnx.ModelProto, coded: Sequence[Coded], books: dict[str, Array]) -> None:
    """Put codes, tables and the operators that expand them in the place of the weights."""
    from onnx import numpy_helper

    known = _graph.stored(model)
    nodes: list[onnx.NodeProto] = []
    for name, book in books.items():
        _store(model, nodes, name, book)
    renamed = {}
    for at, one in enumerate(coded):
        shape = [int(size) for size in known[one.weight.name].dims]
        renamed[one.weight.name] = _write_one(model, nodes, f"w{at}", one, shape)
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            node.input[place] = renamed.get(name, name)
    model.graph.initializer.extend(
        numpy_helper.from_array(one.codes, f"w{at}_codes") for at, one in enumerate(coded)
    )
    first = model.graph.node[0]
    _graph.replace_nodes(model, {first.output[0]: [*nodes, first]})
    _graph.drop_unused(model)


def _store(model: onnx.ModelProto, nodes: list[onnx.NodeProto], name: str, values: Array) -> None:
    """Keep `values` under that name; in half precision, widened at load, where that holds them."""
    import numpy as np
    from onnx import numpy_helper
    from onnx.helper import make_node

    magnitudes = np.abs(values[values != 0])
    if magnitudes.size and magnitudes.max() < 6.5e4 and _fit.fits_half(magnitudes.max()).all():
        halved = numpy_helper.from_array(values.astype(np.float16), f"{name}_h")
        model.graph.initializer.append(halved)
        nodes.append(make_node("Cast", [f"{name}_h"], [name], to=FLOAT))
    else:
        model.graph.initializer.append(numpy_helper.from_array(values.astype(np.float32), name))


def _write_one(
    model: onnx.ModelProto, nodes: list[onnx.NodeProto], short: str, one: Coded, shape: list[int]
) -> str:
    """Codes -> entries -> shape -> scales; returns the name of the expanded weight."""
    from onnx.helper import make_node

    outward = shape[::-1] if one.weight.turned else shape
    rest = [1] * (len(shape) - 2)
    rows, columns = one.rows.reshape(-1, 1, *rest), one.columns.reshape(1, -1, *rest)
    if one.weight.turned:
        rows, columns = rows.T, columns.T
    _store(model, nodes, f"{short}_r", rows)
    _store(model, nodes, f"{short}_c", columns)
    nodes += [
        make_node("Cast", [f"{short}_codes"], [f"{short}_i"], to=INT32),
        make_node("Gather", [one.book, f"{short}_i"], [f"{short}_e"], axis=0),
    ]
    last = f"{short}_e"
    width = math.prod(outward[1:])
    if one.filled > width:  # rows end with numbers that the last code has too many
        wide, end, axis = (
            _number(model, f"{short}_{letter}", value)
            for letter, value in (("f", [outward[0], one.filled]), ("w", [width]), ("a", [1]))
        )
        start = _number(model, f"{short}_b", [0])
        nodes.append(make_node("Reshape", [last, wide], [f"{short}_l"]))
        nodes.append(make_node("Slice", [f"{short}_l", start, end, axis], [f"{short}_k"]))
        last = f"{short}_k"
    nodes.append(
        make_node("Reshape", [last, _number(model, f"{short}_s", outward)], [f"{short}_v"])
    )
    last = f"{short}_v"
    if one.weight.turned:
        nodes.append(make_node("Transpose", [last], [f"{short}_t"], perm=[1, 0]))
        last = f"{short}_t"
    nodes += [
        make_node("Mul", [last, f"{short}_r"], [f"{short}_m"]),
        make_node("Mul", [f"{short}_m", f"{short}_c"], [short]),
    ]
    return short


def _number(model: onnx.ModelProto, name: str, values: Sequence[int]) -> str:
    """Store whole numbers under a name; returns the name."""
    import numpy as np
    from onnx import numpy_helper

    model.graph.initializer.append(numpy_helper.from_array(np.array(values, np.int64), name))
    return name


def coded_weights(model: onnx.ModelProto) -> int:
    """How many weights of the file are codes into a table."""
    known = _graph.stored(model)
    casts = {
        node.output[0]
        for node in model.graph.node
        if node.op_type == "Cast" and node.input[0] in known
    }
    return sum(node.op_type == "Gather" and node.input[1] in casts for node in model.graph.node)
