"""How strongly each candidate's sentence follows from the text."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]


def reduce(rows: Sequence[tuple[Arrays, Arrays]]) -> Arrays:
    """`logits` [candidates], of entailment."""
    import numpy as np

    found = []
    for inputs, outputs in rows:
        logits = next(iter(outputs.values()))[0]
        found.append(logits[int(inputs["follows"][0])])
    return {"logits": np.array(found, np.float32)}
