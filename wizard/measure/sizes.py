"""How many numbers a layer takes and gives, from its weight's shape alone.

Covers: matrix products and convolutions in floating point, with integers, in n-bit blocks, behind
DequantizeLinear. Does not cover: lookups and codes into a table of entries (not known, None).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

THROUGH = {"Transpose", "Cast", "Identity", "DequantizeLinear"}
WEIGHT_AT = {"QLinearMatMul": 3, "QLinearConv": 3, "QGemm": 3}
MATRIX = 2


def sizes(
    node: Any, stored: Mapping[str, Any], makers: Mapping[str, Any]
) -> tuple[int, int] | None:
    """(inputs, outputs) of one place: a token, a position. None where the file does not say."""
    if "Gather" in node.op_type:
        return None
    if node.op_type == "MatMulNBits":
        said = {one.name: one.i for one in node.attribute}
        return said["K"], said["N"]
    dims = _dims(node.input[WEIGHT_AT.get(node.op_type, 1)], stored, makers)
    if dims is None or len(dims) < MATRIX:
        return None
    if "Conv" in node.op_type:
        groups = next((one.i for one in node.attribute if one.name == "group"), 1)
        return dims[1] * groups, dims[0]
    if any(one.name == "transB" and one.i for one in node.attribute):
        dims = dims[::-1]
    return dims[0], dims[1]


def _dims(
    name: str, stored: Mapping[str, Any], makers: Mapping[str, Any]
) -> tuple[int, ...] | None:
    """The weight's shape as its reader sees it."""
    turned = False
    while name not in stored:
        maker = makers.get(name)
        if maker is None or maker.op_type not in THROUGH:
            return None
        turned ^= maker.op_type == "Transpose"
        name = maker.input[0]
    dims = tuple(int(one) for one in stored[name].dims)
    return dims[::-1] if turned else dims


def alike(before: tuple[int, int] | None, after: tuple[int, int] | None) -> tuple[bool, bool]:
    """Whether inputs and outputs are as many in both; what is not known is taken for the same."""
    if before is None or after is None:
        return True, True
    return before[0] == after[0], before[1] == after[1]
