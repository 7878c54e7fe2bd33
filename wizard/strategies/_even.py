"""Even rows and columns of a weight: what few bits need before they are given out.

Covers: one scale per output row and one per input column, taken out so that a few loud channels
do not decide over their quiet neighbours; whether taking them out is worth a multiplication.
Does not cover: rounding (_fit.py, _codebook.py), writing files. Pure arithmetic on arrays.
Sources: equalized channels, Nagel et al. 2019 (arXiv 1906.04721); scales of both rows and columns,
as matrix balancing (Sinkhorn 1967).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

ROUNDS = 4  # alternations; the scales move by less than a hundredth after the third
SMALLEST = 1e-12
# Columns whose loudest is this many times the median one: below, the scales gain next to nothing.
UNEVEN = 3.0


def balanced(values: Array) -> tuple[Array, Array]:
    """Scales of rows and of columns of `values` [rows, columns, positions], float32.

    Divided by both, every row and every column has a mean square of about one.
    """
    import numpy as np

    rows = np.ones(values.shape[0])
    columns = np.ones(values.shape[1])
    power = np.asarray(np.square(values, dtype=np.float64).mean(axis=2))
    for _ in range(ROUNDS):
        columns *= _root(power / (rows[:, None] * columns) ** 2, axis=0)
        rows *= _root(power / (rows[:, None] * columns) ** 2, axis=1)
    return rows.astype(np.float32), columns.astype(np.float32)


def _root(power: Array, axis: int) -> Array:
    """Root mean square along an axis; one where everything is zero."""
    import numpy as np

    found = np.sqrt(power.mean(axis=axis))
    return np.asarray(np.where(found > SMALLEST, found, 1.0))


def columns_of(matrices: Sequence[Array]) -> Array | None:
    """One scale per input column for several matrices [outputs, inputs] that share their input.

    None where the columns are even enough: the multiplication would not be worth its time.
    """
    import numpy as np

    whole = np.concatenate([one / max(float(np.abs(one).max()), SMALLEST) for one in matrices])
    columns = balanced(whole[:, :, None])[1]
    columns /= float(np.median(columns))
    return columns if columns.max() > UNEVEN else None
