"""Images with labels: a folder or a ZIP whose sub-folders are the labels; bundled arrays.

Covers: opening strangers' images with limits (count, pixels, ZIP paths and links).
Does not cover: resizing and normalizing (prepare.py).
"""

from __future__ import annotations

import csv
import io
import random
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from wizard.errors import DataEmpty, DataUnreadable
from wizard.nouns import ExampleSet

if TYPE_CHECKING:
    import numpy as np

SUFFIXES = {".png", ".jpg", ".jpeg", ".bmp", ".webp"}
LARGEST_SIDE = 4096
STORED_SIDE = 256
MOST_ENTRIES = 100_000
LARGEST_FILE = 50 * 2**20


def read(path: Path, *, seed: int, limit: int) -> ExampleSet:
    """Labelled images of a folder or ZIP, at most `limit`, stored at 256 pixels a side."""
    import numpy as np

    named = list(_from_zip(path) if path.is_file() else _from_folder(path))
    if not named:
        raise DataEmpty(path=path.name)
    notes = []
    if len(named) > limit:
        notes.append(f"{limit} of {len(named)} images were drawn at random (seed {seed}).")
        named = random.Random(seed).sample(named, limit)  # noqa: S311 - a seeded draw
    opened = [(label, _opened(raw, path.name)) for label, raw in named]
    target = Path(tempfile.mkdtemp(prefix="wizard-images-")) / "images.npy"
    np.save(target, np.stack([pixels for _, pixels in opened]))
    return ExampleSet(
        origin=path.name,
        images=target,
        labels=tuple(label for label, _ in opened),
        rows=tuple(range(len(opened))),
        notes=tuple(notes),
    )


def read_bundled(folder: Path, name: str) -> ExampleSet:
    """A sample's own arrays: NAME-images.npy and a table NAME.csv beside it."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    others = [column for column in rows[0] if column != "label"]
    return ExampleSet(
        origin=folder.parent.name,
        images=folder / f"{name}-images.npy",
        labels=tuple(row["label"] for row in rows),
        columns={column: tuple(row[column] for row in rows) for column in others},
        rows=tuple(range(len(rows))),
    )


def _from_folder(path: Path) -> Iterator[tuple[str, bytes]]:
    for file in sorted(path.glob("*/*")):
        if file.suffix.lower() in SUFFIXES and not file.is_symlink():
            yield file.parent.name, file.read_bytes()


def _from_zip(path: Path) -> Iterator[tuple[str, bytes]]:
    if not zipfile.is_zipfile(path):
        raise DataUnreadable(path=path.name, because="it is not a ZIP file")
    with zipfile.ZipFile(path) as archive:
        entries = archive.infolist()
        if len(entries) > MOST_ENTRIES:
            raise DataUnreadable(path=path.name, because=f"it has over {MOST_ENTRIES} entries")
        for entry in sorted(entries, key=lambda one: one.filename):
            inner = PurePosixPath(entry.filename)
            if inner.suffix.lower() not in SUFFIXES or "__MACOSX" in inner.parts:
                continue
            if inner.is_absolute() or ".." in inner.parts:
                raise DataUnreadable(path=path.name, because="it has paths that lead outside")
            if entry.file_size > LARGEST_FILE:
                raise DataUnreadable(path=path.name, because="it has an image above 50 MB")
            yield inner.parent.name, archive.read(entry)


def _opened(raw: bytes, origin: str) -> np.ndarray[Any, Any]:
    import numpy as np
    from PIL import Image, UnidentifiedImageError

    try:
        with Image.open(io.BytesIO(raw)) as picture:
            if max(picture.size) > LARGEST_SIDE:
                because = f"an image is larger than {LARGEST_SIDE} pixels"
                raise DataUnreadable(path=origin, because=because)
            square = picture.convert("RGB").resize((STORED_SIDE, STORED_SIDE))
            return np.asarray(square)
    except (UnidentifiedImageError, OSError) as error:
        raise DataUnreadable(path=origin, because="an image cannot be opened") from error
