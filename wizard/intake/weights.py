"""Are the weight files whole? Read from their headers, without loading them.

Covers: safetensors headers and lengths. Does not cover: the numbers inside.
"""

from __future__ import annotations

import json
from pathlib import Path

from wizard.errors import WeightsDamaged

LONGEST_HEADER = 100 * 2**20


def check_weights(folder: Path) -> None:
    """Raises WeightsDamaged for a file that is cut short or is no safetensors file.

    The layout is that of https://huggingface.co/docs/safetensors: eight bytes of header length,
    a JSON header with data offsets, the data.
    """
    for path in sorted(folder.glob("*.safetensors")):
        _check(path)


def _check(path: Path) -> None:
    size = path.stat().st_size
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        if size < 8 or length > min(size, LONGEST_HEADER):
            raise WeightsDamaged(file=path.name, because="it is no safetensors file")
        try:
            header = json.loads(file.read(length))
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            raise WeightsDamaged(file=path.name, because="its header is damaged") from error
    ends = [entry["data_offsets"][1] for name, entry in header.items() if name != "__metadata__"]
    expected = 8 + length + max(ends, default=0)
    if size != expected:
        because = f"it has {size} bytes and should have {expected}"
        raise WeightsDamaged(file=path.name, because=because)
