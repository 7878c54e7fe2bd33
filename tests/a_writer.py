"""A tiny model that writes, built by hand: after each token it says the next number.

Its cache holds what it has read, so that a wrong cache gives wrong answers: the logits are taken
from the sum of all cached ids' last one. No training, no exporter, a millisecond to make.
"""

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save

VOCABULARY, LAYERS, HEADS, SIZE = 12, 1, 1, 4


def write(path: Path, *, stuck_at: int | None = None, broken: bool = False) -> Path:
    """Logits prefer id + 1 (or always `stuck_at`, or no numbers); the cache grows by each id."""
    favourite = np.full((VOCABULARY, VOCABULARY), -1.0, np.float32)
    for token in range(VOCABULARY):
        said = (token + 1) % VOCABULARY if stuck_at is None else stuck_at
        favourite[token, said] = np.nan if broken else 4.0
    kept = np.tile(np.arange(VOCABULARY, dtype=np.float32)[:, None], (1, SIZE))
    nodes = [
        helper.make_node("Gather", ["favourite", "input_ids"], ["logits"], name="head/Gather"),
        helper.make_node("Gather", ["kept", "input_ids"], ["rows"]),
        helper.make_node("Unsqueeze", ["rows", "axis"], ["fresh"]),
        helper.make_node("Concat", ["past_key_values.0.key", "fresh"], ["present.0.key"], axis=2),
        helper.make_node(
            "Concat", ["past_key_values.0.value", "fresh"], ["present.0.value"], axis=2
        ),
    ]
    graph = helper.make_graph(
        nodes,
        "writer",
        [
            helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"]),
            helper.make_tensor_value_info(
                "past_key_values.0.key", TensorProto.FLOAT, ["batch", 1, "past_sequence", SIZE]
            ),
            helper.make_tensor_value_info(
                "past_key_values.0.value", TensorProto.FLOAT, ["batch", 1, "past_sequence", SIZE]
            ),
        ],
        [
            helper.make_tensor_value_info(
                "logits", TensorProto.FLOAT, ["batch", "sequence", VOCABULARY]
            ),
            helper.make_tensor_value_info(
                "present.0.key", TensorProto.FLOAT, ["batch", 1, "all", SIZE]
            ),
            helper.make_tensor_value_info(
                "present.0.value", TensorProto.FLOAT, ["batch", 1, "all", SIZE]
            ),
        ],
        initializer=[
            numpy_helper.from_array(favourite, "favourite"),
            numpy_helper.from_array(kept, "kept"),
            numpy_helper.from_array(np.array([1], np.int64), "axis"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    save(model, str(path))
    return path
