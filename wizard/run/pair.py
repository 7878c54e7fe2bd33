"""Compares two models that are given: nothing is compressed, the same measurements and verdict.

Covers: what was named (an ONNX file, a bundle, a model), whose rows and labels hold for both,
refusing two models that do not answer the same question; a job judged again by another contract.
Does not cover: the walk itself (walk.py), statistics (compare).
"""

from __future__ import annotations

import dataclasses
import json
import shlex
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wizard import intake, tasks
from wizard.bundle.pack import MANIFEST
from wizard.errors import BundleDamaged, ModelNotFound, NotComparable
from wizard.nouns import (
    Artifact,
    Candidate,
    ModelProfile,
    ModelRef,
    Plan,
    Reason,
    Step,
    Value,
    Workload,
)
from wizard.run.state import Site
from wizard.strategies import _contract as contract

GIVEN, AFTER = "given", "after"
MAIN = "config.json"
CACHE = "past_key_values."  # what a model that writes keeps of what it has read
# What a model's answers hang on besides its weights.
PREPARING = ("tokenizer.json", "preprocessor_config.json", "processor_config.json")


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """One side of a comparison: an ONNX file, or a model that is translated first."""

    title: str
    file: Path | None = None
    ref: ModelRef | None = None

    @property
    def step(self) -> Step:
        named: dict[str, Value] = (
            {"file": str(self.file)} if self.file else {"model": str(self.ref)}
        )
        return Step(strategy=GIVEN, settings=named)


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two models and the one whose tokenizer, labels and rows hold for both."""

    before: Given
    after: Given
    model: ModelRef
    workload: Workload | None = None


def pair_of(before: str, after: str, model: str | None) -> Pair:
    """What was typed. Raises ModelNotFound, BundleDamaged, or NotComparable without a model."""
    first, second = _given(before), _given(after)
    if model is not None:
        return Pair(before=first, after=second, model=intake.parse_ref(model))
    for side in (first, second):
        if side.ref is not None:
            return Pair(before=first, after=second, model=side.ref)
    for side in (first, second):
        home = _home(side.file)
        if home is not None:
            ref, workload = _recorded(home)
            return Pair(before=first, after=second, model=ref, workload=workload)
    because = "neither lies beside a config.json; say whose rows and labels hold with --model"
    raise NotComparable(because=because)


def _given(named: str) -> Given:
    path = Path(named).expanduser()
    if path.suffix == ".onnx":
        if not path.is_file():
            raise ModelNotFound(model=named, suggestion="There is no such file.")
        return Given(title=path.name, file=path.absolute())
    if (path / MANIFEST).is_file():
        found = sorted(path.glob("onnx/*.onnx"))
        if len(found) != 1:
            raise BundleDamaged(path=named, because=f"it holds {len(found)} models, not one")
        return Given(title=f"{path.name}/{found[0].name}", file=found[0].absolute())
    ref = intake.parse_ref(named)
    return Given(title=Path(ref.name).name if path.is_dir() else str(ref), ref=ref)


def _home(file: Path | None) -> Path | None:
    """The folder with the config of the model that a file was made from, if it lies there."""
    folders = (file.parent, file.parent.parent) if file else ()
    return next((folder for folder in folders if (folder / MAIN).is_file()), None)


def _recorded(home: Path) -> tuple[ModelRef, Workload | None]:
    """The bundled sample a bundle was made from, with its request; any other is its own model."""
    here = intake.parse_ref(str(home.absolute()))
    try:
        recipe = json.loads((home / "recipe.json").read_text(encoding="utf-8"))
        asked = {name: recipe["workload"][name] for name in ("batch", "tokens", "image_size")}
        sample = recipe["model"]["name"] if recipe["model"]["source"] == "sample" else None
    except (OSError, ValueError, KeyError, TypeError):
        return here, None
    return intake.parse_ref(sample) if sample else here, Workload(**asked)


def plan_of(plan: Plan, pair: Pair) -> Plan:
    """The same contract on the same device, with the given model as the only candidate."""
    before = pair.before.step if pair.before.file else contract.validate(Step(strategy="to_onnx"))
    candidate = Candidate(
        id=AFTER,
        title=pair.after.title,
        steps=(before, pair.after.step),
        forecast=plan.baseline,
        reasons=(Reason(sentence="You asked for this comparison."),),
    )
    return dataclasses.replace(
        plan,
        candidates=(candidate,),
        ladder=(),
        refusals=(),
        also_considered=(),
        would_change=(),
        counter_offers=(),
    )


def command_of(plan: Plan, run_command: str) -> str:
    """The command that compares the same two, from the one that would compress the model."""
    words = shlex.split(run_command)
    sides = [_typed(step, plan.profile.ref) for step in plan.candidates[0].steps]
    rest = words[3 : words.index("--out")]
    return shlex.join(["wizard", "compare", *sides, "--model", words[2], *rest])


def _typed(step: Step, ref: ModelRef) -> str:
    return str(step.settings.get("file") or step.settings.get("model") or ref)


def is_pair(plan: Plan) -> bool:
    """Whether a plan compares two given models."""
    return any(step.strategy == GIVEN for one in plan.candidates for step in one.steps)


def site_for(plan: Plan, site: Site) -> Site:
    """The site as it is; for a comparison one that takes what is given and packs nothing."""
    if not is_pair(plan):
        return site

    def opened(ref: ModelRef, report: Callable[[float, str], None]) -> Path:
        folder = _folder(plan, ref, report)
        for step in plan.candidates[0].steps:
            _check(step, plan.profile, folder)
        return folder

    def taken(step: Step, artifact: Artifact, bench: contract.Workbench) -> Artifact:
        if step.strategy != GIVEN:
            return site.apply(step, artifact, bench)
        if "file" in step.settings:
            return contract.artifact_of(Path(str(step.settings["file"])))
        folder = intake.folder_of(_ref(step), bench.report)
        intake.check_weights(folder)
        export = contract.validate(Step(strategy="to_onnx"))
        there = dataclasses.replace(bench, model_folder=folder)
        return site.apply(export, contract.artifact_of(folder), there)

    return dataclasses.replace(site, apply=taken, open=opened, packs=False)


def _ref(step: Step) -> ModelRef:
    return intake.parse_ref(str(step.settings["model"]))


def _folder(plan: Plan, ref: ModelRef, report: Callable[[float, str], None]) -> Path:
    """The model's folder; its weights are needed only where it is compared itself."""
    home = Path(ref.name)
    if plan.candidates[0].steps[0].strategy == GIVEN and (home / MAIN).is_file():
        return home
    folder = intake.folder_of(ref, report)
    intake.check_weights(folder)
    return folder


def _check(step: Step, profile: ModelProfile, folder: Path) -> None:
    """Raises NotComparable when a side prepares its inputs or names its answers differently."""
    if step.strategy != GIVEN:
        return
    if "file" in step.settings:
        file = Path(str(step.settings["file"]))
        _check_file(file, profile)
        home = _home(file)
    else:
        home = intake.folder_of(_ref(step), lambda fraction, detail: None)
    if home is not None and home.resolve() != folder.resolve():
        _check_folder(home, profile, folder)


def _check_folder(home: Path, profile: ModelProfile, folder: Path) -> None:
    for name in PREPARING:
        if (home / name).is_file() and (folder / name).is_file() and _differ(home, folder, name):
            because = f"their {name} differ, so the same input means something else to each"
            raise NotComparable(because=because)
    labels = _labels(home)
    if labels and profile.labels and labels != profile.labels:
        raise NotComparable(because="their labels differ, or stand in another order")


def _differ(home: Path, folder: Path, name: str) -> bool:
    try:
        first, second = (json.loads((one / name).read_bytes()) for one in (home, folder))
    except ValueError:
        return (home / name).read_bytes() != (folder / name).read_bytes()
    return bool(first != second)


def _labels(home: Path) -> tuple[str, ...]:
    try:
        names = json.loads((home / MAIN).read_text(encoding="utf-8")).get("id2label") or {}
        return tuple(str(names[key]) for key in sorted(names, key=int))
    except (ValueError, AttributeError, TypeError):
        return ()


def _check_file(file: Path, profile: ModelProfile) -> None:
    """Its inputs are ones that we prepare, and it gives one score a label."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]

    contract.artifact_of(file)  # says so when it is no ONNX file at all
    try:
        graph = onnx.load(str(file), load_external_data=False).graph
    except DecodeError as error:
        raise NotComparable(because=f"{file.name} is damaged: it cannot be read as ONNX") from error
    card = tasks.card_of(profile.task)
    stored = {one.name for one in graph.initializer}
    asked = {one.name for one in graph.input} - stored - set(card.inputs)
    strange = sorted(name for name in asked if not (card.writes and name.startswith(CACHE)))
    if strange:
        because = f"{file.name} asks for the input '{strange[0]}', which this task does not have"
        raise NotComparable(because=because)
    shape = graph.output[0].type.tensor_type.shape.dim if graph.output else []
    width = shape[-1].dim_value if len(shape) else 0
    wanted = len(profile.labels) if card.labels else 0
    if width and wanted and width != wanted:
        because = f"{file.name} gives {width} scores and there are {wanted} labels"
        raise NotComparable(because=because)
