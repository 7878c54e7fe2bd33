"""The whole plan: the decision, and everything that explains it.

Covers: joining candidates, refusals, what would change, counter-offers, the job's cost and the
contract's sentence; what other devices would change. Does not cover: any of them.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Mapping, Sequence

from wizard import duration, estimate
from wizard.advise import whatif
from wizard.advise.choose import Case, decide
from wizard.advise.facts import facts_of
from wizard.advise.needs import sentence_of
from wizard.advise.trace import traces
from wizard.nouns import AS_MEASURED, Device, Family, ModelProfile, Needs, Pace, Plan, Rule
from wizard.strategies._contract import Strategy

NEARLY = 1.25  # forecasts of seconds are about so good (DECISIONS.md, 2026-11-29)


def advise(  # noqa: PLR0913 - all that a plan hangs on
    profile: ModelProfile,
    needs: Needs,
    *,
    device: Device,
    rules: Sequence[Rule],
    strategies: Mapping[str, Strategy],
    family: Family | None = None,
    pace: Pace = AS_MEASURED,
) -> Plan:
    """A ranked plan; its first candidate is the recommendation.

    `pace` is that of the machine which does the work, for forecasts of seconds.
    """
    case = Case(
        profile=profile,
        needs=needs,
        device=device,
        rules=rules,
        strategies=strategies,
        family=family,
        pace=pace,
    )
    facts = facts_of(profile, needs, device, family)
    decision = decide(case, facts)
    scoring = duration.scoring_of(profile, needs)
    job = estimate.job(profile, decision.candidates, scoring, pace)
    return Plan(
        profile=profile,
        needs=needs,
        device=device,
        baseline=estimate.baseline(profile, device, scoring, pace),
        candidates=decision.candidates,
        refusals=decision.refusals,
        also_considered=decision.considered,
        would_change=whatif.would_change(case, decision.candidates),
        counter_offers=whatif.counter_offers(case, decision.candidates),
        job=job,
        sentence=sentence_of(profile, needs, device),
        rules=traces(case, facts, decision),
        ladder=decision.ladder,
        hurry=_hurry(job.first.value / 60, needs.minutes),
    )


def _hurry(first: float, allowed: float) -> str:
    """What to know when the minutes may be spent before the first verdict."""
    if NEARLY * first <= allowed:
        return ""
    about = math.ceil(first)
    return (
        f"The first verdict is expected after about {about} minute{'s' * (about > 1)} and you "
        f"allow {allowed:g}, so there may be none; allow {math.ceil(1.5 * first)} to be safe."
    )


def look_elsewhere(
    plan: Plan,
    devices: Iterable[Device],
    *,
    rules: Sequence[Rule],
    strategies: Mapping[str, Strategy],
    family: Family | None = None,
) -> Plan:
    """The same plan that also tells which other recipe would lead on other kinds of device."""
    case = Case(
        profile=plan.profile,
        needs=plan.needs,
        device=plan.device,
        rules=rules,
        strategies=strategies,
        family=family,
    )
    more = tuple(whatif.on_other_devices(case, plan.candidates, devices))
    return dataclasses.replace(plan, would_change=(*plan.would_change, *more))
