"""Holds a candidate's answers against the original's on the same rows: the quality clause.

Covers: which comparison the data allow (right answers, macro-F1, ranks, a measure of means over
rows, agreement), the bound against the tolerance, collapse, the sentence.
Does not cover: the statistics (paired.py, macro.py, by_rows.py), which metric fits
(measure/quality.py), which way a metric is better and on what scale (measure/metrics.py).
"""

from __future__ import annotations

from wizard.compare import saturating
from wizard.compare.by_rows import drop_by_rows
from wizard.compare.limits import rounded_up, three_way
from wizard.compare.macro import macro_loss
from wizard.compare.more import more_rows
from wizard.compare.paired import (
    Drop,
    drop_by_bootstrap,
    drop_of_proportions,
    mean_loss,
    rank_loss,
)
from wizard.measure import macro
from wizard.measure.metrics import Metric, named
from wizard.measure.quality import AGREEMENT
from wizard.measure.sanity import ANOTHER_EACH_TIME, BY_OPTIMIZATION
from wizard.measure.saturation import NOT_EMULATED
from wizard.nouns import Answers, Basis, Clause, Measurement, Plan, Quality, Verdict

MORE_ROWS_WORTH_ASKING = 200_000
# Above this p-value no one would call the division of broken and mended answers uneven.
EVEN_ODDS = 0.5
PUT_RIGHT = "Put the original right first: until then no comparison with it means anything."


def quality_clause(plan: Plan, original: Measurement, after: Measurement) -> Clause:
    """The paired comparison on the same rows; collapse fails it whatever the average says."""
    before, now = saturating.judged_by(plan, original, after)
    drop = drop_between(before, now, plan.needs.seed)
    points = plan.needs.tolerance.points
    doubts = original.quality.doubts
    verdict = _held_back(three_way(drop.low, drop.high, points / 100), drop, after, doubts)
    more = more_rows(drop, points / 100) if verdict is Verdict.CANNOT_TELL else None
    because = (
        _because(before, now, drop, points) + _chance(drop, verdict, now) + _beside(before, now)
    )
    metric = named(now.metric)
    next_step = PUT_RIGHT if doubts else _next(now, drop, more, verdict)
    collapsed = now.answers.collapse
    findings = (*collapsed, *doubts, *after.audit.findings, *saturating.told(plan, after, now))
    if findings:
        verdict = Verdict.MISS if collapsed else verdict
        because = f"{' '.join(findings)} {because}"
        next_step = "Choose another candidate; this one is broken." if collapsed else next_step
    return Clause(
        name="quality",
        verdict=verdict,
        limit=points,
        before=metric.hundredths * before.value.value,
        after=metric.hundredths * now.value.value,
        unit=_unit(metric),
        low=100 * drop.low,
        high=100 * drop.high,
        basis=Basis.MEASURED,
        because=because,
        next=next_step,
        more_examples=None if collapsed else more,
        metric=now.metric,
        p_value=drop.p_value,
        higher_is_better=metric.higher_is_better,
        relative=metric.relative,
    )


def _held_back(
    verdict: Verdict, drop: Drop, after: Measurement, doubts: tuple[str, ...]
) -> Verdict:
    """No PASS on too few rows, by a doubtful yardstick, or for answers that are not the same twice.

    Nobody can promise a quality that could not be emulated, either.
    """
    unsure = {NOT_EMULATED, ANOTHER_EACH_TIME, BY_OPTIMIZATION}.intersection(after.audit.findings)
    if verdict is Verdict.PASS and (unsure or doubts or not drop.enough_rows):
        return Verdict.CANNOT_TELL
    return verdict


def drop_between(before: Quality, after: Quality, seed: int) -> Drop:
    """The loss, by whichever comparison the data allow."""
    was, now = before.answers, after.answers
    if after.metric == macro.NAME:
        return drop_by_bootstrap(macro_loss(now.truth, was.predicted, now.predicted), seed)
    if now.features and after.metric != AGREEMENT:
        return drop_by_rows(after.metric, was.features, now.features, seed)
    if after.metric == AGREEMENT or not (now.truth or now.target):
        if now.predicted:
            return drop_of_proportions(_changed(now), 0, len(now.rows))
        return drop_by_bootstrap(mean_loss(now.agreement), seed)
    if now.truth:
        lost, won = _broken_and_mended(was, now)
        return drop_of_proportions(lost, won, len(now.rows))
    return drop_by_bootstrap(rank_loss(was.scores, now.scores, now.target), seed)


def _broken_and_mended(before: Answers, after: Answers) -> tuple[int, int]:
    rows = list(zip(before.predicted, after.predicted, after.truth, strict=True))
    return sum(b == t != a for b, a, t in rows), sum(a == t != b for b, a, t in rows)


def _changed(after: Answers) -> int:
    return sum(one < 1 for one in after.agreement)


def _unit(metric: Metric) -> str:
    if metric.relative:
        return metric.noun
    return "%" if metric.percent else "points"


def _because(before: Quality, after: Quality, drop: Drop, allowed: float) -> str:
    metric = named(after.metric)
    lost, high = 100 * drop.value, max(100 * drop.high, 0)
    was, now = (metric.shown(one.value.value) for one in (before, after))
    moved = f"{'Lost' if lost >= 0 else 'Gained'} {abs(lost):.2f} points of {metric.noun}"
    if not metric.higher_is_better:
        by = f"{abs(lost):.2f} {'%' if metric.relative else 'points'}"
        noun = f"{metric.noun[0].upper()}{metric.noun[1:]}"
        moved = f"{noun} {'rose' if lost >= 0 else 'fell'} by {by}"
    what = "loss" if metric.higher_is_better else "rise"
    unit = " %" if metric.relative else ""
    return (
        f"{moved}, from {was} to {now} on {drop.rows} rows ({metric.direction}); 95 % sure that "
        f"the {what} is below {high:.2f}{unit}. You allow {allowed:g}{unit}, {metric.scale}."
    )


def _chance(drop: Drop, verdict: Verdict, after: Quality) -> str:
    """McNemar's test in words, where the verdict is not plain and answers are right or wrong."""
    if verdict is Verdict.PASS or after.metric == AGREEMENT:
        return ""
    if drop.changed is None or drop.p_value is None:
        return ""
    broken, mended = drop.changed
    if broken + mended == 0:
        return ""
    counted = f" {broken} right answers broke and {mended} wrong ones were mended"
    if drop.p_value >= EVEN_ODDS:
        return f"{counted}, as luck alone would divide them (exact McNemar test)."
    odds = f"{drop.p_value:.2g}" if drop.p_value >= 0.001 else "below 0.001"
    return (
        f"{counted}; the odds that luck alone divides them so unevenly are {odds} "
        "(exact McNemar test)."
    )


def _beside(before: Quality, after: Quality) -> str:
    """What stands beside the score that decides."""
    was, now = before.answers, after.answers
    if after.metric == macro.NAME:
        first, second = (_share_right(one) for one in (was, now))
        return (
            " Some labels have over four times the rows of others, so every label counts alike; "
            f"accuracy beside it: {first:.2%} before, {second:.2%} after.".replace("%", " %")
        )
    if after.metric == AGREEMENT and now.predicted and now.agreement:
        why = "As you asked," if now.truth else "The rows have no labels, so"
        kept = after.value
        share, low, high = (100 * (1 - one) for one in (kept.value, kept.high or 1, kept.low or 0))
        return (
            f" {why} every changed answer counts as lost: {_changed(now)} changed, "
            f"{share:.2f} % ({low:.2f} to {high:.2f})."
        )
    if after.metric == AGREEMENT and len(was.scores) == len(now.scores) > 1:
        drop = rank_loss(was.scores, now.scores, was.scores)
        rank = 1 - float(drop.loss(drop.features.mean(axis=0)[None])[0])
        return f" Rows are ranked as before: rank agreement {rank:.4f} of 1."
    return ""


def _share_right(answers: Answers) -> float:
    right = sum(p == t for p, t in zip(answers.predicted, answers.truth, strict=True))
    return right / len(answers.truth)


def _next(after: Quality, drop: Drop, more: int | None, verdict: Verdict) -> str:
    if verdict is Verdict.PASS:
        return ""
    if verdict is Verdict.MISS:
        unit = named(after.metric).unit_of_loss
        return f"Allow {rounded_up(100 * drop.high, 2)} {unit}, or choose a gentler candidate."
    if more is None or more >= MORE_ROWS_WORTH_ASKING:
        return "The loss lies on the limit; allow a little more, or a little less."
    rarest = ""
    if after.metric == macro.NAME:
        rarest = ", above all of the rarest label"
    return f"About {more} more examples{rarest} would settle it."
