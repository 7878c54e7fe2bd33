"""Weights that a file stores as codes into a table of entries.

Covers: finding the codes behind a value, through the operators that expand them (Cast, Gather,
Reshape, Slice, Transpose, Mul); how many numbers they stand for and in how many bits each.
Does not cover: what else a file may hold (audit.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

UNSIGNED = {2: 8, 21: 4, 25: 2}  # bits of onnx.TensorProto's unsigned types
THROUGH = {"Cast", "Transpose", "Reshape", "Slice", "Identity", "Mul"}
STEPS_BACK = 10


class Codes(NamedTuple):
    """`elements` numbers, `bits` each (a code's bits over the numbers that it stands for)."""

    elements: int
    bits: float


def codes_of(name: str, stored: Mapping[str, Any], makers: Mapping[str, Any]) -> Codes | None:
    """The codes that the value `name` is expanded from, or None.

    `stored` are the file's constants by name, `makers` the nodes by the values they make.
    """
    for _ in range(STEPS_BACK):
        node = makers.get(name)
        if node is None:
            return None
        if node.op_type == "Gather":
            return _codes(node, stored, makers)
        if node.op_type not in THROUGH:
            return None
        name = node.input[0]
    return None


def _codes(gather: Any, stored: Mapping[str, Any], makers: Mapping[str, Any]) -> Codes | None:
    codes = _constant(gather.input[1], stored, makers)
    entries = _constant(gather.input[0], stored, makers)
    if codes is None or entries is None or codes.data_type not in UNSIGNED:
        return None
    together = entries.dims[1] if len(entries.dims) > 1 else 1
    count = together
    for size in codes.dims:
        count *= size
    return Codes(elements=int(count), bits=UNSIGNED[codes.data_type] / together)


def _constant(name: str, stored: Mapping[str, Any], makers: Mapping[str, Any]) -> Any | None:
    """A stored value, perhaps widened by a Cast."""
    maker = makers.get(name)
    if maker is not None and maker.op_type == "Cast":
        name = maker.input[0]
    return stored.get(name)
