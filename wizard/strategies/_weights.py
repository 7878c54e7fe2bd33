"""Weight-only storage shared by `int8_weights` and `int4_weights`.

Covers: MatMulNBits for matrix products, per-row 8-bit or block-wise 4-bit embedding tables,
per-channel 8-bit convolution weights behind DequantizeLinear.
Does not cover: activations; they stay in floating point.
Sources: ONNX Runtime, MatMulNBits and GatherBlockQuantized in ContribOperators.md.
"""

from __future__ import annotations

from typing import Any

from wizard.strategies import _graph

# Tables smaller than this are positions and token types; they are not worth a node.
SMALLEST_TABLE = 65_536
SMALLEST_CONV = 256


def quantize_products(model: Any, bits: int, block: int, *, symmetric: bool) -> Any:
    """The model with every MatMul on a stored weight as MatMulNBits (accuracy level 4)."""
    from onnxruntime.quantization.matmul_nbits_quantizer import (
        DefaultWeightOnlyQuantConfig,
        MatMulNBitsQuantizer,
    )

    recipe = DefaultWeightOnlyQuantConfig(
        block_size=block,
        is_symmetric=symmetric,
        accuracy_level=4,
        bits=bits,
        op_types_to_quantize=("MatMul",),
    )
    with _graph.quiet():
        quantizer = MatMulNBitsQuantizer(model, algo_config=recipe)
        quantizer.process()
    return quantizer.model.model


def quantize_tables_to_4_bits(model: Any, block: int) -> Any:
    """Embedding tables as GatherBlockQuantized."""
    from onnxruntime.quantization.matmul_nbits_quantizer import (
        DefaultWeightOnlyQuantConfig,
        MatMulNBitsQuantizer,
    )

    small = [
        node.name
        for node in _graph.embeddings(model)
        if _elements(_graph.stored(model)[node.input[0]]) < SMALLEST_TABLE
    ]
    recipe = DefaultWeightOnlyQuantConfig(
        block_size=block,
        is_symmetric=False,
        bits=4,
        op_types_to_quantize=("Gather",),
        quant_axes=(("MatMul", 0), ("Gather", 1)),
    )
    with _graph.quiet():
        quantizer = MatMulNBitsQuantizer(model, algo_config=recipe, nodes_to_exclude=small)
        quantizer.process()
    return quantizer.model.model


def _elements(weight: Any) -> int:
    total = 1
    for size in weight.dims:
        total *= size
    return total


def quantize_convolutions(model: Any) -> int:
    """Convolution weights as int8 per output channel behind DequantizeLinear; how many.

    The runtime turns them back when it loads the file: smaller to download, no faster.
    """
    import numpy as np
    from onnx import helper, numpy_helper

    stored = _graph.stored(model)
    made: list[Any] = []
    for node in _graph.weight_convs(model):
        weight = stored[node.input[1]]
        if _elements(weight) < SMALLEST_CONV:
            continue
        value = numpy_helper.to_array(weight)
        flat = np.abs(value).reshape(value.shape[0], -1).max(axis=1)
        scales = (np.maximum(flat, 1e-12) / 127.0).astype(np.float32)
        shape = (-1,) + (1,) * (value.ndim - 1)
        low = np.clip(np.rint(value / scales.reshape(shape)), -127, 127).astype(np.int8)
        base = node.input[1]
        parts = {
            f"{base}_int8": low,
            f"{base}_scales": scales,
            f"{base}_zeros": np.zeros(len(scales), np.int8),
        }
        for name, array in parts.items():
            model.graph.initializer.append(numpy_helper.from_array(array, name))
        made.append(
            helper.make_node(
                "DequantizeLinear", list(parts), [f"{base}_real"], f"{node.name}_weight", axis=0
            )
        )
        node.input[1] = f"{base}_real"
    rest = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend([*made, *rest])
    _graph.drop_unused(model)
    return len(made)
