"""The statistics of two models answering the same rows.

Covers: Tango's score interval for the difference of paired proportions, the exact McNemar p, the
BCa bootstrap for any other paired statistic, how many more rows would settle a doubt.
Does not cover: what is tolerable (judge.py).
Sources: Tango 1998, Statistics in Medicine 17:891-908; McNemar 1947; Efron 1987 (BCa).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# One-sided 95 %: the bound that decides.
Z_ONE_SIDED = 1.6448536269514722
RESAMPLES = 10_000
MORE_AT_MOST = 10_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """How much was lost (positive) with one-sided 95 % bounds on either side; shares, not points.

    `p_value` is McNemar's, where it applies.
    """

    value: float
    low: float
    high: float
    rows: int
    p_value: float | None = None


def drop_of_proportions(before_only: int, after_only: int, rows: int) -> Drop:
    """The loss when `before_only` rows were right only before and `after_only` only after."""
    from scipy.stats import binomtest

    value = (before_only - after_only) / rows
    discordant = before_only + after_only
    p_value = float(binomtest(after_only, discordant, 0.5).pvalue) if discordant else 1.0
    return Drop(
        value=value,
        low=_tango(before_only, after_only, rows, upper=False),
        high=_tango(before_only, after_only, rows, upper=True),
        rows=rows,
        p_value=p_value,
    )


def _tango(b: int, c: int, n: int, *, upper: bool) -> float:
    """The difference at which Tango's score statistic equals the one-sided 95 % quantile."""
    from scipy.optimize import brentq

    value = (b - c) / n

    def excess(delta: float) -> float:
        return _score(b, c, n, delta) - (-Z_ONE_SIDED if upper else Z_ONE_SIDED)

    edge = 1 - 1e-12 if upper else -1 + 1e-12
    inner = min(max(value, -1 + 1e-9), 1 - 1e-9)
    if excess(inner) * excess(edge) > 0:
        return edge
    return float(brentq(excess, inner, edge, xtol=1e-10))


def _score(b: int, c: int, n: int, delta: float) -> float:
    """Tango's statistic for the null difference `delta` (equation 6 of the paper)."""
    first = 2 * n
    second = -b - c + (2 * n - b + c) * delta
    third = -c * delta * (1 - delta)
    root = max(0.0, second * second - 4 * first * third)
    share = (math.sqrt(root) - second) / (2 * first)
    variance = n * (2 * share + delta * (1 - delta))
    if variance <= 0:
        return 0.0 if b - c == n * delta else math.copysign(math.inf, b - c - n * delta)
    return (b - c - n * delta) / math.sqrt(variance)


def drop_by_bootstrap(
    statistic: Callable[[Array], Array], rows: int, seed: int, resamples: int = RESAMPLES
) -> Drop:
    """The loss of any paired statistic, with BCa bounds.

    `statistic(draws)` takes row numbers [k, n] and gives the loss of each of the k draws. The
    acceleration comes from a jackknife over at most 400 groups of rows.
    """
    import numpy as np
    from scipy.stats import norm

    rng = np.random.default_rng(seed)
    value = float(statistic(np.arange(rows)[None])[0])
    size = max(1, 4_000_000 // rows)
    drawn = np.concatenate(
        [
            statistic(rng.integers(0, rows, (min(size, resamples - start), rows)))
            for start in range(0, resamples, size)
        ]
    )
    drawn = drawn[np.isfinite(drawn)]
    if drawn.size == 0 or np.ptp(drawn) == 0:
        return Drop(value=value, low=value, high=value, rows=rows)
    below = np.clip(((drawn < value).mean() + (drawn <= value).mean()) / 2, 1e-4, 1 - 1e-4)
    bias = norm.ppf(below)
    acceleration = _acceleration(statistic, rows)
    bounds = []
    for z in (-Z_ONE_SIDED, Z_ONE_SIDED):
        shifted = bias + (bias + z) / (1 - acceleration * (bias + z))
        bounds.append(float(np.quantile(drawn, norm.cdf(shifted))))
    return Drop(value=value, low=min(bounds[0], value), high=max(bounds[1], value), rows=rows)


def _acceleration(statistic: Callable[[Array], Array], rows: int) -> float:
    """BCa's acceleration from a grouped jackknife."""
    import numpy as np

    groups = np.array_split(np.random.default_rng(1).permutation(rows), min(rows, 400))
    every = np.arange(rows)
    left_out = np.array([statistic(np.setdiff1d(every, group)[None])[0] for group in groups])
    gap = left_out.mean() - left_out
    spread = (gap**2).sum()
    return float((gap**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0


def rank_loss(before: Sequence[float], after: Sequence[float], target: Sequence[float]) -> Any:
    """A statistic for `drop_by_bootstrap`: Spearman's rho before minus after, ranks kept."""
    import numpy as np
    from scipy.stats import rankdata

    ranks = [rankdata(np.asarray(one)) for one in (before, after, target)]

    def loss(draws: Array) -> Array:
        first, second, wanted = (one[draws] for one in ranks)
        return _correlation(first, wanted) - _correlation(second, wanted)

    return loss


def _correlation(first: Array, second: Array) -> Array:
    import numpy as np

    a = first - first.mean(axis=1, keepdims=True)
    b = second - second.mean(axis=1, keepdims=True)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray((a * b).sum(axis=1) / np.sqrt((a**2).sum(axis=1) * (b**2).sum(axis=1)))


def mean_loss(values: Sequence[float]) -> Any:
    """A statistic for `drop_by_bootstrap`: one minus the mean (of cosines, say)."""
    import numpy as np

    array = np.asarray(values)

    def loss(draws: Array) -> Array:
        return np.asarray(1 - array[draws].mean(axis=1))

    return loss


def more_rows(drop: Drop, tolerance: float) -> int | None:
    """Rows to add so that, with the same rates, the bound would fall on one side; None if never.

    The distance from value to bound shrinks with the square root of the rows.
    """
    gap = tolerance - drop.value
    reach = drop.high - drop.value if gap > 0 else drop.value - drop.low
    if gap == 0 or reach <= 0:
        return None
    wanted = math.ceil(drop.rows * (reach / abs(gap)) ** 2)
    more = max(1, wanted - drop.rows)
    return more if more < MORE_AT_MOST else None
