"""Reshapes that say each size they know, so that a tensor of no elements has one shape only.

Covers: -1 in a shape that is put together while running, where the exporter wrote down how large
that axis is.
Does not cover: axes whose size nobody knows; those stay -1.
Without elements -1 could be any number, so runtimes refuse it; a source of no tokens is such a
tensor (_encoder_decoder.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

FREE = [-1]


def settle(model: onnx.ModelProto) -> int:
    """Write the known size in place of -1; returns how many were settled."""
    import numpy as np
    from onnx import numpy_helper

    values = (*model.graph.value_info, *model.graph.output)
    known = {one.name: one.type.tensor_type.shape.dim for one in values}
    makers = {out: node for node in model.graph.node for out in node.output}
    free = {
        one.name
        for one in model.graph.initializer
        if list(one.dims) == [1] and numpy_helper.to_array(one).tolist() == FREE
    }
    sizes: dict[str, int] = {}
    settled = 0
    for node in model.graph.node:
        shape = makers.get(node.input[1]) if node.op_type == "Reshape" else None
        dims = known.get(node.output[0], ())
        if shape is None or shape.op_type != "Concat" or len(dims) != len(shape.input):
            continue
        for at, name in enumerate(shape.input):
            if name in free and dims[at].dim_value:
                called = f"size_{dims[at].dim_value}"
                sizes[called] = dims[at].dim_value
                shape.input[at] = called
                settled += 1
    for called, size in sizes.items():
        model.graph.initializer.append(numpy_helper.from_array(np.array([size]), called))
    return settled
