"""How many more rows would settle a doubtful verdict.

Covers: looking ahead, by simulation for shares and by the usual rates for a bootstrap.
Does not cover: the bounds themselves (paired.py). That the number does settle is simulated in
tests/test_compare.py and tests/slow/test_calibration_of_verdicts.py.
"""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

from wizard.compare.paired import Z_ONE_SIDED, Z_TANGO, Drop

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# More rows settle a doubt in four cases of five.
SETTLED_SHARE, Z_LUCK = 0.8, 0.8416212335729143
LOOKS_AHEAD = 1000
MORE_AT_MOST = 10_000_000


def more_rows(drop: Drop, tolerance: float) -> int | None:
    """Rows to add so that the bound falls on one side; None if no number would do.

    Enough for four cases in five when the rates seen so far are the true ones: with as many as
    bring the expected bound to the limit, chance would leave every second case unsettled.
    """
    if drop.value == tolerance or not math.isfinite(drop.value):
        return None
    most = drop.rows + MORE_AT_MOST
    if not _settled(drop, tolerance, most):
        return None
    few, enough = drop.rows, most
    while enough - few > 1:
        middle = (few + enough) // 2
        few, enough = (few, middle) if _settled(drop, tolerance, middle) else (middle, enough)
    return max(enough, drop.least_rows) - drop.rows


def _settled(drop: Drop, tolerance: float, rows: int) -> bool:
    """Whether over `rows` rows the verdict would be settled in four cases of five."""
    if drop.changed is not None:
        return _share_settled(drop.changed, drop.rows, tolerance, rows) >= SETTLED_SHARE
    # A bootstrap's reach shrinks with the root of the rows, what it may not have seen faster.
    times = rows / drop.rows
    below, above = drop.value - drop.low, drop.high - drop.unseen - drop.value
    low = drop.value - below / math.sqrt(times)
    high = drop.value + above / math.sqrt(times) + drop.unseen / times
    error = max(below, above) / Z_ONE_SIDED / math.sqrt(times)
    luck = Z_LUCK * error * math.sqrt(1 - drop.rows / rows)
    return high + luck <= tolerance if drop.value < tolerance else low - luck > tolerance


def _share_settled(changed: tuple[int, int], seen: int, tolerance: float, rows: int) -> float:
    """How often the bound leaves the limit when the rows to come are like those seen (seeded)."""
    import numpy as np

    rng = np.random.default_rng(0)
    rates = [one / seen for one in changed]
    new = rng.multinomial(rows - seen, [*rates, 1 - sum(rates)], LOOKS_AHEAD)[:, :2]
    lost, won = (new + np.array(changed)).T.astype(float)
    return float(_decided(lost, won, rows, tolerance).mean())


def _decided(lost: Array, won: Array, rows: int, tolerance: float) -> Array:
    """Where `_upper(lost, won) <= tolerance` or `-_upper(won, lost) > tolerance`, all at once."""
    import numpy as np
    from scipy.stats import binom

    statistic = _scores(lost, won, rows, tolerance)
    one_way = won == 0
    below = (statistic <= -Z_TANGO) & (~one_way | (binom.cdf(lost, rows, tolerance) <= 0.05))
    above = (statistic > Z_TANGO) & (~one_way | (binom.sf(lost - 1, rows, tolerance) < 0.05))
    return np.asarray(below | above)


def _scores(b: Array, c: Array, n: int, delta: float) -> Array:
    """`_score` for many rows of counts."""
    import numpy as np

    second = -b - c + (2 * n - b + c) * delta
    root = np.maximum(0.0, second**2 + 8 * n * c * delta * (1 - delta))
    variance = n * (2 * (np.sqrt(root) - second) / (4 * n) + delta * (1 - delta))
    return np.asarray((b - c - n * delta) / np.sqrt(np.maximum(variance, 1e-12)))
