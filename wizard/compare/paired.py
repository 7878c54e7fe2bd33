"""The statistics of two models answering the same rows.

Covers: Tango's score interval for the difference of paired proportions, the exact McNemar p, the
BCa bootstrap for any other paired statistic.
Does not cover: what is tolerable (score.py), macro-F1 as such a statistic (macro.py), how many
more rows would settle a doubt (more.py), speed (turns.py).
Sources: Tango 1998, Statistics in Medicine 17:891-908; Clopper and Pearson 1934; McNemar 1947;
Efron 1987 (BCa); Gaffke 2005; Learned-Miller and Thomas 2020, arXiv 1905.06208. The size and
power of each bound are measured in tests/slow/test_calibration_of_verdicts.py.
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
# A score interval is a little too narrow in few rows; see _upper.
Z_TANGO = 1.69
RESAMPLES = 10_000
# Below this a bootstrap says PASS too often: 7.7 % at 100 skewed rows, 12 % at 30 (simulated).
ROWS_TO_RESAMPLE = 100
# More rows than this are resampled in random groups, to judge 10,000 rows in about a second.
GROUPS_AT_MOST = 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drop:
    """How much was lost (positive) with one-sided 95 % bounds on either side; shares, not points.

    `p_value` is McNemar's and `changed` the rows lost and won, where they apply. With fewer than
    `least_rows` rows `high` is not to be trusted for a PASS. `unseen` is the part of `high` that
    allows for rare rows of the worst kind which these rows may lack; it shrinks with their number.
    """

    value: float
    low: float
    high: float
    rows: int
    p_value: float | None = None
    changed: tuple[int, int] | None = None
    least_rows: int = 0
    unseen: float = 0.0

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
    """Tango's bound; when changes go one way only, never inside the exact bound on their share.

    Alone, Tango's passes 6.7 % of models that lose just too much when nothing is won and rows are
    few, and 5.5 % with the exact bound. With `Z_TANGO` too it is at most 4.9 %, at the same power
    (exact sums over 792 cases: 100 to 4,000 rows, half a point to ten, 0 to 10 % won).
    """
    bound = _tango(lost, won, rows)
    if won == 0:
        return max(bound, _clopper_pearson(lost, rows))
    return max(bound, _clopper_pearson(rows - won, rows) - 1) if lost == 0 else bound


def _clopper_pearson(found: float, rows: float) -> float:
    """The exact upper bound on a share."""
    from scipy.stats import beta

    return float(beta.ppf(0.95, found + 1, rows - found)) if found < rows else 1.0


def _tango(b: float, c: float, n: float) -> float:
    """The largest loss at which Tango's score statistic is still within its one-sided quantile."""
    from scipy.optimize import brentq

    def excess(delta: float) -> float:
        return _score(b, c, n, delta) + Z_TANGO

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

    `features` is [rows, m], an array or sparse; `loss` takes [k, m] means and gives [k] losses.
    `counts` [rows] says how many rows each line stands for (rows that are alike need one line);
    `worst` [m] is the most harmful row there could be, where one alone would matter.
    """

    features: Any
    loss: Callable[[Array], Array]
    counts: Array | None = None
    worst: Array | None = None

    @property
    def rows(self) -> int:
        return self.features.shape[0] if self.counts is None else int(self.counts.sum())


def drop_by_bootstrap(statistic: Statistic, seed: int, resamples: int = RESAMPLES) -> Drop:
    """The loss of any paired statistic, with BCa bounds widened for few rows.

    Where the statistic names a worst row, `high` also leaves room for such rows unseen: the 95 %
    quantile of the loss under Dirichlet weights over the rows and one worst row more. For means
    that is the bound of Gaffke 2005 and of Learned-Miller and Thomas 2020; for shares it is
    Clopper and Pearson's.
    """
    import numpy as np

    rng = np.random.default_rng(seed)
    units = _units(statistic, rng)
    value = float(statistic.loss((units.total / units.rows)[None])[0])
    low, high = _bca(statistic, units, value, _Draw(rng, resamples))
    low, high = min(low, value), max(high, value)
    unseen = high
    if statistic.worst is not None:
        with_it = _with_one_worst_row(statistic, statistic.worst, units, _Draw(rng, resamples))
        unseen = max(high, with_it)
    return Drop(
        value=value,
        low=low,
        high=unseen,
        unseen=unseen - high,
        rows=units.rows,
        least_rows=ROWS_TO_RESAMPLE,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Units:
    """What is drawn: sums of features [units, m], rows in each unit, and how often it exists."""

    sums: Any
    sizes: Array
    counts: Array

    @property
    def rows(self) -> int:
        return round(float(self.sizes @ self.counts))

    @property
    def total(self) -> Array:
        import numpy as np

        return np.asarray(self.counts @ self.sums)


@dataclass(frozen=True, slots=True)
class _Draw:
    """The source of chance and how many resamples to take of it."""

    rng: np.random.Generator
    resamples: int

    def portions(self, units: int) -> list[int]:
        """Resamples by portions that fit into memory."""
        size = max(1, 2_000_000 // units)
        return [min(size, self.resamples - at) for at in range(0, self.resamples, size)]


def _units(statistic: Statistic, rng: np.random.Generator) -> _Units:
    """Lines as they are while they are few, else sums over random groups of rows."""
    import numpy as np
    from scipy.sparse import csr_array

    lines = statistic.features.shape[0]
    counts = np.ones(lines) if statistic.counts is None else statistic.counts.astype(float)
    if lines <= GROUPS_AT_MOST:
        return _Units(sums=statistic.features, sizes=np.ones(lines), counts=counts)
    row_of = rng.permutation(np.repeat(np.arange(lines), counts.astype(int)))
    group_of = np.arange(len(row_of)) * GROUPS_AT_MOST // len(row_of)
    shape = (GROUPS_AT_MOST, lines)
    grouping = csr_array((np.ones(len(row_of)), (group_of, row_of)), shape=shape)
    sizes = np.bincount(group_of, minlength=GROUPS_AT_MOST).astype(float)
    return _Units(sums=grouping @ statistic.features, sizes=sizes, counts=np.ones(len(sizes)))


def _bca(statistic: Statistic, units: _Units, value: float, draw: _Draw) -> tuple[float, float]:
    import numpy as np
    from scipy.stats import norm

    drawn = np.concatenate(
        [
            statistic.loss(_resampled(units, count, draw.rng))
            for count in draw.portions(len(units.sizes))
        ]
    )
    if np.ptp(drawn) == 0:
        return value, value
    below = ((drawn < value).mean() + (drawn <= value).mean()) / 2
    bias = norm.ppf(np.clip(below, 1e-4, 1 - 1e-4))
    others = (units.rows - units.sizes)[:, None]
    left_out = statistic.loss((units.total - units.sums) / np.maximum(others, 1))
    bend = _acceleration(left_out, units.counts)
    z = np.array([-1, 1]) * _z_for(units.rows)
    shifted = norm.cdf(bias + (bias + z) / (1 - bend * (bias + z)))
    low, high = (float(one) for one in np.quantile(drawn, shifted))
    return low, high


def _with_one_worst_row(statistic: Statistic, worst: Array, units: _Units, draw: _Draw) -> float:
    """The 95 % quantile under Dirichlet weights, with one row more: the worst there could be."""
    import numpy as np

    drawn = []
    for count in draw.portions(len(units.sizes)):
        weights = draw.rng.standard_gamma(units.counts * units.sizes, (count, len(units.sizes)))
        extra = draw.rng.standard_exponential((count, 1))
        total = weights.sum(axis=1, keepdims=True) + extra
        means = weights @ _per_row(units) + extra * worst
        drawn.append(statistic.loss(means / total))
    return float(np.quantile(np.concatenate(drawn), 0.95))


def _per_row(units: _Units) -> Any:
    """Mean features of a unit's rows."""
    if (units.sizes == 1).all():
        return units.sums
    scaled = units.sums / units.sizes[:, None]
    return scaled.tocsr() if hasattr(scaled, "tocsr") else scaled


def _z_for(rows: int) -> float:
    """The one-sided quantile, widened as Student's t is (Hesterberg 2015, bootstrap of a mean)."""
    from scipy.stats import t

    if rows < 2:
        return Z_ONE_SIDED
    return float(t.ppf(0.95, rows - 1)) * math.sqrt(rows / (rows - 1))


def _resampled(units: _Units, count: int, rng: np.random.Generator) -> Array:
    """Means of the features over `count` draws of rows (or groups) with replacement.

    Lines that stand for several rows are drawn by a multinomial, which is the same thing.
    """
    import numpy as np

    lines = len(units.sizes)
    if (units.counts == 1).all():
        draws = rng.integers(0, lines, (count, lines)) + lines * np.arange(count)[:, None]
        times = np.bincount(draws.ravel(), minlength=count * lines).reshape(count, lines)
    else:
        total = round(float(units.counts.sum()))
        times = rng.multinomial(total, units.counts / units.counts.sum(), size=count)
    return np.asarray((times @ units.sums) / (times @ units.sizes)[:, None])


def _acceleration(left_out: Array, counts: Array) -> float:
    """BCa's acceleration from a jackknife; `counts` rows gave each value."""
    gap = (left_out * counts).sum() / counts.sum() - left_out
    spread = (counts * gap**2).sum()
    return float((counts * gap**3).sum() / (6 * spread**1.5)) if spread > 0 else 0.0


def rank_loss(
    before: Sequence[float], after: Sequence[float], target: Sequence[float]
) -> Statistic:
    """Spearman's rho before minus after; ranks are kept while rows are drawn.

    A model whose scores are all the same has no rank correlation: 0. The worst row is an average
    one turned around; with BCa alone up to 55 % of simulated models that scramble a few rows and
    lose just too much would pass, with such a row at most 4.7 %.
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

    worst = features.mean(axis=0)
    worst[7] = -worst[6]
    return Statistic(features=features, loss=loss, worst=worst)


def _correlation(together: Array, first: Array, second: Array) -> Array:
    """Covariance over the root of both variances; 0 where one of them is 0."""
    import numpy as np

    scale = np.sqrt(np.maximum(first, 0) * np.maximum(second, 0))
    return np.asarray(np.where(scale > 1e-12, together / np.maximum(scale, 1e-12), 0.0))


def mean_loss(values: Sequence[float]) -> Statistic:
    """One minus the mean (of cosines, say); the worst row has nothing in common: 0."""
    import numpy as np

    return Statistic(
        features=np.asarray(values, dtype=float)[:, None],
        loss=lambda means: 1 - means[:, 0],
        worst=np.zeros(1),
    )
