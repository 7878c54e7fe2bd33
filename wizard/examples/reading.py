"""Reads rows from wherever they come and splits them for calibration and test.

Covers: bundled rows, tables (tables.py), images (pictures.py), labels by name, sampling,
disjointness. Does not cover: turning rows into model inputs (prepare.py).
"""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from wizard import library
from wizard.errors import DataNotForTask, DataNotFound, LabelsUnknown, TooFewRows
from wizard.examples import pictures, tables
from wizard.nouns import ExampleSet, ModelProfile, Source, Task

ROWS_NEEDED = 20
ROWS_KEPT = 10_000
CALIBRATION_KEPT = 256
OURS_ARE_USED = (
    "You gave no examples, so ours are used, without labels: the clause is agreement with "
    "the original, and examples of your own would tell more."
)
DIGITS_ARE_USED = (
    "Ours are small grey pictures of digits, unlike photographs: how well the two models agree on "
    "them says little about yours."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """Two sets without a common row, and sentences on how they came about."""

    calibration: ExampleSet
    test: ExampleSet
    notes: tuple[str, ...]


def read(
    profile: ModelProfile,
    data: str,
    *,
    seed: int,
    limit: int = ROWS_KEPT,
    scratch: Path | None = None,
) -> Rows:
    """The rows of `data`: "sample" (bundled), or a path to a table, a ZIP or a folder of images.

    Raises a BadInput that says what is wrong with the file. Never more than `limit` test rows;
    when there are more, a sample drawn with `seed` is used, and a note says so. Images are
    unpacked into the folder `scratch`; without one, into a temporary folder.
    """
    if data == "sample":
        return _bundled(profile)
    if data.startswith("hub:"):
        needed = "data sets of the Hub are not read yet; give a CSV, JSON lines or ZIP file"
        raise DataNotForTask(path=data, task=_task(profile), needed=needed)
    path = Path(data)
    if not path.exists():
        raise DataNotFound(path=data)
    if profile.task is Task.IMAGE_CLASSIFICATION:
        found = pictures.read(path, seed=seed, limit=limit + CALIBRATION_KEPT, scratch=scratch)
    else:
        found = tables.read(path, profile, seed=seed, limit=limit + CALIBRATION_KEPT)
    checked = _labels_known(found, profile)
    if len(checked) < ROWS_NEEDED:
        raise TooFewRows(rows=len(checked), needed=ROWS_NEEDED)
    return split(checked, seed, limit)


def _task(profile: ModelProfile) -> str:
    return profile.task.value if profile.task else "nothing we do"


def _bundled(profile: ModelProfile) -> Rows:
    """A sample's own rows; for any other model our own texts or images, without labels."""
    if profile.ref.source is Source.SAMPLE:
        folder = library.samples()[profile.ref.name].folder / "data"
        return _both(folder, profile, labelled=True)
    name = "digits" if profile.task is Task.IMAGE_CLASSIFICATION else "intents"
    rows = _both(library.samples()[name].folder / "data", profile, labelled=False)
    return replace(
        rows, notes=(OURS_ARE_USED, DIGITS_ARE_USED) if name == "digits" else (OURS_ARE_USED,)
    )


def _both(folder: Path, profile: ModelProfile, *, labelled: bool) -> Rows:
    sets = []
    for name in ("calibration", "test"):
        if profile.task is Task.IMAGE_CLASSIFICATION:
            rows = pictures.read_bundled(folder, name)
        else:
            rows = tables.read_bundled(folder / f"{name}.csv")
        sets.append(rows if labelled else replace(rows, labels=(), target=()))
    return Rows(calibration=sets[0], test=sets[1], notes=())


def _labels_known(rows: ExampleSet, profile: ModelProfile) -> ExampleSet:
    """Labels as the model spells them. Raises LabelsUnknown with the strangers."""
    if not rows.labels or not profile.labels:
        return rows
    used = set(rows.labels)
    spelled = _spellings(used, profile.labels)
    strangers = sorted(used - set(spelled))
    if not strangers:
        return replace(rows, labels=tuple(spelled[one] for one in rows.labels))
    if all(one.isdecimal() and int(one) < len(profile.labels) for one in used):
        note = "The labels are numbers; they were read as positions in the model's list."
        named = tuple(profile.labels[int(one)] for one in rows.labels)
        return replace(rows, labels=named, notes=(*rows.notes, note))
    raise LabelsUnknown(labels=_few(strangers), known=_few(profile.labels))


def _spellings(used: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """The model's spelling of each label used: the same, or the same but for case and joints."""
    folded: dict[str, list[str]] = {}
    for label in known:
        folded.setdefault(_folded(label), []).append(label)
    near = {one: folded.get(_folded(one), []) for one in used}
    exact = {one: one for one in used if one in known}
    return {one: names[0] for one, names in near.items() if len(names) == 1} | exact


def _folded(label: str) -> str:
    return " ".join(label.casefold().replace("_", " ").replace("-", " ").split())


def _few(names: Sequence[str]) -> str:
    shown = ", ".join(names[:5])
    return f"{shown} and {len(names) - 5} more" if len(names) > 5 else shown


def split(rows: ExampleSet, seed: int, limit: int) -> Rows:
    """A fifth of the rows (at most 256) for calibration, the rest (at most `limit`) for the test.

    Texts are there once, so no text is in both; of pairs, which may share a text with others,
    those for calibration that do are left out.
    """
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)  # noqa: S311 - a seeded draw, not a secret
    share = min(CALIBRATION_KEPT, len(rows) // 5)
    test = sorted(order[share:][:limit])
    calibration = sorted(_without_texts_of(test, order[:share], rows))
    note = (
        f"{len(test)} rows are used for the test and {len(calibration)} others for calibration; "
        "no row is in both."
    )
    return Rows(
        calibration=pick(rows, calibration),
        test=pick(rows, test),
        notes=(*rows.notes, note),
    )


def _without_texts_of(test: Sequence[int], others: Sequence[int], rows: ExampleSet) -> list[int]:
    if not rows.pairs:
        return list(others)
    seen = {text.strip() for index in test for text in rows.pairs[index]}
    return [one for one in others if not seen & {text.strip() for text in rows.pairs[one]}]


def pick(rows: ExampleSet, chosen: Sequence[int]) -> ExampleSet:
    """Those rows only, every column with them."""

    def some(values: tuple[str, ...]) -> tuple[str, ...]:
        return tuple(values[index] for index in chosen) if values else ()

    return replace(
        rows,
        inputs=some(rows.inputs),
        pairs=tuple(rows.pairs[index] for index in chosen) if rows.pairs else (),
        labels=some(rows.labels),
        target=tuple(rows.target[index] for index in chosen) if rows.target else (),
        columns={name: some(values) for name, values in rows.columns.items()},
        rows=tuple(rows.rows[index] for index in chosen),
    )
