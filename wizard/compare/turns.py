"""Two models' latencies taken in turns: their ratio, and whether it stands out of the noise.

Covers: the ratio at the median or the 95th percentile with its interval by block bootstrap, the
noise of the same model against itself (between its blocks, and between two fresh processes of
it as this session measured them), the words for both.
Does not cover: measuring (measure/speed.py), limits (judge.py).
The rate of false "faster" is measured in tests/slow/test_calibration_of_speed.py.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.measure.speed import blocks_of, process_error, spread
from wizard.nouns import Latency, Measurement

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

RESAMPLES = 2000
NOISE_AT_LEAST = 1.04
# Standard errors to either side that count as noise.
ERRORS = 1.96


@dataclass(frozen=True, slots=True, kw_only=True)
class Ratio:
    """The ratio after / before, its two-sided 95 % interval, and the noise of like blocks."""

    value: float
    low: float
    high: float
    noise: float

    @property
    def faster(self) -> bool:
        """Beyond the noise of the same model against itself, and by the whole interval."""
        return self.value < 1 / self.noise and self.high < 1

    @property
    def slower(self) -> bool:
        return self.value > self.noise and self.low > 1

    def words(self) -> str:
        """`2.6 times faster than the original (2.5 to 2.7)`, or that there is no real speed-up."""
        if self.faster:
            span = f"({_times(1 / self.high)} to {_times(1 / self.low)})"
            return f"{_times(1 / self.value)} times faster than the original {span}"
        if self.slower:
            span = f"({_times(self.low)} to {_times(self.high)})"
            return f"{_times(self.value)} times slower than the original {span}"
        return f"no real speed-up (the machine's own noise is {self.noise - 1:.0%})"

    def beside(self) -> str:
        """The noise, where the words do not name it."""
        if self.faster or self.slower:
            return f" The same model against itself differs by up to {self.noise - 1:.0%} here."
        return ""


def _times(value: float) -> str:
    """Two digits, three near one: `2.6`, `1.08`."""
    return f"{value:.2g}" if value >= 1.2 else f"{value:.3g}"


def ratio(original: Measurement, after: Measurement, percentile: int = 50) -> Ratio:
    """Against the original's latency of the same session, at the 50th or the 95th percentile."""
    before = after.against or original.latency
    value, low, high = ratio_in_turns(before, after.latency, percentile)
    # The blocks' own error and that of starting two processes add up as squares.
    apart = max(original.latency.apart, after.latency.apart)
    processes = math.sqrt(2) * process_error(apart)
    error = math.hypot(math.log(high / low) / (2 * ERRORS), processes)
    noise = max(NOISE_AT_LEAST, after.latency.noise, before.noise, math.exp(ERRORS * error))
    if percentile != 50:  # the tail scatters more than the median
        noise = max(noise, *(spread(blocks_of(one), percentile) for one in (before, after.latency)))
    return Ratio(value=value, low=low, high=high, noise=noise)


def ratio_in_turns(
    before: Latency, after: Latency, percentile: int = 50
) -> tuple[float, float, float]:
    """The ratio after / before at a percentile, with a two-sided 95 % interval.

    Blocks taken side by side are drawn together, so that a drift of the machine cancels.
    """
    import numpy as np

    rng = np.random.default_rng(0)
    first, second = _table(before), _table(after)
    count = min(len(first), len(second))
    draws = rng.integers(0, count, (RESAMPLES, count))
    ratios = _percentiles(second, draws, percentile) / _percentiles(first, draws, percentile)
    low, high = (float(one) for one in np.percentile(ratios, (2.5, 97.5)))
    value = _of(after, percentile) / _of(before, percentile)
    return value, min(low, value), max(high, value)


def _of(latency: Latency, percentile: int) -> float:
    return (latency.p95 if percentile == 95 else latency.p50).value


def _table(latency: Latency) -> Array:
    """Milliseconds [blocks, requests], cut to the shortest block."""
    import numpy as np

    parts = blocks_of(latency)
    width = min(len(part) for part in parts)
    return np.stack([part[:width] for part in parts])


def _percentiles(table: Array, draws: Array, percentile: int) -> Array:
    import numpy as np

    drawn = table[draws].reshape(len(draws), -1)
    if percentile == 50:
        return np.asarray(np.median(drawn, axis=1))
    return np.asarray(np.percentile(drawn, percentile, axis=1))
