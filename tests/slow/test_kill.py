"""kill -9 of a job's process at every stage of the ladder: what was best stays, nothing is half."""

import dataclasses
import json
import os
import signal

import psutil
import pytest

from wizard import engine, estimate
from wizard.errors import WizardError
from wizard.jobs import control, store
from wizard.nouns import (
    BestSoFar,
    Budget,
    Candidate,
    Measured,
    Needs,
    PhaseStarted,
    Progress,
    Quantity,
    Reason,
    Step,
    StepDone,
    Tolerance,
)
from wizard.shelf import KEPT, WHOLE
from wizard.strategies import _contract as contract

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
EXPORT, EIGHT = Step(strategy="to_onnx"), Step(strategy="int8_dynamic")


@pytest.fixture(scope="module")
def shared_home(home):
    """One home for the module: a job after a kill finds what the killed one has left."""
    return home


def a_plan(*second, rung=False):
    """Dynamic int8 first, then the candidate that the job is killed in; a rung, or in the plan."""
    profile = engine.examine(engine.parse_ref("sample:intents"))
    tight = (Budget(quantity="size", at_most=0.1, unit="MB"),)
    needs = Needs(
        device_id="this-machine",
        budgets=tight if rung else (),
        tolerance=Tolerance(points=1.0),
        workload=profile.workload,
    )
    plan = engine.advise(profile, needs)
    first, *rest = (
        candidate(plan, steps) for steps in ((EXPORT, EIGHT), *([second] if second else []))
    )
    small = Quantity(value=0.05, unit="MB", basis=first.forecast.size.basis)
    rungs = [
        dataclasses.replace(one, forecast=dataclasses.replace(one.forecast, size=small))
        for one in rest
    ]
    return dataclasses.replace(
        plan,
        candidates=(first,) if rung else (first, *rest),
        ladder=tuple(rungs) if rung else (),
    )


def candidate(plan, steps):
    """A recipe as the plan would have it; all are expected to keep a point, so they go in turn."""
    whole = tuple(contract.validate(step) for step in steps)
    return Candidate(
        id="-".join(step.strategy for step in steps),
        title=steps[-1].strategy,
        steps=whole,
        forecast=estimate.forecast(plan.profile, plan.device, whole, {"drop_points": (0.0, 0.5)}),
        reasons=(Reason(sentence="It is killed."),),
    )


def kill_when(plan, reached):
    """Start the plan and kill -9 its process at the first event that is `reached`."""
    job = engine.start(plan)
    for event in engine.follow(job):
        if reached(event):
            child = json.loads((engine.jobs_root() / job / store.CHILD).read_text("utf-8"))
            family = psutil.Process(child["pid"]).children(recursive=True)
            os.kill(child["pid"], signal.SIGKILL)
            return job, event, [*engine.follow(job)][-1], family
    raise AssertionError("the job ended before it came there")


def in_phase(name, word=""):
    """Progress inside a phase."""
    return lambda e: isinstance(e, Progress) and e.phase == name and word in e.detail


def started(name):
    return lambda e: isinstance(e, PhaseStarted) and e.phase == name


def made(name):
    return lambda e: isinstance(e, StepDone) and e.candidate_id == name


PRUNED = (Step(strategy="structured_pruning"), EXPORT)
RECOVERED = (Step(strategy="structured_pruning"), Step(strategy="recovery"), EXPORT)
# stage: the steps of the second candidate, whether it is a rung, when the job is killed
STAGES = {
    "shape": (PRUNED, False, in_phase("try:structured_pruning-to_onnx")),
    "recovery": (
        RECOVERED,
        False,
        in_phase("try:structured_pruning-recovery-to_onnx", "as the original"),
    ),
    "graph": ((EXPORT, Step(strategy="lossless")), False, started("try:to_onnx-lossless")),
    "numbers": (
        (EXPORT, Step(strategy="mixed_precision")),
        False,
        in_phase("try:to_onnx-mixed_precision"),
    ),
    "measuring": (
        (EXPORT, Step(strategy="int8_weights")),
        False,
        in_phase("try:to_onnx-int8_weights", "timing"),
    ),
    "a look at a rung": (
        (EXPORT, Step(strategy="low_bit_weights")),
        True,
        made("to_onnx-low_bit_weights"),
    ),
    "looking at layers": (
        (),
        False,
        in_phase("try:to_onnx-int8_dynamic", "looking for the damage"),
    ),
    "packing": ((), False, started("pack")),
}


@pytest.mark.parametrize("stage", list(STAGES))
def test_the_best_so_far_can_be_packed_after_a_kill(stage, shared_home, monkeypatch):
    """Whatever was going on, the candidate measured before is delivered, whole and verified."""
    monkeypatch.setenv("WIZARD_HOME", str(shared_home))
    monkeypatch.setattr(control, "POLL_SECONDS", 0.01)  # packing is over in a moment
    steps, rung, reached = STAGES[stage]
    job, _, last, family = kill_when(a_plan(*steps, rung=rung), reached)
    events = engine.events(job)
    best = [one.candidate_id for one in events if isinstance(one, BestSoFar)]
    bundle = engine.pack(job)

    assert last.code == "interrupted"
    assert best == ["to_onnx-int8_dynamic"] * len(best)
    assert best
    assert engine.verify(bundle.folder).files
    assert set(engine.compare(job).measurements) == {"to_onnx-int8_dynamic"}
    assert psutil.wait_procs(family, timeout=20)[1] == []


def test_kills_before_anything_was_measured_cost_nothing_else(tmp_path, monkeypatch):
    """Killed in three phases: nothing to pack, what is kept is whole, and the next job works."""
    monkeypatch.setenv("WIZARD_HOME", str(tmp_path))
    for phase in ("rows", "export", "original"):
        job, _, last, family = kill_when(a_plan(), started(phase))
        with pytest.raises(WizardError):
            engine.pack(job)

        assert last.code == "interrupted"
        assert psutil.wait_procs(family, timeout=20)[1] == []
    found = [*engine.follow(engine.start(a_plan()))]
    kept = [*(tmp_path / "cache" / KEPT).iterdir()]

    assert any(isinstance(one, Measured) and one.candidate_id == "original" for one in found)
    assert found[-1].overall is not None
    assert kept
    assert all((one / WHOLE).is_file() for one in kept if not one.name.startswith("."))
