"""Other decisions than the one made: one thing changed at a time, decided anew.

Covers: what would change the recommendation; the smallest single clause to relax when no forecast
keeps the contract. Nothing here is written by hand: a sentence appears only if deciding again
really gave another answer.
Does not cover: the decision itself (choose.py). Goes one level deep, never deeper.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from wizard.advise.choose import Case, decide, misses
from wizard.advise.facts import facts_of
from wizard.measure.metrics import Metric, named
from wizard.nouns import (
    Budget,
    Candidate,
    CounterOffer,
    Device,
    Needs,
    Priority,
    Tolerance,
    WouldChange,
)

NATIVE_8_BIT = {"avx512_vnni", "avx_vnni", "amx_int8", "dotprod", "i8mm"}
GIVEN_8_BIT = {"x86_64": "avx512_vnni", "arm64": "dotprod"}
PRIORITIES = {
    Priority.FASTEST: "If speed mattered most",
    Priority.SMALLEST: "If size mattered most",
    Priority.SAFEST: "If safety mattered most",
}
# Tolerances tried in turn: strict and loose, as the quality step offers them.
STRICT, LOOSE = 0.5, 3.0
HALF = 0.5
OFFERS_AT_MOST = 3
HEADROOM = 1.05  # an offer leaves five per cent above the forecast
QUALITY = "quality"
UNITS = {"latency": "ms", "token": "ms"}
ANY_LOSS = Tolerance(points=100.0)
LEAST_POINTS = 0.1  # what no tolerance at all counts as when relaxations are compared


def would_change(case: Case, candidates: Sequence[Candidate]) -> tuple[WouldChange, ...]:
    """What would put another recipe first on the same device."""
    if case.needs.only is not None:
        return ()
    leader = candidates[0].id if candidates else None
    found = []
    for said, other in _flips(case, candidates):
        first = _leader(other)
        if first is not None and first.id != leader:
            found.append(WouldChange(fact=said, then=f"{first.title} would lead."))
    return tuple(found)


def _leader(case: Case) -> Candidate | None:
    facts = facts_of(case.profile, case.needs, case.device, case.family)
    return next(iter(decide(case, facts).candidates), None)


def _flips(case: Case, candidates: Sequence[Candidate]) -> Iterator[tuple[str, Case]]:
    for priority, said in PRIORITIES.items():
        if priority is not case.needs.priority:
            yield said, replace(case, needs=replace(case.needs, priority=priority))
    yield from _other_instructions(case)
    points = case.needs.tolerance.points
    if points > STRICT:
        yield _could_lose(_metric(case), STRICT, "at most "), _tolerating(case, STRICT)
    if points < LOOSE:
        yield _could_lose(_metric(case), LOOSE), _tolerating(case, LOOSE)
    if candidates:
        limit = float(f"{candidates[0].forecast.size.value * HALF:.2g}")
        needs = _limited(case.needs, Budget(quantity="size", at_most=limit, unit="MB"))
        yield f"If the file had to stay below {limit:g} MB", replace(case, needs=needs)


def _metric(case: Case) -> Metric:
    """The measure that was asked for; else one without a name, since the rows will choose it."""
    return named(case.needs.tolerance.metric)


def _could_lose(metric: Metric, points: float, most: str = "") -> str:
    amount = f"{most}{metric.amount(points)}"
    if metric.higher_is_better:
        return f"If {amount} could be lost"
    return f"If the {metric.noun} could rise by {amount}"


def _tolerating(case: Case, points: float) -> Case:
    tolerance = replace(case.needs.tolerance, points=points)
    return replace(case, needs=replace(case.needs, tolerance=tolerance))


def _limited(needs: Needs, budget: Budget) -> Needs:
    others = tuple(one for one in needs.budgets if one.quantity != budget.quantity)
    return replace(needs, budgets=(*others, budget))


def _other_instructions(case: Case) -> Iterator[tuple[str, Case]]:
    """The same processor with or without arithmetic on 8-bit numbers."""
    isa, given = case.device.isa, GIVEN_8_BIT.get(case.device.arch)
    if isa & NATIVE_8_BIT:
        said = "If the processor could not multiply 8-bit numbers"
        yield said, replace(case, device=replace(case.device, isa=isa - NATIVE_8_BIT))
    elif given is not None:
        said = "If the processor could multiply 8-bit numbers"
        yield said, replace(case, device=replace(case.device, isa=isa | {given}))


def on_other_devices(
    case: Case, candidates: Sequence[Candidate], devices: Iterable[Device]
) -> Iterator[WouldChange]:
    """Devices of other groups whose leader is another technique; each technique once."""
    if case.needs.only is not None:
        return
    techniques = {one.technique for one in candidates[:1]}
    for device in devices:
        if device.group == case.device.group:
            continue
        first = _leader(replace(case, device=device))
        if first is not None and first.technique not in techniques:
            techniques.add(first.technique)
            yield WouldChange(
                fact=f"If it ran on another device ({device.name})",
                then=f"{first.title} would lead.",
            )


def counter_offers(case: Case, candidates: Sequence[Candidate]) -> tuple[CounterOffer, ...]:
    """When no forecast keeps the contract: single clauses to relax, the mildest first.

    If no single clause is enough, the fewest that are, relaxed together.
    """
    if not candidates or any(not misses(case.needs, one.forecast) for one in candidates):
        return ()
    limits = {one.quantity: one for one in case.needs.budgets if one.hard}
    clauses = [*limits, QUALITY]
    enough = [_offer(case, clause, candidates) for clause in clauses]
    offers = [one for one in enough if one is not None] or _together(case, candidates)
    offers.sort(key=lambda one: _times(case.needs, one))
    return tuple(offers[:OFFERS_AT_MOST])


def _offer(case: Case, clause: str, candidates: Sequence[Candidate]) -> CounterOffer | None:
    """The smallest value of one clause with which a candidate is expected to do."""
    without = _without(case.needs, clause)
    able = [one for one in candidates if not misses(without, one.forecast)]
    if not able:
        return None
    best = min(able, key=lambda one: _to_allow(case, one, clause))
    return _said(case, clause, best, f"and {best.title.lower()} is expected to do")


def _together(case: Case, candidates: Sequence[Candidate]) -> list[CounterOffer]:
    """The fewest clauses that would do with one candidate, relaxed together, the mildest first."""
    offers = [_all_missed(case, one) for one in candidates]
    offers.sort(key=lambda one: (len(one.also), _times(case.needs, one)))
    return offers[:1]


def _all_missed(case: Case, candidate: Candidate) -> CounterOffer:
    """Every clause that the candidate is expected to miss, at what it needs."""
    clauses = [*dict.fromkeys(one.quantity for one in case.needs.budgets if one.hard), QUALITY]
    missed = [one for one in clauses if misses(_alone(case.needs, one), candidate.forecast)]
    offers = [_said(case, one, candidate, "") for one in missed]
    allowed = " and ".join(_allowed(case, one) for one in offers)
    sentence = f"Allow {allowed}, and {candidate.title.lower()} is expected to do."
    return replace(offers[0], also=tuple(offers[1:]), sentence=sentence)


def _said(case: Case, clause: str, best: Candidate, then: str) -> CounterOffer:
    limit = _to_allow(case, best, clause)
    offer = CounterOffer(
        clause=clause,
        relax_to=limit,
        unit=_metric(case).unit_of_loss if clause == QUALITY else UNITS.get(clause, "MB"),
        candidate_id=best.id,
        sentence="",
    )
    return replace(offer, sentence=f"Allow {_allowed(case, offer)} {then}.")


def _allowed(case: Case, offer: CounterOffer) -> str:
    if offer.clause == QUALITY:
        return _metric(case).worse_by(offer.relax_to)
    return f"{offer.relax_to:g} {offer.unit} of {offer.clause}"


def _without(needs: Needs, clause: str) -> Needs:
    if clause == QUALITY:
        return replace(needs, tolerance=ANY_LOSS)
    return replace(needs, budgets=tuple(one for one in needs.budgets if one.quantity != clause))


def _alone(needs: Needs, clause: str) -> Needs:
    if clause == QUALITY:
        return replace(needs, budgets=())
    kept = tuple(one for one in needs.budgets if one.quantity == clause)
    return replace(needs, budgets=kept, tolerance=ANY_LOSS)


def _to_allow(case: Case, candidate: Candidate, clause: str) -> float:
    """What a clause must allow: a little above the forecast's middle, or the far end.

    The far end for loss, and for a time that cannot be measured here: only a whole range passes.
    """
    cast = candidate.forecast
    if clause == QUALITY:
        return math.ceil((cast.drop.high or 0.0) / STRICT) * STRICT
    reached = cast.reached()[clause]
    timed = clause in {"latency", "token"}
    far = reached.high if timed and not case.device.measured_here else None
    return float(f"{(far or reached.value) * HEADROOM:.2g}")


def _times(needs: Needs, offer: CounterOffer) -> float:
    """How many times the clauses are relaxed, all together."""
    total = 1.0
    for offered in (offer, *offer.also):
        limits = [one.at_most for one in needs.budgets if one.quantity == offered.clause]
        now = min(limits, default=None) or max(needs.tolerance.points, LEAST_POINTS)
        total *= offered.relax_to / now
    return total
