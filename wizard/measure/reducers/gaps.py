"""The likeliest pieces for each gap, and how far down the right one stands."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]


def reduce(rows: Sequence[tuple[Arrays, Arrays]]) -> Arrays:
    """`best` and `sure` [gaps, 5], `rank` [gaps] of the right piece (0 where none is known).

    `words` [gaps, 5] and `wanted` [gaps] are the pieces as text.
    """
    import numpy as np

    inputs, outputs = rows[0]
    places, missing, pieces = inputs["gaps"][0], inputs["missing"][0], inputs["vocabulary"]
    logits = next(iter(outputs.values()))[0][places].astype(np.float32)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares = powers / powers.sum(axis=-1, keepdims=True)
    best = np.argsort(-logits, axis=-1, kind="stable")[:, :5]
    own = np.take_along_axis(logits, np.maximum(missing, 0)[:, None], axis=-1)
    rank = np.where(missing >= 0, 1 + (logits > own).sum(axis=-1), 0)
    named = np.append(pieces, "")
    return {
        "best": best.astype(np.int32),
        "sure": np.take_along_axis(shares, best, axis=-1),
        "rank": rank.astype(np.int32),
        "words": named[np.minimum(best, len(pieces))],
        "wanted": named[np.where(missing >= 0, np.minimum(missing, len(pieces)), len(pieces))],
    }
