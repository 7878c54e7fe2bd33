"""Short names for what a quantizer put into a graph.

Covers: nodes and values that were not there before; scales and zero points are still called so.
Does not cover: names of the model's own, and rounded weights, which are called after them; graphs
with graphs inside, which may use any name of the outer one.

A quantizer calls each of a layer's scales, zero points and copies by the layer's whole path: 22 of
189 kB of a small network of filters (`digits`).
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from itertools import count
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

GRAPH = 5  # onnx.AttributeProto's type
ROLES = ("_scale", "_zero_point")
ROUNDED = ("_quantized", "_int8")


def names(model: onnx.ModelProto) -> set[str]:
    """Of all nodes and values of the main graph."""
    graph = model.graph
    return {
        *(one.name for group in (graph.node, graph.initializer, graph.input) for one in group),
        *(name for node in graph.node for name in (*node.input, *node.output)),
    }


def shorten(model: onnx.ModelProto, before: Collection[str]) -> int:
    """Number what is not called by a name from `before`; returns how many names were changed."""
    if any(one.type == GRAPH for node in model.graph.node for one in node.attribute):
        return 0
    new, free = dict[str, str](), _free(before)
    for name in sorted(names(model) - set(before) - {""}):
        if not any(name.removesuffix(one) in before for one in ROUNDED if name.endswith(one)):
            role = next((one for one in ROLES if name.endswith(one)), "")
            new[name] = next(free) + role
    for tensor in model.graph.initializer:
        tensor.name = new.get(tensor.name, tensor.name)
    for node in model.graph.node:
        node.name = new.get(node.name, node.name)
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    del model.graph.value_info[:]
    return len(new)


def _free(taken: Collection[str]) -> Iterator[str]:
    return (name for name in (f"q{at}" for at in count()) if name not in taken)
