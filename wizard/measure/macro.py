"""Macro-F1, the score when the labels are uneven: every label counts alike.

Covers: when labels are uneven, macro-F1 of one model with its interval.
Does not cover: the loss between two models (compare/macro.py).
Only labels that the rows have are averaged: one without a row has no F1.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.nouns import Basis, Quantity

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

NAME = "macro-F1"
RESAMPLES = 2000
# Google's guide to imbalanced data calls two classes moderately imbalanced when the smaller has
# less than a fifth of the rows, that is when the other has over four times as many. The ratio of
# the largest to the smallest class is the usual measure for more classes (KEEL, Fernandez 2008).
UNEVEN_RATIO = 4.0
# Even labels drawn at random look uneven in a few rows; that is not what is meant.
UNEVEN_P = 0.01
TINY = 1e-12


def uneven(truth: Array) -> bool:
    """Whether the largest label has four times the smallest one's rows, and not by chance."""
    import numpy as np
    from scipy.stats import chisquare

    counts = np.unique(truth, return_counts=True)[1]
    if len(counts) < 2 or counts.max() < UNEVEN_RATIO * counts.min():
        return False
    return bool(chisquare(counts).pvalue < UNEVEN_P)


def f1(right: Array, predicted: Array, true: Array) -> Array:
    """F1 of each class from counts (or shares) [..., classes]; 0 where there is nothing."""
    import numpy as np

    return np.asarray(2 * right / np.maximum(predicted + true, TINY))


def _marks(classes: Array, here: Array, count: int) -> Any:
    """Sparse [cells, count]: 1 at a cell's class, in the cells that are `here`."""
    import numpy as np
    from scipy.sparse import csr_array

    rows = np.flatnonzero(here)
    return csr_array((np.ones(len(rows)), (rows, classes[here])), shape=(len(here), count))


def macro_f1(truth: Array, predicted: Array) -> Quantity:
    """Macro-F1 of indices [rows] with a 95 % percentile bootstrap interval (seeded)."""
    import numpy as np

    cells, counts = np.unique(np.stack([truth, predicted]), axis=1, return_counts=True)
    classes = np.unique(truth)
    at = [np.searchsorted(classes, one) for one in cells]
    known = [np.isin(one, classes) for one in cells]
    true, said, right = (
        _marks(at[which], here, len(classes))
        for which, here in ((0, known[0]), (1, known[1]), (0, cells[0] == cells[1]))
    )

    def score(times: Array) -> Array:
        return np.asarray(f1(times @ right, times @ said, times @ true).mean(axis=-1))

    rng = np.random.default_rng(0)
    value = float(score(counts.astype(float)))
    drawn = score(rng.multinomial(len(truth), counts / len(truth), size=RESAMPLES).astype(float))
    low, high = (float(one) for one in np.percentile(drawn, (2.5, 97.5)))
    return Quantity(
        value=value,
        unit="share",
        basis=Basis.MEASURED,
        low=min(low, value),
        high=max(high, value),
        n=len(truth),
    )
