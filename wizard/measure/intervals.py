"""Shares and means with their 95 % intervals.

Covers: Wilson's score interval, the normal interval of a mean, agreement with oneself.
Does not cover: losses between two models (compare).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.nouns import Basis, Quantity

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def wilson(right: float, rows: int) -> Quantity:
    """A share with Wilson's 95 % score interval (Wilson 1927)."""
    from scipy.stats import binomtest

    if rows == 0:
        return whole(0)
    interval = binomtest(round(right), rows).proportion_ci(0.95, method="wilson")
    return Quantity(
        value=right / rows,
        unit="share",
        basis=Basis.MEASURED,
        low=float(interval.low),
        high=float(interval.high),
        n=rows,
    )


def whole(rows: int) -> Quantity:
    """The original agrees with itself."""
    return Quantity(value=1.0, unit="share", basis=Basis.MEASURED, low=1.0, high=1.0, n=rows)


def mean(values: Array, unit: str = "share") -> Quantity:
    """The mean of values [rows] with its normal interval."""
    import numpy as np

    error = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    middle = float(values.mean())
    return Quantity(
        value=middle,
        unit=unit,
        basis=Basis.MEASURED,
        low=middle - float(error),
        high=min(1.0, middle + float(error)),
        n=len(values),
    )
