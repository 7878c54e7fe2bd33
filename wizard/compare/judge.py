"""Holds one candidate against the contract, clause by clause.

Covers: latency (measured here, or a forecast range elsewhere), size, memory, quality with its
paired one-sided bound, collapse; the sentence why and what to do next.
Does not cover: choosing among candidates (choose.py).
Rule of honesty: the whole bound inside the limit is PASS, outside is MISS, else CANNOT TELL.
"""

from __future__ import annotations

from dataclasses import replace

from wizard.compare.limits import rounded_up, said, three_way
from wizard.compare.parts import parts_clause
from wizard.compare.score import quality_clause
from wizard.compare.turns import Ratio, ratio
from wizard.errors import BadNeeds
from wizard.estimate import latency_elsewhere, one_token
from wizard.nouns import (
    Basis,
    Budget,
    CandidateVerdict,
    Clause,
    Latency,
    Measurement,
    ModelProfile,
    Plan,
    Quantity,
    Verdict,
    WhoPays,
)

# A busy machine was up to three times slower (measured on two shared cores); a MISS found on one
# stands only beyond that.
BUSY_MAY_SLOW = 3.0
ANSWERS_IN_ONE_GO = "this model answers in one go; only models that write take time per token"


def judge(
    plan: Plan,
    candidate_id: str,
    original: Measurement,
    after: Measurement,
    payers: WhoPays | None = None,
) -> CandidateVerdict:
    """Every clause of the contract for one candidate, and their sum.

    With `payers` a part of the data that lost far more than the tolerance is a MISS of its own.
    """
    clauses = within_budgets(plan, candidate_id, original, after)
    clauses.append(quality_clause(plan, original, after))
    parts = parts_clause(plan, payers) if payers is not None else None
    clauses += [parts] if parts is not None else []
    return CandidateVerdict(
        candidate_id=candidate_id, overall=overall(clauses), clauses=tuple(clauses)
    )


def within_budgets(
    plan: Plan, candidate_id: str, original: Measurement, after: Measurement
) -> list[Clause]:
    """The clauses on latency, size and memory, which need no answers."""
    made_from = plan.profile_of(candidate_id)
    return [_budget(plan, budget, original, after, made_from) for budget in plan.needs.budgets]


def overall(clauses: list[Clause]) -> Verdict:
    """The worst verdict among the hard clauses."""
    verdicts = {clause.verdict for clause in clauses if clause.hard}
    if Verdict.MISS in verdicts:
        return Verdict.MISS
    return Verdict.CANNOT_TELL if Verdict.CANNOT_TELL in verdicts else Verdict.PASS


def _budget(
    plan: Plan, budget: Budget, original: Measurement, after: Measurement, made_from: ModelProfile
) -> Clause:
    if budget.quantity == "latency":
        if plan.device.measured_here:
            return _latency_here(budget, original, after)
        return _latency_elsewhere(plan, budget, original, after, made_from)
    if budget.quantity == "token":
        return _per_token(plan, budget, original, after, made_from)
    if budget.quantity == "size":
        return _plain(budget, "size", original.size, after.size, "megabytes of file")
    return _plain(
        budget, "memory", original.memory.peak, after.memory.peak, "megabytes at its peak"
    )


def _plain(budget: Budget, name: str, before: Quantity, now: Quantity, what: str) -> Clause:
    kept = now.value <= budget.at_most
    gap = abs(budget.at_most - now.value)
    side = "below" if kept else "above"
    return Clause(
        name=name,
        verdict=Verdict.PASS if kept else Verdict.MISS,
        limit=budget.at_most,
        before=before.value,
        after=now.value,
        unit=now.unit,
        low=now.value,
        high=now.value,
        basis=now.basis,
        because=f"{said(now.value)} {what}, {said(gap)} {side} your limit of {budget.at_most:g}.",
        next=""
        if kept
        else f"Allow {rounded_up(now.value)} {now.unit}, or choose a smaller candidate.",
        hard=budget.hard,
    )


def _per_token(
    plan: Plan, budget: Budget, original: Measurement, after: Measurement, made_from: ModelProfile
) -> Clause:
    """The same judgement of one more token; a model that answers in one go has none."""
    if original.token is None or after.token is None:
        raise BadNeeds(name="The limit per token", value="given", because=ANSWERS_IN_ONE_GO)
    if plan.device.measured_here:
        clause = _latency_here(
            budget,
            replace(original, latency=original.token),
            replace(after, latency=after.token, against=after.token_against),
        )
    else:
        one = replace(plan, profile=one_token(plan.profile))
        clause = _latency_elsewhere(one, budget, original, after, one_token(made_from))
    because = clause.because.replace("requests", "tokens", 1)
    return replace(clause, name=clause.name.replace("latency", "per token", 1), because=because)


def _of(latency: Latency, budget: Budget) -> Quantity:
    return latency.p95 if budget.percentile == 95 else latency.p50


def _latency_here(budget: Budget, original: Measurement, after: Measurement) -> Clause:
    percentile = 95 if budget.percentile == 95 else 50
    now = _of(after.latency, budget)
    before = _of(after.against or original.latency, budget)
    low, high = _ends(now)
    against = ratio(original, after, percentile)
    verdict, needed = _held(budget, before, after.latency, against)
    name = "95th percentile" if percentile == 95 else "median"
    because = (
        f"The {name} of {now.n} requests is {said(now.value)} ms "
        f"({said(low)} to {said(high)}); you allow {budget.at_most:g} ms. "
        f"It is {against.words()}.{against.beside()}{needed}"
    )
    enough = max(high, before.value) if needed else high
    return Clause(
        name=f"latency, {name}",
        verdict=verdict,
        limit=budget.at_most,
        before=before.value,
        after=now.value,
        unit="ms",
        low=low,
        high=high,
        basis=Basis.MEASURED,
        because=because,
        next=_latency_next(verdict, enough, busy=after.latency.busy),
        hard=budget.hard,
    )


def _held(budget: Budget, before: Quantity, after: Latency, against: Ratio) -> tuple[Verdict, str]:
    """The verdict, and what to add when only noise lies between the two models and the limit."""
    limit = budget.at_most
    low, high = _ends(_of(after, budget))
    spread = max(1.0, after.noise) if after.busy else 1.0
    slowed = max(BUSY_MAY_SLOW, spread) if after.busy else 1.0
    verdict = three_way(low / slowed, high * spread, limit)
    if verdict is not Verdict.PASS or against.faster or before.value <= limit:
        return verdict, ""
    certain = not after.busy and _ends(before)[0] > limit
    return (
        Verdict.MISS if certain else Verdict.CANNOT_TELL,
        f" The original takes {said(before.value)} ms, so keeping your limit needs a real one.",
    )


def _latency_next(verdict: Verdict, high: float, *, busy: bool) -> str:
    if verdict is Verdict.PASS:
        return ""
    if verdict is Verdict.CANNOT_TELL and busy:
        return "The machine was busy; close other programs and run it again."
    if verdict is Verdict.CANNOT_TELL:
        return f"Allow {rounded_up(high)} ms, or measure on a quieter machine."
    return f"Allow {rounded_up(high)} ms, ask for shorter inputs, or choose a faster device."


def _ends(quantity: Quantity) -> tuple[float, float]:
    low = quantity.value if quantity.low is None else quantity.low
    high = quantity.value if quantity.high is None else quantity.high
    return low, high


def _latency_elsewhere(
    plan: Plan, budget: Budget, original: Measurement, after: Measurement, made_from: ModelProfile
) -> Clause:
    another = made_from is not plan.profile  # its own card tells its arithmetic, not a share
    audit = replace(after.audit, work_share=1.0) if another else after.audit
    now = latency_elsewhere(made_from, plan.device, audit)
    before = latency_elsewhere(plan.profile, plan.device, original.audit)
    low, high = _ends(now)
    verdict = three_way(low, high, budget.at_most)
    because = (
        f"Estimated for {plan.device.name}: {said(low)} to {said(high)} ms; "
        f"you allow {budget.at_most:g} ms."
    )
    ask = "Run check.py from the bundle on the device; its receipt turns this into a measurement."
    return Clause(
        name="latency, 95th percentile" if budget.percentile == 95 else "latency, median",
        verdict=verdict,
        limit=budget.at_most,
        before=before.value,
        after=now.value,
        unit="ms",
        low=low,
        high=high,
        basis=Basis.ESTIMATED,
        because=because,
        next="" if verdict is Verdict.PASS else ask,
        hard=budget.hard,
    )
