"""From a changed checkpoint to one that was trained to answer as the original: the common part.

Covers: opening both, which hidden states belong together, how long training may take, the note of
what came of it, what the result must keep.
Does not cover: the training itself (_distill.py), how weights are rounded meanwhile (_rounding.py).
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard import examples, tasks
from wizard.errors import CalibrationTooSmall, NotSupported, PickleOnly, PromiseBroken
from wizard.nouns import LEARNT, Artifact
from wizard.strategies import _checkpoint, _distill, _graph, _practice
from wizard.strategies._contract import Workbench

FEWEST_ROWS = 32  # six held out, the rest to learn on
# Weights, gradients, two moments, the best state and the original: 24 bytes for each number.
MOST_PARAMETERS = 150_000_000
SHARE_OF_THE_TIME = 0.6  # what is made must still be measured


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """What the two techniques that train have in common."""

    steps: int
    minutes: float
    rate: float
    hidden: float
    samples: int


def can_train(artifact: Artifact, bench: Workbench, title: str, lesson: Lesson) -> None:
    """Refuses other tasks, two parts, pickles, few rows, large models, settings without meaning."""
    if bench.profile.task not in tasks.cards():
        because = "the model's task is none of those whose answers we can learn from"
        raise NotSupported(strategy=title, because=because)
    if tasks.labels_beside(bench.profile.task):
        because = "it looks with one part and reads with another, and we train models of one part"
        raise NotSupported(strategy=title, because=because)
    if not list(artifact.path.glob("*.safetensors")):
        raise PickleOnly(model=artifact.path.name)
    millions = bench.profile.parameters.total / 1e6
    if bench.profile.parameters.total > MOST_PARAMETERS:
        because = f"training {millions:.0f} million weights takes more than minutes here"
        raise NotSupported(strategy=title, because=because)
    if lesson.steps < 0 or lesson.minutes <= 0 or lesson.rate <= 0 or lesson.hidden < 0:
        because = "minutes and rate must be above zero, steps and the hidden part not below it"
        raise NotSupported(strategy=title, because=because)
    enough_rows(bench)


def enough_rows(bench: Workbench) -> examples.Feeds:
    """The sample rows. Raises CalibrationTooSmall below thirty-two."""
    feeds = None if bench.calibration is None else examples.load_feeds(bench.calibration)
    if feeds is None or len(feeds) < FEWEST_ROWS:
        raise CalibrationTooSmall(rows=0 if feeds is None else len(feeds), needed=FEWEST_ROWS)
    return feeds


def opened(
    artifact: Artifact, samples: int, bench: Workbench
) -> tuple[_distill.Room, _checkpoint.Shape]:
    """The original, the changed network, the rows; and how the network is smaller."""
    import torch

    torch.set_num_threads(bench.threads)
    assert bench.profile.task is not None  # noqa: S101 - `can_train` looked
    with _graph.quiet():
        teacher = _checkpoint.load(bench.model_folder, bench.profile.task)
        student = _checkpoint.load(artifact.path, bench.profile.task)
    rows = _practice.practice(student, enough_rows(bench), samples, bench.seed)
    shape = _checkpoint.shape_of(artifact.path)
    batch = _practice.held_out(rows, 2)[0]
    outputs = tuple(tasks.card_of(bench.profile.task).outputs)
    room = _distill.Room(
        teacher=teacher,
        student=student,
        rows=rows,
        pairs=_pairs(teacher, student, shape, batch),
        outputs=outputs,
    )
    return room, shape


def _pairs(
    teacher: Any, student: Any, shape: _checkpoint.Shape, batch: Any
) -> tuple[tuple[int, int], ...]:
    """Which of the original's hidden states belongs to which of the student's.

    Where layers left, each that stayed is to hand on what the next one was given before. None where
    the widths differ or nothing says which layers left.
    """
    import torch

    with torch.no_grad():
        theirs, ours = (_distill.said(one, batch, ())[1] for one in (teacher, student))
    numbers = range(len(theirs))
    if len(ours) != len(theirs):
        stayed = next((tuple(one) for one in shape.kept.values()), ())
        if len(stayed) + 1 != len(ours):
            return ()
        numbers = [stayed[0], *stayed[1:], len(theirs) - 1]  # type: ignore[assignment] # any ints
    pairs = tuple(zip(numbers, range(len(ours)), strict=True))
    alike = all(theirs[there].shape == ours[here].shape for there, here in pairs)
    return pairs if alike else ()


def lesson_of(lesson: Lesson, bench: Workbench) -> _distill.Lesson:
    """As long as was allowed, and never so long that nothing can be measured afterwards."""
    seconds = 60 * lesson.minutes
    if bench.seconds is not None:
        seconds = min(seconds, SHARE_OF_THE_TIME * bench.seconds)
    return _distill.Lesson(
        steps=lesson.steps,
        rate=lesson.rate,
        hidden=lesson.hidden,
        seconds=max(1.0, seconds),
        seed=bench.seed,
        report=lambda fraction, detail: bench.report(0.05 + 0.9 * fraction, detail),
    )


def write_note(
    folder: Path, title: str, learnt: _distill.Learnt, rows: _practice.Practice, measure: str
) -> None:
    """What came of it, beside the weights: read by `ensures`, and by the walk for its sentence."""
    note = {
        **dataclasses.asdict(learnt),
        "rows": len(rows.learn),
        "held": len(rows.held),
        "sentence": sentence(title, learnt, len(rows.held), measure),
    }
    (folder / LEARNT).write_text(json.dumps(note, indent=1), encoding="utf-8")


def sentence(title: str, learnt: _distill.Learnt, held: int, measure: str) -> str:
    """In words: how long, and what it changed on the rows held out."""
    if learnt.before.distance <= _distill.NOTHING:
        return f"{title}: it answers as the original already; the weights stayed as they were."
    steps = f"{learnt.steps} steps in " if learnt.steps else ""
    took = f"{steps}{learnt.seconds:.0f} s"
    if not learnt.improved:
        return (
            f"{title}: {took} brought it no nearer to the original on {held} rows held out, "
            f"so the weights stayed as they were given."
        )
    before, after = learnt.before, learnt.after
    cut = " The time allowed ended it." if learnt.ended == "time" else ""
    return (
        f"{title}: {took}; {measure} on {held} rows held out went from {before.agreement:.1%} to "
        f"{after.agreement:.1%}, and {_less(before.distance, after.distance)} of the distance to "
        f"the original's answers is left.{cut}"
    )


def _less(before: float, after: float) -> str:
    return f"{after / max(before, 1e-12):.0%}"


def measure_of(bench: Workbench) -> str:
    """What agreement means for this task, in words."""
    assert bench.profile.task is not None  # noqa: S101 - `can_train` looked
    names = tasks.card_of(bench.profile.task).outputs
    return "equal answers" if any("logits" in name for name in names) else "likeness"


def kept_its_word(before: Artifact, after: Artifact, title: str) -> None:
    """Same shapes, finite numbers; and weights that moved only if that brought them nearer."""
    note = json.loads((after.path / LEARNT).read_text(encoding="utf-8"))
    was, now = _tensors(before.path), _tensors(after.path)
    moved = False
    for name, value in now.items():
        if not bool(value.isfinite().all()):
            raise PromiseBroken(strategy=title, promised="finite numbers", found=name)
        if name in was and was[name].shape != value.shape:
            found = f"{name} with {list(value.shape)}"
            raise PromiseBroken(strategy=title, promised="the same shapes", found=found)
        moved = moved or (name in was and not bool((was[name].float() == value.float()).all()))
    nearer = note["after"]["distance"] < note["before"]["distance"]
    if moved != note["improved"] or (moved and not nearer):
        promised = "weights that change only where that brings answers nearer"
        raise PromiseBroken(strategy=title, promised=promised, found=note["sentence"])


def moved_only(before: Artifact, after: Artifact, endings: Sequence[str], title: str) -> None:
    """Raises PromiseBroken if a tensor moved whose name ends otherwise."""
    was, now = _tensors(before.path), _tensors(after.path)
    for name in was.keys() & now.keys():
        same = bool((was[name].float() == now[name].float()).all())
        if not same and not name.endswith(tuple(endings)):
            raise PromiseBroken(strategy=title, promised="weights that stay", found=name)


def _tensors(folder: Path) -> dict[str, Any]:
    from safetensors.torch import load_file

    found: dict[str, Any] = {}
    for path in sorted(folder.glob("*.safetensors")):
        found |= load_file(path)
    return found
