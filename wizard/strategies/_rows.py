"""Embedding tables in 8 bits with one scale per row, in standard operators.

Covers: Gather(table) -> Gather(int8 table) x Gather(scales). Any ONNX runtime can read it.
Does not cover: tables read by anything but a Gather (tied embeddings): those stay float32.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from wizard.strategies import _graph

if TYPE_CHECKING:
    import onnx

FLOAT = 1  # onnx.TensorProto.FLOAT
LARGEST = 127  # symmetric 8 bits: -127..127


def embeddings_to_int8(model: onnx.ModelProto) -> int:
    """Quantize every free table in place; returns how many lookups were rewritten."""
    known = _graph.stored(model)
    lookups = _graph.free_tables(model)
    for table in dict.fromkeys(node.input[0] for node in lookups):
        _store_rounded(model, known[table])
    _graph.replace_nodes(model, {node.output[0]: _lookup(node) for node in lookups})
    if lookups:
        _graph.drop_unused(model)
    return len(lookups)


def _store_rounded(model: onnx.ModelProto, table: onnx.TensorProto) -> None:
    import numpy as np
    from onnx import numpy_helper

    values = numpy_helper.to_array(table)
    scale = np.abs(values).max(axis=1, keepdims=True) / LARGEST
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    rounded = np.clip(np.rint(values / scale), -LARGEST, LARGEST).astype(np.int8)
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(rounded, f"{table.name}_int8"),
            numpy_helper.from_array(scale, f"{table.name}_scale"),
        ]
    )


def _lookup(node: onnx.NodeProto) -> list[onnx.NodeProto]:
    from onnx.helper import make_node

    table, rows, out = node.input[0], node.input[1], node.output[0]
    name = node.name or out
    return [
        make_node("Gather", [f"{table}_int8", rows], [f"{out}_int8"], name=f"{name}_int8", axis=0),
        make_node("Gather", [f"{table}_scale", rows], [f"{out}_row_scale"], name=f"{name}_scale",
                  axis=0),
        make_node("Cast", [f"{out}_int8"], [f"{out}_whole"], name=f"{name}_cast", to=FLOAT),
        make_node("Mul", [f"{out}_whole", f"{out}_row_scale"], [out], name=name),
    ]  # fmt: skip
