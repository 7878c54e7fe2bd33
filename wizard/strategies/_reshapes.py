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
    from collections.abc import Iterator

    import onnx

FREE = [-1]


def settle(model: onnx.ModelProto) -> int:
    """Write the known size in place of -1; returns how many were settled.

    A shape may serve several Reshapes; what they do not agree on (layers with different numbers of
    heads) stays -1.
    """
    import numpy as np
    from onnx import numpy_helper

    free = {
        one.name
        for one in model.graph.initializer
        if list(one.dims) == [1] and numpy_helper.to_array(one).tolist() == FREE
    }
    sizes: set[int] = set()
    settled = 0
    for shape, wanted in _shapes(model):
        for at, name in enumerate(shape.input):
            size = wanted[at].pop() if len(wanted[at]) == 1 else 0
            if name in free and size:
                shape.input[at] = f"size_{size}"
                sizes.add(size)
                settled += 1
    for size in sorted(sizes):
        model.graph.initializer.append(numpy_helper.from_array(np.array([size]), f"size_{size}"))
    return settled


def _shapes(model: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, list[set[int]]]]:
    """Each Concat that is a shape of Reshapes only; by axis the sizes they give, 0 for unknown."""
    values = (*model.graph.value_info, *model.graph.output)
    known = {one.name: one.type.tensor_type.shape.dim for one in values}
    users: dict[str, list[onnx.NodeProto]] = {}
    for node in model.graph.node:
        for name in node.input:
            users.setdefault(name, []).append(node)
    for shape in model.graph.node:
        by = users.get(shape.output[0], []) if shape.op_type == "Concat" else []
        dims = [known.get(one.output[0], ()) for one in by if one.op_type == "Reshape"]
        if by and len(dims) == len(by) and all(len(one) == len(shape.input) for one in dims):
            yield shape, [{axis.dim_value for axis in axes} for axes in zip(*dims, strict=True)]
