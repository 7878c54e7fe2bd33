"""The questions a child process may be asked, but for a model's card, and who answers them.

Covers: turning plain arguments into nouns, calling one room, returning a noun.
Does not cover: the child process (questions.py).
"""

from __future__ import annotations

import base64
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from wizard import bundle, examples, intake, measure, run, tasks
from wizard.advise import command
from wizard.errors import JobNotFound
from wizard.jobs import store
from wizard.nouns import (
    ArtifactBundle,
    Json,
    ModelProfile,
    Outcome,
)

SHOWN = 160  # characters of a text in a look


def take(path: str, root: str) -> Mapping[str, Json]:
    """The folder that an uploaded ZIP or ONNX file was taken into."""
    return {"folder": str(intake.take(Path(path), Path(root)))}


def take_from_hub(repo: str, file: str, root: str) -> Mapping[str, Json]:
    """The folder that an ONNX file of a repository was taken into."""
    return {"folder": str(intake.take_from_hub(intake.parse_ref(repo), file, Path(root)))}


def preview(profile: Json, path: str, seed: int) -> Mapping[str, Json]:
    """A look into a data file: rows for scoring and calibration, labels found, notes."""
    from pydantic import TypeAdapter

    model = TypeAdapter(ModelProfile).validate_python(profile)
    with tempfile.TemporaryDirectory(prefix="wizard-preview-") as scratch:
        rows = examples.read(model, path, seed=seed, scratch=Path(scratch))
    return {
        "test_rows": len(rows.test),
        "calibration_rows": len(rows.calibration),
        **examples.counts(rows.test, model),
        "labels": sorted(set(rows.test.labels)),
        "notes": list(rows.notes),
        "origin": rows.test.origin,
        "first": _first(rows.test),
    }


def _first(rows: examples.ExampleSet) -> Json:
    """A few rows as they are read."""
    texts = rows.pairs or [(one,) for one in rows.inputs]
    answers = rows.labels or [f"{one:g}" for one in rows.target] or [""] * len(texts)
    return [
        {"texts": [part[:SHOWN] for part in one], "answer": answer}
        for one, answer in list(zip(texts, answers, strict=False))[:3]
    ]


def pack_again(folder: str) -> ArtifactBundle:
    """The bundle of the best so far of a job that was stopped before it packed."""
    place = Path(folder)
    outcome = _outcome(place)
    best = outcome.comparison.chosen or outcome.comparison.nearest
    if best is None:
        raise JobNotFound(job=place.name)
    return bundle.pack(
        place / store.BUNDLE,
        outcome=outcome,
        candidate_id=best,
        model_folder=_folder(outcome.plan.profile_of(best)),
        feeds=_home(place, outcome, best) / "test.npz",
        command=_command(place, outcome),
        result=run.result_object(outcome, None),
    )


def _command(place: Path, outcome: Outcome) -> str:
    """As the job was asked for, or with the contract accepted since."""
    if outcome.asked:
        return command(outcome.plan.needs, outcome.plan.profile.ref)
    return store.read_request(place).command


def answer_both(folder: str, typed: Sequence[str]) -> Mapping[str, Json]:
    """What the original and the best candidate say to one input, with their milliseconds.

    `typed` has one text for each field that the task's card asks for.
    """
    place = Path(folder)
    outcome = _outcome(place)
    return _both(place, outcome, examples.typed(outcome.plan.profile, typed))


def answer_picture(
    folder: str, file: str | None, number: int, labels: str = ""
) -> Mapping[str, Json]:
    """What both say to a picture or sound, or without one to example `number` of those judged on.

    `labels`: what to choose among, apart by commas; without any, what the examples choose among.
    The examples come round again after the last. The picture itself is there as a PNG in base64
    (a sound as a WAV), with what it is or says where that is known.
    """
    place = Path(folder)
    outcome = _outcome(place)
    with tempfile.TemporaryDirectory(prefix="wizard-try-") as scratch:
        kept = Path(scratch)
        one = _looked_at(outcome, file, number, kept)
        one = replace(one, candidates=examples.listed(labels) or one.candidates)
        known = one.labels[:1] or [text for texts in one.answers[:1] for text in texts[:1]]
        return {
            **_both(place, outcome, one),
            **_itself(one),
            "name": one.origin,
            "label": known[0] if known else "",
        }


def _itself(one: examples.ExampleSet) -> Mapping[str, Json]:
    """The picture or the sound, to be seen or heard beside the answers."""
    if one.sounds is not None:
        return {"sound": base64.b64encode(examples.as_wav(one)).decode()}
    return {"picture": base64.b64encode(examples.as_png(one)).decode()}


def _looked_at(
    outcome: Outcome, file: str | None, number: int, scratch: Path
) -> examples.ExampleSet:
    """The file, which chooses among what the examples do, or one of them."""
    profile = outcome.plan.profile
    if file is None:
        return _example(outcome, number, scratch)
    apart = scratch / "own"
    apart.mkdir()
    one = examples.read_one(profile, Path(file), apart)
    if not tasks.labels_beside(profile.task):
        return one
    return replace(one, candidates=_example(outcome, 0, scratch).candidates)


def _example(outcome: Outcome, number: int, scratch: Path) -> examples.ExampleSet:
    plan = outcome.plan
    rows = examples.read(plan.profile, plan.needs.data, seed=plan.needs.seed, scratch=scratch).test
    at = number % len(rows)
    return replace(examples.pick(rows, [at]), origin=f"Example {at + 1} of {len(rows)}")


def _both(place: Path, outcome: Outcome, one: examples.ExampleSet) -> Mapping[str, Json]:
    best = outcome.comparison.chosen or outcome.comparison.nearest
    after = outcome.measurements[best].artifact if best else outcome.original.artifact
    profile = outcome.plan.profile
    feeds = _prepared(one, profile, outcome, place)
    other = outcome.plan.profile_of(best) if best else profile
    theirs = feeds
    if other is not profile:  # another network reads it its own way
        theirs = _prepared(one, other, outcome, _home(place, outcome, best))
    return {
        "before": measure.answer_one(outcome.original.artifact.path, feeds, profile, one),
        "after": measure.answer_one(after.path, theirs, other, one),
    }


def _prepared(
    one: examples.ExampleSet, profile: ModelProfile, outcome: Outcome, place: Path
) -> Path:
    """One input that somebody tries, prepared for that model."""
    work = outcome.plan.needs.workload
    return examples.prepare(profile, _folder(profile), one, work, place / "typed.npz")


def _folder(profile: ModelProfile) -> Path:
    return intake.folder_here(profile.ref)


def _home(place: Path, outcome: Outcome, candidate_id: str | None) -> Path:
    """Where the prepared inputs of a candidate lie: an accepted sibling has its own."""
    plan = outcome.plan
    of_sibling = candidate_id is not None and plan.profile_of(candidate_id) is not plan.profile
    return place / run.SIBLING_FOLDER if of_sibling else place


def _outcome(folder: Path) -> Outcome:
    outcome = run.read_outcome(folder)
    if outcome is None:
        raise JobNotFound(job=folder.name)
    return outcome


ANSWERS: Mapping[str, Callable[..., object]] = {
    "take": take,
    "take_from_hub": take_from_hub,
    "preview": preview,
    "pack_again": pack_again,
    "answer_both": answer_both,
    "answer_picture": answer_picture,
}
