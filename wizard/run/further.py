"""Further rungs, once the times forecast turned out too good: what a harder contract would propose.

Covers: how far the forecasts were off, advice for a device slower by as much, a ladder that goes on
from there.
Does not cover: the advice itself (advise), which rung is next (compare/climb.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping

from wizard import intake, library
from wizard.advise import advise
from wizard.nouns import Comparison, Measurement, Plan, Verdict
from wizard.strategies import _contract as contract

# What a forecast is off by without any rule noticing.
WORTH_ASKING = 1.05


def further(
    plan: Plan, original: Measurement, known: Comparison, measurements: Mapping[str, Measurement]
) -> Plan | None:
    """The plan with the rungs that the measured times call for; None where there are none.

    Rules ask what share of the original's time is allowed, and only its forecast was known. So when
    nothing kept the time, they are asked again about a device that is as much slower as the
    original was, or the nearest candidate, if that fell shorter still.
    """
    if known.nearest is None or not plan.device.measured_here or not _misses_time(known):
        return None
    casts = {one.id: one.forecast.latency.value for one in plan.candidates}
    nearest = measurements[known.nearest].latency.p50.value / casts[known.nearest]
    times = max(original.latency.p50.value / plan.baseline.latency.value, nearest)
    if times < WORTH_ASKING:
        return None
    asked = advise(
        plan.profile,
        plan.needs,
        device=plan.device.slower(times),
        rules=library.rules(),
        strategies=contract.discover(),
        family=library.families().get(plan.profile.family),
        pace=intake.pace(),
    )
    seen = {one.id for one in (*plan.candidates, *plan.ladder)}
    more = [one for one in (*asked.candidates, *asked.ladder) if one.id not in seen]
    if not more:
        return None
    more.sort(key=lambda one: (one.last_resort, one.forecast.seconds.value))
    return dataclasses.replace(plan, ladder=(*plan.ladder, *more))


def _misses_time(known: Comparison) -> bool:
    judged = next(one for one in known.verdicts if one.candidate_id == known.nearest)
    return any(
        clause.hard and clause.name.startswith("latency") and clause.verdict is not Verdict.PASS
        for clause in judged.clauses
    )
