"""A dry run: every candidate made from random weights, weighed and timed before any download.

Covers: opening the architecture, exporting it, making each candidate, the clauses that size and
speed decide, what is said when time is up.
Does not cover: quality, which only the real weights can tell; the walk of a real job (walk.py).
"""

from __future__ import annotations

import dataclasses
import json
import shlex
import shutil
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from wizard import intake, library
from wizard.compare.judge import within_budgets
from wizard.errors import JobNotFound, WizardError
from wizard.measure import Bench, dry
from wizard.nouns import (
    Artifact,
    Candidate,
    Clause,
    DryCandidate,
    DryRun,
    JobStarted,
    Json,
    Measurement,
    ModelRef,
    Plan,
    Step,
    Verdict,
    jsonable,
)
from wizard.run.opening import open_model, workbench
from wizard.run.outcome import write_json
from wizard.run.state import BEFORE_TRYING, EXPORT, WEIGH, Site, Walk
from wizard.strategies import _contract as contract

SCHEMA = "wizard.dry-run/1"
RESULT = "result.json"
MADE = "made"
TITLES = {"open": "Draw random weights for its architecture", WEIGH: "Time the original's shape"}
OUT_OF_TIME = "The minutes allowed were spent before its turn came."


def plan_of(plan: Plan) -> Plan:
    """The plan as a dry run: the same candidates, nothing that trains or looks at answers."""
    return dataclasses.replace(plan, dry_run=True, ladder=(), sibling=None, siblings=())


def command_of(run_command: str) -> str:
    """The command that does the same dry run, from the one that would run the job."""
    words = shlex.split(run_command)
    at = words.index("--out")
    return shlex.join(["wizard", "plan", *words[2:at], *words[at + 2 :], "--dry-run"])


def walk(plan: Plan, site: Site) -> DryRun:
    """Make, weigh and time every candidate; the result is on disk after each of them.

    Raises WizardError when the architecture cannot be built or exported.
    """
    state = Walk(plan=plan, site=_site_for(plan, site), began=site.clock())
    phases = [(name, TITLES.get(name, title), seconds) for name, title, seconds in BEFORE_TRYING]
    tries = [(f"try:{one.id}", one.title, one.forecast.seconds.value) for one in plan.candidates]
    site.emit(JobStarted(at=site.clock(), phases=(*phases, *tries)))
    model_folder, bench, calibration = open_model(state)
    benches = workbench(state, model_folder, calibration)
    checkpoint = contract.artifact_of(model_folder)
    made: dict[str, Artifact] = {}
    try:
        with state.phase(EXPORT) as report:
            export = (contract.validate(Step(strategy="to_onnx")),)
            told = dataclasses.replace(benches, report=report)
            original = _make(site, export, checkpoint, told, made)
        with state.phase(WEIGH):
            first = _weighed(original, bench, None)
        found: list[DryCandidate] = []
        for candidate in plan.candidates:
            found.append(_tried(state, candidate, benches, bench, first, checkpoint, made))
            _keep(state, first, found)
        return _keep(state, first, found)
    finally:
        shutil.rmtree(site.folder / MADE, ignore_errors=True)


def _site_for(plan: Plan, site: Site) -> Site:
    def opened(ref: ModelRef, report: Callable[[float, str], None]) -> Path:
        del ref
        return intake.with_random_weights(plan.profile, site.cache, report)

    return dataclasses.replace(site, open=opened, packs=False)


def _make(
    site: Site,
    steps: Sequence[Step],
    start: Artifact,
    bench: contract.Workbench,
    made: dict[str, Artifact],
) -> Artifact:
    """The steps in order; what was made before is not made again."""
    artifact, done = start, ""
    for step in steps:
        done += json.dumps(jsonable(step), sort_keys=True)
        if done not in made:
            made[done] = site.apply(step, artifact, bench)
        artifact = made[done]
    return artifact


def _weighed(artifact: Artifact, bench: Bench, beside: Measurement | None) -> Measurement:
    return dry.weigh(
        artifact,
        bench.feeds,
        bench.workload,
        bench.host,
        threads=bench.threads,
        writes=bench.writes,
        beside=beside,
    )


def _tried(  # noqa: PLR0913 - what one candidate is made and weighed with
    state: Walk,
    candidate: Candidate,
    benches: contract.Workbench,
    bench: Bench,
    first: Measurement,
    checkpoint: Artifact,
    made: dict[str, Artifact],
) -> DryCandidate:
    empty = DryCandidate(candidate_id=candidate.id, title=candidate.title)
    if state.is_over():
        return dataclasses.replace(empty, failed=OUT_OF_TIME)
    try:
        with state.phase(f"try:{candidate.id}", candidate.title) as report:
            told = dataclasses.replace(benches, report=lambda share, said: report(share / 2, said))
            artifact = _make(state.site, candidate.steps, checkpoint, told, made)
            report(0.5, "timing in turns with the original's shape")
            after = _weighed(artifact, bench, first)
    except WizardError as error:
        because = OUT_OF_TIME if state.is_over() else library.explain(error).message
        return dataclasses.replace(empty, failed=because)
    return dataclasses.replace(
        empty,
        size=after.size,
        latency=after.latency.p50,
        original_latency=after.against.p50 if after.against else None,
        memory=after.memory.peak,
        label=after.audit.label,
        clauses=tuple(within_budgets(state.plan, candidate.id, first, after)),
    )


def _keep(state: Walk, first: Measurement, found: Sequence[DryCandidate]) -> DryRun:
    result = DryRun(
        size=first.size,
        latency=first.latency.p50,
        memory=first.memory.peak,
        candidates=tuple(found),
        host=state.site.host,
        seconds=round(state.site.clock() - state.began, 1),
        sentence=sentence_of(found),
    )
    write_json(state.site.folder / RESULT, {"schema": SCHEMA, **_object(result)})
    return result


def read(folder: Path) -> Mapping[str, Json]:
    """The result of the dry run in that job folder. Raises JobNotFound before its first figure."""
    path = folder / RESULT
    if not path.is_file():
        raise JobNotFound(job=folder.name)
    told: Mapping[str, Json] = json.loads(path.read_bytes())
    return told


def _object(result: DryRun) -> dict[str, Json]:
    said = jsonable(result)
    assert isinstance(said, dict)  # noqa: S101 - a dataclass is an object
    return said


def verdict_of(one: DryCandidate) -> Verdict | None:
    """The worst of its hard clauses; None where there are none or it could not be tried."""
    said = {clause.verdict for clause in one.clauses if clause.hard}
    order = (Verdict.MISS, Verdict.CANNOT_TELL, Verdict.PASS)
    return next((each for each in order if each in said), None)


def sentence_of(found: Sequence[DryCandidate]) -> str:
    """How many keep the limits that size and speed decide."""
    tried = [one for one in found if not one.failed]
    limits = sorted({_bare(clause) for one in tried for clause in one.clauses})
    if not tried:
        return "No candidate could be tried on random weights."
    if not limits:
        return f"{len(tried)} of {len(found)} candidates were tried; you set no limit on any of it."
    kept = sum(verdict_of(one) is Verdict.PASS for one in tried)
    what = " and ".join(limits)
    return f"{kept} of {len(tried)} candidates keep your limit on {what}; quality is not measured."


def _bare(clause: Clause) -> str:
    return clause.name.partition(",")[0]
