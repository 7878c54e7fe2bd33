"""Images with labels: a folder or a ZIP whose sub-folders are the labels; bundled arrays.

Covers: opening strangers' images with limits (count, pixels), storing them one after the other.
Does not cover: folders and archives (archives.py), resizing for the model (processor.py).
"""

from __future__ import annotations

import csv
import hashlib
import io
import random
import struct
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.errors import DataEmpty, DataUnreadable
from wizard.examples.archives import LARGEST_FILE, Found, Sort, opened, temporary
from wizard.nouns import ExampleSet

if TYPE_CHECKING:
    import numpy as np

PICTURES = Sort(
    suffixes=frozenset({".png", ".jpg", ".jpeg", ".bmp", ".webp"}), one="an image", many="pictures"
)
MOST_PIXELS = 64_000_000  # of one image; the largest phones take about 50 million
# Stored images are at most this large: more than any of our models looks at.
SHORTER_SIDE, LONGER_SIDE = 512, 1024
MOST_IMAGES = 1_256  # for test and calibration; a job keeps them in memory at the model's size


class Stored:
    """Images on disk by row, [height, width, channels].

    An .npy file holds images of one size, and so does an .npz file, packed. Otherwise the file
    holds their bytes one after the other, and NAME.shapes.npy beside it the height and width of
    each.
    """

    def __init__(self, path: Path, part: str = "images") -> None:
        import numpy as np

        self._colours = (3,) if part == "images" else ()
        self._images: np.ndarray[Any, Any]
        self._shapes: np.ndarray[Any, Any] | None = None
        if path.suffix == ".npy":
            self._images = np.load(path, allow_pickle=False, mmap_mode="r")
            return
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as file:
                self._images = file[part]
            return
        self._images = np.memmap(path, dtype=np.uint8, mode="r")
        self._shapes = shapes_of(path)
        sizes = self._shapes.astype(np.int64).prod(axis=1) * (3 if self._colours else 1)
        self._starts = np.concatenate([[0], np.cumsum(sizes)])

    def __getitem__(self, row: int) -> np.ndarray[Any, Any]:
        if self._shapes is None:
            image: np.ndarray[Any, Any] = self._images[row]
            return image
        height, width = self._shapes[row]
        part: np.ndarray[Any, Any] = self._images[self._starts[row] : self._starts[row + 1]]
        return part.reshape(int(height), int(width), *self._colours)


def shapes_of(path: Path) -> np.ndarray[Any, Any]:
    """Height and width of each picture or mask of a file [n, 2]."""
    import numpy as np

    found: np.ndarray[Any, Any] = np.load(_shapes_beside(path), allow_pickle=False)
    return found


def save_shapes(path: Path, shapes: np.ndarray[Any, Any]) -> None:
    """Beside the file they are of."""
    import numpy as np

    np.save(_shapes_beside(path), shapes)


def _shapes_beside(path: Path) -> Path:
    return path.with_suffix(".shapes.npy")


def read(
    path: Path, *, seed: int, limit: int, scratch: Path | None = None, choose: bool = False
) -> ExampleSet:
    """Images of a folder or ZIP, at most `limit`, stored in `scratch`; labels are folder names.

    Images that lie in no folder are read without labels. Without `scratch` they are stored in
    a temporary folder that goes when the process ends. `choose`: the labels are what there is to
    choose from, so there must be two or more; raises DataUnreadable.
    """
    with opened(path, PICTURES) as found:
        named = sorted(found, key=lambda one: one.label == "")
        if not named:
            raise DataEmpty(path=path.name)
        labelled = [one for one in named if one.label] or named
        notes = _left_out(named, labelled)
        most = min(limit, MOST_IMAGES)
        if len(labelled) > most:
            notes.append(f"{most} of {len(labelled)} images were drawn at random (seed {seed}).")
            labelled = random.Random(seed).sample(labelled, most)  # noqa: S311 - a seeded draw
        target = (scratch or temporary("images")) / "images.raw"
        labels = [one.label for one in store(labelled, target, path.name)]
        doubles = len(labelled) - len(labels)
    if doubles:
        notes.append(f"{doubles} images stood there twice and were used once.")
    rows = ExampleSet(
        origin=path.name,
        images=target,
        labels=tuple(labels) if labels[0] else (),
        rows=tuple(range(len(labels))),
        notes=tuple(notes),
    )
    return to_choose_among(rows) if choose else rows


def to_choose_among(rows: ExampleSet) -> ExampleSet:
    """The same with its labels as what a model chooses among. Raises DataUnreadable below two."""
    names = tuple(sorted(set(rows.labels)))
    if len(names) < 2:
        because = (
            "its pictures lie in fewer than two folders, and the folders' names are the labels "
            "to choose from"
        )
        raise DataUnreadable(path=rows.origin, because=because)
    note = (
        f"Every picture is held against the same {len(names)} labels, and a request is one "
        "picture with all of them."
    )
    return replace(rows, candidates=names, notes=(*rows.notes, note))


def read_one(path: Path, scratch: Path) -> ExampleSet:
    """A single image file of a stranger, stored in `scratch`. Raises DataUnreadable."""
    if path.stat().st_size > LARGEST_FILE:
        raise DataUnreadable(path=path.name, because="it is above 50 MB")
    target = scratch / "images.raw"
    store([Found(label="", name=path.name, read=path.read_bytes)], target, path.name)
    return ExampleSet(origin=path.name, images=target, rows=(0,))


def as_png(examples: ExampleSet, side: int = 320) -> bytes:
    """The first picture of the set as people see it, its longer side at most `side` pixels."""
    from PIL import Image

    assert examples.images is not None  # noqa: S101 - the caller has pictures
    pixels = Stored(examples.images)[examples.rows[0]]
    picture = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    picture.thumbnail((side, side))
    file = io.BytesIO()
    picture.save(file, "PNG")
    return file.getvalue()


def _left_out(named: list[Found], labelled: list[Found]) -> list[str]:
    if not labelled[0].label:
        return ["The images lie in no folders, so they have no labels."]
    if len(labelled) < len(named):
        return [f"{len(named) - len(labelled)} images lie in no folder and were left out."]
    return []


def read_bundled(folder: Path, name: str, *, choose: bool = False) -> ExampleSet:
    """A sample's own arrays: NAME-images.npz and a table NAME.csv beside it."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    others = [column for column in rows[0] if column != "label"]
    found = ExampleSet(
        origin=folder.parent.name,
        images=folder / f"{name}-images.npz",
        labels=tuple(row["label"] for row in rows),
        columns={column: tuple(row[column] for row in rows) for column in others},
        rows=tuple(range(len(rows))),
    )
    return to_choose_among(found) if choose else found


def store(found: Sequence[Found], target: Path, origin: str) -> list[Found]:
    """Write every image once, one after the other; those that were written."""
    import numpy as np

    kept, shapes = [], []
    seen: set[bytes] = set()
    with target.open("wb") as file:
        for one in found:
            raw = one.read()
            digest = hashlib.sha256(raw).digest()
            if digest in seen:
                continue
            seen.add(digest)
            pixels = _decoded(raw, origin)
            file.write(pixels.tobytes())
            shapes.append(pixels.shape[:2])
            kept.append(one)
    save_shapes(target, np.array(shapes, np.int32))
    return kept


def _decoded(raw: bytes, origin: str) -> np.ndarray[Any, Any]:
    """RGB pixels the way they are looked at, no larger than we store them."""
    import warnings

    import numpy as np
    from PIL import Image, ImageOps

    try:
        # Our own limit on pixels, below, is stricter than what this warning is about.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", Image.DecompressionBombWarning)
            picture = Image.open(io.BytesIO(raw))
        if picture.width * picture.height > MOST_PIXELS:
            because = f"an image has more than {MOST_PIXELS // 10**6} million pixels"
            raise DataUnreadable(path=origin, because=because)
        upright = ImageOps.exif_transpose(picture).convert("RGB")
        return np.asarray(_no_larger_than_stored(upright))
    except (OSError, SyntaxError, ValueError, struct.error, Image.DecompressionBombError) as error:
        raise DataUnreadable(path=origin, because="an image cannot be opened") from error


def _no_larger_than_stored(picture: Any) -> Any:
    from PIL import Image

    shrink = min(1.0, SHORTER_SIDE / min(picture.size))
    shrink = min(shrink, LONGER_SIDE / max(picture.size))
    if shrink == 1.0:
        return picture
    size = [max(1, round(edge * shrink)) for edge in picture.size]
    return picture.resize(size, Image.Resampling.BICUBIC)
