"""What a CTC model wrote down: the likeliest letter of each frame, repeats and blanks gone.

Source: Graves et al. 2006 (best path decoding).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]


def reduce(rows: Sequence[tuple[Arrays, Arrays]]) -> Arrays:
    """`text`: the code points of what was written; `finite`: 0, or NaN where a frame is none."""
    import numpy as np

    inputs, outputs = rows[0]
    frames = next(iter(outputs.values()))[0]
    best = frames.argmax(axis=-1)
    kept = best[np.concatenate([[True], best[1:] != best[:-1]])]
    kept = kept[kept != inputs["blank"][0]]
    letters = inputs["letters"]
    codes = letters[kept[kept < len(letters)]].ravel()
    finite = np.array([0.0 if np.isfinite(frames).all() else np.nan], np.float32)
    return {"text": codes[codes > 0].astype(np.int32), "finite": finite}
