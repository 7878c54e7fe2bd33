"""Rules held against the bundled samples: what to run, what came out, one line of evidence each.

Covers: which recipe each rule proposes for a sample on a machine (a recipe that several rules
propose is run once), turning an outcome into runs, the files of runs.
Does not cover: running (jobs), judging the runs (advise/record.py).
"""

from __future__ import annotations

import dataclasses
import itertools
import json
import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import estimate
from wizard.advise import advise
from wizard.advise.record import Trial
from wizard.compare.score import drop_between
from wizard.compare.turns import ratio
from wizard.errors import PresetBroken, TimeUp
from wizard.nouns import (
    Budget,
    Candidate,
    Device,
    Effect,
    Family,
    HostFacts,
    Measurement,
    ModelProfile,
    Needs,
    Outcome,
    Plan,
    Priority,
    Rule,
    Tolerance,
    jsonable,
)
from wizard.strategies import _contract as contract

if TYPE_CHECKING:
    from pydantic import TypeAdapter

# Needs under which a rule may speak: tight and easy, strict and loose, each priority. The recipe
# is the same under all of them.
SHARES, POINTS, PRIORITIES = (0.1, 10.0), (0.5, 1.0, 3.0), tuple(Priority)
MINUTES = 60.0
DIGITS = 4


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """A job that checks rules on one sample; `rules` are those behind each candidate's id."""

    sample: str
    plan: Plan
    rules: Mapping[str, tuple[Rule, ...]]


def check_of(
    profile: ModelProfile,
    device: Device,
    rules: Iterable[Rule],
    family: Family | None,
    refusals: Iterable[Rule] = (),
) -> Check | None:
    """The recipes that rules propose for a sample on a device; None when none speaks.

    What a refusing rule forbids there is no recipe of a plan, so nothing is held against its rule.
    """
    refusing = tuple(one for one in refusals if one.effect is Effect.REFUSE)
    base = Needs(
        device_id=device.id,
        budgets=(),
        tolerance=Tolerance(points=1.0),
        minutes=MINUTES,
        workload=profile.workload,
        afresh=True,
    )
    found: dict[str, Candidate] = {}
    behind: dict[str, tuple[Rule, ...]] = {}
    for rule in rules:
        candidate = _proposed((rule, *refusing), profile, base, device, family)
        if candidate is not None:
            found.setdefault(candidate.id, candidate)
            behind[candidate.id] = (*behind.get(candidate.id, ()), rule)
    if not found:
        return None
    plan = _advised(profile, base, device, (), family)
    tried = tuple(found.values())
    cost = estimate.job(profile, tried)
    plan = dataclasses.replace(plan, candidates=tried, refusals=(), job=cost)
    return Check(sample=profile.ref.name, plan=plan, rules=behind)


def _advised(
    profile: ModelProfile,
    needs: Needs,
    device: Device,
    rules: Sequence[Rule],
    family: Family | None,
) -> Plan:
    strategies = contract.discover()
    return advise(profile, needs, device=device, rules=rules, strategies=strategies, family=family)


def _proposed(
    rules: Sequence[Rule],
    profile: ModelProfile,
    base: Needs,
    device: Device,
    family: Family | None,
) -> Candidate | None:
    """What the first rule proposes and none of the others forbids."""
    if rules[0].effect is not Effect.PROPOSE:
        return None
    for needs in _needs(profile, base, device):
        plan = _advised(profile, needs, device, rules, family)
        if plan.candidates:
            return plan.candidates[0]
    return None


def _needs(profile: ModelProfile, base: Needs, device: Device) -> Iterator[Needs]:
    original = estimate.baseline(profile, device)
    for fast, small, points, priority in itertools.product(SHARES, SHARES, POINTS, PRIORITIES):
        budgets = (
            Budget(quantity="latency", at_most=fast * original.latency.value, unit="ms"),
            Budget(quantity="size", at_most=small * original.size.value, unit="MB"),
        )
        tolerance = Tolerance(points=points)
        yield dataclasses.replace(base, budgets=budgets, tolerance=tolerance, priority=priority)


def trials_of(check: Check, outcome: Outcome, at: str, version: str) -> tuple[Trial, ...]:
    """A run of each rule whose recipe the outcome holds; a recipe not reached in time is none."""
    found = []
    for name, after in outcome.measurements.items():
        found += [
            _measured(_trial(check, name, rule, outcome.original.host, at, version), outcome, after)
            for rule in check.rules.get(name, ())
        ]
    for failed in outcome.failed:
        if failed.code != TimeUp.code:
            found += [
                dataclasses.replace(
                    _trial(check, failed.candidate_id, rule, outcome.original.host, at, version),
                    failed=failed.because,
                )
                for rule in check.rules.get(failed.candidate_id, ())
            ]
    return tuple(found)


def _trial(
    check: Check, candidate_id: str, rule: Rule, host: HostFacts, at: str, version: str
) -> Trial:
    candidate = next(one for one in check.plan.candidates if one.id == candidate_id)
    return Trial(
        rule=rule.id,
        sample=check.sample,
        at=at,
        wizard=version,
        cpu=host.cpu,
        isa=tuple(sorted(host.isa)),
        cores=host.usable_cores,
        system=host.system,
        versions={"python": host.python, **host.versions},
        steps=candidate.steps,
    )


def _measured(trial: Trial, outcome: Outcome, after: Measurement) -> Trial:
    original = outcome.original
    turns = ratio(original, after)
    drop = drop_between(original.quality, after.quality, outcome.plan.needs.seed)
    fast = (1 / (turns.high * turns.noise), turns.noise / turns.low)
    before = after.against or original.latency
    return dataclasses.replace(
        trial,
        size_ratio=round(after.size.value / original.size.value, DIGITS),
        speed_ratio=round(1 / turns.value, DIGITS),
        speed_between=(round(fast[0], DIGITS), round(fast[1], DIGITS)),
        drop_points=round(100 * drop.value, DIGITS),
        drop_between=(round(100 * drop.low, DIGITS), round(100 * drop.high, DIGITS)),
        rows=drop.rows,
        metric=after.quality.metric,
        noise=round(turns.noise, DIGITS),
        busy=after.latency.busy or before.busy,
    )


def append(folder: Path, trial: Trial) -> Path:
    """Add one run as one line in one write to its rule's file."""
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{trial.rule}.jsonl"
    line = json.dumps(jsonable(trial), ensure_ascii=False) + "\n"
    _cut_half_a_line(path)
    with path.open("a", encoding="utf-8") as file:
        file.write(line)
    return path


def _cut_half_a_line(path: Path) -> None:
    if path.is_file():
        raw = path.read_bytes()
        if raw and not raw.endswith(b"\n"):
            os.truncate(path, raw.rfind(b"\n") + 1)


def read(folders: Iterable[Path]) -> dict[str, tuple[Trial, ...]]:
    """Every run on disk by rule, oldest first. Raises PresetBroken for a line that is none.

    A last line that a kill cut short is left out.
    """
    found: dict[str, tuple[Trial, ...]] = {}
    for path in (file for folder in folders for file in sorted(folder.glob("*.jsonl"))):
        runs = (*found.get(path.stem, ()), *_runs(path))
        found[path.stem] = tuple(sorted(runs, key=lambda one: one.at))
    return found


def _runs(path: Path) -> Iterator[Trial]:
    from pydantic import ValidationError

    for number, line in enumerate(path.read_bytes().split(b"\n")[:-1], 1):
        try:
            yield _trials().validate_json(line)
        except ValidationError as error:
            because = f"line {number} is not a run: {error.errors()[0]['msg']}"
            raise PresetBroken(file=path.name, because=because) from error


@lru_cache(maxsize=1)
def _trials() -> TypeAdapter[Trial]:
    from pydantic import TypeAdapter

    return TypeAdapter(Trial)
