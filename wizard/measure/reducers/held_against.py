"""How well each text fits the picture, and whether each is judged by itself."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]


def reduce(rows: Sequence[tuple[Arrays, Arrays]]) -> Arrays:
    """`logits` [labels]; `alone` [1]: 1 where a logit is a chance of its own."""
    import numpy as np

    inputs, outputs = rows[0]
    logits = next(iter(outputs.values()))
    return {"logits": logits.astype(np.float32).ravel(), "alone": inputs["alone"]}
