"""Weights stored in 4 or 8 bits, arithmetic in float32: ONNX Runtime's n-bit kernels.

Covers: MatMul (MatMulNBits, one scale per block of rows), embeddings (GatherBlockQuantized, one
scale per block of a row), Conv (8 bits and a multiplication, one scale per filter).
Does not cover: activations; they keep their precision, so no sample data is needed.
Shared by int8_weights and int4_weights, which differ in the number of bits only.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.strategies import _graph

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

# ONNX Runtime's kernels multiply 8-bit activations at this level: 0.1-0.2x faster, same answers
# to three digits (engine facts, finding 10).
ACCURACY_LEVEL = 4
LARGEST = 127  # symmetric 8 bits for convolutions


def quantize_matmuls(
    model: onnx.ModelProto, *, bits: int, block: int, symmetric: bool
) -> onnx.ModelProto:
    """The model with every stored matrix in `bits` bits; Gemm is rewritten first."""
    _graph.gemm_to_matmul(model)
    _graph.fold_transposed_weights(model)
    with _graph.quiet():
        from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

        quantizer = MatMulNBitsQuantizer(
            model,
            bits=bits,
            block_size=block,
            is_symmetric=symmetric,
            accuracy_level=ACCURACY_LEVEL,
            op_types_to_quantize=("MatMul",),
        )
        quantizer.process()
    made: onnx.ModelProto = quantizer.model.model
    return made


def quantize_embeddings(model: onnx.ModelProto, *, bits: int, block: int) -> int:
    """Every free embedding table in `bits` bits; returns how many lookups were rewritten.

    Written as uint8 with `bits` said: the int4 form would raise the model's opset.
    """
    known = _graph.stored(model)
    lookups = [
        node for node in _graph.free_tables(model) if known[node.input[0]].dims[1] % block == 0
    ]
    for table in dict.fromkeys(node.input[0] for node in lookups):
        _store_blocks(model, known[table], bits, block)
    swaps = {node.output[0]: [_block_lookup(node, bits, block)] for node in lookups}
    _graph.replace_nodes(model, swaps)
    if lookups:
        _graph.contrib(model)
        _graph.drop_unused(model)
    return len(lookups)


def _store_blocks(model: onnx.ModelProto, table: onnx.TensorProto, bits: int, block: int) -> None:
    from onnx import numpy_helper

    rounded, scale = rounded_blocks(numpy_helper.to_array(table), bits, block)
    packed = rounded if bits == 8 else rounded[:, 0::2] | (rounded[:, 1::2] << 4)
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(packed, f"{table.name}_Q{bits}"),
            numpy_helper.from_array(scale, f"{table.name}_scales"),
        ]
    )


def rounded_blocks(values: Array, bits: int, block: int) -> tuple[Array, Array]:
    """Symmetric codes (uint8, zero at half range) and scales, one per `block` along a row.

    The scale is signed so that the largest value of a block is met exactly by the wider side.
    """
    import numpy as np

    half = 1 << (bits - 1)
    blocks = values.reshape(len(values), -1, block)
    at = np.abs(blocks).argmax(axis=2, keepdims=True)
    scale = np.take_along_axis(blocks, at, axis=2) / -half
    safe = np.where(scale == 0, 1, scale)
    codes = np.clip(np.rint(blocks / safe) + half, 0, 2 * half - 1).astype(np.uint8)
    return codes.reshape(values.shape), scale[:, :, 0].astype(np.float32)


def _block_lookup(node: onnx.NodeProto, bits: int, block: int) -> onnx.NodeProto:
    from onnx.helper import make_node

    table = node.input[0]
    return make_node(
        "GatherBlockQuantized",
        [f"{table}_Q{bits}", node.input[1], f"{table}_scales"],
        [node.output[0]],
        name=f"{node.name or node.output[0]}_Q{bits}",
        domain="com.microsoft",
        gather_axis=0,
        quantize_axis=1,
        block_size=block,
        bits=bits,
    )


def quantize_convs(model: onnx.ModelProto) -> int:
    """Every stored Conv weight in 8 bits, one scale per filter; returns how many.

    ONNX Runtime expands them again: smaller on disk, not faster.
    """
    known = _graph.stored(model)
    nodes = _graph.weight_convs(model)
    swaps = {}
    for name in dict.fromkeys(node.input[1] for node in nodes):
        _store_filters(model, known[name])
    expanded: set[str] = set()
    for node in nodes:
        weight = node.input[1]
        fresh = [] if weight in expanded else _expansion(weight)
        expanded.add(weight)
        node.input[1] = f"{weight}_expanded"
        swaps[node.output[0]] = [*fresh, node]
    _graph.replace_nodes(model, swaps)
    if nodes:
        _graph.drop_unused(model)
    return len(nodes)


def _store_filters(model: onnx.ModelProto, weight: onnx.TensorProto) -> None:
    import numpy as np
    from onnx import numpy_helper

    values = numpy_helper.to_array(weight)
    rows = values.reshape(len(values), -1)
    scale = np.abs(rows).max(axis=1) / LARGEST
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    codes = np.clip(np.rint(rows / scale[:, None]), -LARGEST, LARGEST).astype(np.int8)
    per_filter = (len(values), *(1 for _ in values.shape[1:]))
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(codes.reshape(values.shape), f"{weight.name}_int8"),
            numpy_helper.from_array(scale.reshape(per_filter), f"{weight.name}_scale"),
        ]
    )


def _expansion(weight: str) -> list[onnx.NodeProto]:
    """Cast and Mul rather than DequantizeLinear: ONNX Runtime computes them once, at load.

    DequantizeLinear is kept for every run: 3.1x the latency of a small ResNet, against 1.0x.
    """
    from onnx.helper import make_node

    return [
        make_node("Cast", [f"{weight}_int8"], [f"{weight}_whole"], name=f"{weight}_cast", to=1),
        make_node("Mul", [f"{weight}_whole", f"{weight}_scale"], [f"{weight}_expanded"],
                  name=f"{weight}_expand"),
    ]  # fmt: skip


def quantized_nodes(model: onnx.ModelProto, bits: int) -> int:
    """How many matrix multiplications and convolutions hold `bits`-bit weights."""
    known = _graph.stored(model)
    count = 0
    for node in model.graph.node:
        if node.op_type == "MatMulNBits":
            count += _graph.attribute(node, "bits", 4) == bits
        elif node.op_type == "Cast" and node.input[0] in known:
            count += bits == 8
    return count


def saved_bytes(was: _graph.Footprint, *, bits: int, block: int, embeddings: bool) -> float:
    """What `bits`-bit weights with a float32 scale per block save, in bytes."""
    stays = bits / 32 + 1 / block
    return (was.matmul + (was.embedding if embeddings else 0)) * (1 - stays)


def saved_apart(tied: int, *, bits: int, block: int) -> float:
    """The same for `tied` bytes of tables that are stored twice afterwards, once in each kind."""
    return tied * (1 - 2 * (bits / 32 + 1 / block))
