"""What looking at sample rows has found, kept for the next technique, recipe or job.

Covers: arrays by name under the hash of the model, the rows and everything else that shaped them.
Does not cover: finding them (_inputs.py, _activations.py); where they lie (shelf.py).
"""

from __future__ import annotations

import hashlib
import importlib.metadata
import time
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from wizard.nouns import Json
from wizard.shelf import Shelf, key_of
from wizard.strategies._contract import Workbench, digest

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

SEEN, ARRAYS = "seen", "arrays.npz"
# Beyond that, writing and reading costs more than it saves.
MOST_BYTES = 200_000_000
# A model that protobuf cannot write in one piece is not hashed.
HASHED_UP_TO = 1_900_000_000
# Bump when the same model and rows give other arrays.
RECIPE = 1


def remembered(
    model: onnx.ModelProto,
    bench: Workbench,
    parts: Mapping[str, Json],
    find: Callable[[], dict[str, Array]],
) -> dict[str, Array]:
    """What `find` gives, found once per model, rows and `parts` (what it looks for, how)."""
    import numpy as np

    if bench.calibration is None or model.ByteSize() > HASHED_UP_TO:
        return find()
    shelf, key = Shelf(root=bench.cache), _key(model, bench, parts)
    entry = shelf.find(SEEN, key)
    if entry is not None:
        with np.load(entry.folder / ARRAYS, allow_pickle=False) as kept:
            return {str(name): kept[str(at)] for at, name in enumerate(kept["names"])}
    found = find()
    if sum(one.nbytes for one in found.values()) <= MOST_BYTES:
        numbered: dict[str, Any] = {str(at): one for at, one in enumerate(found.values())}
        with shelf.keep(SEEN, key, time.time()) as folder:
            np.savez(folder / ARRAYS, names=np.array(list(found), dtype=np.str_), **numbered)
    return found


def _key(model: onnx.ModelProto, bench: Workbench, parts: Mapping[str, Json]) -> str:
    assert bench.calibration is not None  # noqa: S101 - the caller looked
    content = model.SerializeToString(deterministic=True)
    return key_of(
        {
            **parts,
            "model": hashlib.sha256(content).hexdigest(),
            "rows": digest(bench.calibration),
            "seed": bench.seed,
            "threads": bench.threads,
            "versions": [importlib.metadata.version(one) for one in ("onnxruntime", "numpy")],
            "recipe": RECIPE,
        }
    )
