"""Which label each pixel got, and how much of each label lies where it should.

Scores are enlarged to the size of the truth before the best label is chosen, as the field does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Arrays = Mapping[str, Array]

NO_LABEL = 255


def reduce(rows: Sequence[tuple[Arrays, Arrays]]) -> Arrays:
    """`map` [height, width] of labels; `areas`: each label's intersection, then its union.

    `areas` is empty where no truth travels with the picture; `finite` is NaN where a score is none.
    """
    import numpy as np

    inputs, outputs = rows[0]
    scores = next(iter(outputs.values()))[0]
    finite = np.array([0.0 if np.isfinite(scores).all() else np.nan], np.float32)
    areas = np.zeros(0, np.float32)
    if "truth" in inputs:
        truth = inputs["truth"][0]
        areas = overlaps(enlarged(scores, *truth.shape).argmax(axis=0), truth, len(scores))
    return {"map": scores.argmax(axis=0).astype(np.int16), "areas": areas, "finite": finite}


def overlaps(found: Array, truth: Array, labels: int) -> Array:
    """Pixels of each label's intersection [labels], then of its union [labels]."""
    import numpy as np

    counts = truth != NO_LABEL
    said, right = found[counts], truth[counts]
    both = np.bincount(said[said == right], minlength=labels)[:labels]
    either = np.bincount(said, minlength=labels)[:labels]
    either = either + np.bincount(right, minlength=labels)[:labels] - both
    return np.concatenate([both, either]).astype(np.float32)


def enlarged(scores: Array, height: int, width: int) -> Array:
    """[labels, height, width] by bilinear interpolation between the centres of pixels."""
    down = _between(scores.shape[1], height)
    across = _between(scores.shape[2], width)
    return _mixed(_mixed(scores, 1, *down), 2, *across)


def _between(has: int, wanted: int) -> tuple[Array, Array, Array]:
    """For each new place the two old ones beside it, and how much of the second."""
    import numpy as np

    places = np.clip((np.arange(wanted) + 0.5) * has / wanted - 0.5, 0, has - 1)
    low = np.floor(places).astype(int)
    return low, np.minimum(low + 1, has - 1), (places - low).astype(np.float32)


def _mixed(scores: Array, axis: int, low: Array, high: Array, share: Array) -> Array:
    import numpy as np

    shaped = share.reshape([-1 if at == axis else 1 for at in range(3)])
    first, second = (np.take(scores, places, axis=axis) for places in (low, high))
    return np.asarray(first + (second - first) * shaped)
