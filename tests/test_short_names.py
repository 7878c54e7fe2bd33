"""What a quantizer puts into a graph has short names; the model's own names stay.

Covers: both static techniques, answers under the new names, names already taken, inner graphs.
Does not cover: how near the answers are to the original's (test_strategies.py).
"""

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests import strategy_models as models
from wizard.nouns import Step
from wizard.strategies import _contract as contract
from wizard.strategies import _graph, _short


def a_model(nodes, stored):
    """x [2] -> y [2]."""
    value = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [2]) for name in "xy"]
    kept = [numpy_helper.from_array(np.float32(one), name) for name, one in stored.items()]
    graph = helper.make_graph(nodes, "g", value[:1], value[1:], kept)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)


@pytest.mark.parametrize(
    ("technique", "kind"), [("int8_static", "image"), ("int8_static_smooth", "text")]
)
def test_a_rounded_layer_is_found_by_its_own_name(technique, kind, tmp_path):
    """Whatever the model called something is still called so, or is gone."""
    before = models.exported(kind)
    bench = models.a_bench(tmp_path, kind)
    after = contract.apply_step(Step(strategy=technique), before, bench)
    was, now = (_graph.load(one.path) for one in (before, after))
    new = _short.names(now) - _short.names(was)
    heavy = {node.name for node in was.graph.node if node.op_type in {"MatMul", "Conv"}}

    assert {node.name for node in now.graph.node} & heavy
    quantizers = {name for name in new if name.endswith(_short.ROLES)}
    assert len(quantizers) > 10
    assert all(len(name) <= len("q999_zero_point") for name in quantizers)


def test_answers_stay_the_same(tmp_path):
    """Only names change; one that is taken is not given again."""
    model = a_model(
        [
            helper.make_node("Mul", ["x", "long_name_scale"], ["q0"], name="first"),
            helper.make_node("Add", ["q0", "long_name_zero_point"], ["another"], name="second"),
            helper.make_node("Relu", ["another"], ["y"], name="third"),
        ],
        {"long_name_scale": [2, 3], "long_name_zero_point": [1, -9]},
    )
    path = tmp_path / "model.onnx"

    changed = _short.shorten(model, {"x", "y", "q0", "first", "third"})
    onnx.save(model, path)

    assert changed == 4
    assert [one.name for one in model.graph.initializer] == ["q2_scale", "q3_zero_point"]
    assert [node.name for node in model.graph.node] == ["first", "q4", "third"]
    said = _graph.session(path).run(None, {"x": np.float32([1, 2])})[0]
    assert said.tolist() == [3, 0]


def test_a_graph_with_graphs_inside_keeps_its_names():
    """What is inside may use any name of the outer one."""
    inner = helper.make_graph(
        [helper.make_node("Mul", ["x", "long_name_scale"], ["z"])],
        "inner",
        [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])],
    )
    chosen = helper.make_node("If", ["yes"], ["y"], then_branch=inner, else_branch=inner)
    model = a_model([chosen], {"long_name_scale": [2, 3]})

    assert _short.shorten(model, {"x", "y", "yes"}) == 0
    assert model.graph.initializer[0].name == "long_name_scale"
