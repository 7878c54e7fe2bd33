"""One vector for each text: the mean of its hidden states over the tokens."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]


def reduce(rows: Sequence[tuple[Arrays, Arrays]]) -> Arrays:
    """`vectors` [texts, dimensions]: one text, or the two of a pair."""
    import numpy as np

    return {"vectors": np.stack([_pooled(next(iter(outputs.values()))) for _, outputs in rows])}


def _pooled(raw: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    import numpy as np

    value = raw.astype(np.float32)
    return value.mean(axis=1)[0] if value.ndim == 3 else value.ravel()
