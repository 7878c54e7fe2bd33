"""The loss of macro-F1 between two models on the same rows, in a form that can be resampled fast.

Covers: counting equal rows once, leaving out what cannot change, the worst row there could be.
Does not cover: the bootstrap itself (paired.py), when macro-F1 is the score (measure/macro.py).
Ten thousand resamples of ten thousand rows are as many draws of a multinomial over the distinct
(truth, before, after); that is the same distribution, not an approximation.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wizard.compare.paired import Statistic
from wizard.measure.macro import f1

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

NO_CLASS = -1


def macro_loss(truth: Sequence[int], before: Sequence[int], after: Sequence[int]) -> Statistic:
    """Macro-F1 of `before` minus that of `after`, over the labels that the rows have."""
    import numpy as np

    table = np.stack([np.asarray(one, dtype=int) for one in (truth, before, after)])
    classes = np.unique(table[0])
    worst = _worst_row(table, classes)
    # A class that no changed answer touches has the same F1 in both, in every resample.
    changed = table[:, table[1] != table[2]]
    touched = np.intersect1d(classes, np.concatenate([changed[1], changed[2], worst]))
    merged = np.where(np.isin(table, touched), table, NO_CLASS)
    cells, counts = np.unique(merged, axis=1, return_counts=True)

    def loss(means: Array) -> Array:
        true, said, right, said_after, right_after = np.split(means, 5, axis=1)
        gap = f1(right, said, true) - f1(right_after, said_after, true)
        return np.asarray(gap.sum(axis=1) / len(classes))

    return Statistic(
        features=_features(cells, touched),
        loss=loss,
        counts=counts,
        worst=_features(worst[:, None], touched).toarray()[0],
    )


def _features(cells: Array, classes: Array) -> Any:
    """For each cell and class: true, said before, right before, said after, right after."""
    import numpy as np
    from scipy.sparse import csr_array, hstack

    def mark(values: Array, only: Array) -> Any:
        at = np.searchsorted(classes, values)
        here = only & (values != NO_CLASS) & np.isin(values, classes)
        rows = np.flatnonzero(here)
        shape = (cells.shape[1], len(classes))
        return csr_array((np.ones(len(rows)), (rows, at[here])), shape=shape)

    truth, before, after = cells
    every = np.ones(cells.shape[1], dtype=bool)
    parts = [
        mark(truth, every),
        mark(before, every),
        mark(truth, truth == before),
        mark(after, every),
        mark(truth, truth == after),
    ]
    return csr_array(hstack(parts))


def _worst_row(table: Array, classes: Array) -> Array:
    """(truth, before, after) of the row whose loss would cost most: right before, wrong after.

    Its class loses a right answer, the smallest other class gets a wrong one.
    """
    import numpy as np

    truth, _, after = table
    true = np.array([(truth == one).sum() for one in classes])
    said = np.array([(after == one).sum() for one in classes])
    right = np.array([((after == one) & (truth == one)).sum() for one in classes])
    now = f1(right, said, true)
    cost_of_one_lost = f1(right + 1, said + 1, true + 1) - f1(right, said, true + 1)
    cost_of_one_more = now - f1(right, said + 1, true)
    lost = int(cost_of_one_lost.argmax())
    if len(classes) == 1:
        return np.array([classes[0], classes[0], NO_CLASS])
    cost_of_one_more[lost] = -1.0
    return np.array([classes[lost], classes[lost], classes[int(cost_of_one_more.argmax())]])
