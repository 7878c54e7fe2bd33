"""The statistics of two models answering the same rows, and the same requests in turns.

Covers: Tango's score interval for the difference of paired proportions, the exact McNemar p, the
BCa bootstrap for any other paired statistic, how many more rows would settle a doubt, the ratio of
two latencies taken in turns. Does not cover: what is tolerable (judge.py).
Sources: Tango 1998, Statistics in Medicine 17:891-908; Clopper and Pearson 1934; McNemar 1947;
Efron 1987 (BCa). The size and power of each bound are measured in
tests/slow/test_calibration_of_verdicts.py.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.nouns import Latency

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# One-sided 95 %: the bound that decides.
Z_ONE_SIDED = 1.6448536269514722
RESAMPLES = 10_000
RATIO_RESAMPLES = 2000
MORE_AT_MOST = 10_000_000
# Below this a bootstrap says PASS too often: 7.7 % at 100 skewed rows, 12 % at 30 (simulated).
ROWS_TO_RESAMPLE = 100
# More rows than this are resampled in random groups, to judge 10,000 rows in about a second.
GROUPS_AT_MOST = 2000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """How much was lost (positive) with one-sided 95 % bounds on either side; shares, not points.

    `p_value` is McNemar's and `changed` the rows lost and won, where they apply. With fewer than
    `least_rows` rows `high` is not to be trusted for a PASS.
    """

    value: float
    low: float
    high: float
    rows: int
    p_value: float | None = None
    changed: tuple[int, int] | None = None
    least_rows: int = 0

    @property
    def enough_rows(self) -> bool:
        return self.rows >= self.least_rows


def drop_of_proportions(before_only: int, after_only: int, rows: int) -> Drop:
    """The loss when `before_only` rows were right only before and `after_only` only after."""
    from scipy.stats import binomtest

    discordant = before_only + after_only
    p_value = float(binomtest(after_only, discordant, 0.5).pvalue) if discordant else 1.0
    return Drop(
        value=(before_only - after_only) / rows,
        low=-_upper(after_only, before_only, rows),
        high=_upper(before_only, after_only, rows),
        rows=rows,
        p_value=p_value,
        changed=(before_only, after_only),
    )


def _upper(lost: float, won: float, rows: float) -> float:
    """Tango's bound; without a single win never below the exact bound on the share lost.

    Alone, Tango's passes 6.7 % of models that lose just too much when nothing is won and rows are
    few; with the exact bound at most 5.5 %, at the same power (exact sums over 760 cases).
    """
    bound = _tango(lost, won, rows)
    return bound if won else max(bound, _clopper_pearson(lost, rows))


def _clopper_pearson(found: float, rows: float) -> float:
    from scipy.stats import beta

    return float(beta.ppf(0.95, found + 1, rows - found)) if found < rows else 1.0


def _tango(b: float, c: float, n: float) -> float:
    """The largest loss at which Tango's score statistic is still within its one-sided quantile."""
    from scipy.optimize import brentq

    def excess(delta: float) -> float:
        return _score(b, c, n, delta) + Z_ONE_SIDED

    edge = 1 - 1e-12
    inner = min(max((b - c) / n, -1 + 1e-9), 1 - 1e-9)
    if excess(inner) * excess(edge) > 0:
        return edge
    return float(brentq(excess, inner, edge, xtol=1e-10))


def _score(b: float, c: float, n: float, delta: float) -> float:
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Statistic:
    """A loss that is a function of means over rows: `loss(means)` of the means of `features`.

    `features` is [rows, m]; `loss` takes [k, m] means and gives [k] losses.
    """

    features: Array
    loss: Callable[[Array], Array]


def drop_by_bootstrap(statistic: Statistic, seed: int, resamples: int = RESAMPLES) -> Drop:
    """The loss of any paired statistic, with BCa bounds widened for few rows."""
    import numpy as np
    from scipy.stats import norm

    rng = np.random.default_rng(seed)
    rows = len(statistic.features)
    sums, sizes = _grouped(statistic.features, rng)
    total = sums.sum(axis=0)
    value = float(statistic.loss((total / rows)[None])[0])
    drawn = np.concatenate(
        [
            statistic.loss(_resampled(sums, sizes, count, rng))
            for count in _portions(resamples, max(1, 2_000_000 // len(sums)))
        ]
    )
    low = high = value
    if np.ptp(drawn) > 0:
        below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
        bias = norm.ppf(np.clip(below, 1e-4, 1 - 1e-4))
        left_out = statistic.loss((total - sums) / (rows - sizes)[:, None])
        bend = _acceleration(left_out)
        z = np.array([-1, 1]) * _z_for(rows)
        shifted = norm.cdf(bias + (bias + z) / (1 - bend * (bias + z)))
        low, high = (float(one) for one in np.quantile(drawn, shifted))
    return Drop(
        value=value,
        low=min(low, value),
        high=max(high, value),
        rows=rows,
        least_rows=ROWS_TO_RESAMPLE,
    )


def _z_for(rows: int) -> float:
    """The one-sided quantile, widened as Student's t is (Hesterberg 2015, bootstrap of a mean)."""
    from scipy.stats import t

    if rows < 2:
        return Z_ONE_SIDED
    return float(t.ppf(0.95, rows - 1)) * math.sqrt(rows / (rows - 1))


def _portions(total: int, size: int) -> list[int]:
    return [min(size, total - start) for start in range(0, total, size)]


def _grouped(features: Array, rng: np.random.Generator) -> tuple[Array, Array]:
    """Sums over groups of rows and the groups' sizes; a group is one row while they are few."""
    import numpy as np

    rows = len(features)
    if rows <= GROUPS_AT_MOST:
        return features, np.ones(rows)
    order = rng.permutation(rows)
    starts = np.linspace(0, rows, GROUPS_AT_MOST, endpoint=False).astype(int)
    sizes = np.diff(np.append(starts, rows)).astype(float)
    return np.add.reduceat(features[order], starts, axis=0), sizes


def _resampled(sums: Array, sizes: Array, count: int, rng: np.random.Generator) -> Array:
    """Means of the features over `count` draws of groups with replacement."""
    import numpy as np

    groups = len(sums)
    draws = rng.integers(0, groups, (count, groups)) + groups * np.arange(count)[:, None]
    times = np.bincount(draws.ravel(), minlength=count * groups).reshape(count, groups)
    return np.asarray((times @ sums) / (times @ sizes)[:, None])


def _acceleration(left_out: Array) -> float:
    """BCa's acceleration from a jackknife."""
    gap = left_out.mean() - left_out
    spread = (gap**2).sum()
    return float((gap**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0


def rank_loss(
    before: Sequence[float], after: Sequence[float], target: Sequence[float]
) -> Statistic:
    """Spearman's rho before minus after; ranks are kept while rows are drawn.

    A model whose scores are all the same has no rank correlation: 0.
    """
    import numpy as np
    from scipy.stats import rankdata

    middle = (len(target) + 1) / 2
    b, a, t = ((rankdata(np.asarray(one)) - middle) / middle for one in (before, after, target))
    features = np.stack([b, a, t, b * b, a * a, t * t, b * t, a * t], axis=1)

    def loss(means: Array) -> Array:
        b, a, t, bb, aa, tt, bt, at = means.T
        return _correlation(bt - b * t, bb - b * b, tt - t * t) - _correlation(
            at - a * t, aa - a * a, tt - t * t
        )

    return Statistic(features=features, loss=loss)


def _correlation(together: Array, first: Array, second: Array) -> Array:
    """Covariance over the root of both variances; 0 where one of them is 0."""
    import numpy as np

    scale = np.sqrt(np.maximum(first, 0) * np.maximum(second, 0))
    return np.asarray(np.where(scale > 1e-12, together / np.maximum(scale, 1e-12), 0.0))


def mean_loss(values: Sequence[float]) -> Statistic:
    """One minus the mean (of cosines, say)."""
    import numpy as np

    return Statistic(
        features=np.asarray(values, dtype=float)[:, None], loss=lambda means: 1 - means[:, 0]
    )


def more_rows(drop: Drop, tolerance: float) -> int | None:
    """Rows to add so that, with the same rates, the bound would fall on one side; None if never."""
    if not drop.enough_rows:
        return drop.least_rows - drop.rows
    if drop.value == tolerance or not math.isfinite(drop.value):
        return None
    most = drop.rows + MORE_AT_MOST
    if not _settled(drop, tolerance, most):
        return None
    few, enough = drop.rows, most
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if _settled(drop, tolerance, middle) else (middle, enough)
    return enough - drop.rows


def _settled(drop: Drop, tolerance: float, rows: int) -> bool:
    """Whether the bound, at the same rates but over `rows` rows, lies on the value's side."""
    if drop.changed is None:  # a bootstrap's reach shrinks with the root of the rows
        shrunk = math.sqrt(drop.rows / rows)
        low = drop.value - (drop.value - drop.low) * shrunk
        high = drop.value + (drop.high - drop.value) * shrunk
    else:
        lost, won = (one * rows / drop.rows for one in drop.changed)
        low, high = -_upper(won, lost, rows), _upper(lost, won, rows)
    return high <= tolerance if drop.value < tolerance else low > tolerance


def ratio_in_turns(before: Latency, after: Latency) -> tuple[float, float, float]:
    """The ratio after / before at the median, with a two-sided 95 % interval.

    Blocks taken side by side are drawn together, so that a drift of the machine cancels.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    first, second = _table(before), _table(after)
    count = min(len(first), len(second))
    draws = rng.integers(0, count, (RATIO_RESAMPLES, count))
    ratios = _medians(second, draws) / _medians(first, draws)
    low, high = (float(one) for one in np.percentile(ratios, (2.5, 97.5)))
    value = after.p50.value / before.p50.value
    return value, min(low, value), max(high, value)


def _table(latency: Latency) -> Array:
    """Milliseconds [blocks, requests], cut to the shortest block."""
    import numpy as np

    ends = np.cumsum(latency.blocks)[:-1]
    parts = np.split(np.array(latency.samples_ms), ends)
    width = min(len(part) for part in parts)
    return np.stack([part[:width] for part in parts])


def _medians(table: Array, draws: Array) -> Array:
    import numpy as np

    return np.asarray(np.median(table[draws].reshape(len(draws), -1), axis=1))
