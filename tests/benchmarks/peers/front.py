"""Who beats whom: smaller, faster, truer, each beyond its noise; the Pareto front of a union.

Pure. Covers: the sign of one axis, dominance, the front.
Does not cover: measuring (weigh.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

SIZE_NOISE = 0.01  # a per cent of the file is nobody's reason


@dataclass(frozen=True, slots=True, kw_only=True)
class Against:
    """One result held against another on the same rows in the same run.

    `size` is the ratio of the two files, `latency` that of the two times with its interval and
    the machine's noise, `loss` the paired loss against the other, with bounds; below 1 (or 0) is
    better.
    """

    size: float
    latency: tuple[float, float, float]
    noise: float
    loss: tuple[float, float, float]

    def signs(self) -> tuple[int, int, int]:
        """(size, latency, quality): 1 better, -1 worse, 0 within the noise."""
        return (
            _sign(self.size, 1 / (1 + SIZE_NOISE), 1 + SIZE_NOISE),
            self._latency(),
            1 if self.loss[2] < 0 else -1 if self.loss[1] > 0 else 0,
        )

    def _latency(self) -> int:
        value, low, high = self.latency
        if high < 1 and value < 1 / self.noise:
            return 1
        return -1 if low > 1 and value > self.noise else 0


def _sign(value: float, low: float, high: float) -> int:
    return 1 if value < low else -1 if value > high else 0


def dominates(signs: tuple[int, int, int]) -> bool:
    """No worse in anything, better in something."""
    return min(signs) >= 0 and max(signs) > 0


def front(signs: Mapping[str, Mapping[str, tuple[int, int, int]]]) -> tuple[str, ...]:
    """Those that nobody dominates; `signs[a][b]` holds a against b."""
    return tuple(
        name
        for name in signs
        if not any(dominates(signs[other][name]) for other in signs if other != name)
    )
