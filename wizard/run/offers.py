"""What to relax when nothing measured keeps the contract; each offer was judged before it is made.

Covers: single clauses that would do with a measured candidate, the mildest pair (or more) where
none does alone, the contract with an offer accepted, a job's measurements held against it.
Does not cover: offers by forecast, before anything is measured (advise/whatif.py).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from wizard.compare import compare, judge
from wizard.compare.limits import rounded_up
from wizard.errors import BadNeeds
from wizard.measure.metrics import Metric, named
from wizard.nouns import (
    Budget,
    CandidateVerdict,
    Clause,
    CounterOffer,
    Measurement,
    Needs,
    Outcome,
    Plan,
    Verdict,
    WhoPays,
)

QUALITY = "quality"
OFFERS_AT_MOST = 3
# What no tolerance at all counts as when relaxations are compared.
LEAST_POINTS = 0.1
POINTS_AT_MOST = 100.0
UNITS = {"latency": "ms", "token": "ms"}


def relaxed(needs: Needs, offer: CounterOffer) -> Needs:
    """The contract with an offer accepted; no clause becomes stricter."""
    for one in (offer, *offer.also):
        if one.clause == QUALITY:
            points = max(one.relax_to, needs.tolerance.points)
            needs = replace(needs, tolerance=replace(needs.tolerance, points=points))
        else:
            needs = replace(needs, budgets=tuple(_wider(b, one) for b in needs.budgets))
    return needs


def _wider(budget: Budget, offer: CounterOffer) -> Budget:
    if budget.quantity != offer.clause:
        return budget
    return replace(budget, at_most=max(budget.at_most, offer.relax_to))


def measured_offers(
    plan: Plan,
    original: Measurement,
    measurements: Mapping[str, Measurement],
    verdicts: Iterable[CandidateVerdict],
    payers: Mapping[str, WhoPays],
) -> tuple[CounterOffer, ...]:
    """Nothing while a candidate passes, or where no limit is the trouble (a collapsed model)."""
    known = list(verdicts)
    if any(one.overall is Verdict.PASS for one in known):
        return ()
    found = []
    for one in known:
        after, paying = measurements[one.candidate_id], payers.get(one.candidate_id)
        offer = _offer(plan, one, after)
        if offer is None:
            continue
        changed = replace(plan, needs=relaxed(plan.needs, offer))
        again = judge(changed, one.candidate_id, original, after, paying)
        if again.overall is Verdict.PASS:
            found.append(offer)
    return _mildest(plan.needs, found)


def _offer(plan: Plan, judged: CandidateVerdict, after: Measurement) -> CounterOffer | None:
    """Every limit that this candidate does not keep, at what it was measured to need."""
    limits = [one.quantity for one in plan.needs.budgets] + [QUALITY]
    lacking: dict[str, float] = {}
    for what, clause in zip(limits, judged.clauses, strict=False):
        if clause.hard and clause.verdict is not Verdict.PASS:
            lacking[what] = max(lacking.get(what, 0.0), _needed(what, clause, after))
    if not lacking or not all(map(math.isfinite, lacking.values())):
        return None
    metric = named(after.quality.metric)
    offers = [_limit(judged.candidate_id, what, to, metric) for what, to in lacking.items()]
    both = " and ".join(_allowed(one, metric) for one in offers)
    sentence = f"Allow {both}, and {_title(plan, judged.candidate_id)} keeps the contract."
    return replace(offers[0], also=tuple(offers[1:]), sentence=sentence)


def _needed(what: str, clause: Clause, after: Measurement) -> float:
    """The bound of what was found, rounded up; never a figure that a busy machine gave."""
    bound = clause.after if clause.high is None else clause.high
    if what == QUALITY:
        return min(max(float(rounded_up(bound, 2)), 0.0), POINTS_AT_MOST)
    if what in {"latency", "token"} and clause.high is not None:
        if (after.latency if what == "latency" else after.token or after.latency).busy:
            return math.inf
        if bound <= clause.limit:  # inside the noise of an original that is too slow itself
            bound = clause.before
    return float(rounded_up(bound))


def _limit(candidate_id: str, clause: str, limit: float, metric: Metric) -> CounterOffer:
    """One clause at what it needs; not yet a sentence."""
    return CounterOffer(
        clause=clause,
        relax_to=limit,
        unit=metric.unit_of_loss if clause == QUALITY else UNITS.get(clause, "MB"),
        candidate_id=candidate_id,
        sentence="",
    )


def _allowed(offer: CounterOffer, metric: Metric) -> str:
    """The loss in the words of the measure by which the rows were scored."""
    if offer.clause == QUALITY:
        return metric.worse_by(offer.relax_to)
    return f"{offer.relax_to:g} {offer.unit} of {offer.clause}"


def _title(plan: Plan, candidate_id: str) -> str:
    title = next(one.title for one in plan.candidates if one.id == candidate_id)
    return f"\u201c{title}\u201d"


def _mildest(needs: Needs, offers: Sequence[CounterOffer]) -> tuple[CounterOffer, ...]:
    """For each single clause the candidate that needs least; else the fewest clauses together."""
    ranked = sorted(offers, key=lambda one: (len(one.also), _times(needs, one)))
    best: dict[str, CounterOffer] = {}
    for one in ranked:
        if len(one.also) == len(ranked[0].also):
            best.setdefault(" ".join((one.clause, *(more.clause for more in one.also))), one)
    return tuple(best.values())[: OFFERS_AT_MOST if not ranked or not ranked[0].also else 1]


def _times(needs: Needs, offer: CounterOffer) -> float:
    """How many times the clauses are relaxed, all together."""
    total = 1.0
    for one in (offer, *offer.also):
        now = min((b.at_most for b in needs.budgets if b.quantity == one.clause), default=None)
        total *= one.relax_to / (now or max(needs.tolerance.points, LEAST_POINTS))
    return total


def judged_again(outcome: Outcome, plan: Plan) -> Outcome:
    """The same measurements held against the contract of `plan`; nothing is measured.

    The contract as first stated stays in `asked`. Raises BadNeeds for a metric not measured.
    """
    wanted, found = plan.needs.tolerance.metric, outcome.original.quality.metric
    if wanted and not found.startswith(wanted):
        because = f"this job was scored by {found}, and another metric needs a run of its own"
        raise BadNeeds(name="The metric", value=wanted, because=because)
    changed = replace(outcome.plan, needs=plan.needs, device=plan.device, sentence=plan.sentence)
    original, measured, paying = outcome.original, outcome.measurements, outcome.payers
    verdicts = {
        name: judge(changed, name, original, after, paying.get(name))
        for name, after in measured.items()
    }
    first = outcome.asked or outcome.plan.sentence
    return replace(
        outcome,
        plan=changed,
        comparison=compare(changed, original, measured, verdicts),
        counter_offers=measured_offers(changed, original, measured, verdicts.values(), paying),
        asked=first if first != plan.sentence else "",
    )
