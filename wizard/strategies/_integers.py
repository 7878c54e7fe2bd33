"""Products with stored matrices in 8-bit integers; inputs are rounded with every request.

Covers: MatMul -> DynamicQuantizeLinear, MatMulInteger, Cast, Mul, in standard operators; a scale
for each column or one for all; int8 around zero or uint8 with a zero point; 7 bits of either.
Does not cover: products of two activations, which stay float32; embedding tables (_rows.py).

The same nodes and the same integers as onnxruntime.quantization.quantize_dynamic writes (tested),
whose loop over single columns takes half of the time that a candidate is made in, and which writes
and reads the whole model twice on the way.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.strategies import _graph

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

FLOAT = 1  # onnx.TensorProto.FLOAT
# Lowest and highest integer that a weight's range is spread over, by (signed, 7 bits).
SPANS = {(True, False): (-127, 127), (True, True): (-64, 64),
         (False, False): (0, 255), (False, True): (0, 127)}  # fmt: skip


def multiply_in_integers(
    model: onnx.ModelProto, *, per_channel: bool, seven_bits: bool, signed: bool
) -> int:
    """Rewrite every MatMul whose second input is stored, in place; returns how many."""
    from onnx import numpy_helper

    known = _graph.stored(model)
    nodes = [
        node
        for node in model.graph.node
        if node.op_type == "MatMul" and _is_weight(known.get(node.input[1]))
    ]
    for name in dict.fromkeys(node.input[1] for node in nodes):
        weight = numpy_helper.to_array(known[name])
        rounded, scale, zero = _rounded(weight, per_channel, seven_bits, signed)
        made = {f"{name}_quantized": rounded, f"{name}_scale": scale, f"{name}_zero_point": zero}
        tensors = [numpy_helper.from_array(value, key) for key, value in made.items()]
        model.graph.initializer.extend(tensors)
    rounding: set[str] = set()
    swaps = {node.output[0]: _in_integers(node, rounding) for node in nodes}
    _graph.replace_nodes(model, swaps)
    if nodes:
        _graph.drop_unused(model)
    return len(nodes)


def _is_weight(tensor: onnx.TensorProto | None) -> bool:
    return tensor is not None and tensor.data_type == FLOAT and len(tensor.dims) >= 2


def _rounded(
    weight: Array, per_channel: bool, seven_bits: bool, signed: bool
) -> tuple[Array, Array, Array]:
    """Integers [..., columns], scales and zero points [columns], or single ones."""
    import numpy as np

    axes = tuple(range(weight.ndim - 1)) if per_channel else None
    lowest, highest = SPANS[signed, seven_bits]
    kind: Any = np.int8 if signed else np.uint8
    low = np.minimum(weight.min(axis=axes), np.float32(0))
    high = np.maximum(weight.max(axis=axes), np.float32(0))
    if signed:
        high = np.maximum(-low, high)
        low = -high
    exact = (high.astype(np.float64) - low.astype(np.float64)) / (highest - lowest)
    nothing = exact < np.finfo(np.float32).tiny
    exact = np.where(nothing, 1.0, exact)
    zero = np.zeros(exact.shape) if signed else np.round(lowest - low / exact)
    zero = np.where(nothing, 0, zero).astype(kind)
    scale = exact.astype(np.float32)
    limits = np.iinfo(kind)
    integers = np.round(weight / scale) + zero.astype(np.float32)
    return np.clip(integers, limits.min, limits.max).astype(kind), np.asarray(scale), zero


def _in_integers(node: onnx.NodeProto, rounding: set[str]) -> list[onnx.NodeProto]:
    """The nodes for one product; its input is rounded by the first of those that share it."""
    from onnx.helper import make_node

    given, weight, out = node.input[0], node.input[1], node.output[0]
    name = f"{node.name or out}_quant"
    made = []
    if given not in rounding:
        rounding.add(given)
        into = [f"{given}_quantized", f"{given}_scale", f"{given}_zero_point"]
        made.append(
            make_node("DynamicQuantizeLinear", [given], into, name=f"{given}_QuantizeLinear")
        )
    whole, scales = f"{out}_output_quantized", f"{name}_scales_mul"
    product = [
        *(f"{one}_quantized" for one in (given, weight)),
        *(f"{one}_zero_point" for one in (given, weight)),
    ]
    return [
        *made,
        make_node("MatMulInteger", product, [whole], name=name),
        make_node("Cast", [whole], [f"{whole}_cast_output"], name=f"{whole}_cast", to=FLOAT),
        make_node("Mul", [f"{given}_scale", f"{weight}_scale"], [f"{scales}:0"], name=scales),
        make_node("Mul", [f"{whole}_cast_output", f"{scales}:0"], [out],
                  name=f"{name}_output_scale_mul"),
    ]  # fmt: skip
