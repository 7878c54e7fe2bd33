"""Runs every technique the same way and holds it to its word.

Covers: finding the techniques by file name, checking a step's settings, the legal order of
steps, applying one step (requires -> apply -> read the file -> ensures), reading an artifact.
Does not cover: what a technique does. Imports neither torch nor onnx; `discover` does not either.
"""

from __future__ import annotations

import dataclasses
import hashlib
import importlib
import itertools
import json
import pkgutil
import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import library
from wizard.errors import NotAModelFolder, NotSupported, PresetBroken, WeightsDamaged
from wizard.nouns import Artifact, Device, Json, Kind, ModelProfile, Settings, Step, jsonable

if TYPE_CHECKING:
    from pydantic import TypeAdapter

CHUNK = 1 << 20  # bytes read at a time while hashing
PROTOBUF_START = b"\x08"  # field 1 (ir_version) of an ONNX ModelProto
CHECKPOINT_FILES = ("config.json", "*.safetensors", "given.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Workbench:
    """What a technique may use. It writes below `folder` (and `cache`), nowhere else.

    `calibration` is a feeds file of examples.prepare, or None. `report(fraction, detail)` takes
    0..1 of the work done; `seconds` is what the job has left, where it has a limit; `sibling` is
    the folder of the smaller published model that the user accepted.
    """

    folder: Path
    model_folder: Path
    profile: ModelProfile
    device: Device
    calibration: Path | None
    cache: Path
    seed: int
    threads: int
    report: Callable[[float, str], None]
    seconds: float | None = None
    sibling: Path | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Strategy:
    """One technique. The three functions take that technique's own settings, hence the Any.

    `requires` raises NotSupported; `apply` returns the new file; `ensures` raises PromiseBroken.
    Stages: 0 a smaller shape and 1 recovery (both on the checkpoint), 2 export, 3 the graph (exact
    work, smaller tables and matrices), 4 numbers with fewer bits.
    """

    name: str
    title: str
    summary: str
    stage: int
    accepts: Kind
    gives: Kind
    settings: type[Settings]
    requires: Callable[[Artifact, Any, Workbench], None]
    apply: Callable[[Artifact, Any, Workbench], Path]
    ensures: Callable[[Artifact, Artifact, Any], None]
    file_stem: str

    def describe(self) -> Mapping[str, Json]:
        """What can be said in JSON: names, stage, kinds, settings with their defaults."""
        return {
            "name": self.name,
            "title": self.title,
            "summary": self.summary,
            "stage": self.stage,
            "accepts": self.accepts.value,
            "gives": self.gives.value,
            "settings": jsonable(self.settings()),
        }


@lru_cache(maxsize=1)
def discover() -> Mapping[str, Strategy]:
    """Every technique by name; a file of this folder without a leading underscore is one.

    Ordered by stage, then name. Raises PresetBroken for a file that does not name itself.
    """
    package = importlib.import_module(__package__ or "wizard.strategies")
    names = sorted(m.name for m in pkgutil.iter_modules(package.__path__) if m.name[0] != "_")
    found = [_strategy_in(f"{package.__name__}.{name}", name) for name in names]
    return {one.name: one for one in sorted(found, key=lambda one: (one.stage, one.name))}


def _strategy_in(module_name: str, name: str) -> Strategy:
    strategy = getattr(importlib.import_module(module_name), "STRATEGY", None)
    if not isinstance(strategy, Strategy) or strategy.name != name:
        raise PresetBroken(file=f"{name}.py", because=f"it needs a STRATEGY named '{name}'")
    return strategy


def settings_of(step: Step) -> Settings:
    """The step's settings, complete and checked.

    Raises UnknownName for the technique, PresetBroken for a misspelt or ill-typed setting.
    """
    from pydantic import ValidationError

    kind = library.find("strategy", step.strategy, discover()).settings
    known = [field.name for field in dataclasses.fields(kind)]
    for name in step.settings:
        if name not in known:
            near = library.closest(name, known)
            hint = f"; did you mean '{near}'?" if near else ""
            raise PresetBroken(file=step.strategy, because=f"unknown setting '{name}'{hint}")
    try:
        return _reader(step.strategy).validate_python(dict(step.settings))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(str(part) for part in first["loc"])
        raise PresetBroken(file=step.strategy, because=f"{where}: {first['msg']}") from error


@lru_cache
def _reader(strategy: str) -> TypeAdapter[Settings]:
    from pydantic import TypeAdapter

    return TypeAdapter(discover()[strategy].settings)


def validate(step: Step) -> Step:
    """The same step with every setting written out as a plain value."""
    complete = jsonable(settings_of(step))
    return Step(strategy=step.strategy, settings=complete)  # type: ignore[arg-type] # flat by design


def check_order(steps: Sequence[Step]) -> None:
    """Raises PresetBroken unless stages ascend and each step accepts what the last one gave."""
    strategies = [library.find("strategy", step.strategy, discover()) for step in steps]
    for before, after in itertools.pairwise(strategies):
        if after.stage < before.stage or after.accepts is not before.gives:
            because = f"{after.name} cannot come after {before.name}"
            raise PresetBroken(file=after.name, because=because)


def apply_step(step: Step, artifact: Artifact, bench: Workbench) -> Artifact:
    """The new artifact, with its promise checked; nothing is left behind on any failure.

    The file lies in a folder of its own below `bench.folder`, named after step and input.
    Raises NotSupported, PromiseBroken, or what the technique raises.
    """
    strategy = library.find("strategy", step.strategy, discover())
    settings = settings_of(step)
    if artifact.kind is not strategy.accepts:
        because = f"it takes {_a(strategy.accepts)} and got {_a(artifact.kind)}"
        raise NotSupported(strategy=strategy.title, because=because)
    strategy.requires(artifact, settings, bench)
    folder = bench.folder / f"{strategy.name}-{_digest_of(step.strategy, settings, artifact)}"
    try:
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        path = strategy.apply(artifact, settings, dataclasses.replace(bench, folder=folder))
        made = artifact_of(path)
        after = dataclasses.replace(made, parent=artifact.sha256, made_by=strategy.name)
        strategy.ensures(artifact, after, settings)
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise
    return after


def _a(kind: Kind) -> str:
    return "a checkpoint folder" if kind is Kind.CHECKPOINT else "an ONNX file"


def _digest_of(name: str, settings: Settings, artifact: Artifact) -> str:
    words = json.dumps([name, jsonable(settings), artifact.sha256], sort_keys=True)
    return hashlib.sha256(words.encode()).hexdigest()[:12]


def artifact_of(path: Path) -> Artifact:
    """A model folder or an .onnx file as an artifact: kind, bytes and hash read from disk.

    Raises NotAModelFolder for a folder without config.json or a file that is not there,
    WeightsDamaged for a file that is not ONNX.
    """
    if path.is_dir():
        if not (path / "config.json").is_file():
            raise NotAModelFolder(model=path.name)
        files = sorted(one for pattern in CHECKPOINT_FILES for one in path.glob(pattern))
        return _artifact(path, Kind.CHECKPOINT, files)
    if not path.is_file():
        raise NotAModelFolder(model=path.name)
    with path.open("rb") as file:
        if file.read(1) != PROTOBUF_START:
            raise WeightsDamaged(file=path.name, because="it is not an ONNX file")
    beside = path.with_name(path.name + ".data")
    return _artifact(path, Kind.ONNX, [path, beside] if beside.is_file() else [path])


def _artifact(path: Path, kind: Kind, files: Sequence[Path]) -> Artifact:
    total = sum(one.stat().st_size for one in files)
    digests = [digest(one) for one in files]
    whole = digests[0] if len(files) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    return Artifact(path=path, kind=kind, sha256=whole, bytes=total)


def digest(path: Path) -> str:
    """The sha256 of a file, streamed; remembered until the file changes."""
    facts = path.stat()
    return _digest(path, facts.st_ino, facts.st_size, facts.st_mtime_ns)


@lru_cache(maxsize=256)
def _digest(path: Path, inode: int, size: int, changed: int) -> str:
    del inode, size, changed  # they only tell two states of the same path apart
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()
