"""Numbers read from files and runs: speed, memory, quality, audit; always in fresh processes.

Covers: weighing the original and, in turns with it, each candidate; one answer for the playground.
Does not cover: verdicts (compare); making candidates (strategies).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard import tasks
from wizard.errors import WorkerFailed
from wizard.examples.feeds import Feeds, load_feeds
from wizard.examples.reading import pick
from wizard.measure import (
    answered,
    emulated,
    layers,
    memory,
    paces,
    pairs,
    quality,
    sanity,
    saturation,
    sensitivity,
    speed,
    threads,
)
from wizard.measure import audit as auditing
from wizard.measure.answered import Answered
from wizard.measure.leftovers import must_be_what_was_made
from wizard.measure.process import Process
from wizard.measure.process import get_ready as _get_ready
from wizard.measure.quality import check_metric
from wizard.measure.smaller import beside
from wizard.nouns import (
    Artifact,
    Audit,
    ExampleSet,
    Glance,
    HostFacts,
    Json,
    LayerDamage,
    Measurement,
    ModelProfile,
    Quality,
    Workload,
)

ROWS_UNOPTIMIZED = 8
ROWS_AT_A_GLANCE = 64
# Shares of the largest output by which the plain graph may differ, with and without another answer;
# healthy 8-bit files differ by 1.4 % at most (27 files of the samples).
FLIPPED, DIFFERENT = 0.05, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """With what and where to measure. `seconds` bounds the timing of one pair of models.

    `calibration` holds the rows on which layers are compared (else the first of `feeds`);
    `answer_seconds` bounds the original's answers, and so the rows by which all are scored;
    `saturates` tells that 8-bit sums can overflow on the target; `metric` is the tolerance's.
    `feeds_of_original` is set where the candidate is another network, which reads the same rows
    its own way: the original gets those, layers and vectors are not held against each other.
    """

    profile: ModelProfile
    feeds: Path
    examples: ExampleSet
    workload: Workload
    threads: int
    folder: Path
    host: HostFacts
    report: Callable[[float, str], None]
    seconds: float = speed.SECONDS
    calibration: Path | None = None
    saturates: bool = False
    metric: str = ""
    answer_seconds: float | None = None
    feeds_of_original: Path | None = None

    @property
    def of_another_network(self) -> bool:
        """Whether candidates are made from another model than the original."""
        return self.feeds_of_original is not None

    @property
    def writes(self) -> bool:
        """Whether each further token has a time of its own."""
        return tasks.writes(self.profile.task)


def get_ready(start: Artifact, threads: int) -> None:
    """Load what will measure a file, while it is still being made from `start`."""
    several = quality.copies(threads, start)
    _get_ready(2 + (several if several > 1 else 0))


def weigh_original(artifact: Artifact, bench: Bench) -> Measurement:
    """Everything measured of the original; its answers are kept for every candidate.

    Where `answer_seconds` did not suffice, it is scored by the rows that it came to (as_far_as).
    """
    looked = _audit(artifact)
    feeds = load_feeds(bench.feeds)
    doubts = sanity.of_inputs(feeds, bench.profile)
    sanity.same_rows(feeds.examples, bench.examples)
    with Process(artifact.path, bench.feeds, bench.threads) as process:
        needed = memory.of_process(process, bench.workload)
        with quality.answering(process, artifact, bench.feeds) as several:
            raw = quality.outputs(
                several,
                outputs_of(bench, artifact),
                _part(bench, 0.05, 0.6),
                feeds.examples,
                bench.answer_seconds,
            )
        bench = _first(bench, len(raw))
        bench.report(0.65, "timing, in turns with itself")
        used = threads.settle(process, bench.workload, cached=bench.writes)
        taken = _beside_itself(process, artifact, bench)
        looked = _checked(looked, process, artifact)
    return Measurement(
        artifact=artifact,
        size=memory.size_of(artifact),
        zipped=memory.zipped_size_of(artifact),
        memory=needed,
        quality=_scored_original(raw, doubts, bench),
        audit=looked,
        host=bench.host,
        latency=taken.latency,
        token=taken.token,
        threads=used,
    )


def weigh_original_again(artifact: Artifact, kept: Measurement, bench: Bench) -> Measurement:
    """What was measured of this very file before, scored on these rows and timed afresh.

    The raw answers lie at `outputs_of` already.
    """
    doubts = sanity.of_inputs(load_feeds(bench.feeds), bench.profile)
    raw = answered.load(outputs_of(bench, artifact))
    sanity.same_rows(len(raw), bench.examples)
    with Process(artifact.path, bench.feeds, kept.threads or bench.threads) as process:
        bench.report(0.5, "timing, in turns with itself")
        taken = _beside_itself(process, artifact, bench)
    scored = _scored_original(raw, doubts, bench)
    return taken.of(dataclasses.replace(kept, artifact=artifact, quality=scored, host=bench.host))


def _beside_itself(process: Process, artifact: Artifact, bench: Bench) -> paces.Paces:
    work, seconds = bench.workload, bench.seconds
    return pairs.of_itself(process, artifact, work, seconds, writes=bench.writes)


def _scored_original(raw: Any, doubts: tuple[str, ...], bench: Bench) -> Quality:
    scored = _scored(raw, None, bench)
    doubts = (*doubts, *sanity.of_original(scored, bench.profile.labels))
    return dataclasses.replace(scored, doubts=doubts)


def weigh_candidate(artifact: Artifact, original: Measurement, bench: Bench) -> Measurement:
    """Everything measured of a candidate but its layers, its speed in turns with the original's.

    The very file of the original is not run again. Raises CannotCompare when a file, the
    original's too, is no longer the one that was made.
    """
    sanity.unchanged(original.artifact)
    looked = beside(_audit(artifact), original.audit)
    sanity.unchanged(artifact)
    if artifact.sha256 == original.artifact.sha256:
        return _the_same(artifact, original, bench)
    with Process(artifact.path, bench.feeds, bench.threads) as process:
        needed = memory.of_process(process, bench.workload)
        out, report = outputs_of(bench, artifact), _part(bench, 0.05, 0.5)
        with quality.answering(process, artifact, bench.feeds) as several:
            raw = quality.outputs(several, out, report, len(bench.examples))
        sanity.same_rows(len(raw), bench.examples)
        looked = _checked(looked, process, artifact)
        bench.report(0.6, "timing in turns with the original")
        threads.settle(process, bench.workload, cached=bench.writes)
        taken = _beside(process, artifact, original, bench)
        used = process.threads
    kept = _answers_of(original, bench)
    scored = _with_order(_scored(raw, kept, bench), original, bench)
    there, unsure = _elsewhere(artifact, bench, kept)
    return Measurement(
        artifact=artifact,
        size=memory.size_of(artifact),
        zipped=memory.zipped_size_of(artifact),
        memory=needed,
        quality=scored,
        audit=dataclasses.replace(looked, findings=(*looked.findings, *unsure)),
        host=bench.host,
        saturating=there,
        sensitivity=sensitivity.read(artifact.path.parent),
        latency=taken.latency,
        against=taken.against,
        token=taken.token,
        token_against=taken.token_against,
        threads=used,
    )


def weigh_candidate_again(
    artifact: Artifact, kept: Measurement, original: Measurement, bench: Bench, *, retimed: bool
) -> Measurement:
    """What was measured of these very files before, scored again, and timed again if asked to.

    The raw answers of both lie at `outputs_of` already. Raises CannotCompare as weigh_candidate.
    """
    sanity.unchanged(original.artifact)
    sanity.unchanged(artifact)
    if artifact.sha256 == original.artifact.sha256:
        return _the_same(artifact, original, bench)
    raw = answered.load(outputs_of(bench, artifact))
    sanity.same_rows(len(raw), bench.examples)
    first_raw = answered.load(outputs_of(bench, original.artifact))
    scored = _with_order(_scored(raw, first_raw, bench), original, bench)
    now = dataclasses.replace(kept, artifact=artifact, quality=scored, host=bench.host)
    if not retimed:
        return now
    with Process(artifact.path, bench.feeds, kept.threads or bench.threads) as process:
        bench.report(0.3, "timing in turns with the original")
        taken = _beside(process, artifact, original, bench)
        now = dataclasses.replace(now, threads=process.threads)
    return taken.of(now)


def look_inside(artifact: Artifact, original: Measurement, bench: Bench) -> tuple[LayerDamage, ...]:
    """How far each layer is off, in order of what it adds; no verdict needs it.

    Nothing for another network, whose layers do other parts of the work, for a copy of the
    original, and where the layers cannot be looked at.
    """
    if bench.of_another_network or artifact.sha256 == original.artifact.sha256:
        return ()
    rows = bench.calibration or bench.feeds
    try:
        with Process(artifact.path, bench.feeds, bench.threads) as process:
            return layers.damage(process, original.artifact.path, artifact.path, rows, bench.folder)
    except WorkerFailed:  # whether the file works was measured before
        return ()


def _beside(
    process: Process, artifact: Artifact, original: Measurement, bench: Bench
) -> paces.Paces:
    first = pairs.Original(
        measured=original,
        feeds=bench.feeds_of_original or bench.feeds,
        threads=original.threads or bench.threads,
    )
    work, seconds = bench.workload, bench.seconds
    return pairs.beside(process, artifact, first, work, seconds, writes=bench.writes)


def _answers_of(original: Measurement, bench: Bench) -> Any:
    """What the original answered; None where vectors of another network are looked at."""
    if bench.of_another_network and tasks.card_of(bench.profile.task).own_space:
        return None
    return answered.load(outputs_of(bench, original.artifact))


def _the_same(artifact: Artifact, original: Measurement, bench: Bench) -> Measurement:
    """What is known of a copy of the original, bit for bit: all of it was measured already."""
    kept = answered.load(outputs_of(bench, original.artifact))
    scored = _scored(kept, kept, bench)
    return dataclasses.replace(
        original,
        artifact=artifact,
        quality=scored,
        against=original.latency,
        token_against=original.token,
    )


def as_far_as(original: Measurement, bench: Bench) -> Bench:
    """The bench with the rows by which the original was scored."""
    return _first(bench, len(original.quality.answers.rows))


def _first(bench: Bench, rows: int) -> Bench:
    if rows == len(bench.examples):
        return bench
    return dataclasses.replace(bench, examples=pick(bench.examples, range(rows)))


def _scored(raw: Any, kept: Any, bench: Bench) -> Quality:
    return quality.score(raw, bench.examples, bench.profile, kept, bench.metric)


def _with_order(scored: Quality, original: Measurement, bench: Bench) -> Quality:
    """Labels in another order are a collapse with a name."""
    moved = sanity.reordered(original.quality.answers, scored.answers, bench.profile.labels)
    answers = dataclasses.replace(scored.answers, collapse=(*moved, *scored.answers.collapse))
    return dataclasses.replace(scored, answers=answers)


def calibration_doubts(calibration: Path, test: Path) -> tuple[str, ...]:
    """Why ranges learnt from these calibration rows may not fit the test rows."""
    return sanity.of_calibration(load_feeds(calibration), load_feeds(test))


def _elsewhere(
    artifact: Artifact, bench: Bench, original: Any
) -> tuple[Quality | None, tuple[str, ...]]:
    """The quality where sums overflow, if they do on the target and not here."""
    here = saturation.saturates(bench.host.machine, bench.host.isa)
    if here or not bench.saturates:
        return None, ()

    def scored(raw: Answered) -> Quality:
        rows = min(len(raw), len(bench.examples))
        kept = None if original is None else original.first(rows)
        return _scored(raw.first(rows), kept, _first(bench, rows))

    found, unsure = emulated.under_saturation(artifact, bench.feeds, scored, bench.threads)
    return found, (unsure,) if unsure else ()


def glance(artifact: Artifact, original: Measurement, bench: Bench) -> Glance:
    """How the first rows' answers differ from the original's; about a second."""
    kept = answered.load(outputs_of(bench, original.artifact))
    with Process(artifact.path, bench.feeds, bench.threads) as process:
        raw = quality.first_outputs(process, bench.folder / "glance.npz", ROWS_AT_A_GLANCE)
    return quality.glance(raw, kept.first(len(raw)), bench.profile)


def answer_one(model: Path, feeds: Path, profile: ModelProfile, typed: ExampleSet) -> Json:
    """What a model says to the one example in `feeds`, as the playground shows it; its "ms"."""
    import tempfile

    with tempfile.TemporaryDirectory() as folder, Process(model, feeds, 1) as process:
        out = Path(folder) / "answer.npz"
        ms = speed.one(process, out)
        raw = answered.load(out)
    said = quality.shown(raw, profile, typed)
    assert isinstance(said, dict)  # noqa: S101 - scorers give a mapping
    return {**said, "ms": ms}


def raw_answers(
    model: Path, feeds: Feeds, count: int
) -> Iterator[tuple[dict[str, Any], list[Any]]]:
    """Inputs and raw outputs of the first rows, for a check on another device.

    The only run in the caller's own process; the files are ours.
    """
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 1
    options.log_severity_level = 4
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    wanted = [one.name for one in session.get_inputs()]
    for index in range(count):
        row = feeds.row(index)
        inputs = {name: row[name] for name in wanted}
        yield inputs, session.run(None, inputs)


def outputs_of(bench: Bench, artifact: Artifact) -> Path:
    """Where the raw answers of a file are kept for this bench (.npz)."""
    return bench.folder / f"outputs-{artifact.sha256[:12]}.npz"


def _audit(artifact: Artifact) -> Audit:
    """The file's own facts.

    Raises WorkerFailed when its external data is not whole, PromiseBroken when the file is not what
    its technique makes.
    """
    looked = auditing.audit(artifact.path)
    if not looked.external_data_complete:
        raise WorkerFailed(what="opening the file", because=looked.findings[0].rstrip("."))
    must_be_what_was_made(artifact, looked)
    return looked


def _checked(looked: Audit, process: Process, artifact: Artifact) -> Audit:
    """The audit with the difference between optimized and plain graph."""
    large = artifact.bytes > pairs.BYTES_OF_ONE_PROCESS
    said = process.ask("plain", rows=ROWS_UNOPTIMIZED, one_at_a_time=large)
    findings = looked.findings
    if said["again"] > 1e-5 * max(said["scale"], 1e-9):
        findings = (*findings, sanity.ANOTHER_EACH_TIME)
    elif said["difference"] > (FLIPPED if said["flips"] else DIFFERENT) * max(said["scale"], 1e-9):
        findings = (*findings, sanity.BY_OPTIMIZATION)
    return dataclasses.replace(
        looked, optimization_max_difference=said["difference"], findings=findings
    )


def _part(bench: Bench, low: float, high: float) -> Callable[[float, str], None]:
    return lambda fraction, detail: bench.report(low + (high - low) * fraction, detail)


__all__ = [
    "Bench",
    "answer_one",
    "as_far_as",
    "calibration_doubts",
    "check_metric",
    "get_ready",
    "glance",
    "look_inside",
    "outputs_of",
    "raw_answers",
    "weigh_candidate",
    "weigh_candidate_again",
    "weigh_original",
    "weigh_original_again",
]
