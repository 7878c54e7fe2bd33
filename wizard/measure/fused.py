"""ONNX Runtime's fused 8-bit products, taken apart into the standard operators they stand for.

Covers: MatMulIntegerToFloat and DynamicQuantizeMatMul, with and without a bias, as files that were
saved after optimization hold them.
Does not cover: reading the products (saturation.py).
Source: ONNX Runtime, docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import onnx

FLOAT = 1  # onnx.TensorProto's type


def opened(model: onnx.ModelProto) -> Mapping[str, str]:
    """Take the fused products apart, in place.

    Returns, by the output of each MatMulInteger made, the output of the node that it stands for.
    """
    import onnx

    names: dict[str, str] = {}
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        if node.op_type == "MatMulIntegerToFloat":
            raw, weight, step, scale, zero, shift, bias = _inputs(node, 7)
            nodes += _apart(node.output[0], (raw, weight, zero, shift), (step, scale), bias)
        elif node.op_type == "DynamicQuantizeMatMul":
            real, weight, scale, shift, bias = _inputs(node, 5)
            raw, step, zero = (f"{node.output[0]}__{one}" for one in ("raw", "step", "zero"))
            nodes.append(onnx.helper.make_node("DynamicQuantizeLinear", [real], [raw, step, zero]))
            nodes += _apart(node.output[0], (raw, weight, zero, shift), (step, scale), bias)
        else:
            copy = onnx.NodeProto()
            copy.CopyFrom(node)
            nodes.append(copy)
            continue
        names[_whole(node.output[0])] = node.output[0]
    if names:
        del model.graph.node[:]
        model.graph.node.extend(nodes)
    return names


def _inputs(node: onnx.NodeProto, count: int) -> Sequence[str]:
    """All inputs of the operator, "" for those that the node leaves out."""
    return [*node.input, *[""] * (count - len(node.input))]


def _whole(out: str) -> str:
    return f"{out}__whole"


def _apart(
    out: str, product: Sequence[str], scales: Sequence[str], bias: str
) -> list[onnx.NodeProto]:
    """(raw - zero) x (weight - shift) in whole numbers, then both scales, then the bias."""
    from onnx.helper import make_node

    used = list(product)
    while not used[-1]:
        used.pop()
    last = f"{out}__scaled" if bias else out
    nodes = [
        make_node("MatMulInteger", used, [_whole(out)], name=_whole(out)),
        make_node("Cast", [_whole(out)], [f"{out}__real"], to=FLOAT),
        make_node("Mul", list(scales), [f"{out}__scales"]),
        make_node("Mul", [f"{out}__real", f"{out}__scales"], [last]),
    ]
    return [*nodes, make_node("Add", [last, bias], [out])] if bias else nodes
