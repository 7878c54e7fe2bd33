"""Numbers for 8-bit layers whose inputs have outliers: smoothing factors, ranges, bias errors.

Covers: moving part of a loud channel into the weights (Xiao et al. 2022, SmoothQuant), with the
share searched; cutting rare extremes off; both chosen by the error of the layers' own outputs.
Does not cover: the graph (int8_static_smooth.py). Plain arithmetic on arrays.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.strategies._activations import Seen

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SHARES = (0.0, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9)  # 0: no smoothing
PERCENTILES = (100.0, 99.999, 99.99, 99.95, 99.9)  # 100: the whole range
MOST_COLUMNS = 512  # outputs compared per layer
SMALLEST = 1e-5
WORTH_IT = 0.9  # another multiplication must lower the error by this factor at least


@dataclass(frozen=True, slots=True, kw_only=True)
class Rounding:
    """How the shared input of some layers becomes 8 bits.

    `smooth` [channels] divides the input and multiplies the weights' rows, None for nothing;
    `scale` and `zero` are the unsigned 8-bit code; `error` is the norm of the outputs' difference
    over the norm of the outputs.
    """

    smooth: Array | None
    scale: float
    zero: int
    error: float


def fitted(
    seen: Seen, weights: Sequence[Array], largest: int, shares: Sequence[float], percentile: float
) -> Rounding:
    """The best rounding of an input [.., channels] for the weights [channels, columns] it meets.

    `largest` is the weights' largest code (127, or 63 in seven bits); `percentile` the lowest one
    that may be tried.
    """
    import numpy as np

    wide = np.concatenate([_some_columns(one) for one in weights], axis=1)
    expected = seen.values @ wide
    power = float(np.linalg.norm(expected)) or 1.0
    plain = _tried(seen, wide, expected, None, largest, 100.0)
    best = plain
    for share in shares:
        if share:
            smooth = _factors(seen, wide, share)
            other = _tried(seen, wide, expected, smooth, largest, 100.0)
            best = other if other.error < min(best.error, WORTH_IT * plain.error) else best
    for cut in PERCENTILES:
        if percentile <= cut < 100.0:
            other = _tried(seen, wide, expected, best.smooth, largest, cut)
            best = other if other.error < best.error else best
    return Rounding(smooth=best.smooth, scale=best.scale, zero=best.zero, error=best.error / power)


def _some_columns(weight: Array) -> Array:
    import numpy as np

    if weight.shape[1] <= MOST_COLUMNS:
        return weight
    return weight[:, np.linspace(0, weight.shape[1] - 1, MOST_COLUMNS).astype(int)]


def _factors(seen: Seen, weight: Array, share: float) -> Array:
    """max|x|^share / max|w|^(1-share) of each channel, with a middle of 1."""
    import numpy as np

    loud = np.maximum(np.maximum(np.abs(seen.low), np.abs(seen.high)), SMALLEST)
    strong = np.maximum(np.abs(weight).max(axis=1), SMALLEST)
    factors = loud**share / strong ** (1 - share)
    return np.asarray(factors / np.exp(np.log(factors).mean()), np.float32)


def _tried(
    seen: Seen, weight: Array, expected: Array, smooth: Array | None, largest: int, cut: float
) -> Rounding:
    import numpy as np

    scale, zero = _code(seen, smooth, cut)
    draft = Rounding(smooth=smooth, scale=scale, zero=zero, error=0.0)
    made = rounded_input(seen.values, draft) @ rounded_weight(smoothed(weight, smooth), largest)
    error = float(np.linalg.norm(made - expected))
    return Rounding(smooth=smooth, scale=scale, zero=zero, error=error)


def _code(seen: Seen, smooth: Array | None, cut: float) -> tuple[float, int]:
    import numpy as np

    by = 1.0 if smooth is None else smooth
    low, high = float((seen.low / by).min()), float((seen.high / by).max())
    if cut < 100.0:
        values = seen.values / by
        ends = np.percentile(values, [100.0 - cut, cut])
        low, high = min(float(ends[0]), 0.0), max(float(ends[1]), 0.0)
    scale = max((high - low) / 255, SMALLEST * SMALLEST)
    return float(np.float32(scale)), int(np.clip(round(-low / scale), 0, 255))


def smoothed(weight: Array, smooth: Array | None) -> Array:
    """The weight with each row multiplied by its channel's factor."""
    return weight if smooth is None else weight * smooth[:, None]


def rounded_input(values: Array, code: Rounding) -> Array:
    """What the layers get to see of `values`: smoothed, rounded, cut off at the range's ends."""
    import numpy as np

    shrunk = values if code.smooth is None else values / code.smooth
    codes = np.clip(np.rint(shrunk / code.scale) + code.zero, 0, 255)
    return np.asarray((codes - code.zero) * code.scale, np.float32)


def codes_of(weight: Array, largest: int) -> tuple[Array, Array]:
    """Signed 8-bit codes [channels, columns] and one scale per column."""
    import numpy as np

    scale = np.abs(weight).max(axis=0) / largest
    scale = np.where(scale == 0, 1, scale).astype(np.float32)
    return np.clip(np.rint(weight / scale), -largest, largest).astype(np.int8), scale


def rounded_weight(weight: Array, largest: int) -> Array:
    """The weight after a trip through 8 bits."""
    codes, scale = codes_of(weight, largest)
    return codes * scale


def bias_error(seen: Seen, weight: Array, code: Rounding, largest: int) -> Array:
    """By how much each output is wrong on average [columns]: to be taken off its bias."""
    import numpy as np

    made = rounded_input(seen.values, code) @ rounded_weight(smoothed(weight, code.smooth), largest)
    return np.asarray((made - seen.values @ weight).mean(axis=0), np.float32)
