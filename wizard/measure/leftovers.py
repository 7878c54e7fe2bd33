"""Weights that a file carries without need, and bits that it promised not to hold.

Covers: a word table that is also stored as a last layer (untied), weights that no node reads, the
promise in the name of the technique that made the file.
Does not cover: equal contents (audit.py counts them), files changed later (sanity.py).
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.errors import PromiseBroken
from wizard.nouns import Artifact, Audit

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

WORTH_TELLING = 100_000  # bytes
# In the name of a copy that a technique made on purpose, in few bits (strategies/_tied.py).
APART = "_apart"
SHARE_OF_FILE = 0.02
FLOATS, SIGNED, UNSIGNED = {1, 10, 16}, {3}, {2}  # onnx.TensorProto's types
# Rows compared, and how alike two copies of a row are at least, whatever their scales.
ROWS, ALIKE = 8, 0.95


def untied(model: onnx.ModelProto, path: Path) -> list[str]:
    """Word tables that the file stores again for multiplying, in whatever precision."""
    stored = {one.name: one for one in model.graph.initializer}
    tables = {
        node.input[0]
        for node in model.graph.node
        if node.op_type == "Gather" and _is_large(stored.get(node.input[0]))
    }
    others = {
        name
        for node in model.graph.node
        if node.op_type in {"MatMul", "Gemm", "MatMulInteger", "DequantizeLinear", "Cast"}
        for name in node.input
        if name not in tables and APART not in name and _is_large(stored.get(name))
    }
    twice = sorted(
        table
        for table in tables
        if any(_same_rows(stored[table], stored[other], path.parent) for other in others)
    )
    return [f"The word table {name} is stored again for the last layer." for name in twice]


def _is_large(tensor: Any) -> bool:
    if tensor is None or len(tensor.dims) != 2:
        return False
    known = tensor.data_type in FLOATS | SIGNED | UNSIGNED
    return known and bool(tensor.dims[0] * tensor.dims[1] >= WORTH_TELLING)


def _same_rows(table: Any, other: Any, folder: Path) -> bool:
    """Whether a few rows of the table lie in the other as its rows or columns."""
    import numpy as np

    rows, width = table.dims
    if sorted(other.dims) != sorted(table.dims):
        return False
    at = np.linspace(0, rows - 1, ROWS).astype(int)
    here, there = _numbers(table, folder)[at], _numbers(other, folder)
    there = there[at] if tuple(other.dims) == (rows, width) else there[:, at].T
    return bool(np.median(_likeness(here, there)) > ALIKE)


def _likeness(one: Array, other: Array) -> Array:
    import numpy as np

    norms = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    return np.asarray(np.abs((one * other).sum(axis=1)) / np.maximum(norms, 1e-12))


def _numbers(tensor: Any, folder: Path) -> Array:
    """The stored numbers, without their scale; unsigned ones around zero."""
    import numpy as np
    from onnx import numpy_helper

    values = numpy_helper.to_array(tensor, base_dir=str(folder)).astype(np.float32)
    return np.asarray(values - (128 if tensor.data_type in UNSIGNED else 0))


def unread(model: onnx.ModelProto, path: Path) -> list[str]:
    """Weights that nothing in the file uses."""
    read = {output.name for output in model.graph.output} | _read(model.graph)
    idle = [one for one in model.graph.initializer if one.name not in read]
    size = sum(_size(one) for one in idle)
    if size < WORTH_TELLING or size < SHARE_OF_FILE * path.stat().st_size:
        return []
    return [f"{size / 1e6:.1f} MB of its weights are used by nothing."]


def _read(graph: onnx.GraphProto) -> set[str]:
    inner = [one.g for node in graph.node for one in node.attribute if one.HasField("g")]
    return {name for node in graph.node for name in node.input}.union(*map(_read, inner))


def _size(tensor: Any) -> int:
    lengths = [int(one.value) for one in tensor.external_data if one.key == "length"]
    return lengths[0] if lengths else len(tensor.raw_data)


def must_be_what_was_made(artifact: Artifact, looked: Audit) -> None:
    """Raises PromiseBroken when the file holds more bits than its technique's name says."""
    said = re.search(r"(?:int|float)(\d+)", artifact.made_by or "")
    if said is not None and looked.weight_bits > int(said[1]):
        raise PromiseBroken(
            strategy=str(artifact.made_by).replace("_", " "),
            promised=f"{said[1]}-bit weights",
            found=looked.label,
        )
