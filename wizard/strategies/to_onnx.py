"""Translates a transformers checkpoint to ONNX and proves that both answer the same.

Covers: every task of wizard/tasks; dynamic batch and sequence;
agreement with PyTorch at two other shapes; a cache by content, hit without importing torch.
Does not cover: the wrappers of models that write (_decoder.py, _encoder_decoder.py,
_listener.py); pictures of varying size.
Own wrappers over torch.onnx.export: no other exporter follows transformers 5.
"""

from __future__ import annotations

import contextlib
import hashlib
import importlib.metadata
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard import nouns, tasks
from wizard.errors import ExportFailed, NotSupported, PickleOnly, PromiseBroken
from wizard.examples import prepared
from wizard.nouns import Artifact, Kind, Task
from wizard.strategies import _as_traced, _causal, _graph, _large
from wizard.strategies._checkpoint import SHAPE_FILE
from wizard.strategies._contract import Strategy, Workbench, digest
from wizard.strategies._torch import Parity, checked_export

TITLE = "Translate to ONNX"
MODEL_FILE, PARITY_FILE = "model.onnx", "parity.json"
LOCKS = "locks"  # in the cache, one file for each export that was ever made
GIVEN_FILE = "given.json"  # holds the hash of the model.onnx beside it
# Bump when this module makes other files from the same checkpoint: old cache entries are unused.
RECIPE = 5


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`opset` 20 is what the exporter gives by itself; `tolerance` is the largest difference."""

    opset: int = 20
    tolerance: float = 1e-3


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses a task we do not export and a folder without safetensors (pickles stay shut)."""
    del settings
    if bench.profile.task not in tasks.cards():
        titles = sorted(card.title for card in tasks.cards().values())
        raise NotSupported(
            strategy=TITLE, because=f"only these are translated: {', '.join(titles)}"
        )
    if not bench.profile.given and not list(artifact.path.glob("*.safetensors")):
        raise PickleOnly(model=artifact.path.name)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """The export from the cache, made first if it is not there.

    Raises ExportFailed with the exporter's own reason, or when the answers differ.
    """
    key = key_of(artifact, settings, bench)
    kept = bench.cache / "exports" / key
    if not _is_whole(kept):
        with _alone(bench.cache / LOCKS / key, bench):
            if not _is_whole(kept):
                _export_into(kept, artifact, settings, bench)
    bench.report(0.95, "taking it from the cache")
    for name in (MODEL_FILE, f"{MODEL_FILE}.data", PARITY_FILE):
        if (kept / name).is_file():
            _place(kept / name, bench.folder / name)
    bench.report(1.0, "")
    return bench.folder / MODEL_FILE


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """The answers agreed, batch (and sequence) are free, no path of ours is in the file."""
    del before
    parity = json.loads((after.path.parent / PARITY_FILE).read_text(encoding="utf-8"))
    if not parity["largest_difference"] <= settings.tolerance:
        raise PromiseBroken(
            strategy=TITLE,
            promised=f"answers within {settings.tolerance:g} of PyTorch's",
            found=f"a difference of {parity['largest_difference']:g}",
        )
    if parity.get("given"):
        return
    model = _graph.load_graph(after.path)
    given = {value.name for value in model.graph.input}
    for value in (*model.graph.input, *model.graph.output):
        free = value.type.tensor_type.shape.dim[0].dim_param
        if not free or (value.name not in given and "batch" not in free):
            raise PromiseBroken(
                strategy=TITLE, promised="any batch size", found=f"a fixed one in {value.name}"
            )
    if any(node.metadata_props or node.doc_string for node in model.graph.node):
        raise PromiseBroken(
            strategy=TITLE, promised="no traces of the exporting machine", found="stack traces"
        )


def key_of(artifact: Artifact, settings: Settings, bench: Workbench) -> str:
    """The cache key: every file that shapes the export, the versions that make it, the recipe."""
    task = bench.profile.task
    shaping = ["config.json", prepared.ALONE, prepared.TOGETHER, SHAPE_FILE, GIVEN_FILE]
    files = [artifact.path / name for name in shaping] + sorted(artifact.path.glob("*.safetensors"))
    made_of = {
        "files": {one.name: digest(one) for one in files if one.is_file()},
        "versions": {
            name: importlib.metadata.version(name)
            for name in ("torch", "transformers", "onnx", "onnxscript")
        },
        "task": task.value if task else "",
        "image_size": bench.profile.image_size,
        "opset": settings.opset,
        "tolerance": settings.tolerance,
        "recipe": RECIPE,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]


def _is_whole(kept: Path) -> bool:
    """The parity file is written last and names the model's hash."""
    if not (kept / PARITY_FILE).is_file() or not (kept / MODEL_FILE).is_file():
        return False
    parity = json.loads((kept / PARITY_FILE).read_text(encoding="utf-8"))
    return bool(parity.get("sha256") == digest(kept / MODEL_FILE))


@contextlib.contextmanager
def _alone(path: Path, bench: Workbench) -> Iterator[None]:
    """Whoever comes second waits for the export that another process has begun.

    The system gives the lock back when that process ends, however it ends.
    """
    from filelock import FileLock, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    lock = FileLock(str(path))
    try:
        lock.acquire(timeout=0)
    except Timeout:
        bench.report(0.2, "reading the computation")
        lock.acquire()
    try:
        yield
    finally:
        lock.release()


def _export_into(kept: Path, artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Export in a private folder, then rename: what is there is whole."""
    kept.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=kept.parent))
    try:
        parity = _export(artifact, settings, bench, making / MODEL_FILE)
        whole = {**parity, "sha256": digest(making / MODEL_FILE)}
        (making / PARITY_FILE).write_text(json.dumps(whole), encoding="utf-8")
        if kept.is_dir() and not _is_whole(kept):
            shutil.rmtree(kept)  # a damaged entry
        if not kept.is_dir():
            making.rename(kept)
    finally:
        shutil.rmtree(making, ignore_errors=True)


def _export(artifact: Artifact, settings: Settings, bench: Workbench, path: Path) -> dict[str, Any]:
    task = bench.profile.task
    if bench.profile.given:
        return _taken(artifact.path, path)
    if task is None:
        raise NotSupported(strategy=TITLE, because="the model's task is unknown")
    parity = _exported(artifact.path, task, path, settings, bench)
    if not parity.largest_difference <= settings.tolerance:
        with _as_traced.traced_again():  # what was left out may have been needed
            parity = _exported(artifact.path, task, path, settings, bench)
    if not parity.largest_difference <= settings.tolerance:
        because = f"its answers differ from PyTorch's by {parity.largest_difference:.2g}"
        raise ExportFailed(model=bench.profile.title, because=because)
    return {
        "largest_difference": parity.largest_difference,
        "shapes": [list(shape) for shape in parity.shapes],
    }


def _taken(folder: Path, path: Path) -> dict[str, Any]:
    """A model that was given as ONNX is the original itself: nothing is translated."""
    for name in (MODEL_FILE, f"{MODEL_FILE}.data"):
        if (folder / name).is_file():
            shutil.copyfile(folder / name, path.with_name(name))
    return {"largest_difference": 0.0, "shapes": [], "given": True}


def _exported(folder: Path, task: Task, path: Path, settings: Settings, bench: Workbench) -> Parity:
    """A model that writes keeps what it has read; all others answer in one go."""
    if tasks.writes(task):
        large = _large.is_large(folder)
        export = _large.checked_export if large else _causal.checked_export
        return export(folder, task, path, opset=settings.opset, report=bench.report)
    return checked_export(
        folder,
        task,
        path,
        opset=settings.opset,
        image_size=bench.profile.image_size,
        report=bench.report,
    )


def _place(kept: Path, target: Path) -> None:
    """A hard link where the file system allows it, else a copy.

    External data is always copied: onnx.load refuses data files with a second name.
    """
    link: Callable[[Path, Path], object] = shutil.copyfile
    if kept.suffix != ".data" and kept.stat().st_dev == target.parent.stat().st_dev:
        link = os.link
    link(kept, target)


STRATEGY = Strategy(
    name="to_onnx",
    title=TITLE,
    summary="the form every later step works on; same answers as PyTorch, checked",
    stage=2,
    accepts=Kind.CHECKPOINT,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model",
)
