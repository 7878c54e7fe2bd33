"""The boxes that a model draws, with what it takes each for and how sure it is (DETR's form)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]

SURE = 0.05  # below that no threshold in use keeps a box


def reduce(rows: Sequence[tuple[Arrays, Arrays]]) -> Arrays:
    """`boxes` [n, 6]: label, share of certainty, left, top, width, height in shares of the sides.

    The last class is "nothing here". `finite` is NaN where a number is none.
    """
    import numpy as np

    outputs = rows[0][1]
    scores, places = outputs["logits"][0], outputs["pred_boxes"][0]
    whole = np.isfinite(scores).all() and np.isfinite(places).all()
    powers = np.exp(scores - scores.max(axis=1, keepdims=True))
    shares = (powers / powers.sum(axis=1, keepdims=True))[:, :-1]
    kept = shares.max(axis=1) >= SURE
    corner = places[:, :2] - places[:, 2:] / 2
    told = [shares.argmax(axis=1)[:, None], shares.max(axis=1)[:, None], corner, places[:, 2:]]
    boxes = np.concatenate(told, axis=1)[kept].astype(np.float32)
    return {"boxes": boxes, "finite": np.array([0.0 if whole else np.nan], np.float32)}
