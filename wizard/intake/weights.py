"""Are the weight files whole? Read from their headers, without loading them.

Covers: safetensors headers and lengths, the parts a split model must have, files that only point
to weights. Does not cover: the numbers inside.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wizard.errors import WeightsDamaged

LONGEST_HEADER = 100 * 2**20
POINTER = b"version https://git-lfs"
INDEX = "model.safetensors.index.json"


def check_weights(folder: Path) -> None:
    """Raises WeightsDamaged for a file that is cut short, missing or no safetensors file."""
    for path in sorted(folder.glob("*.safetensors")):
        _check(path)
    for name in _parts(folder / INDEX):
        if not (folder / name).is_file():
            raise WeightsDamaged(file=name, because=f"{INDEX} names it and it is not there")


def _parts(index: Path) -> list[str]:
    """The files that the index of a split model names; none if there is no index."""
    if not index.is_file():
        return []
    try:
        named = json.loads(index.read_text(encoding="utf-8"))["weight_map"].values()
        return sorted({str(name) for name in named})
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise WeightsDamaged(file=index.name, because="it is no list of weights") from error


def _check(path: Path) -> None:
    """Our own reading gives the sentence; the library's, which is stricter, has the last word.

    The layout is that of https://huggingface.co/docs/safetensors: eight bytes of header length,
    a JSON header with data offsets, the data.
    """
    from safetensors import SafetensorError, safe_open

    size = path.stat().st_size
    with path.open("rb") as file:
        first = file.read(len(POINTER))
        if first == POINTER:
            because = "it only points to the weights (run: git lfs pull)"
            raise WeightsDamaged(file=path.name, because=because)
        length = int.from_bytes(first[:8], "little")
        if size < 8 or length > min(size, LONGEST_HEADER):
            raise WeightsDamaged(file=path.name, because="it is no safetensors file")
        file.seek(8)
        expected = 8 + length + _data_bytes(file.read(length), path.name)
    if size != expected:
        because = f"it has {size} bytes and should have {expected}"
        raise WeightsDamaged(file=path.name, because=because)
    try:
        with safe_open(path, framework="numpy") as opened:
            opened.keys()
    except SafetensorError as error:
        because = f"its header does not fit its data ({error})"
        raise WeightsDamaged(file=path.name, because=because) from error


def _data_bytes(raw: bytes, name: str) -> int:
    """How many bytes of data the header announces."""
    try:
        header: dict[str, Any] = json.loads(raw)
        tensors = [entry for key, entry in header.items() if key != "__metadata__"]
        return max((int(entry["data_offsets"][1]) for entry in tensors), default=0)
    except (ValueError, TypeError, LookupError, AttributeError, RecursionError) as error:
        raise WeightsDamaged(file=name, because="its header is damaged") from error
