"""Chooses among judged candidates: the best that keeps the contract, or the nearest miss.

Covers: the user's priority, ties within the noise, the nearest miss, the headline sentence.
Does not cover: judging (judge.py).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import replace

from wizard.compare.turns import ratio
from wizard.measure.metrics import named
from wizard.measure.quality import AGREEMENT
from wizard.nouns import (
    CandidateVerdict,
    Clause,
    Comparison,
    Measurement,
    Plan,
    Priority,
    Verdict,
)

SIZE_WORTH_TELLING = 0.02
# On a busy machine the noise can hide a real speed-up; more than a tenth of either is not granted.
TIED_AT_MOST = math.log(1.1)
# What takes a tenth longer is about as fast, where nothing is faster.
ABOUT_AS_FAST = 1.1
# By how many tokens after the first two models that write are compared: a sentence or two.
FURTHER_TOKENS = 32
NO_CANDIDATE = "No candidate could be measured, so there is nothing to choose."


def compare(
    plan: Plan,
    original: Measurement,
    measurements: Mapping[str, Measurement],
    verdicts: Mapping[str, CandidateVerdict],
) -> Comparison:
    """The winner by the user's priority, else the nearest miss, with one sentence about it."""
    judged = tuple(verdicts[name] for name in measurements if name in verdicts)
    kept = [one for one in judged if one.overall is Verdict.PASS]
    if kept:
        best = _best(plan, original, measurements, kept)
    elif judged:
        best = min(judged, key=lambda one: (_order(one), _excess(one)))
    else:
        return Comparison(
            overall=Verdict.MISS, verdicts=(), chosen=None, nearest=None, headline=NO_CANDIDATE
        )
    after = measurements[best.candidate_id]
    return Comparison(
        overall=best.overall,
        verdicts=judged,
        chosen=best.candidate_id if kept else None,
        nearest=None if kept else best.candidate_id,
        headline=_first(plan, original, [measurements[one.candidate_id] for one in kept], after)
        + headline(plan, original, after, best),
    )


def _first(
    plan: Plan, original: Measurement, kept: Sequence[Measurement], best: Measurement
) -> str:
    """What to say first when nothing that keeps the contract gains anything, or no speed."""
    if not kept:
        return ""
    if not any(gains(plan, original, after) for after in kept):
        return "Nothing tried improves on the original: "
    asked = plan.needs.priority is Priority.FASTEST and plan.device.measured_here
    if asked and not _faster(original, best):
        return "Nothing tried is faster, and this is the smallest at about the same speed: "
    return ""


def gains(plan: Plan, original: Measurement, after: Measurement) -> bool:
    """Whether a candidate is smaller than the original, or faster by more than the noise."""
    smaller = after.size.value < (1 - SIZE_WORTH_TELLING) * original.size.value
    lower_bits = not plan.device.measured_here and after.audit.low_bit_mac_share > 0
    return smaller or lower_bits or ratio(original, after).faster


def _best(
    plan: Plan,
    original: Measurement,
    measurements: Mapping[str, Measurement],
    kept: Sequence[CandidateVerdict],
) -> CandidateVerdict:
    """First by the priority; of those that the noise cannot tell from the fastest, the smallest.

    Where nothing is faster than the original, of those at about its speed.
    """
    ranks = {one.candidate_id: _rank(plan, measurements[one.candidate_id], one) for one in kept}
    first = min(kept, key=lambda one: ranks[one.candidate_id])
    if plan.needs.priority is not Priority.FASTEST or not plan.device.measured_here:
        return first
    if not any(_faster(original, measurements[one.candidate_id]) for one in kept):
        near = [one for one in kept if _share(measurements[one.candidate_id]) <= ABOUT_AS_FAST]
        return _smallest(near or [first], ranks, measurements)

    def noise(one: CandidateVerdict) -> float:
        return min(math.log(ratio(original, measurements[one.candidate_id]).noise), TIED_AT_MOST)

    # Each stands beside the original in a session of its own: the two noises add up as squares.
    tied = [
        one
        for one in kept
        if math.log(ranks[one.candidate_id] / ranks[first.candidate_id])
        <= math.hypot(noise(one), noise(first))
    ]
    return _smallest(tied, ranks, measurements)


def _smallest(
    among: Sequence[CandidateVerdict],
    ranks: Mapping[str, float],
    measurements: Mapping[str, Measurement],
) -> CandidateVerdict:
    """The best by rank of those about as small as the smallest."""
    sizes = {one.candidate_id: measurements[one.candidate_id].size.value for one in among}
    least = min(sizes.values()) * (1 + SIZE_WORTH_TELLING)
    small = [one for one in among if sizes[one.candidate_id] <= least]
    return min(small, key=lambda one: ranks[one.candidate_id])


def _faster(original: Measurement, after: Measurement) -> bool:
    """Faster than the original on this machine beyond the noise, in whole answers."""
    return _share(after) < 1 / ratio(original, after).noise


def _share(after: Measurement) -> float:
    """The time of a whole answer as a share of the original's, where both were taken in turns."""
    return _answer_ms(after) / _answer_ms(_of_original(after)) if after.against else 1.0


def _rank(plan: Plan, after: Measurement, judged: CandidateVerdict) -> float:
    """Smaller is better."""
    if plan.needs.priority is Priority.SMALLEST:
        return after.size.value
    if plan.needs.priority is Priority.SAFEST:
        return next(c.high or 0.0 for c in judged.clauses if c.name == "quality")
    if plan.device.measured_here and after.against is not None:
        return _share(after)
    latency = next((c.after for c in judged.clauses if c.name.startswith("latency")), None)
    return latency if latency is not None else after.latency.p50.value


def _answer_ms(measured: Measurement) -> float:
    """Of one answer; a model that writes gives its first token and so many further ones."""
    each = measured.token.p50.value if measured.token is not None else 0.0
    return measured.latency.p50.value + FURTHER_TOKENS * each


def _of_original(after: Measurement) -> Measurement:
    """The original's times of the same session in the places of the candidate's."""
    return replace(after, latency=after.against or after.latency, token=after.token_against)


def _order(judged: CandidateVerdict) -> int:
    return 0 if judged.overall is Verdict.CANNOT_TELL else 1


def _excess(judged: CandidateVerdict) -> float:
    """How far outside the limits, as a share of them, summed over hard clauses."""
    return sum(_over(clause) for clause in judged.clauses if clause.hard)


def _over(clause: Clause) -> float:
    value = (clause.high or 0.0) if clause.name == "quality" else clause.after
    limit = max(clause.limit, 1e-9)
    return max(0.0, value / limit - 1)


def headline(
    plan: Plan, original: Measurement, after: Measurement, judged: CandidateVerdict
) -> str:
    """One sentence a third person understands."""
    saved = 1 - after.size.value / original.size.value
    smaller = f"{saved:.0%} smaller" if saved > SIZE_WORTH_TELLING else "no smaller"
    quality = _quality(after)
    if plan.device.measured_here:
        speed = f"{after.latency.p50.value:.2g} ms on this machine, "
        speed += ratio(original, after).words()
        if after.token is not None and original.token is not None:
            speed = _pace(original, after)
    else:
        clause = next((c for c in judged.clauses if c.name.startswith("latency")), None)
        speed = f"Estimated {clause.low:.2g} to {clause.high:.2g} ms" if clause else "Ready"
        speed += f" on {plan.device.name}"
    beginning = {
        Verdict.PASS: "",
        Verdict.CANNOT_TELL: "We cannot tell yet: ",
        Verdict.MISS: "The contract is missed; the nearest: ",
    }[judged.overall]
    return f"{beginning}{speed}, {smaller}, and {quality}."


def _pace(original: Measurement, after: Measurement) -> str:
    """Of a model that writes: when a text begins, how fast it goes on, each against before."""
    first, each = after.latency.p50.value, (after.token or after.latency).p50.value
    here = replace(after, latency=after.token or after.latency, against=after.token_against)
    return (
        f"{first:.2g} ms to the first token on this machine, {ratio(original, after).words()}, "
        f"and {each:.2g} ms for each further one, {ratio(original, here).words()}"
    )


def _quality(after: Measurement) -> str:
    metric, value = named(after.quality.metric), after.quality.value.value
    if metric.name == "accuracy":
        return f"it gets {value:.1%} right"
    if metric.name == AGREEMENT:
        return f"it agrees with the original in {value:.1%}"
    shown = f"{value:.1%}" if metric.percent else f"{value:.3f}"
    return f"its {metric.noun} is {shown}"
