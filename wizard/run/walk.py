"""Walks a plan: opens the model, measures the original, makes and measures each candidate.

Covers: the order of phases, shared steps made once, best so far after every candidate, stopping
when the minutes are spent, the outcome written to disk each time something new is known.
Does not cover: how a step or a measurement works; child processes and limits.

Events go to `emit` rather than being yielded: progress is reported from deep inside a step, and
a generator cannot yield from there.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from wizard import bundle, examples, intake, library, measure
from wizard.compare import compare, judge
from wizard.errors import NotSupported, TimeUp, WizardError
from wizard.measure.saturation import saturates
from wizard.nouns import (
    Artifact,
    ArtifactBundle,
    BestSoFar,
    Candidate,
    CandidateFailed,
    CandidateVerdict,
    Failed,
    HostFacts,
    JobStarted,
    Kind,
    Measured,
    Measurement,
    ModelRef,
    Noted,
    Outcome,
    PhaseDone,
    PhaseStarted,
    Plan,
    Progress,
    RunEvent,
    Step,
    StepDone,
    WhoPays,
    jsonable,
)
from wizard.run.offers import measured_offers
from wizard.run.outcome import payers_of, write_json
from wizard.run.result import result_object
from wizard.strategies import _contract as contract

ORIGINAL = "original"
OPEN, ROWS, EXPORT, WEIGH, PACK = "open", "rows", "export", "original", "pack"
# (phase, title, usual seconds on two cores); the seconds only shape the progress bar.
BEFORE_TRYING = (
    (OPEN, "Open the model", 1.0),
    (ROWS, "Prepare the examples", 2.0),
    (EXPORT, "Translate it for ONNX Runtime", 12.0),
    (WEIGH, "Measure the original", 8.0),
)
AFTER_TRYING = (PACK, "Pack the bundle", 3.0)
# Share of the allowed minutes after which no further candidate is begun: packing needs the rest.
LAST_START = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where and with what the walk works. `clock` is wall time in seconds since the epoch.

    `apply` makes one step's artifact; a job does it in a process of its own. `open` finds the
    model's folder; `packs` is false where no bundle is wanted.
    """

    folder: Path
    cache: Path
    host: HostFacts
    threads: int
    clock: Callable[[], float]
    emit: Callable[[RunEvent], None]
    command: str = ""
    apply: Callable[[Step, Artifact, contract.Workbench], Artifact] = contract.apply_step
    open: Callable[[ModelRef, Callable[[float, str], None]], Path] = intake.folder_of
    packs: bool = True


@dataclass(slots=True)
class _Walk:
    """What is known so far; the only mutable thing in the room."""

    plan: Plan
    site: Site
    began: float
    seconds: dict[str, float] = field(default_factory=dict)
    made: dict[tuple[str, ...], Artifact] = field(default_factory=dict)
    measurements: dict[str, Measurement] = field(default_factory=dict)
    verdicts: dict[str, CandidateVerdict] = field(default_factory=dict)
    payers: dict[str, WhoPays] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def phase(self, name: str, detail: str = "") -> _Phase:
        return _Phase(self, name, detail)

    def minutes_left(self) -> float:
        return self.plan.needs.minutes - (self.site.clock() - self.began) / 60


class _Phase:
    """Emits PhaseStarted and PhaseDone around a block and keeps its seconds."""

    def __init__(self, walk: _Walk, name: str, detail: str) -> None:
        self._walk, self._name, self._detail = walk, name, detail
        self._began = 0.0

    def __enter__(self) -> Callable[[float, str], None]:
        site = self._walk.site
        self._began = site.clock()
        site.emit(PhaseStarted(at=self._began, phase=self._name, detail=self._detail))

        def report(fraction: float, detail: str = "") -> None:
            share = min(1.0, max(0.0, fraction))
            site.emit(Progress(at=site.clock(), phase=self._name, fraction=share, detail=detail))

        return report

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            return
        now = self._walk.site.clock()
        self._walk.seconds[self._name] = round(now - self._began, 3)
        self._walk.site.emit(PhaseDone(at=now, phase=self._name, seconds=now - self._began))


def walk(plan: Plan, site: Site) -> tuple[Outcome, ArtifactBundle | None]:
    """Do the whole job in `site.folder`; the outcome is on disk after every candidate.

    Raises WizardError when the original cannot be made or measured; a candidate that fails is
    an event, and the job goes on.
    """
    if not plan.candidates:
        raise _nothing_to_do(plan)
    state = _Walk(plan=plan, site=site, began=site.clock())
    site.emit(JobStarted(at=site.clock(), phases=phases_of(plan)))
    model_folder, bench, calibration = _open(state)
    workbench = _workbench(state, model_folder, calibration)
    original = _weigh_original(state, workbench, bench)
    for candidate in plan.candidates:
        _try(state, candidate, workbench, bench, original)
        _keep(state, original, bench)
    outcome = _keep(state, original, bench)
    return outcome, _pack(state, outcome, model_folder, bench)


def phases_of(plan: Plan) -> tuple[tuple[str, str, float], ...]:
    """(id, title, forecast seconds) of every phase, in order."""
    tried = [(f"try:{c.id}", c.title, c.forecast.seconds.value) for c in plan.candidates]
    return (*BEFORE_TRYING, *tried, AFTER_TRYING)


def _nothing_to_do(plan: Plan) -> WizardError:
    because = plan.refusals[0].because if plan.refusals else "no technique fits this model"
    what = plan.refusals[0].what if plan.refusals else "this plan"
    return NotSupported(strategy=what, because=because)


def _open(state: _Walk) -> tuple[Path, measure.Bench, Path | None]:
    plan, site = state.plan, state.site
    with state.phase(OPEN, str(plan.profile.ref)) as report:
        model_folder = site.open(plan.profile.ref, report)
        intake.check_weights(model_folder)
    with state.phase(ROWS, plan.needs.data) as report:
        needs = plan.needs
        rows = examples.read(plan.profile, needs.data, seed=needs.seed, scratch=site.folder)
        measure.check_metric(needs.tolerance.metric, rows.test)
        report(0.3, "")
        for sentence in rows.notes:
            _note(state, sentence)
        calibration = _feeds(plan, model_folder, rows.calibration, site.folder / "calibration.npz")
        report(0.6, "")
        feeds = _feeds(plan, model_folder, rows.test, site.folder / "test.npz")
        if feeds is None:
            raise NotSupported(strategy="measuring", because="there is not one example to run")
        for sentence in measure.calibration_doubts(calibration, feeds) if calibration else ():
            _note(state, sentence)
    bench = measure.Bench(
        profile=plan.profile,
        feeds=feeds,
        examples=rows.test,
        workload=plan.needs.workload,
        threads=site.threads,
        folder=site.folder,
        host=site.host,
        report=lambda fraction, detail: None,
        calibration=calibration,
        saturates=saturates(plan.device.arch, plan.device.isa),
        metric=plan.needs.tolerance.metric,
    )
    return model_folder, bench, calibration


def _note(state: _Walk, sentence: str) -> None:
    state.notes.append(sentence)
    state.site.emit(Noted(at=state.site.clock(), sentence=sentence))


def _feeds(plan: Plan, folder: Path, rows: examples.ExampleSet, out: Path) -> Path | None:
    if not len(rows):
        return None
    return examples.prepare(plan.profile, folder, rows, plan.needs.workload, out)


def _workbench(state: _Walk, folder: Path, calibration: Path | None) -> contract.Workbench:
    return contract.Workbench(
        folder=state.site.folder / "made",
        model_folder=folder,
        profile=state.plan.profile,
        device=state.plan.device,
        calibration=calibration,
        cache=state.site.cache,
        seed=state.plan.needs.seed,
        threads=state.site.threads,
        report=lambda fraction, detail: None,
    )


def _weigh_original(
    state: _Walk, workbench: contract.Workbench, bench: measure.Bench
) -> Measurement:
    site = state.site
    with state.phase(EXPORT) as report:
        checkpoint = contract.artifact_of(workbench.model_folder)
        export = _export_of(state.plan)
        artifact = _make(state, [export], checkpoint, _reporting(workbench, report))
        site.emit(_step_done(state, ORIGINAL, export, artifact))
    with state.phase(WEIGH) as report:
        original = measure.weigh_original(artifact, dataclasses.replace(bench, report=report))
        site.emit(_measured(state, ORIGINAL, original))
    return original


def _export_of(plan: Plan) -> Step:
    """The step that makes the original's ONNX file: the same in every candidate."""
    known = contract.discover()
    on_checkpoints = {name for name, one in known.items() if one.gives is Kind.CHECKPOINT}
    return next(one for one in plan.candidates[0].steps if one.strategy not in on_checkpoints)


def _reporting(
    workbench: contract.Workbench, report: Callable[[float, str], None]
) -> contract.Workbench:
    return dataclasses.replace(workbench, report=report)


def _make(
    state: _Walk, steps: Sequence[Step], start: Artifact, workbench: contract.Workbench
) -> Artifact:
    """Apply the steps in order; a prefix made before is not made again."""
    artifact = start
    done: tuple[str, ...] = ()
    for step in steps:
        done = (*done, json.dumps(jsonable(step), sort_keys=True))
        if done not in state.made:
            state.made[done] = state.site.apply(step, artifact, workbench)
        artifact = state.made[done]
    return artifact


def _try(
    state: _Walk,
    candidate: Candidate,
    workbench: contract.Workbench,
    bench: measure.Bench,
    original: Measurement,
) -> None:
    site = state.site
    if state.minutes_left() < (1 - LAST_START) * state.plan.needs.minutes:
        _fail(state, candidate, TimeUp(minutes=state.plan.needs.minutes))
        return
    try:
        with state.phase(f"try:{candidate.id}", candidate.title) as report:
            started = site.clock()
            checkpoint = contract.artifact_of(workbench.model_folder)
            artifact = _make(
                state, candidate.steps, checkpoint, _reporting(workbench, _part(report, 0.0, 0.4))
            )
            done = _step_done(state, candidate.id, candidate.steps[-1], artifact)
            site.emit(dataclasses.replace(done, seconds=site.clock() - started))
            weighing = dataclasses.replace(bench, report=_part(report, 0.4, 1.0))
            after = measure.weigh_candidate(artifact, original, weighing)
    except WizardError as error:
        _fail(state, candidate, error)
        return
    state.measurements[candidate.id] = after
    payers = payers_of(state.plan, original, after, bench.examples)
    state.payers[candidate.id] = payers
    state.verdicts[candidate.id] = judge(state.plan, candidate.id, original, after, payers)
    site.emit(_measured(state, candidate.id, after))


def _part(
    report: Callable[[float, str], None], low: float, high: float
) -> Callable[[float, str], None]:
    """A reporter for one part of a phase."""
    return lambda fraction, detail: report(low + (high - low) * fraction, detail)


def _fail(state: _Walk, candidate: Candidate, error: WizardError) -> None:
    because = library.explain(error).message
    state.failed.append(Failed(candidate_id=candidate.id, code=error.code, because=because))
    state.site.emit(
        CandidateFailed(
            at=state.site.clock(), candidate_id=candidate.id, code=error.code, because=because
        )
    )


def _keep(state: _Walk, original: Measurement, bench: measure.Bench) -> Outcome:
    """Write what is known to outcome.json, so that a kill loses nothing."""
    comparison = compare(state.plan, original, state.measurements, state.verdicts)
    outcome = Outcome(
        plan=state.plan,
        original=original,
        measurements=dict(state.measurements),
        failed=tuple(state.failed),
        comparison=comparison,
        seconds=dict(state.seconds),
        notes=tuple(state.notes),
        data_origin=bench.examples.origin,
        payers=dict(state.payers),
        counter_offers=measured_offers(
            state.plan, original, state.measurements, state.verdicts.values(), state.payers
        ),
    )
    write_json(state.site.folder / "outcome.json", jsonable(outcome))
    best = comparison.chosen or comparison.nearest
    if best is not None:
        state.site.emit(
            BestSoFar(
                at=state.site.clock(),
                candidate_id=best,
                overall=comparison.overall,
                sentence=comparison.headline,
            )
        )
    return outcome


def _pack(
    state: _Walk, outcome: Outcome, model_folder: Path, bench: measure.Bench
) -> ArtifactBundle | None:
    best = outcome.comparison.chosen or outcome.comparison.nearest
    if best is None or not state.site.packs:
        return None
    with state.phase(PACK):
        return bundle.pack(
            state.site.folder / "bundle",
            outcome=outcome,
            candidate_id=best,
            model_folder=model_folder,
            feeds=bench.feeds,
            command=state.site.command,
            result=result_object(outcome, None),
        )


def _step_done(state: _Walk, candidate_id: str, step: Step, artifact: Artifact) -> StepDone:
    return StepDone(
        at=state.site.clock(),
        candidate_id=candidate_id,
        strategy=step.strategy,
        artifact=artifact,
        seconds=0.0,
    )


def _measured(state: _Walk, candidate_id: str, measurement: Measurement) -> Measured:
    name = f"measurement-{measurement.artifact.sha256[:12]}.json"
    write_json(state.site.folder / name, jsonable(measurement))
    return Measured(
        at=state.site.clock(),
        candidate_id=candidate_id,
        file=name,
        size_mb=measurement.size.value,
        latency_ms=measurement.latency.p50.value,
        score=measurement.quality.value.value,
        label=measurement.audit.label,
    )
