"""Vectors: how texts lie to each other.

Covers: Spearman's correlation for pairs with scores; the cosine of each vector with the
original's; collapse (NaN, zeros, all vectors in a cone).
Does not cover: whether a loss is within tolerance (compare).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.measure.answered import Answered
from wizard.measure.intervals import mean, whole
from wizard.measure.quality import AGREEMENT, AGREEMENT_ASKED, ROWS_TO_SUSPECT, not_finite
from wizard.nouns import Answers, Basis, ExampleSet, Glance, Json, ModelProfile, Quality, Quantity

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

RESAMPLES = 2000
# Vectors are in a cone when their mean cosine is above this and a fifth of the original's spread
# (one minus its mean cosine) is left; some healthy models have a mean cosine of 0.9 themselves.
CONE_COSINE, CONE_SPREAD = 0.95, 0.2
NUMBERS_SHOWN = 8


def glance(raw: Answered, original: Answered) -> Glance:
    """The mean cosine with the original's vectors."""
    cosines = (_unit(_vectors(raw)) * _unit(_vectors(original))).sum(axis=1)
    return Glance(rows=len(raw), cosine=float(cosines.mean()))


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The cosine of two texts' vectors, or the first numbers of one."""
    vectors = raw.of("vectors")[0]
    if len(vectors) == 2:
        return {"said": f"{float(_unit(vectors).prod(axis=0).sum()):.3f}"}
    return {"numbers": [round(float(one), 3) for one in vectors[0][:NUMBERS_SHOWN]]}


def _vectors(answered: Answered) -> Array:
    """All vectors in a row [texts, dimensions]; those of a pair stand beside each other."""
    import numpy as np

    return np.concatenate(answered.of("vectors"))


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """The rank correlation with the pairs' scores, or the likeness to the original's vectors."""
    import numpy as np

    raw = _vectors(answered)
    original = _vectors(first) if first is not None else None
    unit = _unit(raw)
    pairs = bool(examples.pairs)
    same = (unit * _unit(original)).sum(axis=1) if original is not None else np.array([])
    if pairs and len(same):
        same = (same[0::2] + same[1::2]) / 2
    agreement = mean(same, "cosine") if len(same) else None
    if pairs:
        cosine = (unit[0::2] * unit[1::2]).sum(axis=1)
        metric, value = "spearman", spearman(cosine, np.array(examples.target))
    else:
        cosine = (unit * np.roll(unit, -1, axis=0)).sum(axis=1)
    if not pairs or asked == AGREEMENT_ASKED:
        metric, value = AGREEMENT, agreement or whole(len(raw))
    answers = Answers(
        rows=examples.rows,
        scores=tuple(round(float(one), 6) for one in cosine),
        target=examples.target,
        agreement=tuple(round(float(one), 6) for one in same),
        collapse=_collapsed_vectors(raw, unit, original),
    )
    return Quality(metric=metric, value=value, answers=answers, agreement=agreement)


def _unit(raw: Array) -> Array:
    import numpy as np

    finite = np.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(finite / np.maximum(np.linalg.norm(finite, axis=1, keepdims=True), 1e-12))


def _collapsed_vectors(raw: Array, unit: Array, original: Array | None) -> tuple[str, ...]:
    found = not_finite(raw)
    if original is None or len(unit) < ROWS_TO_SUSPECT:
        return tuple(found)
    if not unit.any():
        found.append("All vectors are zero.")
    now, before = _cone(unit), _cone(_unit(original))
    if now > CONE_COSINE and 1 - now < CONE_SPREAD * (1 - before):
        found.append(
            f"All vectors point the same way (mean cosine {now:.2f}; the original's {before:.2f})."
        )
    return tuple(found)


def _cone(unit: Array) -> float:
    """Mean cosine between different rows."""
    count = len(unit)
    total = float((unit.sum(axis=0) ** 2).sum())
    return (total - count) / (count * (count - 1))


def spearman(cosine: Array, target: Array) -> Quantity:
    """Spearman's rho with a 95 % percentile bootstrap interval (seeded)."""
    import numpy as np
    from scipy.stats import rankdata, spearmanr

    if np.ptp(cosine) == 0 or np.ptp(target) == 0:  # no ranks, no correlation
        return Quantity(value=0.0, unit="rho", basis=Basis.MEASURED, n=len(cosine))
    rho = float(spearmanr(cosine, target).statistic)
    first, second = rankdata(cosine), rankdata(target)
    rng = np.random.default_rng(0)
    rhos = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(first), len(first))
        a, b = first[rows] - first[rows].mean(), second[rows] - second[rows].mean()
        rhos.append((a * b).sum() / max(np.sqrt((a**2).sum() * (b**2).sum()), 1e-12))
    low, high = np.percentile(rhos, (2.5, 97.5))
    return Quantity(
        value=rho,
        unit="rho",
        basis=Basis.MEASURED,
        low=min(float(low), rho),
        high=max(float(high), rho),
        n=len(first),
    )
