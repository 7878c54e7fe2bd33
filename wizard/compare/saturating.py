"""Which quality a candidate is judged by: measured here, or emulated for a processor without VNNI.

Covers: taking the emulated one where the target's 8-bit sums can overflow and ours cannot; one
sentence that says so. Does not cover: the emulation (measure/saturation.py), the verdict.
"""

from __future__ import annotations

from dataclasses import fields, replace

from wizard.measure import macro, metrics
from wizard.measure.quality import AGREEMENT
from wizard.measure.saturation import saturates
from wizard.nouns import Answers, Measurement, Plan, Quality


def judged_by(plan: Plan, original: Measurement, after: Measurement) -> tuple[Quality, Quality]:
    """The original's and the candidate's quality on the same rows, as the target answers them."""
    there = after.saturating
    if there is None or not saturates(plan.device.arch, plan.device.isa):
        return original.quality, after.quality
    rows = len(there.answers.rows)
    if rows == len(original.quality.answers.rows):
        return original.quality, there
    answers = _first(original.quality.answers, rows)
    score = _score(answers, there.metric)
    value = replace(original.quality.value, value=score, low=None, high=None, n=rows)
    return replace(original.quality, metric=there.metric, answers=answers, value=value), there


def _first(answers: Answers, rows: int) -> Answers:
    kept = {one.name: getattr(answers, one.name) for one in fields(answers)}
    cut = {name: value[:rows] for name, value in kept.items() if name != "collapse"}
    return replace(answers, **cut)


def _score(answers: Answers, metric: str) -> float:
    """The original's score by this metric, or its agreement with itself."""
    if metric == AGREEMENT:
        return 1.0
    if answers.features:
        return metrics.score_of(metrics.by_rows(metric), metrics.features_of(answers.features))
    if metric == macro.NAME:
        import numpy as np

        return macro.macro_f1(np.array(answers.truth), np.array(answers.predicted)).value
    if answers.truth:
        right = sum(a == b for a, b in zip(answers.predicted, answers.truth, strict=True))
        return right / len(answers.truth)
    if answers.target:
        from scipy.stats import spearmanr

        return float(spearmanr(answers.scores, answers.target).statistic)
    return 1.0


def told(plan: Plan, after: Measurement, judged: Quality) -> tuple[str, ...]:
    """That the answers were emulated; nothing where they were measured as they are."""
    if judged is not after.saturating:
        return ()
    here, there = (_shown(one) for one in (after.quality, judged))
    said = (
        f"On {plan.device.name} 8-bit sums can overflow, so this is judged by answers with those "
        f"overflows, emulated on {len(judged.answers.rows)} rows ({there} there, {here} here)."
    )
    return (said,)


def _shown(quality: Quality) -> str:
    metric, value = metrics.named(quality.metric), quality.value.value
    return f"{100 * value:.1f} %" if metric.percent else f"{value:.3f}"
