"""What the audit says of files that are smaller without fewer bits."""

import numpy as np
from onnx import helper

from tests import strategy_models as models
from wizard.measure.audit import audit
from wizard.nouns import Step
from wizard.strategies import _contract as contract


def a_product(path, *stored):
    """Stored matrices one after the other."""
    names = ["x", *[f"h{at}" for at in range(len(stored) - 1)], "y"]
    nodes = [
        helper.make_node("MatMul", [names[at], f"w{at}"], [names[at + 1]])
        for at in range(len(stored))
    ]
    return models.a_graph(path, nodes, {f"w{at}": one for at, one in enumerate(stored)})


def test_a_shorter_word_table_is_in_the_label(tmp_path):
    """How many pieces are left of how many, read from the file."""
    step = Step(strategy="vocabulary_trimming", settings={"keep_share": 0.0})
    after = contract.apply_step(step, models.exported("text"), models.a_bench(tmp_path))

    assert "of 400 word pieces" in audit(after.path).label
    assert "not compressed" not in audit(after.path).label


def test_thin_matrices_in_a_row_are_called_a_split_layer(tmp_path):
    """Narrow in the middle: split; a wide layer between two others: a network."""
    thin = a_product(tmp_path / "thin.onnx", models.weights(64, 8), models.weights(8, 128))
    wide = a_product(tmp_path / "wide.onnx", models.weights(64, 128), models.weights(128, 64))

    assert audit(thin.path).label == "32-bit weights, 1 layer split in two"
    assert audit(wide.path).label == "32-bit weights, not compressed"


def test_zeros_are_counted(tmp_path):
    """Half of the numbers are zero, the label says so, and that they take as much room."""
    weight = models.weights(64, 64)
    weight[::2] = 0

    label = audit(a_product(tmp_path / "w.onnx", weight).path).label
    assert label == "32-bit weights, not compressed, 50% zeros"


def test_a_bias_of_zeros_is_no_weight(tmp_path):
    """Marian's last layer adds one row of them; that makes no sparse model."""
    nodes = [
        helper.make_node("MatMul", ["x", "w"], ["h"], name="one"),
        helper.make_node("Add", ["h", "b"], ["y"], name="bias"),
    ]
    stored = {"w": models.weights(64, 1024), "b": np.zeros((1, 1024), np.float32)}
    kept = stored | {"scales": np.zeros((1024, 1), np.float32)}

    assert "zeros" not in audit(models.a_graph(tmp_path / "b.onnx", nodes, kept).path).label
