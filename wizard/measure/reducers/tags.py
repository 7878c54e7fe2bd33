"""The tag of each word: that of the token it begins with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]


def reduce(rows: Sequence[tuple[Arrays, Arrays]]) -> Arrays:
    """`tags` [words] (-1 for words that were cut off) and `sure` [words], the tag's share."""
    import numpy as np

    inputs, outputs = rows[0]
    logits = next(iter(outputs.values()))[0].astype(np.float32)
    powers = np.exp(logits - logits.max(axis=-1, keepdims=True))
    shares = powers / powers.sum(axis=-1, keepdims=True)
    starts = inputs["word_starts"][0]
    there = starts >= 0
    return {
        "tags": np.where(there, logits.argmax(axis=-1)[starts], -1).astype(np.int32),
        "sure": np.where(there, shares.max(axis=-1)[starts], 1.0).astype(np.float32),
    }
