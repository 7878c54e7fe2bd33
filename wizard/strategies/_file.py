"""Reading and writing ONNX files, weight by weight.

Covers: load, save (external data above 1.5 GB, nothing of our machine in the file, memory for
one copy of the weights only), keeping the libraries quiet. Does not cover: graphs (_graph.py).
"""

from __future__ import annotations

import contextlib
import io
import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import limits

if TYPE_CHECKING:
    import onnx

EXTERNAL_ABOVE = limits.ONE_FILE_BYTES
# Field numbers of onnx.proto: ModelProto.graph, GraphProto.initializer, TensorProto.raw_data.
GRAPH_FIELD, INITIALIZER_FIELD, RAW_DATA_FIELD = 7, 5, 9


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keeps the libraries' chatter (prints, logs, their own deprecations) away from the user.

    The quantizers call logging.basicConfig on import and warn on every run; none of it is about
    the user's model.
    """
    root = logging.getLogger()
    placeholder = logging.NullHandler()  # keeps logging.basicConfig from adding one of its own
    root.addHandler(placeholder)
    before = root.manager.disable
    logging.disable(logging.CRITICAL)
    try:
        with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(before)
        root.removeHandler(placeholder)


def load(path: Path) -> onnx.ModelProto:
    """The model with its external data, if any, in memory."""
    import onnx

    with quiet():
        return onnx.load(str(path))


def load_graph(path: Path) -> onnx.ModelProto:
    """The model without its external data: the graph, names and shapes."""
    import onnx

    with quiet():
        return onnx.load(str(path), load_external_data=False)


def save(model: onnx.ModelProto, path: Path) -> Path:
    """Write `model` to `path` (and `path`.data above 1.5 GB), without names of our machine.

    The .onnx file gets its name last, so its presence means it is complete.
    """
    import onnx

    strip(model)
    temporary = path.with_suffix(".tmp")
    beside = path.with_name(path.name + ".data")
    beside.unlink(missing_ok=True)
    if is_large(model):
        onnx.save(model, str(temporary), save_as_external_data=True, location=beside.name)
    else:
        _write(model, temporary)
    return temporary.replace(path)


def is_large(model: onnx.ModelProto) -> bool:
    """Too much for one protobuf file (ByteSize would serialize everything to find out)."""
    return sum(_raw_bytes(one) for one in model.graph.initializer) > EXTERNAL_ABOVE


def _raw_bytes(one: onnx.TensorProto) -> int:
    return len(one.raw_data) if one.HasField("raw_data") else int(one.ByteSize())


def _write(model: onnx.ModelProto, path: Path) -> None:
    """The protobuf file, weight by weight.

    SerializeToString needs three times the weights in memory: its buffer doubles as it grows and
    is copied at the end (and ByteSize does the same). The wire format
    (protobuf.dev/programming-guides/encoding) lets a message's parts be written one after the
    other once its length is known.
    """
    shell, graph = _without(model, "graph"), _without(model.graph, "initializer")
    rest = graph.SerializeToString(deterministic=True)
    heads = [_tensor_head(one) for one in model.graph.initializer]
    sizes = [len(head) + _raw_bytes(one) * one.HasField("raw_data")
             for head, one in zip(heads, model.graph.initializer, strict=True)]  # fmt: skip
    length = len(rest) + sum(len(_head(INITIALIZER_FIELD, size)) + size for size in sizes)
    with path.open("wb") as file:
        file.write(shell.SerializeToString(deterministic=True))
        file.write(_head(GRAPH_FIELD, length) + rest)
        for one, head, size in zip(model.graph.initializer, heads, sizes, strict=True):
            file.write(_head(INITIALIZER_FIELD, size) + head)
            file.write(one.raw_data)


def _tensor_head(one: onnx.TensorProto) -> bytes:
    """All of a stored tensor but its raw numbers, which follow."""
    rest: bytes = _without(one, "raw_data").SerializeToString(deterministic=True)
    return rest + (_head(RAW_DATA_FIELD, _raw_bytes(one)) if one.HasField("raw_data") else b"")


def _without(message: Any, left_out: str) -> Any:
    """A copy of a protobuf message but for one field."""
    copy = type(message)()
    for field, value in message.ListFields():
        if field.name == left_out:
            continue
        if field.is_repeated:
            getattr(copy, field.name).extend(value)
        elif field.message_type is not None:
            getattr(copy, field.name).CopyFrom(value)
        else:
            setattr(copy, field.name, value)
    return copy


def _head(field: int, length: int) -> bytes:
    """Tag and length of a length-delimited field, as varints."""
    coded = bytearray([field << 3 | 2])
    while length > 0x7F:
        coded.append(length & 0x7F | 0x80)
        length >>= 7
    coded.append(length)
    return bytes(coded)


def strip(model: onnx.ModelProto) -> None:
    """Drop stack traces, doc strings and intermediate shapes: they hold paths of our machine."""
    graph = model.graph
    del graph.value_info[:]
    parts = (*graph.node, *graph.initializer, *graph.input, *graph.output)
    for part in (model, graph, *parts):
        part.ClearField("doc_string")
        part.ClearField("metadata_props")
