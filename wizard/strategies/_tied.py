"""Tables that lookups and the last layer share, and how they come apart.

Covers: giving the last layer its own copy before numbers are rounded, what that costs.
Does not cover: techniques that keep the two tied (_lowbit.py, palettization.py).

A tied head is a Transpose of the table, which quantizers of matrices do not see: it would stay in
float32 and be the largest layer of every word. Two copies in 8 bits are half of one in 32.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from wizard.strategies import _graph
from wizard.strategies._lowbit import tied_tables

if TYPE_CHECKING:
    import onnx


# In a copy's name: it is there on purpose, and both copies together are smaller than one was.
APART = "_apart"


@dataclass(frozen=True, slots=True, kw_only=True)
class Shared:
    """Bytes and rows of all tables that a last layer shares."""

    bytes: int = 0
    rows: int = 0


def untie(model: onnx.ModelProto) -> int:
    """Give every last layer a matrix of its own, turned already; returns how many."""
    from onnx import numpy_helper

    known, tied = _graph.stored(model), tied_tables(model)
    for name, one in tied.items():
        turned = numpy_helper.to_array(known[name]).T.copy()
        model.graph.initializer.append(numpy_helper.from_array(turned, f"{name}{APART}"))
        for node in one.products:
            node.input[1] = f"{name}{APART}"
    if tied:
        _graph.drop_unused(model)
    return len(tied)


def shared(path: Path) -> Shared:
    """What `untie` would take apart in a file."""
    model = _graph.load(path)
    _graph.fold_transposed_weights(model)
    known = _graph.stored(model)
    tables = [known[name] for name in tied_tables(model)]
    return Shared(
        bytes=sum(4 * one.dims[0] * one.dims[1] for one in tables),
        rows=sum(one.dims[0] for one in tables),
    )
