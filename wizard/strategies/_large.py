"""The checkpoint of a large model that writes as ONNX, weights written one after the other.

Covers: the same graph and file layout as _causal.py with memory for a few tensors only; agreement
with PyTorch on a cut of it, the first layers with their own weights, the word table and the head.
Does not cover: models that fit into memory; those are compared whole (_causal.py).
"""

from __future__ import annotations

import gc
import json
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from wizard.nouns import Task
from wizard.strategies import _causal, _file, _graph, _hollow
from wizard.strategies._checkpoint import load
from wizard.strategies._file import EXTERNAL_ABOVE

if TYPE_CHECKING:
    import onnx

    from wizard.strategies._torch import Parity

CUT_LAYERS = 2
ALIGNED = 4096  # bytes; ONNX Runtime maps external weights into memory page by page
FLOAT_BYTES = 4
LAYERS = (
    *("num_hidden_layers", "n_layer", "num_layers", "num_decoder_layers"),
    *("encoder_layers", "decoder_layers"),
)


def is_large(folder: Path) -> bool:
    """Whether its weights in float32 would not fit one ONNX file, by the files' headers."""
    return FLOAT_BYTES * _hollow.count(folder) > EXTERNAL_ABOVE


def checked_export(
    folder: Path, task: Task, path: Path, *, opset: int, report: Callable[[float, str], None]
) -> Parity:
    """Write `path` and `path`.data; compare a cut of the model with PyTorch.

    Raises what _causal.checked_export raises.
    """
    report(0.05, "comparing its first layers with PyTorch")
    with _graph.quiet(), tempfile.TemporaryDirectory(dir=path.parent) as place:
        parity = _cut_compared(folder, task, Path(place), opset)
        gc.collect()
        report(0.3, "reading the computation, without weights")
        hollow = _hollow.writing(folder, task, opset)
        _file.strip(hollow.model)
        _write(hollow, path, report)
    return parity


def _cut_compared(folder: Path, task: Task, place: Path, opset: int) -> Parity:
    """The first layers, traced without weights and filled, against PyTorch on the same ones."""
    cut = place / "cut"
    cut.mkdir()
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    for name in LAYERS:
        if name in config:
            config[name] = min(CUT_LAYERS, int(config[name]))
    config.pop("layer_types", None)  # one entry a layer; made anew from the number of layers
    (cut / "config.json").write_text(json.dumps(config), encoding="utf-8")
    for one in (*folder.glob("*.safetensors"), *folder.glob("*.safetensors.index.json")):
        (cut / one.name).symlink_to(one.absolute())
    model = load(cut, task)
    parts = _causal.parts_of(model)
    cache, module = parts.cache_of(model), parts.wrapped(model)
    vocabulary = model.get_input_embeddings().num_embeddings
    given, expected = _causal.asked(parts, module, cache, vocabulary)
    del model, module
    gc.collect()
    hollow = _hollow.writing(cut, task, opset)
    target = place / "cut.onnx"
    _write(hollow, target, lambda share, said: None)
    return _causal.compare(given, expected, target, parts.UNSEEN)


def _write(hollow: _hollow.Hollow, path: Path, report: Callable[[float, str], None]) -> None:
    """Each weight to the data file as it is read; the graph last, so its presence means whole."""
    import onnx

    beside = path.with_name(path.name + ".data")
    empty = [one for one in hollow.model.graph.initializer if _hollow.is_empty(one)]
    with beside.open("wb") as file:
        for at, one in enumerate(empty):
            report(0.4 + 0.55 * at / len(empty), f"weights, {at + 1} of {len(empty)}")
            _write_one(one, hollow, file, beside.name)
    temporary = path.with_suffix(".tmp")
    onnx.save(hollow.model, str(temporary))
    temporary.replace(path)


def _write_one(one: onnx.TensorProto, hollow: _hollow.Hollow, file: BinaryIO, name: str) -> None:
    import numpy as np
    import onnx

    file.write(b"\0" * (-file.tell() % ALIGNED))
    values = np.ascontiguousarray(hollow.values(one.name), "<f4")
    where = {"location": name, "offset": str(file.tell()), "length": str(values.nbytes)}
    file.write(values.data)
    one.data_location = onnx.TensorProto.EXTERNAL
    for key, value in where.items():
        one.external_data.add(key=key, value=value)
