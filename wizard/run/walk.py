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
from dataclasses import dataclass
from pathlib import Path

from wizard import bundle, duration, library, measure
from wizard.compare import climb, compare, judge
from wizard.errors import NotSupported, TimeUp, WizardError
from wizard.nouns import (
    Artifact,
    ArtifactBundle,
    BestSoFar,
    Candidate,
    CandidateFailed,
    Comparison,
    Discarded,
    Failed,
    JobStarted,
    Kind,
    LeftOut,
    Measured,
    Measurement,
    Outcome,
    PhasesAdded,
    Plan,
    Step,
    StepDone,
    Verdict,
    jsonable,
)
from wizard.run import shared
from wizard.run.further import further
from wizard.run.offers import measured_offers
from wizard.run.opening import open_model, workbench
from wizard.run.outcome import learnt_of, payers_of, write_json
from wizard.run.result import result_object
from wizard.run.sibling import Opened, open_sibling
from wizard.run.state import (
    AFTER_TRYING,
    BEFORE_TRYING,
    EXPORT,
    ORIGINAL,
    PACK,
    WEIGH,
    Site,
    Walk,
)
from wizard.strategies import _contract as contract

TO_ONNX = "to_onnx"
SLOWER = (
    "Requests take longer here than was forecast, so stronger recipes were added to the ladder."
)
NO_TIME = "The minutes were spent before one candidate was measured, so we cannot tell; allow more."


@dataclass(slots=True, kw_only=True)
class _Tools:
    """What making and measuring a candidate needs; an accepted sibling is opened when it is due."""

    workbench: contract.Workbench
    bench: measure.Bench
    original: Measurement
    sibling: Opened | None = None

    def benches(
        self, state: Walk, candidate: Candidate, report: Callable[[float, str], None]
    ) -> tuple[contract.Workbench, measure.Bench]:
        """Those of the model that the candidate is made from."""
        if not candidate.of_sibling:
            return self.workbench, self.bench
        if self.sibling is None:
            self.sibling = open_sibling(state.plan, state.site, self.workbench, self.bench, report)
        return self.sibling.workbench, self.sibling.bench


def walk(plan: Plan, site: Site) -> tuple[Outcome, ArtifactBundle | None]:
    """Do the whole job in `site.folder`; the outcome is on disk after every candidate.

    Raises WizardError when the original cannot be made or measured; a candidate that fails is
    an event, and the job goes on.
    """
    if not plan.candidates:
        raise _nothing_to_do(plan)
    state = Walk(plan=plan, site=site, began=site.clock())
    site.emit(JobStarted(at=site.clock(), phases=phases_of(plan)))
    model_folder, bench, calibration = open_model(state)
    tools = _weigh_original(state, workbench(state, model_folder, calibration), bench)
    left, kept = list(climb.in_order(plan.candidates, plan.needs)), False
    while left:
        candidate = climb.next_candidate(
            left,
            plan.needs,
            seconds_left=state.seconds_left(),
            pace=state.pace(),
            measured=bool(state.measurements),
            kept=kept,
        )
        left.remove(candidate)
        kept = _try(state, candidate, tools).comparison.overall is Verdict.PASS
    _climb(state, tools)
    for said in filter(None, [shared.sentence(state)]):
        state.note(said)
    outcome = _keep(state, tools)
    return outcome, _pack(state, outcome, model_folder, tools)


def phases_of(plan: Plan) -> tuple[tuple[str, str, float], ...]:
    """(id, title, forecast seconds) of every phase, in order."""
    tried = (_phase_of(one) for one in climb.in_order(plan.candidates, plan.needs))
    return (*BEFORE_TRYING, *tried, AFTER_TRYING)


def _phase_of(candidate: Candidate) -> tuple[str, str, float]:
    return f"try:{candidate.id}", candidate.title, candidate.forecast.seconds.value


def _nothing_to_do(plan: Plan) -> WizardError:
    because = plan.refusals[0].because if plan.refusals else "no technique fits this model"
    what = plan.refusals[0].what if plan.refusals else "this plan"
    return NotSupported(strategy=what, because=because)


def _climb(state: Walk, tools: _Tools) -> None:
    """Rung by rung, from cheap to costly, while that is worth its time; some plans have no ladder.

    Those compare two given models, or try only what was named.
    """
    if not state.plan.ladder:
        return
    while True:
        known = compare(state.plan, tools.original, state.measurements, state.verdicts)
        found = climb.next_rung(
            state.plan,
            tools.original,
            known,
            state.measurements,
            {*state.measurements, *state.left_out, *(one.candidate_id for one in state.failed)},
            seconds_left=state.seconds_left(),
            pace=state.pace(),
        )
        for one in found.left_out:
            _leave_out(state, one)
        if found.rung is None:
            more = further(state.plan, tools.original, known, state.measurements)
            if more is not None:
                state.plan = more
                state.note(SLOWER)
                continue
            state.stopped = found.because
            return
        rung, plan = found.rung, state.plan
        rest = tuple(one for one in plan.ladder if one.id != rung.id)
        state.plan = dataclasses.replace(plan, candidates=(*plan.candidates, rung), ladder=rest)
        state.site.emit(PhasesAdded(at=state.site.clock(), phases=(_phase_of(rung),)))
        _try(state, rung, tools, at_a_glance=True)


def _leave_out(state: Walk, one: LeftOut) -> None:
    state.left_out[one.candidate_id] = one
    at = state.site.clock()
    state.site.emit(Discarded(at=at, candidate_id=one.candidate_id, because=one.because))


def _weigh_original(state: Walk, bench: contract.Workbench, scales: measure.Bench) -> _Tools:
    site = state.site
    try:
        with state.phase(EXPORT) as report:
            checkpoint = contract.artifact_of(bench.model_folder)
            export = _export_of(state.plan)
            artifact = _make(state, [export], checkpoint, _reporting(bench, report))
            site.emit(_step_done(state, ORIGINAL, export, artifact))
        with state.phase(WEIGH) as report:
            part = duration.SHARE_FOR_ORIGINAL * max(0.0, state.seconds_left())
            weighing = dataclasses.replace(scales, report=report, answer_seconds=part)
            original = shared.weigh_original(state, artifact, weighing)
            site.emit(_measured(state, ORIGINAL, original))
    except WizardError as error:
        if state.is_over():  # it was stopped, whatever it says
            raise TimeUp(minutes=state.plan.needs.minutes) from error
        raise
    fewer = measure.as_far_as(original, scales)
    if len(fewer.examples) < len(scales.examples):
        counted = f"{len(fewer.examples)} of {len(scales.examples)} rows, drawn at random"
        state.note(f"The minutes allowed suffice for scoring by {counted}; more would tell more.")
    return _Tools(workbench=bench, bench=fewer, original=original)


def _export_of(plan: Plan) -> Step:
    """The step that makes the original's ONNX file: the same in every candidate."""
    known = contract.discover()
    steps = plan.candidates[0].steps
    makers = {
        name
        for name, one in known.items()
        if one.gives is Kind.CHECKPOINT or (one.accepts is Kind.CHECKPOINT and name != TO_ONNX)
    }
    plain = contract.validate(Step(strategy=TO_ONNX))
    return next((one for one in steps if one.strategy not in makers), plain)


def _reporting(
    workbench: contract.Workbench, report: Callable[[float, str], None]
) -> contract.Workbench:
    return dataclasses.replace(workbench, report=report)


def _make(
    state: Walk, steps: Sequence[Step], start: Artifact, workbench: contract.Workbench
) -> Artifact:
    """Apply the steps in order; a prefix made before is not made again."""
    artifact = start
    done: tuple[str, ...] = ()
    for step in steps:
        done = (*done, json.dumps(jsonable(step), sort_keys=True))
        if done not in state.made:
            state.made[done] = shared.make(state, step, artifact, workbench)
            for said in learnt_of(state.made[done]):
                state.note(said)
        artifact = state.made[done]
    return artifact


def _try(state: Walk, candidate: Candidate, tools: _Tools, *, at_a_glance: bool = False) -> Outcome:
    """Make and measure one candidate, tell what is best now, then look where the damage is.

    A rung is looked at before it is measured in full.
    """
    plan, original = state.plan, tools.original
    if not _fits(state, candidate):
        _fail(state, candidate, TimeUp(minutes=plan.needs.minutes))
        return _keep(state, tools)
    try:
        with state.phase(f"try:{candidate.id}", candidate.title) as report:
            workbench, bench = tools.benches(state, candidate, _part(report, 0.0, 0.1))
            artifact = _made(state, candidate, workbench, tools, _part(report, 0.1, 0.4))
            known = shared.is_weighed(state, artifact, original, bench)
            hopeless = _hopeless(state, artifact, tools, bench) if at_a_glance and not known else ""
            if hopeless:
                _leave_out(state, LeftOut(candidate_id=candidate.id, because=hopeless))
                return _keep(state, tools)
            weighing = dataclasses.replace(bench, report=_part(report, 0.4, 0.9))
            after = shared.weigh_candidate(state, candidate.id, artifact, original, weighing)
            outcome = _judge(state, candidate, after, tools)
            if state.is_over():
                return outcome
            report(0.9, "looking for the damage")
            after = shared.look_inside(state, after, original, weighing)
    except WizardError as error:
        over = TimeUp(minutes=plan.needs.minutes) if state.is_over() else error
        _fail(state, candidate, over)
        return _keep(state, tools)
    state.measurements[candidate.id] = after
    return _write(state, tools)


def _judge(state: Walk, candidate: Candidate, after: Measurement, tools: _Tools) -> Outcome:
    """What a measurement comes to, told at once."""
    plan, original = state.plan, tools.original
    state.measurements[candidate.id] = after
    payers = payers_of(plan, original, after, tools.bench.examples)
    state.payers[candidate.id] = payers
    state.verdicts[candidate.id] = judge(plan, candidate.id, original, after, payers)
    state.site.emit(_measured(state, candidate.id, after))
    return _keep(state, tools)


def _fits(state: Walk, candidate: Candidate) -> bool:
    """The first one is always begun: without it there is no verdict at all."""
    left = state.seconds_left()
    if not state.measurements:
        return left > 0
    return candidate.forecast.seconds.value * state.pace() <= left


def _made(
    state: Walk,
    candidate: Candidate,
    workbench: contract.Workbench,
    tools: _Tools,
    report: Callable[[float, str], None],
) -> Artifact:
    started = state.site.clock()
    checkpoint = contract.artifact_of(tools.workbench.model_folder)
    bench = dataclasses.replace(_reporting(workbench, report), seconds=state.seconds_left())
    artifact = _make(state, candidate.steps, checkpoint, bench)
    done = _step_done(state, candidate.id, candidate.steps[-1], artifact)
    state.site.emit(dataclasses.replace(done, seconds=state.site.clock() - started))
    return artifact


def _hopeless(state: Walk, artifact: Artifact, tools: _Tools, bench: measure.Bench) -> str:
    """Why this file need not be measured in full, or ""; another network may gain what it loses."""
    known = compare(state.plan, tools.original, state.measurements, state.verdicts)
    nearest = state.measurements.get(known.chosen or known.nearest or "")
    nearest_mb = nearest.size.value if nearest else None
    by_size = climb.hopeless_by_size(state.plan, artifact.bytes / 1e6, nearest_mb)
    if by_size or bench.of_another_network:
        return by_size
    seen = measure.glance(artifact, tools.original, bench)
    return climb.hopeless_at_a_glance(state.plan, tools.original, seen)


def _part(
    report: Callable[[float, str], None], low: float, high: float
) -> Callable[[float, str], None]:
    """A reporter for one part of a phase."""
    return lambda fraction, detail: report(low + (high - low) * fraction, detail)


def _fail(state: Walk, candidate: Candidate, error: WizardError) -> None:
    because = library.explain(error).message
    state.failed.append(Failed(candidate_id=candidate.id, code=error.code, because=because))
    state.site.emit(
        CandidateFailed(
            at=state.site.clock(), candidate_id=candidate.id, code=error.code, because=because
        )
    )


def _keep(state: Walk, tools: _Tools) -> Outcome:
    """Write what is known, and tell what is best now."""
    outcome = _write(state, tools)
    comparison = outcome.comparison
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


def _write(state: Walk, tools: _Tools) -> Outcome:
    """Write what is known to outcome.json, so that a kill loses nothing."""
    original = tools.original
    comparison = _compared(state, original)
    outcome = Outcome(
        plan=state.plan,
        original=original,
        measurements=dict(state.measurements),
        failed=tuple(state.failed),
        comparison=comparison,
        seconds=dict(state.seconds),
        notes=tuple(state.notes),
        data_origin=tools.bench.examples.origin,
        payers=dict(state.payers),
        counter_offers=measured_offers(
            state.plan, original, state.measurements, state.verdicts.values(), state.payers
        ),
        left_out=tuple(state.left_out.values()),
        stopped=state.stopped,
        reused=tuple(state.reused),
    )
    write_json(state.site.folder / "outcome.json", jsonable(outcome))
    return outcome


def _compared(state: Walk, original: Measurement) -> Comparison:
    """What the measurements come to; no time to measure any is no miss."""
    found = compare(state.plan, original, state.measurements, state.verdicts)
    if state.measurements or all(one.code != TimeUp.code for one in state.failed):
        return found
    return dataclasses.replace(found, overall=Verdict.CANNOT_TELL, headline=NO_TIME)


def _pack(
    state: Walk, outcome: Outcome, model_folder: Path, tools: _Tools
) -> ArtifactBundle | None:
    best = outcome.comparison.chosen or outcome.comparison.nearest
    if best is None or not state.site.packs:
        return None
    bench, other = tools.bench, tools.sibling
    if other is not None and outcome.plan.profile_of(best) is not outcome.plan.profile:
        bench, model_folder = other.bench, other.folder
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


def _step_done(state: Walk, candidate_id: str, step: Step, artifact: Artifact) -> StepDone:
    return StepDone(
        at=state.site.clock(),
        candidate_id=candidate_id,
        strategy=step.strategy,
        artifact=artifact,
        seconds=0.0,
    )


def _measured(state: Walk, candidate_id: str, measurement: Measurement) -> Measured:
    name = f"measurement-{measurement.artifact.sha256[:12]}.json"
    write_json(state.site.folder / name, jsonable(measurement))
    return Measured(
        at=state.site.clock(),
        candidate_id=candidate_id,
        file=name,
        size_mb=measurement.size.value,
        latency_ms=measurement.latency.p50.value,
        score=measurement.quality.value.value,
        metric=measurement.quality.metric,
        label=measurement.audit.label,
    )
