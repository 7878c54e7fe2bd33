"""A model that is right on every row, unless its 8-bit sums are cut off at 16 bits.

"yes" rests on 32 large weights side by side, "no" on 48 large weights that stand alone: only the
former meet in one sum.
"""

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from wizard.examples import feeds
from wizard.strategies import _contract as contract

TOGETHER, ALONE, CLASSES, VOCABULARY = 32, 48, 3, 40
WIDTH = TOGETHER + 2 * ALONE


def a_fragile_model(path):
    """logits = mean(table[input_ids]) @ weight; even tokens mean "yes", odd ones "no"."""
    rng = np.random.default_rng(0)
    weight = np.zeros((WIDTH, CLASSES), np.float32)
    weight[:TOGETHER, 1] = 1.0
    weight[TOGETHER::2, 0] = 1.0
    weight[:, 2] = rng.normal(0, 0.01, WIDTH)
    table = rng.uniform(0, 0.02, (VOCABULARY, WIDTH)).astype(np.float32)
    table[0::2, :TOGETHER] += 0.98
    table[1::2, :TOGETHER] += 0.3
    table[:, TOGETHER::2] += 0.5
    table[:, -1] = 1.0  # every row reaches the end of the 8-bit range
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"], "words/Gather"),
        helper.make_node("ReduceMean", ["rows", "axes"], ["mean"], "mean", keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["logits"], "head/MatMul"),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])
    stored = {"table": table, "axes": np.array([1], np.int64), "weight": weight}
    weights = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    graph = helper.make_graph(nodes, "fragile", [ids], [out], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(path))
    return contract.artifact_of(path)


def some_rows(path, rows):
    """Feeds whose rows are all "yes" or all "no" tokens, and their labels."""
    rng = np.random.default_rng(1)
    kinds = rng.integers(0, 2, rows)
    ids = [rng.integers(0, VOCABULARY // 2, rng.integers(3, 9)) * 2 + kind for kind in kinds]
    texts = [np.asarray(one, np.int32) for one in ids]
    np.savez(path, **feeds.texts(texts, [0 * one for one in texts], pad=0))
    return tuple("no" if kind else "yes" for kind in kinds)


def by_hand(activations, weight):
    """What `vpmaddubsw` and the sums after it make of [rows, K] bytes and [K, columns] weights."""
    length = activations.shape[1]
    total = np.zeros((len(activations), weight.shape[1]), np.int64)
    for first in range(0, length, 2):
        pair = slice(first, min(first + 2, length))
        both = activations[:, pair].astype(np.int64) @ weight[pair].astype(np.int64)
        total += np.clip(both, -32768, 32767)
    return total
