"""An ONNX file without its large weights: they are referred to where they lie, not read.

Covers: the model's graph with every large weight pointing at its bytes in the file itself (or in
the data file beside it), so that a changed graph can be written in a few kilobytes and still runs;
reading one weight. Does not cover: weights up to 4 kB (they are in the graph), typed fields such as
float_data (they are few and small).
Source of the layout: onnx.proto (ModelProto.graph 7, GraphProto.initializer 5, TensorProto.raw_data
9) and protobuf's wire format. ONNX Runtime maps such bytes at any offset, aligned or not (tried).
"""

from __future__ import annotations

import mmap
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

GRAPH, INITIALIZER, RAW_DATA = 7, 5, 9
EXTERNAL = 1  # onnx.TensorProto.EXTERNAL
LARGE = 4096  # bytes


class _Field(NamedTuple):
    """One field of a message: it begins at `start`, its value at `value`, both end at `end`."""

    number: int
    start: int
    value: int
    end: int


def load(path: Path) -> onnx.ModelProto:
    """The model at `path`; large weights are external, at their place in `path` itself."""
    import onnx

    model = onnx.ModelProto()
    with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
        for field in _fields(data, 0, len(data)):
            if field.number == GRAPH:
                _read_graph(data, field, model.graph, path.name)
            else:
                model.MergeFromString(data[field.start : field.end])
    return model


def _read_graph(data: mmap.mmap, graph: _Field, into: onnx.GraphProto, name: str) -> None:
    for field in _fields(data, graph.value, graph.end):
        if field.number == INITIALIZER:
            _read_weight(data, field, into.initializer.add(), name)
        else:
            into.MergeFromString(data[field.start : field.end])


def _read_weight(data: mmap.mmap, weight: _Field, into: onnx.TensorProto, name: str) -> None:
    far = None
    for field in _fields(data, weight.value, weight.end):
        if field.number == RAW_DATA and field.end - field.value > LARGE:
            far = field
        else:
            into.MergeFromString(data[field.start : field.end])
    if far is None:
        return
    into.data_location = EXTERNAL  # last: the file may say otherwise after its bytes
    length = far.end - far.value
    for key, value in (("location", name), ("offset", far.value), ("length", length)):
        into.external_data.add(key=key, value=str(value))


def _fields(data: mmap.mmap, start: int, end: int) -> Iterator[_Field]:
    while start < end:
        key, value = _number(data, start)
        kind = key & 7  # 0: a number, 1: eight bytes, 2: a length and as many bytes, 5: four bytes
        if kind == 2:
            length, value = _number(data, value)
            after = value + length
        else:
            after = _number(data, value)[1] if kind == 0 else value + (8 if kind == 1 else 4)
        yield _Field(key >> 3, start, value, after)
        start = after


def _number(data: mmap.mmap, at: int) -> tuple[int, int]:
    """A number of seven bits a byte, lowest first, and where it ends."""
    total = shift = 0
    while data[at] >= 0x80:
        total |= (data[at] & 0x7F) << shift
        shift, at = shift + 7, at + 1
    return total | data[at] << shift, at + 1


def beside(path: Path, folder: Path) -> None:
    """The files that a model of `load` refers to, in `folder`: by a second name, or copied."""
    for one in (path, path.with_name(path.name + ".data")):
        if not one.is_file() or (folder / one.name).exists():
            continue
        try:
            os.link(one, folder / one.name)
        except OSError:
            shutil.copyfile(one, folder / one.name)


def numbers(tensor: onnx.TensorProto, folder: Path) -> Array:
    """The stored numbers of one weight, read from its file in `folder` if they are not here."""
    from onnx import TensorProto, numpy_helper

    place = {one.key: one.value for one in tensor.external_data}
    if tensor.data_location == EXTERNAL:
        with (folder / place["location"]).open("rb") as file:
            file.seek(int(place.get("offset", 0)))
            raw = file.read(int(place["length"]) if "length" in place else -1)
        tensor = TensorProto(dims=tensor.dims, data_type=tensor.data_type, raw_data=raw)
    found: Array = numpy_helper.to_array(tensor)
    return found
