"""What each part of the data lost, how sure that is, and whether it lost more than the rest.

Covers: Tango's interval and the exact McNemar p of each part; the score test that a part and the
rest lost the same; Fisher's exact test where there is no truth; the bootstrap for correlations
and cosines; Holm's correction. Does not cover: which parts there are (slices.py).

A part is accused only when two things are beyond chance: that it lost, and that it lost more than
the rest. Its p (one-sided) is the largest of the tests behind the two (an intersection-union test,
Berger 1982): McNemar's for the loss; for the rest Tango's score, which allows for parts that waver
more, and Fisher's, which is exact where the score is not (alone it accuses 6 to 10 % of models that
lose the same everywhere, simulated). Holm corrects it for the number of looks: the parts in which
enough answers changed for any verdict at all (Tarone 1990).
Sources: Tango 1998, Statistics in Medicine 17:891-908; McNemar 1947; Fisher 1922; Berger 1982,
Technometrics 24:295-300; Holm 1979, Scandinavian Journal of Statistics 6:65-70; Tarone 1990,
Biometrics 46:515-522; Efron 1987. The rate of false accusations is measured in
tests/slow/test_calibration_of_payers.py.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.compare.by_rows import loss_by_rows, right
from wizard.compare.paired import Statistic, mean_loss, rank_loss
from wizard.measure import metrics

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Z_TWO_SIDED = 1.959963984540054
# In fewer rows not one changed answer still leaves room for a loss of 11 points: Tango's bound is
# then z^2 / (n + z^2). A bootstrap needs more (paired.ROWS_TO_RESAMPLE).
ROWS_TO_COUNT = 30
# Halvings of an interval of width 2, and places at which the common loss is tried.
HALVINGS, PLACES = 40, 201
# Of each part, in random groups of rows, so that a hundred parts take a fraction of a second.
RESAMPLES, GROUPS = 1000, 250


@dataclass(frozen=True, slots=True, kw_only=True)
class Losses:
    """One value a part: scores before and after, the loss with its 95 % interval, shares.

    `p` is not yet corrected, `least_p` the smallest that the part could have got; `rest` is what
    all other rows lost together, `strength` by how many standard errors the part lost more.
    """

    before: Array
    after: Array
    drop: Array
    low: Array
    high: Array
    p: Array
    least_p: Array
    rest: Array
    strength: Array


def of_right_answers(before: Array, after: Array, parts: Sequence[Array]) -> Losses:
    """Paired right (True) and wrong answers."""
    import numpy as np
    from scipy.stats import norm

    broke, fixed = before & ~after, after & ~before
    rows, lost, won, right = (_counts(one, parts) for one in (None, broke, fixed, before))
    rest = (len(before) - rows, broke.sum() - lost, fixed.sum() - won)
    drop = (lost - won) / rows
    rest_drop = _share(rest[1] - rest[2], rest[0])
    apart = _apart((rows, lost, won), rest, drop, rest_drop)
    least = np.maximum.reduce(
        [mcnemar(lost, won), norm.sf(apart), _fisher(lost, broke.sum(), rows, len(before))]
    )
    p = np.where((drop > 0) & (drop > rest_drop), least, 1.0)
    return Losses(
        before=right / rows,
        after=right / rows - drop,
        drop=drop,
        low=-tango_upper(won, lost, rows),
        high=tango_upper(lost, won, rows),
        p=p,
        least_p=0.5 ** (lost + won),
        rest=rest_drop,
        strength=apart,
    )


def of_same_answers(same: Array, parts: Sequence[Array]) -> Losses:
    """Answers that are (True) or are not the original's; there is no truth to win back."""
    import numpy as np
    from scipy.stats import norm

    changed = ~same
    rows, lost = _counts(None, parts), _counts(changed, parts)
    rest = len(same) - rows
    drop, rest_drop = lost / rows, _share(changed.sum() - lost, rest)
    nothing = np.zeros(len(parts))
    p = np.where(drop > rest_drop, _fisher(lost, changed.sum(), rows, len(same)), 1.0)
    return Losses(
        before=np.ones(len(parts)),
        after=1 - drop,
        drop=drop,
        low=-tango_upper(nothing, lost, rows),
        high=tango_upper(lost, nothing, rows),
        p=p,
        least_p=nothing,
        rest=rest_drop,
        strength=norm.isf(np.maximum(p, 1e-300)),
    )


def of_ranks(
    scores: tuple[Array, Array], target: Array, parts: Sequence[Array], seed: int
) -> Losses:
    """Spearman's correlation of the scores before and after with the target, within each part."""
    before, after = scores

    def statistic(members: Array) -> Statistic:
        return rank_loss(*(one[members].tolist() for one in (before, after, target)))

    def score(members: Array) -> tuple[float, float]:
        first, second = (_spearman(one[members], target[members]) for one in scores)
        return first, second

    return _resampled(statistic, score, len(target), parts, seed)


def of_features(
    name: str, features: tuple[Array, Array], parts: Sequence[Array], seed: int
) -> Losses:
    """A measure of means over rows (measure/metrics.py), from both models' features [rows, m]."""
    metric = metrics.by_rows(name)
    before, after = features
    if metric.proportion:
        return of_right_answers(right(before), right(after), parts)

    def statistic(members: Array) -> Statistic:
        return loss_by_rows(name, before[members], after[members])

    def score(members: Array) -> tuple[float, float]:
        first, second = (metrics.score_of(metric, one[members]) for one in features)
        return first, second

    return _resampled(statistic, score, len(before), parts, seed)


def of_cosines(cosine: Array, parts: Sequence[Array], seed: int) -> Losses:
    """The mean cosine with the original's vectors; nothing lost is 1."""

    def statistic(members: Array) -> Statistic:
        return mean_loss(cosine[members].tolist())

    def score(members: Array) -> tuple[float, float]:
        return 1.0, float(cosine[members].mean())

    return _resampled(statistic, score, len(cosine), parts, seed)


def _resampled(
    statistic: Callable[[Array], Statistic],
    score: Callable[[Array], tuple[float, float]],
    rows: int,
    parts: Sequence[Array],
    seed: int,
) -> Losses:
    import numpy as np
    from scipy.stats import t

    rng = np.random.default_rng(seed)
    lines = []
    for members in parts:
        others = np.ones(rows, dtype=bool)
        others[members] = False
        own = _Grouped.of(statistic(members), rng)
        rest = _Grouped.of(statistic(np.flatnonzero(others)), rng)
        apart = (own.loss - rest.loss) / max(1e-9, np.hypot(own.error, rest.error))
        least = min(apart, own.loss / max(1e-9, own.error))
        p = float(t.sf(least, min(len(members), GROUPS) - 1)) if least > 0 else 1.0
        low, high = own.interval(rng)
        lines.append((*score(members), own.loss, low, high, p, 0.0, rest.loss, apart))
    columns = np.array(lines, dtype=float).reshape(-1, 9).T
    names = ("before", "after", "drop", "low", "high", "p", "least_p", "rest", "strength")
    return Losses(**dict(zip(names, columns, strict=True)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grouped:
    """A statistic over random groups of rows: its loss, the jackknife's standard error."""

    statistic: Statistic
    sums: Array
    sizes: Array
    loss: float
    error: float

    @classmethod
    def of(cls, statistic: Statistic, rng: np.random.Generator) -> _Grouped:
        import numpy as np

        features = statistic.features
        count = min(len(features), GROUPS)
        order = rng.permutation(len(features))
        starts = np.linspace(0, len(features), count, endpoint=False).astype(int)
        sizes = np.diff(np.append(starts, len(features))).astype(float)
        sums = np.add.reduceat(features[order], starts, axis=0)
        total = sums.sum(axis=0)
        left_out = statistic.loss((total - sums) / (len(features) - sizes)[:, None])
        spread = float(((left_out - left_out.mean()) ** 2).sum())
        return cls(
            statistic=statistic,
            sums=sums,
            sizes=sizes,
            loss=float(statistic.loss((total / len(features))[None])[0]),
            error=((count - 1) / count * spread) ** 0.5,
        )

    def interval(self, rng: np.random.Generator) -> tuple[float, float]:
        """The 95 % ends of the bias-corrected percentile bootstrap."""
        import numpy as np
        from scipy.stats import norm

        count = len(self.sums)
        draws = rng.integers(0, count, (RESAMPLES, count)) + count * np.arange(RESAMPLES)[:, None]
        times = np.bincount(draws.ravel(), minlength=RESAMPLES * count).reshape(RESAMPLES, count)
        drawn = self.statistic.loss((times @ self.sums) / (times @ self.sizes)[:, None])
        below = ((drawn < self.loss).mean() + (drawn <= self.loss).mean()) / 2
        bias = norm.ppf(np.clip(below, 1e-3, 1 - 1e-3))
        ends = norm.cdf(2 * bias + np.array([-1, 1]) * Z_TWO_SIDED)
        low, high = (float(one) for one in np.quantile(drawn, ends))
        return min(low, self.loss), max(high, self.loss)


def _spearman(scores: Array, target: Array) -> float:
    """0 where one of the two never changes."""
    import numpy as np
    from scipy.stats import rankdata

    first, second = (rankdata(one) - (len(one) + 1) / 2 for one in (scores, target))
    scale = float(np.sqrt((first**2).sum() * (second**2).sum()))
    return float((first * second).sum()) / scale if scale else 0.0


def _counts(chosen: Array | None, parts: Sequence[Array]) -> Array:
    """How many rows of each part are `chosen`; all of them without a choice."""
    import numpy as np

    if chosen is None:
        return np.array([len(members) for members in parts], dtype=float)
    return np.array([np.count_nonzero(chosen[members]) for members in parts], dtype=float)


def _share(count: Array, rows: Array) -> Array:
    import numpy as np

    return np.asarray(count / np.maximum(rows, 1))


def mcnemar(lost: Array, won: Array) -> Array:
    """The exact one-sided p that so many more were lost than won; 1 where nothing changed."""
    import numpy as np
    from scipy.stats import binom

    return np.asarray(binom.cdf(won, lost + won, 0.5))


def _fisher(lost: Array, total: float, rows: Array, everything: int) -> Array:
    """The exact p that so many of all the `total` lost answers fall into each part."""
    import numpy as np
    from scipy.stats import hypergeom

    return np.asarray(hypergeom.sf(lost - 1, everything, total, rows))


def tango_upper(lost: Array, won: Array, rows: Array, z: float = Z_TWO_SIDED) -> Array:
    """The largest loss at which Tango's statistic is still above -z, for each part."""
    import numpy as np

    low = np.clip((lost - won) / rows, -1.0, 1 - 1e-12)
    high = np.full(len(rows), 1 - 1e-12)
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        inside = tango_score(lost, won, rows, middle) > -z
        low, high = np.where(inside, middle, low), np.where(inside, high, middle)
    return np.asarray((low + high) / 2)


def tango_score(lost: Array, won: Array, rows: Array, delta: Array) -> Array:
    """Tango's statistic for the null difference `delta` (equation 6 of the paper)."""
    import numpy as np

    second = -lost - won + (2 * rows - lost + won) * delta
    third = -won * delta * (1 - delta)
    root = np.sqrt(np.maximum(0.0, second * second - 8 * rows * third))
    share = (root - second) / (4 * rows)
    variance = rows * (2 * share + delta * (1 - delta))
    excess = lost - won - rows * delta
    score = excess / np.sqrt(np.maximum(variance, 1e-300))
    return np.asarray(np.where(np.abs(excess) < 1e-12, 0.0, score))


def _apart(
    own: tuple[Array, Array, Array], rest: tuple[Array, Array, Array], drop: Array, other: Array
) -> Array:
    """By how many standard errors a part and the rest lost differently (a score test).

    Both of Tango's statistics are tried at every common loss between the two; the best fit counts.
    """
    import numpy as np

    common = np.linspace(other, drop, PLACES)
    rows, lost, won = own
    rest_rows, rest_lost, rest_won = rest
    first = tango_score(lost, won, rows, common)
    second = tango_score(rest_lost, rest_won, np.maximum(rest_rows, 1), common)
    return np.asarray(np.sqrt((first**2 + second**2).min(axis=0)))


def holm(p: Array, least: Array, level: float = 0.05) -> Array:
    """Each p corrected for the number of looks (Holm's step-down).

    A part whose smallest p possible is above `level` over the looks is none (Tarone 1990): its p
    is 1.
    """
    import numpy as np

    looks = next((k for k in range(1, len(p) + 1) if (least <= level / k).sum() <= k), 1)
    looked = np.flatnonzero(least <= level / looks)
    order = looked[np.argsort(p[looked])]
    factors = len(order) - np.arange(len(order))
    corrected = np.ones(len(p))
    corrected[order] = np.minimum(1.0, np.maximum.accumulate(p[order] * factors))
    return corrected
