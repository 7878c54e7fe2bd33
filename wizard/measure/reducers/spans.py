"""The piece of the text that answers best, over all of its windows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]


# Longer answers are not looked for, as the usual scripts for SQuAD do.
TOKENS_AT_MOST = 30


def reduce(rows: Sequence[tuple[Arrays, Arrays]]) -> Arrays:
    """`span` [2], the answer's first and last letter (exclusive), and `score` [1] of its logits."""
    import numpy as np

    found = max((_best(*row) for row in rows), key=lambda one: one[0])
    return {
        "span": np.array(found[1:], np.int32),
        "score": np.array([found[0]], np.float32),
    }


def _best(inputs: Arrays, outputs: Arrays) -> tuple[float, int, int]:
    """The largest sum of a start's and an end's logit; the end not before the start."""
    import numpy as np

    start, end = (outputs[name][0].astype(np.float64) for name in ("start_logits", "end_logits"))
    if not (np.isfinite(start).all() and np.isfinite(end).all()):
        return float("inf"), 0, 0
    text = np.flatnonzero(inputs["begins"][0] >= 0)
    if not len(text):
        return -1e9, 0, 0
    sums = start[text][:, None] + end[text][None]
    apart = text[None] - text[:, None]
    sums[(apart < 0) | (apart >= TOKENS_AT_MOST)] = -np.inf
    first, last = np.unravel_index(int(sums.argmax()), sums.shape)
    begins, finishes = inputs["begins"][0][text], inputs["finishes"][0][text]
    return float(sums[first, last]), int(begins[first]), int(finishes[last])
