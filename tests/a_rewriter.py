"""A tiny model of two parts, built by hand: it writes its source again, word by word.

Its cache of the source is the source itself and that of what was written counts the words, so
that a wrong cache gives wrong texts. No training, no exporter, a millisecond to make.
"""

from pathlib import Path

from onnx import TensorProto, helper, save

VOCABULARY = 12
CACHES = ("past_key_values.0.decoder.key", "past_key_values.0.encoder.key")


def _value(name, kind, shape):
    return helper.make_tensor_value_info(name, kind, shape)


def write(path: Path) -> Path:
    """At place p of what is written, logits prefer the source's token p."""
    node = helper.make_node
    nodes = [
        node("Cast", ["input_ids"], ["source"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["source", "axes"], ["fresh"]),
        node("Concat", [CACHES[1], "fresh"], ["present.0.encoder.key"], axis=2),
        node("Cast", ["decoder_input_ids"], ["words"], to=TensorProto.FLOAT),
        node("Unsqueeze", ["words", "axes"], ["new"]),
        node("Concat", [CACHES[0], "new"], ["present.0.decoder.key"], axis=2),
        node("Shape", [CACHES[0]], ["before"], start=2, end=3),
        node("Shape", ["present.0.decoder.key"], ["after"], start=2, end=3),
        node("Squeeze", ["before"], ["from"]),
        node("Squeeze", ["after"], ["to"]),
        node("Range", ["from", "to", "one"], ["places"]),
        node("Gather", ["present.0.encoder.key", "places"], ["picked"], axis=2),
        node("Cast", ["picked"], ["tokens"], to=TensorProto.INT64),
        node("Squeeze", ["tokens", "axes"], ["rows"]),
        node("OneHot", ["rows", "depth", "values"], ["logits"]),
    ]
    constants = [
        helper.make_tensor("axes", TensorProto.INT64, [2], [1, 3]),
        helper.make_tensor("one", TensorProto.INT64, [], [1]),
        helper.make_tensor("depth", TensorProto.INT64, [], [VOCABULARY]),
        helper.make_tensor("values", TensorProto.FLOAT, [2], [0.0, 9.0]),
    ]
    grown = [("decoder", "written"), ("encoder", "read")]
    graph = helper.make_graph(
        nodes,
        "rewriter",
        [
            _value("input_ids", TensorProto.INT64, ["batch", "source"]),
            _value("decoder_input_ids", TensorProto.INT64, ["batch", "sequence"]),
            *(
                _value(name, TensorProto.FLOAT, ["batch", 1, f"past_{length}", 1])
                for name, (_, length) in zip(CACHES, grown, strict=True)
            ),
        ],
        [
            _value("logits", TensorProto.FLOAT, ["batch", "sequence", VOCABULARY]),
            *(
                _value(f"present.0.{part}.key", TensorProto.FLOAT, ["batch", 1, length, 1])
                for part, length in grown
            ),
        ],
        initializer=constants,
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    save(model, str(path))
    return path
