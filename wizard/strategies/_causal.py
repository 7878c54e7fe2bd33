"""The checkpoint of a model that writes as one ONNX file with the same answers, cache included.

Covers: export through _decoder.py, or for models of two parts _encoder_decoder.py (texts) and
_listener.py (sound); tidying,
agreement of logits and cache with PyTorch at four shapes that the exporter never saw: a first
call, a long text, single tokens after cached ones.
Does not cover: the wrappers themselves, caching and where files go (to_onnx.py).
"""

from __future__ import annotations

import gc
import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.nouns import Task
from wizard.strategies import _decoder, _encoder_decoder, _graph, _listener
from wizard.strategies._checkpoint import load, shape_of
from wizard.strategies._torch import Parity, tidy

if TYPE_CHECKING:
    import numpy as np


def checked_export(
    folder: Path, task: Task, path: Path, *, opset: int, report: Callable[[float, str], None]
) -> Parity:
    """Export the checkpoint in `folder` to `path` and compare the answers.

    Raises ExportFailed, UnknownArchitecture or NotSupported. Not safe twice at once in one
    process: the exporter is not.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with _graph.quiet():
        report(0.05, "loading PyTorch")
        model = load(folder, task)
        parts = parts_of(model)
        cache, module = parts.cache_of(model), parts.wrapped(model)
        vocabulary = model.get_input_embeddings().num_embeddings
        report(0.2, "reading the computation")
        given, expected = asked(parts, module, cache, vocabulary)
        raw = path.with_name("raw.onnx")
        program = parts.trace(module, cache, vocabulary, opset)
        program.save(str(raw), external_data=True)
        del model, module, program  # their memory is needed for the file's own weights
        gc.collect()
        report(0.7, "tidying the file")
        tidy(raw, path, shape_of(folder))
        report(0.8, "comparing the answers")
        return compare(given, expected, path, parts.UNSEEN)


def asked(
    parts: Any, module: Any, cache: Any, vocabulary: int
) -> tuple[list[dict[str, Any]], list[list[np.ndarray[Any, Any]]]]:
    """Inputs at every shape that the exporter never saw, and what PyTorch says to them."""
    given = [parts.feed(cache, vocabulary, *one) for one in parts.UNSEEN]
    return given, [parts.answers(module, one) for one in given]


def parts_of(model: Any) -> Any:
    """The file that knows the model's form."""
    if model.main_input_name == "input_features":
        return _listener
    return _encoder_decoder if model.config.is_encoder_decoder else _decoder


def compare(
    given: list[dict[str, Any]],
    expected: list[list[np.ndarray[Any, Any]]],
    path: Path,
    shapes: tuple[tuple[int, ...], ...] = _decoder.UNSEEN,
) -> Parity:
    """Every output, cache included, at every shape."""
    import numpy as np

    session = _graph.session(path)
    names = [one.name for one in session.get_inputs()]
    largest = 0.0
    for one, wanted in zip(given, expected, strict=True):
        found = session.run(None, {name: one[name] for name in names})
        for left, right in zip(found, wanted, strict=True):
            alike = left.shape == right.shape
            difference = np.abs(left - right).max(initial=0) if alike else np.inf
            largest = max(largest, float(np.nan_to_num(difference, nan=np.inf)))
    return Parity(largest_difference=largest, shapes=shapes)
