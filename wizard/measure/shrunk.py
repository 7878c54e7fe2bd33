"""What a file says of itself besides bits: a shortened word table, split layers, zeros.

Covers: a table behind a list of places, a matrix stored as the product of two thin ones, the share
of float weights that are exactly zero. Read from the file, never from a request.
Does not cover: bits per weight (audit.py).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import onnx

FLOAT, FLOAT16 = 1, 10  # onnx.TensorProto's types
ZEROS_WORTH_TELLING = 0.1
SMALL = 512


def notes(model: onnx.ModelProto, content: Callable[[Any], bytes] | None) -> tuple[str, ...]:
    """Clauses for the label; `content` reads a tensor's bytes, None where they are not there."""
    stored = {one.name: one for one in model.graph.initializer}
    makers = {out: node for node in model.graph.node for out in node.output}
    said = []
    shorter = _shorter(model, stored, makers)
    if shorter is not None:
        said.append(f"{shorter[0]} of {shorter[1]} word pieces")
    split = _split(model, stored, makers)
    if split:
        said.append(f"{split} layer{'s' if split > 1 else ''} split in two")
    zeros = _zeros(stored, content) if content is not None else 0.0
    if zeros >= ZEROS_WORTH_TELLING:
        said.append(f"{zeros:.0%} zeros")
    return tuple(said)


def _shorter(
    model: onnx.ModelProto, stored: Mapping[str, Any], makers: Mapping[str, Any]
) -> tuple[int, int] | None:
    """(rows kept, ids known): a stored whole-number list says which row of a table an id reads."""
    for node in model.graph.node:
        if "Gather" not in node.op_type or node.input[0] not in stored:
            continue
        cast = makers.get(node.input[1])
        first = makers.get(cast.input[0]) if cast is not None and cast.op_type == "Cast" else None
        if first is None or first.op_type != "Gather":
            continue
        places, table = stored.get(first.input[0]), stored[node.input[0]]
        if places is not None and len(places.dims) == 1 and len(table.dims) == 2:
            return int(table.dims[0]), int(places.dims[0])
    return None


def _split(model: onnx.ModelProto, stored: Mapping[str, Any], makers: Mapping[str, Any]) -> int:
    """Products of two stored matrices with fewer numbers between than at either end."""
    found = 0
    for node in model.graph.node:
        first = makers.get(node.input[0]) if _weighs(node, stored) else None
        if first is not None and _weighs(first, stored):
            outer, inner = stored[node.input[1]].dims, stored[first.input[1]].dims
            found += outer[0] == inner[1] < min(inner[0], outer[1])
    return found


def _weighs(node: onnx.NodeProto, stored: Mapping[str, Any]) -> bool:
    return bool(
        node.op_type == "MatMul"
        and node.input[1] in stored
        and len(stored[node.input[1]].dims) == 2
    )


def _zeros(stored: Mapping[str, Any], content: Callable[[Any], bytes]) -> float:
    """Share of the large float weights that are exactly zero."""
    import numpy as np

    zeros = total = 0
    types = {FLOAT: np.float32, FLOAT16: np.float16}
    for tensor in stored.values():
        kind = types.get(tensor.data_type)
        if kind is None or sum(size > 1 for size in tensor.dims) < 2:  # a bias, or scales
            continue
        values = np.frombuffer(content(tensor), kind)
        if values.size >= SMALL:
            total += values.size
            zeros += values.size - int(np.count_nonzero(values))
    return zeros / total if total else 0.0
