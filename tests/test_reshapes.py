"""Reshapes with a size the exporter knew: written down where all that share a shape agree."""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from wizard.strategies import _reshapes


def two_reshapes(*heads):
    """One shape [rows, -1, 64] for two Reshapes, whose middle axes were `heads` long."""
    nodes = [
        helper.make_node("Concat", ["rows", "free", "wide"], ["shape"], axis=0),
        helper.make_node("Reshape", ["x", "shape"], ["one"]),
        helper.make_node("Reshape", ["z", "shape"], ["two"]),
    ]
    stored = {"rows": [2], "free": [-1], "wide": [64]}
    made = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", count, 64])
        for name, count in zip(("one", "two"), heads, strict=True)
    ]
    given = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["rows", "n"]) for name in ("x", "z")
    ]
    kept = [numpy_helper.from_array(np.array(value), name) for name, value in stored.items()]
    return helper.make_model(helper.make_graph(nodes, "two", given, made, kept))


@pytest.mark.parametrize(("heads", "written"), [((4, 4), 1), ((4, 3), 0)])
def test_layers_of_other_sizes_keep_what_they_share(heads, written):
    """Three heads beside four: the shape stays open; four beside four: it says four."""
    model = two_reshapes(*heads)

    assert _reshapes.settle(model) == written
    onnx.checker.check_model(model)
    assert ("free" in model.graph.node[0].input) is (written == 0)
