"""Which candidate to try next, whether to go on up the ladder; which rung is hopeless at a glance.

Covers: what fits into the minutes left, when to stop, what a rung must promise to be begun, a short
look at 64 rows held against the tolerance. Pure.
Does not cover: making and measuring (run/walk.py); the rungs' order (advise/choose.py).
"""

from __future__ import annotations

import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from wizard.compare.choose import gains
from wizard.compare.turns import ratio
from wizard.nouns import (
    Candidate,
    Comparison,
    Glance,
    LeftOut,
    Measurement,
    Needs,
    Plan,
    Priority,
    Quantity,
    Verdict,
)

KEPT = "The contract is kept."
NO_MORE = "Every recipe that fits this model and device was tried."
NOTHING_BETTER = "No recipe left is expected to do better by more than the machine's noise."
NOTHING_HELPS = "No recipe left is expected to come nearer to the contract."
# So many times longer than the quickest, and the recommended recipe waits for its verdict.
LONGER = 1.5
# A file is as large as it is: this much smaller is smaller.
SIZE_WORTH_A_RUNG = 0.02
# How sure a short look must be before it ends a candidate: one in a thousand is ended wrongly.
SURE = 0.999
# Mean cosine to the original below which an embedding model's neighbours are others' neighbours.
# A judgement: the samples' worst candidate that kept its contract has 0.97.
LOST = 0.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Climb:
    """The next rung, or None with the reason to stop; rungs that are passed over for good."""

    rung: Candidate | None
    because: str
    left_out: tuple[LeftOut, ...] = ()


def in_order(candidates: Sequence[Candidate], needs: Needs) -> tuple[Candidate, ...]:
    """The plan's order, but for the first: there is soon a verdict to stop at.

    The quickest goes first where the plan's first takes half as long again; else, where that one
    may miss the contract by its own forecast, the quickest of those that are not expected to.
    """
    if not candidates:
        return ()
    quickest = min(candidates, key=_seconds)
    if _seconds(candidates[0]) >= LONGER * _seconds(quickest):
        return _with_first(quickest, candidates)
    if _expected_to_keep(candidates[0], needs):
        return tuple(candidates)
    sure = [one for one in candidates if _expected_to_keep(one, needs)]
    quickest = min(sure, key=_seconds, default=candidates[0])
    if _seconds(quickest) > _seconds(candidates[0]):
        return tuple(candidates)
    return _with_first(quickest, candidates)


def _seconds(candidate: Candidate) -> float:
    return candidate.forecast.seconds.value


def _with_first(first: Candidate, candidates: Sequence[Candidate]) -> tuple[Candidate, ...]:
    return (first, *(one for one in candidates if one is not first))


def _expected_to_keep(candidate: Candidate, needs: Needs) -> bool:
    """Its forecast keeps the tolerance even at its worst, and every hard limit."""
    cast = candidate.forecast
    reached = cast.reached()
    limits = [one for one in needs.budgets if one.hard and one.quantity in reached]
    if any(reached[one.quantity].value > one.at_most for one in limits):
        return False
    return (cast.drop.value if cast.drop.high is None else cast.drop.high) <= needs.tolerance.points


def next_candidate(
    left: Sequence[Candidate],
    needs: Needs,
    *,
    seconds_left: float,
    pace: float,
    measured: bool,
    kept: bool = True,
) -> Candidate:
    """The first of those left that fits into the time; with none `measured` yet, else the quickest.

    Without one there is no verdict at all, so it is begun however little time there is. While no
    candidate has `kept` the contract and there is time for all, they go as `in_order` says.
    """
    fitting = [one for one in left if one.forecast.seconds.value * pace <= seconds_left]
    if not kept and pace * sum(one.forecast.seconds.value for one in left) <= seconds_left:
        return in_order(left, needs)[0]
    if fitting or measured:
        return (fitting or left)[0]
    return min(left, key=lambda one: one.forecast.seconds.value)


def next_rung(  # noqa: PLR0913 - all that a rung is held against
    plan: Plan,
    original: Measurement,
    known: Comparison,
    measurements: Mapping[str, Measurement],
    tried: Collection[str],
    *,
    seconds_left: float,
    pace: float = 1.0,
) -> Climb:
    """The cheapest rung of `plan.ladder` that is worth its time.

    `known` is what the measurements come to; `tried` holds candidates that were made, failed or
    left out; `pace` is how many times longer than forecast candidates have taken so far;
    `seconds_left` of the job, packing taken off. A contract that is kept by what is neither smaller
    nor faster than the original is kept in vain: the climb goes on to what may be.
    """
    kept = known.overall is Verdict.PASS
    vain = kept and _in_vain(plan, original, measurements[known.chosen or ""])
    if kept and not vain and not plan.needs.improve:
        return Climb(rung=None, because=KEPT)
    left = [one for one in plan.ladder if one.id not in tried]
    if not left:
        return Climb(rung=None, because=NO_MORE)
    out: list[LeftOut] = []
    for one in left:
        if vain:
            promises = _gains(plan, one)
        else:
            promises = (_improves if kept else _helps)(plan, one, known, measurements)
        if not promises:
            continue
        needed = one.forecast.seconds.value * pace
        if needed <= seconds_left:
            return Climb(rung=one, because="", left_out=tuple(out))
        said = f"It needs about {_time(needed)}, and {_time(max(0.0, seconds_left))} are left."
        out.append(LeftOut(candidate_id=one.id, because=said))
    because = NOTHING_BETTER if kept else NOTHING_HELPS
    if out:
        because = "What is left needs more minutes than were allowed."
    return Climb(rung=None, because=because, left_out=tuple(out))


def _time(seconds: float) -> str:
    return f"{seconds / 60:.1f} min" if seconds >= 90 else f"{seconds:.0f} s"


def _improves(
    plan: Plan, rung: Candidate, known: Comparison, measurements: Mapping[str, Measurement]
) -> bool:
    """At its best it beats the best candidate's priority by more than the noise of measuring."""
    best = measurements[known.chosen or ""]
    cast = rung.forecast
    if _misses(plan, rung):
        return False
    if plan.needs.priority is Priority.SMALLEST:
        return _least(cast.size) < (1 - SIZE_WORTH_A_RUNG) * best.size.value
    if plan.needs.priority is Priority.SAFEST:
        judged = next(v for v in known.verdicts if v.candidate_id == known.chosen)
        bound = next(c.high or 0.0 for c in judged.clauses if c.name == "quality")
        return (cast.drop.high or cast.drop.value) < bound
    before = best.against or best.latency
    now = best.latency.p50.value / before.p50.value
    expected = _least(cast.latency) / max(plan.baseline.latency.value, 1e-9)
    noise = max(ratio(best, best).noise, best.latency.noise)
    return expected < now / noise


def _in_vain(plan: Plan, original: Measurement, chosen: Measurement) -> bool:
    """Neither smaller nor faster, where that is asked for; the safest file is the safest."""
    return plan.needs.priority is not Priority.SAFEST and not gains(plan, original, chosen)


def _gains(plan: Plan, rung: Candidate) -> bool:
    """At its best it keeps the contract and is smaller than the original, or faster."""
    cast, before = rung.forecast, plan.baseline
    return not _misses(plan, rung) and (
        _least(cast.size) < (1 - SIZE_WORTH_A_RUNG) * before.size.value
        or _least(cast.latency) < before.latency.value
    )


def _helps(
    plan: Plan, rung: Candidate, known: Comparison, measurements: Mapping[str, Measurement]
) -> bool:
    """It may keep every clause, or be nearer in one that the nearest candidate misses.

    A last resort is not faster than the original, so it must be expected to keep them.
    """
    if rung.last_resort:
        return _expected_to_keep(rung, plan.needs)
    if not _misses(plan, rung):
        return True
    if known.nearest is None:
        return True
    nearest = measurements[known.nearest]
    return "size" in _misses_of(plan, nearest) and _least(rung.forecast.size) < nearest.size.value


def _misses(plan: Plan, rung: Candidate) -> list[str]:
    """The hard clauses that a forecast does not keep even at its best."""
    cast = rung.forecast
    best = cast.reached()
    over = [
        one.quantity
        for one in plan.needs.budgets
        if one.hard and one.quantity in best and _least(best[one.quantity]) > one.at_most
    ]
    return over + (["quality"] if _least(cast.drop) > plan.needs.tolerance.points else [])


def _misses_of(plan: Plan, measured: Measurement) -> list[str]:
    size = measured.size.value
    return [
        one.quantity
        for one in plan.needs.budgets
        if one.hard and one.quantity == "size" and size > one.at_most
    ]


def _least(quantity: Quantity) -> float:
    return quantity.value if quantity.low is None else quantity.low


def hopeless_by_size(plan: Plan, size_mb: float, nearest_mb: float | None) -> str:
    """Why a file that was just made need not be run, or ""; its size is known to the byte.

    A miss that is smaller than the nearest so far is still worth knowing.
    """
    limits = [one.at_most for one in plan.needs.budgets if one.hard and one.quantity == "size"]
    if not limits or size_mb <= min(limits):
        return ""
    if nearest_mb is None or size_mb < nearest_mb:
        return ""
    return f"Its file has {size_mb:.3g} MB where {min(limits):g} are allowed; it was not run."


def hopeless_at_a_glance(plan: Plan, original: Measurement, seen: Glance) -> str:
    """Why the first rows are enough to say that the tolerance is not kept, or "".

    Of the changed answers at most those that the original had wrong can be gains. So with a share
    `wrong` of wrong answers and a share `changed` of changed ones, the loss is at least
    changed - 2 x wrong. The lower bound of `changed` is exact (Clopper and Pearson 1934).
    """
    from scipy.stats import beta

    if seen.not_numbers:
        return f"Its answers to {seen.rows} rows hold values that are not numbers."
    metric = original.quality.metric
    if seen.changed is None:
        if seen.cosine is not None and seen.cosine < LOST:
            return (
                f"On {seen.rows} rows its vectors point elsewhere (mean cosine {seen.cosine:.2f})."
            )
        return ""
    if metric != "accuracy" and not metric.startswith("agreement"):
        return ""
    wrong = 1 - original.quality.value.value if metric == "accuracy" else 0.0
    at_least = float(beta.ppf(1 - SURE, seen.changed, seen.rows - seen.changed + 1))
    loss = 100 * ((0.0 if math.isnan(at_least) else at_least) - 2 * wrong)
    if loss <= plan.needs.tolerance.points:
        return ""
    return (
        f"{seen.changed} of its first {seen.rows} answers changed, so it loses at least "
        f"{loss:.0f} points; it was not measured further."
    )
