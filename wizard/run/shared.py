"""Work on a model that a job with another contract uses again: files, answers, times.

Covers: steps applied once per input, settings, rows and versions; what was measured of a file once
per rows, request, machine and versions; when times of an earlier job still hold; what was reused.
Does not cover: where it lies and how much of it there may be (shelf.py); the export's own cache.

Times hold for an hour, on the machine where they were taken, while nobody disturbed it; and only
when the original, which every job times afresh, takes as long as it took then. Their intervals are
widened by what it differs.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import threading
from dataclasses import replace
from functools import lru_cache
from pathlib import Path

from wizard import limits, measure
from wizard.nouns import (
    Artifact,
    HostFacts,
    Json,
    Kind,
    Latency,
    Measurement,
    Reused,
    Step,
    jsonable,
)
from wizard.run.state import ORIGINAL, Walk
from wizard.shelf import Entry, Shelf, key_of, place, place_all
from wizard.strategies import _contract as contract

MADE, WEIGHED = "made", "weighed"
FILES, ABOUT, MEASURED, ANSWERS = "files", "about.json", "measurement.json", "answers.npz"
TIMES_HOLD_SECONDS = 3600.0
# By how much the original may differ from then: at least the noise of two sessions (2.28 and 2.40
# ms on a shared machine, undisturbed), at most what a wider interval can honestly make good.
SAME_AT_LEAST, SAME_AT_MOST = 1.1, 1.15
# A step that took less than this share of its time was not cut short by it.
UNHURRIED = 0.5
CODE = ("strategies", "measure", "examples")
# A technique that has done this much has its libraries loaded and needs one core.
LOADED = 0.1


def shelf_of(cache: Path) -> Shelf:
    """The shelf of a cache folder."""
    return Shelf(root=cache)


def forget(cache: Path, before: float) -> None:
    """Throw away what no job has used since a time (a stranger's rows shaped it)."""
    shelf_of(cache).trim(older_than=before)


# --------------------------------------------------------------------------- files


def _preparing(bench: contract.Workbench, start: Artifact, threads: int) -> contract.Workbench:
    """What will measure a step's file loads its libraries once the step has loaded its own.

    A step that works on a file has them already; one that works on a checkpoint loads PyTorch.
    """
    begun = threading.Event()
    if start.kind is Kind.ONNX:
        begun.set()
        measure.get_ready(start, threads)

    def report(fraction: float, detail: str) -> None:
        if fraction >= LOADED and not begun.is_set():
            begun.set()
            measure.get_ready(start, threads)
        bench.report(fraction, detail)

    return replace(bench, report=report)


def make(state: Walk, step: Step, artifact: Artifact, bench: contract.Workbench) -> Artifact:
    """What the step makes of the artifact, from the shelf where it was made before."""
    if step.strategy not in contract.discover():
        return state.site.apply(step, artifact, bench)
    shelf, key = shelf_of(state.site.cache), _key_of_step(step, artifact, bench, state.site.host)
    entry = None if state.plan.needs.afresh else shelf.find(MADE, key)
    made = _taken(entry, artifact, bench) if entry else None
    if entry is not None and made is not None:
        state.ages[made.sha256] = state.site.clock() - entry.made
        return made
    began = state.site.clock()
    made = state.site.apply(step, artifact, _preparing(bench, artifact, state.site.threads))
    if made.path.is_relative_to(bench.folder) and not _large_export(step, made):
        inside = made.path.relative_to(bench.folder)
        about: dict[str, Json] = {
            "path": inside.as_posix(),
            "made_by": made.made_by,
            "sha256": made.sha256,
            "took": state.site.clock() - began,
            "had": bench.seconds,
        }
        with shelf.keep(MADE, key, state.site.clock()) as folder:
            (folder / ABOUT).write_text(json.dumps(about), encoding="utf-8")
            place_all(bench.folder / inside.parts[0], folder / FILES / inside.parts[0])
    return made


def _large_export(step: Step, made: Artifact) -> bool:
    """Exports have a cache of their own; of a large one a third copy would fill the disk."""
    return step.strategy == "to_onnx" and made.bytes > limits.ONE_FILE_BYTES


def _taken(entry: Entry, artifact: Artifact, bench: contract.Workbench) -> Artifact | None:
    """The kept file in this job's own folder; None where more time would make a better one."""
    about = json.loads((entry.folder / ABOUT).read_bytes())
    had, now = about["had"], bench.seconds
    hurried = had is not None and about["took"] > UNHURRIED * had
    if hurried and (now is None or now > had):
        return None
    path = bench.folder / about["path"]
    top = bench.folder / Path(about["path"]).parts[0]
    shutil.rmtree(top, ignore_errors=True)
    place_all(entry.folder / FILES, bench.folder)
    made = contract.artifact_of(path)
    if made.sha256 != about["sha256"]:
        return None
    return replace(made, parent=artifact.sha256, made_by=about["made_by"])


def _key_of_step(step: Step, artifact: Artifact, bench: contract.Workbench, host: HostFacts) -> str:
    beside = bench.calibration.parent / "tokenizer.json" if bench.calibration else None
    small = sorted(one for one in bench.model_folder.glob("*.json") if one.is_file())
    read = [*small, *(one for one in (bench.calibration, beside) if one and one.is_file())]
    profile = jsonable(replace(bench.profile, ref=replace(bench.profile.ref, name="")))
    return key_of(
        {
            "step": jsonable(contract.validate(step)),
            "input": artifact.sha256,
            "read": [f"{one.name} {contract.digest(one)}" for one in read],
            "profile": profile,
            "device": jsonable(bench.device),
            "seed": bench.seed,
            "machine": machine(host, bench.threads),
        }
    )


def machine(host: HostFacts, threads: int) -> Json:
    """What a number hangs on besides the model and the rows: processor, versions, our own code."""
    known = jsonable(replace(host, disk_free_bytes=0))
    return {"host": known, "threads": threads, "code": _code()}


@lru_cache(maxsize=1)
def _code() -> str:
    """Our own files that make and measure: a change in them makes other work of it."""
    hashed = hashlib.sha256()
    package = Path(__file__).resolve().parents[1]
    for room in CODE:
        for path in sorted((package / room).rglob("*.py")):
            hashed.update(path.read_bytes())
    return hashed.hexdigest()


# --------------------------------------------------------------------------- measurements


def weigh_original(state: Walk, artifact: Artifact, bench: measure.Bench) -> Measurement:
    """Everything measured of the original; its speed always afresh."""
    _note_file(state, ORIGINAL, artifact)
    entry = _find(state, artifact, None, bench)
    if entry is not None:
        kept = _measurement(entry)
        place(entry.folder / ANSWERS, _free(measure.outputs_of(bench, artifact)))
        found = measure.weigh_original_again(artifact, kept, bench)
        _note(state, ORIGINAL, entry, timed=False)
        return found
    found = measure.weigh_original(artifact, bench)
    _keep(state, found, None, bench)
    return found


def is_weighed(
    state: Walk, artifact: Artifact, original: Measurement, bench: measure.Bench
) -> bool:
    """Whether this file was measured in full before, by the same rows."""
    return _find(state, artifact, original, bench) is not None


def weigh_candidate(
    state: Walk, name: str, artifact: Artifact, original: Measurement, bench: measure.Bench
) -> Measurement:
    """Everything measured of a candidate; what an earlier job measured is not measured again."""
    _note_file(state, name, artifact)
    entry = _find(state, artifact, original, bench)
    if entry is None:
        found = measure.weigh_candidate(artifact, original, bench)
        _keep(state, found, original, bench)
        return found
    kept = _measurement(entry)
    alone = _latency(entry)
    ago = state.site.clock() - entry.made
    factor = times_hold(kept, alone, original.latency, ago) if alone else None
    place(entry.folder / ANSWERS, _free(measure.outputs_of(bench, artifact)))
    found = measure.weigh_candidate_again(artifact, kept, original, bench, retimed=factor is None)
    _note(state, name, entry, timed=factor is not None)
    if factor is None:
        _keep(state, found, original, bench)
        return found
    return replace(found, latency=_widened(found.latency, factor))


def look_inside(
    state: Walk, found: Measurement, original: Measurement, bench: measure.Bench
) -> Measurement:
    """The same with how far each layer is off, kept beside what was measured before."""
    if found.layers is not None:
        return found
    seen = measure.look_inside(found.artifact, original, bench)
    shelf, key = shelf_of(state.site.cache), _key_of_weighing(found.artifact, original, bench)
    entry = shelf.find(WEIGHED, key)
    if entry is not None:
        whole = replace(_measurement(entry), layers=seen)
        with shelf.keep(WEIGHED, key, entry.made) as folder:
            place(entry.folder / ANSWERS, folder / ANSWERS)
            place(entry.folder / ABOUT, folder / ABOUT)
            (folder / MEASURED).write_text(json.dumps(jsonable(whole)), encoding="utf-8")
    return replace(found, layers=seen)


def times_hold(kept: Measurement, then: Latency, now: Latency, seconds_ago: float) -> float | None:
    """By how much to widen times of an earlier job, or None where they must be taken again.

    `then` and `now` are the original's times by itself, in that job and in this one. A machine
    that is busy now tells nothing against times taken while it was not, unless it is faster.
    """
    before = kept.against or then
    if seconds_ago > TIMES_HOLD_SECONDS or kept.latency.busy or before.busy or then.busy:
        return None
    moved = now.p50.value / then.p50.value
    noise = min(SAME_AT_MOST, max(SAME_AT_LEAST, then.noise, 1.0 if now.busy else now.noise))
    if now.busy:
        return 1.0 if moved > 1 / noise else None
    return max(moved, 1 / moved) if 1 / noise < moved < noise else None


def _widened(latency: Latency, factor: float) -> Latency:
    p50, p95 = (
        replace(one, low=(one.low or one.value) / factor, high=(one.high or one.value) * factor)
        for one in (latency.p50, latency.p95)
    )
    return replace(latency, p50=p50, p95=p95)


def _find(
    state: Walk, artifact: Artifact, original: Measurement | None, bench: measure.Bench
) -> Entry | None:
    if state.plan.needs.afresh or bench.of_another_network:
        return None
    key = _key_of_weighing(artifact, original, bench)
    return shelf_of(state.site.cache).find(WEIGHED, key)


def _keep(
    state: Walk, found: Measurement, original: Measurement | None, bench: measure.Bench
) -> None:
    """The measurement and its raw answers; beside a candidate's, how long the original took."""
    raw = measure.outputs_of(bench, found.artifact)
    copy = original is not None and found.artifact.sha256 == original.artifact.sha256
    cut_short = len(found.quality.answers.rows) < len(bench.examples)
    if copy or cut_short or not raw.is_file():
        return
    key, at = _key_of_weighing(found.artifact, original, bench), state.site.clock()
    with shelf_of(state.site.cache).keep(WEIGHED, key, at) as folder:
        place(raw, folder / ANSWERS)
        (folder / MEASURED).write_text(json.dumps(jsonable(found)), encoding="utf-8")
        alone = jsonable(original.latency) if original else None
        (folder / ABOUT).write_text(json.dumps(alone), encoding="utf-8")


def _key_of_weighing(artifact: Artifact, original: Measurement | None, bench: measure.Bench) -> str:
    scored: Json = None
    if bench.saturates:  # what is emulated is scored by these labels at once
        rows = replace(bench.examples, images=None)
        scored = [jsonable(rows), bench.metric]
    return key_of(
        {
            "file": artifact.sha256,
            "made_by": artifact.made_by,
            "original": original.artifact.sha256 if original else None,
            "rows": contract.digest(bench.feeds),
            "calibration": contract.digest(bench.calibration) if bench.calibration else None,
            "count": len(bench.examples),
            "workload": jsonable(bench.workload),
            "profile": jsonable(replace(bench.profile, ref=replace(bench.profile.ref, name=""))),
            "seconds": bench.seconds,
            "saturates": bench.saturates,
            "scored": scored,
            "machine": machine(bench.host, bench.threads),
        }
    )


def _measurement(entry: Entry) -> Measurement:
    from pydantic import TypeAdapter

    return TypeAdapter(Measurement).validate_json((entry.folder / MEASURED).read_bytes())


def _latency(entry: Entry) -> Latency | None:
    from pydantic import TypeAdapter

    raw = (entry.folder / ABOUT).read_bytes()
    return TypeAdapter(Latency | None).validate_json(raw)


def _free(path: Path) -> Path:
    path.unlink(missing_ok=True)
    return path


# --------------------------------------------------------------------------- in words


def _note_file(state: Walk, name: str, artifact: Artifact) -> None:
    if artifact.sha256 in state.ages:
        ago = round(state.ages[artifact.sha256], 1)
        state.reused.append(Reused(of=name, what="file", seconds_ago=ago))


def _note(state: Walk, name: str, entry: Entry, *, timed: bool) -> None:
    ago = round(state.site.clock() - entry.made, 1)
    state.reused.append(Reused(of=name, what="answers", seconds_ago=ago))
    if timed:
        state.reused.append(Reused(of=name, what="timing", seconds_ago=ago))


def sentence(state: Walk) -> str:
    """What was taken from earlier work and how old its times are, or ""."""
    tried = [one for one in state.reused if one.of != ORIGINAL]
    answers = sum(one.what == "answers" for one in tried)
    times = [one.seconds_ago for one in tried if one.what == "timing"]
    if not answers:
        return ""
    said = f"{_counted(answers)} measured before on these rows, and that was used again"
    if not times:
        return f"{said}; speed was taken anew."
    return (
        f"{said}. {_counted(len(times))} timed {_ago(max(times))} ago; the original was timed "
        f"anew and takes as long as it took then."
    )


def _counted(number: int) -> str:
    return "One candidate was" if number == 1 else f"{number} candidates were"


def _ago(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} seconds"
    return f"{round(seconds / 60)} minutes"
