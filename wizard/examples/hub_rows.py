"""Rows of a data set on the Hub, written as the file or folder that our readers know.

Covers: tables, pictures by label, with masks or with boxes, sounds with labels or transcripts;
which columns they are made of. Does not cover: which rows (hub_data.py), what is in a cell
(hub_cells.py), reading what was written (tables.py, pictures.py, marked.py, sounds.py).
"""

from __future__ import annotations

import csv
import io
import itertools
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard.errors import DatasetUnusable
from wizard.examples import columns
from wizard.examples.hub_cells import (
    Rows,
    content_of,
    contents,
    label_of,
    media,
    names_of,
    plain,
    reader,
)
from wizard.examples.sounds import LABEL as HEARD
from wizard.examples.sounds import SAID
from wizard.tasks import Layout

FIRST_ROWS = 20_000  # of these a sample is drawn; a larger set is not read to its end
FIRST_PICTURES = 3_000
FIRST_SOUNDS = 1_500
TABLE = "rows.csv"
PICTURE = ("image", "picture", "img", "photo", "pixel_values")
MASK = ("mask", "annotation", "segmentation_mask", "label", "labels", "segmentation", "seg")
THINGS = ("objects", "annotations", "faces", "boxes")
LABELS = ("label", "labels", "class", "category", "target")
BOX, KIND = (
    ("bbox", "bboxes", "box", "boxes"),
    ("category", "category_id", "label", "labels", "class"),
)
SOUND = ("audio", "speech", "recording", "file")


def written(rows: Rows, place: Path) -> tuple[Path, list[str]]:
    """The file or folder, and sentences on which columns it was made of. Raises DatasetUnusable."""
    return WRITERS[rows.card.rows](rows, place)


# --------------------------------------------------------------------------- texts


def _table(rows: Rows, place: Path) -> tuple[Path, list[str]]:
    """JSON lines, columns under names that are understood."""
    renamed, said = _renamed(rows)
    read = {name: reader(kind, bare=rows.bare) for name, kind in rows.features.items()}
    spread, more = _spread(rows)
    path = place / f"{rows.slug}.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for row in itertools.islice(rows.stream, FIRST_ROWS):
            told = {
                renamed.get(name, name): read.get(name, plain)(value) for name, value in row.items()
            }
            for old, names in spread.items():
                told |= {new: (row[old] or {}).get(part, "") for new, part in names.items()}
            file.write(json.dumps(told, ensure_ascii=False, default=str) + "\n")
    return path, [*said, *more]


def _renamed(rows: Rows) -> tuple[dict[str, str], list[str]]:
    """Columns that only their kind explains, under the name that the task's layout knows."""
    features, layouts = rows.features, rows.card.layouts
    texts = [name for name, kind in features.items() if getattr(kind, "dtype", "") == "string"]
    classes = [name for name, kind in features.items() if names_of(kind)]
    renamed: dict[str, str] = {}
    layout: Layout | None = layouts[-1] if layouts else None
    if layout is None or len(layout.texts) != 1:
        return {}, []
    for found, known in ((texts, layout.texts[0]), (classes, layout.answer)):
        named = {name.casefold() for name in features}
        told = columns.stated(rows.columns, known) is not None
        if len(found) == 1 and known and not told and not named & set(known):
            renamed[found[0]] = known[0]
    said = [f"The column '{old}' is taken for the {new}." for old, new in renamed.items()]
    return renamed, said


def _spread(rows: Rows) -> tuple[dict[str, dict[str, str]], list[str]]:
    """A column of translations as one column a language, and as what is read and written.

    Which is which the model's name says (opus-mt-en-de); else the first is read.
    """
    from datasets import Translation

    kinds = rows.features.items()
    found = next((one for one in kinds if isinstance(one[1], Translation)), None)
    if found is None:
        return {}, []
    name, languages = found[0], list(found[1].languages)
    parts = {f"{name}.{language}": language for language in languages}
    pairs = list(itertools.permutations(languages, 2))
    spelled = rows.profile.ref.name.casefold().replace("_", "-")
    first, second = next((one for one in pairs if "-".join(one) in spelled), pairs[0])
    said = f"Of '{name}', {first} is read and {second} is what should be written."
    return {name: {**parts, "source": first, "translation": second}}, [said]


# --------------------------------------------------------------------------- pictures


def _by_folder(rows: Rows, place: Path) -> tuple[Path, list[str]]:
    """Pictures as they came, in a folder for each label."""
    columns.check(rows.columns, (PICTURE, LABELS), rows.name)
    picture = media(rows, PICTURE, _pictures(rows), "pictures")
    label = label_of(rows, LABELS, picture)
    read = reader(rows.features.get(label), bare=rows.bare)
    home = place / rows.slug
    for number, content, row in contents(rows, picture, FIRST_PICTURES, "pictures"):
        told = str(read(row.get(label)) if label and row.get(label) is not None else "")
        folder = home / _folder_name(told) if told.strip() else home
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{number:06}.png").write_bytes(content)
    said = f"The column '{picture}' is read as the picture"
    return home, [said + (f" and '{label}' as its label." if label else "; without labels.")]


def _folder_name(label: str) -> str:
    """A label as the name of a folder; no label leaves the place it is written to."""
    return label.replace("/", "-").replace("\\", "-").replace("\0", "").strip(". ")[:200] or "-"


def _beside_masks(rows: Rows, place: Path) -> tuple[Path, list[str]]:
    """Pictures with the mask of each in `masks` beside them."""
    columns.check(rows.columns, (PICTURE, MASK), rows.name)
    found = _pictures(rows)
    mask = columns.guess(list(rows.features), MASK, rows.columns, rows.name)
    if mask not in found:
        if columns.stated(rows.columns, MASK) is not None:
            because = f"its column '{mask}' holds no pictures"
            raise DatasetUnusable(name=rows.name, because=because)
        mask = None
    others = [one for one in found if one != mask]
    picture = media(rows, PICTURE, others, "pictures")
    if mask is None:
        mask = next((one for one in found if one != picture), None)
    home = place / rows.slug
    (home / "masks").mkdir(parents=True)
    for number, content, row in contents(rows, picture, FIRST_PICTURES, "pictures"):
        (home / f"{number:06}.png").write_bytes(content)
        if mask and (outlined := content_of(row[mask], rows)):
            (home / "masks" / f"{number:06}.png").write_bytes(outlined)
    said = f"The column '{picture}' is read as the picture"
    return home, [said + (f" and '{mask}' as its mask." if mask else "; without masks.")]


def _beside_boxes(rows: Rows, place: Path) -> tuple[Path, list[str]]:
    """Pictures with one COCO file beside them."""
    columns.check(rows.columns, (PICTURE, THINGS), rows.name)
    picture = media(rows, PICTURE, _pictures(rows), "pictures")
    things = _things(rows)
    home = place / rows.slug
    home.mkdir(parents=True)
    names: dict[str, int] = {}
    coco: dict[str, list[dict[str, Any]]] = {"images": [], "annotations": [], "categories": []}
    for number, content, row in contents(rows, picture, FIRST_PICTURES, "pictures"):
        size = _size(content)
        if size is None:
            continue
        file = f"{number:06}.png"
        (home / file).write_bytes(content)
        coco["images"].append(
            {"id": number, "file_name": file, "width": size[0], "height": size[1]}
        )
        for box, kind in _framed(row[things.column], things, rows) if things else ():
            at = names.setdefault(kind, len(names))
            coco["annotations"].append({"image_id": number, "bbox": box, "category_id": at})
    said = f"The column '{picture}' is read as the picture"
    if things is None:
        return home, [f"{said}; without boxes."]
    coco["categories"] = [{"id": at, "name": name} for name, at in names.items()]
    (home / "boxes.json").write_text(json.dumps(coco), encoding="utf-8")
    boxes = f"{said} and '{things.column}' as its boxes (left, top, width, height in pixels)."
    return home, [boxes]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Things:
    """Where a row says what is in its picture. `names` are those of the class numbers."""

    column: str
    box: str
    kind: str
    names: list[str]


def _things(rows: Rows) -> _Things | None:
    """The column of boxes with their kinds, or None. Raises ColumnNotThere for a stated one."""
    wanted = columns.guess(list(rows.features), THINGS, rows.columns, rows.name)
    for column in dict.fromkeys([*([wanted] if wanted else []), *rows.features]):
        inside = getattr(rows.features[column], "feature", rows.features[column])
        if not isinstance(inside, Mapping):
            continue
        box, kind = (next((one for one in of if one in inside), None) for of in (BOX, KIND))
        if box and kind:
            return _Things(column=column, box=box, kind=kind, names=names_of(inside[kind]))
    if columns.stated(rows.columns, THINGS) is not None:
        because = f"its column '{wanted}' does not hold boxes with what is in each"
        raise DatasetUnusable(name=rows.name, because=because)
    return None


def _framed(cell: Any, things: _Things, rows: Rows) -> Iterator[tuple[list[float], str]]:
    """Each box with what is in it; a row holds a list of things, or one list of each part.

    What has not four numbers is no box.
    """
    if isinstance(cell, Mapping):
        found = list(zip(cell[things.box], cell[things.kind], strict=False))
    else:
        found = [(one[things.box], one[things.kind]) for one in cell or ()]
    for box, kind in found:
        if len(box or ()) == 4 and all(isinstance(one, int | float) for one in box):
            yield [float(one) for one in box], _called(kind, things.names, rows.profile.labels)


def _called(kind: Any, names: Sequence[str], labels: Sequence[str]) -> str:
    for known in (names, labels):
        if isinstance(kind, int) and 0 <= kind < len(known):
            return known[kind]
    return str(kind)


def _size(content: bytes) -> tuple[int, int] | None:
    """Width and height; None for what is no picture."""
    from PIL import Image

    try:
        with Image.open(io.BytesIO(content)) as picture:
            return picture.width, picture.height
    except (OSError, SyntaxError, ValueError, Image.DecompressionBombError):
        return None


def _pictures(rows: Rows) -> list[str]:
    from datasets import Image

    return [name for name, kind in rows.features.items() if isinstance(kind, Image)]


# --------------------------------------------------------------------------- sounds


def _heard(rows: Rows, place: Path) -> tuple[Path, list[str]]:
    """Recordings as they came, with a table of what is said or what it is."""
    from datasets import Audio

    spoken = not rows.card.labels
    known = SAID if spoken else HEARD
    columns.check(rows.columns, (SOUND, known), rows.name)
    sounds = [name for name, kind in rows.features.items() if isinstance(kind, Audio)]
    sound = media(rows, SOUND, sounds, "sounds")
    answer = label_of(rows, known, sound)
    read = reader(rows.features.get(answer), bare=rows.bare)
    home = place / rows.slug
    home.mkdir(parents=True)
    listed = []
    for number, content, row in contents(rows, sound, FIRST_SOUNDS, "sounds"):
        (home / f"{number:06}.wav").write_bytes(content)
        if answer and row.get(answer) is not None:
            listed.append((f"{number:06}.wav", str(read(row[answer]))))
    what = "what is said" if spoken else "its label"
    said = f"The column '{sound}' is read as the sound"
    if not answer:
        return home, [f"{said}; without {'transcripts' if spoken else 'labels'}."]
    with (home / TABLE).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([("file_name", known[0]), *listed])
    return home, [f"{said} and '{answer}' as {what}."]


WRITERS: Mapping[str, Callable[[Rows, Path], tuple[Path, list[str]]]] = {
    "table": _table,
    "pictures": _by_folder,
    "pictures to name": _by_folder,
    "outlined pictures": _beside_masks,
    "framed pictures": _beside_boxes,
    "sounds": _heard,
}
