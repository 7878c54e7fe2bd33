"""8-bit products: the same nodes and the same integers as ONNX Runtime's own quantizer writes."""

import copy
from collections import Counter

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.strategy_models import exported
from wizard.strategies import _graph
from wizard.strategies._integers import multiply_in_integers

SETTINGS = [
    {"per_channel": True, "seven_bits": False, "signed": True},
    {"per_channel": True, "seven_bits": True, "signed": True},
    {"per_channel": False, "seven_bits": False, "signed": True},
    {"per_channel": True, "seven_bits": False, "signed": False},
    {"per_channel": False, "seven_bits": True, "signed": False},
]


def theirs(model, path, settings):
    """What quantize_dynamic makes of the model."""
    from onnxruntime.quantization import QuantType, quantize_dynamic

    with _graph.quiet():
        quantize_dynamic(
            copy.deepcopy(model),
            str(path),
            op_types_to_quantize=["MatMul"],
            per_channel=settings["per_channel"],
            reduce_range=settings["seven_bits"],
            weight_type=QuantType.QInt8 if settings["signed"] else QuantType.QUInt8,
        )
    return onnx.load(path)


def tensors(model):
    """Every stored tensor: its type, its shape and its values."""
    read = {one.name: numpy_helper.to_array(one) for one in model.graph.initializer}
    return {name: (str(one.dtype), one.shape, one.tobytes()) for name, one in read.items()}


def nodes(model):
    return Counter(
        (one.op_type, one.name, tuple(one.input), tuple(one.output)) for one in model.graph.node
    )


def awkward():
    """A column of zeros, a tiny one, one without negatives; a weight used twice; a stack."""
    random = np.random.default_rng(0)
    first = random.normal(size=(8, 6)).astype(np.float32)
    first[:, 0], first[:, 1], first[:, 2] = 0, 1e-42, np.abs(first[:, 2])
    stack = random.normal(size=(3, 6, 6)).astype(np.float32)
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "first"], ["a"], "one"),
            helper.make_node("MatMul", ["x", "first"], ["b"], "two"),
            helper.make_node("Add", ["a", "b"], ["c"], "both"),
            helper.make_node("MatMul", ["c", "stack"], ["y"], "three"),
        ],
        "awkward",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [3, "n", 6])],
        [numpy_helper.from_array(first, "first"), numpy_helper.from_array(stack, "stack")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize("settings", SETTINGS, ids=str)
@pytest.mark.parametrize("name", ["text", "awkward"])
def test_the_same_as_the_runtime_s_own_quantizer(tmp_path, name, settings):
    """Bit for bit, for each kind of weight; both name everything alike."""
    model = awkward() if name == "awkward" else _graph.load(exported(name).path)
    _graph.gemm_to_matmul(model)
    _graph.fold_transposed_weights(model)
    wanted = theirs(model, tmp_path / "theirs.onnx", settings)
    found = multiply_in_integers(model, **settings)

    assert found >= 3
    assert nodes(model) == nodes(wanted)
    assert tensors(model) == tensors(wanted)


def test_a_model_without_stored_matrices_stays_as_it_is():
    """Products of two inputs are no weights."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "y"], ["z"], "product")],
        "free",
        [helper.make_tensor_value_info(one, TensorProto.FLOAT, [2, 2]) for one in ("x", "y")],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2, 2])],
    )
    model = helper.make_model(graph)
    before = model.SerializeToString()

    assert multiply_in_integers(model, **SETTINGS[0]) == 0
    assert model.SerializeToString() == before
