"""Pictures in which things are marked: outlined by masks, or framed by boxes.

Covers: folders and ZIPs with a mask beside each picture (`masks/NAME.png`, or NAME_mask.png) or a
COCO file of boxes; bundled ones. Does not cover: opening pictures (pictures.py).
A mask holds the number of each pixel's label; 255 marks pixels that do not count.
"""

from __future__ import annotations

import csv
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from wizard.errors import DataEmpty, DataUnreadable
from wizard.examples import pictures
from wizard.examples.archives import Found, Sort, opened, temporary
from wizard.nouns import ExampleSet

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

MARKED = Sort(suffixes=pictures.PICTURES.suffixes | {".json"}, one="an image", many="pictures")
NUMBERS = 4  # in front of the label of each thing: left, top, width, height
MASK_FOLDERS, MASK_ENDINGS = {"mask", "masks", "annotation", "annotations"}, ("_mask", "-mask")


def read(
    path: Path, *, outlined: bool, seed: int, limit: int, scratch: Path | None = None
) -> ExampleSet:
    """Pictures of a folder or ZIP, at most `limit`, with their masks or boxes where there are any.

    Raises DataUnreadable, DataEmpty.
    """
    with opened(path, MARKED) as found:
        images = [one for one in found if not _is_mask(one) and not one.name.endswith(".json")]
        if not images:
            raise DataEmpty(path=path.name)
        marks = _masks(found) if outlined else _boxes(found, path.name)
        marked = [one for one in images if _key(one.name) in marks] or images
        notes = [] if marks else [NO_MASKS if outlined else NO_BOXES]
        if len(marked) < len(images):
            left = len(images) - len(marked)
            notes.append(f"{left} pictures have no marks and were left out.")
        most = min(limit, pictures.MOST_IMAGES)
        if len(marked) > most:
            notes.append(f"{most} of {len(marked)} pictures were drawn at random (seed {seed}).")
            marked = random.Random(seed).sample(marked, most)  # noqa: S311 - a seeded draw
        target = (scratch or temporary("images")) / "images.raw"
        kept = pictures.store(marked, target, path.name)
        rows = ExampleSet(
            origin=path.name, images=target, rows=tuple(range(len(kept))), notes=tuple(notes)
        )
        if not marks:
            return rows
        if outlined:
            masks = [marks[_key(one.name)] for one in kept]
            return replace(rows, masks=_stored_masks(masks, target, path.name))
        return replace(rows, answers=tuple(tuple(marks[_key(one.name)]) for one in kept))


NO_MASKS = "There are no masks beside the pictures, so nothing is known to be right."
NO_BOXES = "There is no COCO file beside the pictures, so nothing is known to be right."


def read_bundled(folder: Path, name: str, *, outlined: bool) -> ExampleSet:
    """A sample's own: NAME-images.npz with masks in it, or NAME-boxes.json beside it."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    images = folder / f"{name}-images.npz"
    made = ExampleSet(
        origin=folder.parent.name,
        images=images,
        columns={column: tuple(row[column] for row in rows) for column in rows[0]},
        rows=tuple(range(len(rows))),
    )
    if outlined:
        return replace(made, masks=images)
    side = pictures.Stored(images)[0].shape[0]
    coco = json.loads((folder / f"{name}-boxes.json").read_text(encoding="utf-8"))
    said = _framed(coco, {at: (str(at), side, side) for at in range(len(rows))})
    return replace(made, answers=tuple(tuple(said.get(str(at), ())) for at in range(len(rows))))


def _key(name: str) -> str:
    """What a picture and its marks have in common."""
    stem = PurePosixPath(name).stem
    return next((stem.removesuffix(one) for one in MASK_ENDINGS if stem.endswith(one)), stem)


def _is_mask(one: Found) -> bool:
    path = PurePosixPath(one.name)
    inside = {part.casefold() for part in path.parent.parts} & MASK_FOLDERS
    return bool(inside) or path.stem.casefold().endswith(MASK_ENDINGS)


def _masks(found: Sequence[Found]) -> dict[str, Any]:
    return {_key(one.name): one for one in found if _is_mask(one) and one.name.endswith(".png")}


def _stored_masks(masks: Sequence[Found], images: Path, origin: str) -> Path:
    """One byte a pixel at the size of the stored picture, one mask after the other."""
    shapes = pictures.shapes_of(images)
    target = images.with_name("masks.raw")
    with target.open("wb") as file:
        for one, (height, width) in zip(masks, shapes.tolist(), strict=True):
            file.write(_labels(one.read(), (width, height), origin).tobytes())
    pictures.save_shapes(target, shapes)
    return target


def _labels(raw: bytes, size: tuple[int, int], origin: str) -> Array:
    import numpy as np
    from PIL import Image

    try:
        picture = Image.open(io.BytesIO(raw))
        if picture.width * picture.height > pictures.MOST_PIXELS:
            raise DataUnreadable(path=origin, because="a mask is too large")
        if picture.mode not in {"L", "P", "1"}:
            because = f"a mask has colours ({picture.mode}); it needs one number for each pixel"
            raise DataUnreadable(path=origin, because=because)
        return np.asarray(picture.resize(size, Image.Resampling.NEAREST), np.uint8)
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError) as error:
        raise DataUnreadable(path=origin, because="a mask cannot be opened") from error


def _boxes(found: Sequence[Found], origin: str) -> dict[str, Any]:
    """What the COCO file says of each picture, by its name without ending."""
    files = [one for one in found if one.name.endswith(".json")]
    if not files:
        return {}
    try:
        coco = json.loads(files[0].read().decode("utf-8"))
        sizes = {
            one["id"]: (_key(one["file_name"]), float(one["width"]), float(one["height"]))
            for one in coco["images"]
        }
        return _framed(coco, sizes)
    except (UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise DataUnreadable(path=origin, because="its boxes are not in JSON") from error
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        because = f"its boxes are not as COCO writes them ({error})"
        raise DataUnreadable(path=origin, because=because) from error


def _framed(
    coco: Mapping[str, Any], sizes: Mapping[Any, tuple[str, float, float]]
) -> dict[str, list[str]]:
    """For each picture its things: `left top width height name`, in shares of its sides.

    Crowds of things under one box are left out, as COCO's own evaluation does.
    """
    names = {one["id"]: str(one["name"]) for one in coco["categories"]}
    framed: dict[str, list[str]] = {name: [] for name, _, _ in sizes.values()}
    for mark in coco["annotations"]:
        if mark.get("iscrowd"):
            continue
        name, width, height = sizes[mark["image_id"]]
        left, top, wide, high = (float(one) for one in mark["bbox"])
        shares = (left / width, top / height, wide / width, high / height)
        numbers = " ".join(f"{one:.6f}" for one in shares)
        framed[name].append(f"{numbers} {names[mark['category_id']]}")
    return framed
