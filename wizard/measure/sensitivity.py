"""What a technique found out about the layers it rounded, read from beside its file.

Covers: `sensitivity.json`, which mixed precision writes: the final answers' error with one layer
alone at its fewest bits, and the bits it got. Does not cover: finding that out (strategies), the
damage in the file as it is (layers.py).
"""

from __future__ import annotations

import json
from pathlib import Path

from wizard.nouns import LayerDamage

SIDECAR = "sensitivity.json"


def read(folder: Path) -> tuple[LayerDamage, ...]:
    """The layers, the one that matters most first; empty where nothing was written."""
    if not (folder / SIDECAR).is_file():
        return ()
    return tuple(LayerDamage(**row) for row in json.loads((folder / SIDECAR).read_text()))
