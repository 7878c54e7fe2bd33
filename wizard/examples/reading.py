"""Reads rows from wherever they come and splits them for calibration and test.

Covers: bundled rows, tables (tables.py), images (pictures.py), labels by name or by position
where that is said, sampling, disjointness.
Does not cover: turning rows into model inputs (prepare.py).
"""

from __future__ import annotations

import csv
import hashlib
import random
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import dataclass, replace
from pathlib import Path

from wizard import library, tasks
from wizard.errors import (
    DataNotFound,
    DataOverlap,
    DataUnreadable,
    LabelsAreNumbers,
    LabelsUnknown,
    TooFewRows,
)
from wizard.examples import archives, hub_data, hub_rows, marked, naming, pictures, sounds, tables
from wizard.examples.columns import NOTHING
from wizard.nouns import ExampleSet, ModelProfile, Source

ROWS_NEEDED = 20
# English in pieces of words (BERT's own: 1.2 to 1.4), and what stands around a text.
TOKENS_PER_WORD, BEGIN_AND_END = 1.35, 2
ROWS_KEPT = 10_000
CALIBRATION_KEPT = 256
MARKED = {"outlined pictures": True, "framed pictures": False}
# With labels of the model's, or with what they are called as the labels to choose from.
LABELLED = {"pictures": False, "pictures to name": True}
NUMBERED = re.compile(r"LABEL_\d+")
OURS_ARE_USED = (
    "You gave no examples, so ours are used, without labels: the clause is agreement with "
    "the original, and examples of your own would tell more."
)
OURS_ARE_UNLIKE = {
    "digits": (
        "Ours are small grey pictures of digits, unlike photographs: how well the two models agree "
        "on them says little about yours."
    ),
    "pairs": (
        "Ours are small drawings with labels like 'red thing left of a blue one': how well the two "
        "models agree on them says little about your photographs and labels."
    ),
}


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

    naming.py says what may stand behind the path. Raises a BadInput that says what is wrong with
    the file. Never more than `limit` test rows; when there are more, a sample drawn with `seed`
    is used, and a note says so. Images are unpacked into the folder `scratch`; without one, into
    a temporary folder.
    """
    named = naming.parse(data)
    if named.path == "sample":
        rows = _bundled(profile)
        return _with_calibration(rows.test, named, profile, seed, scratch) or rows
    most = limit + CALIBRATION_KEPT
    if named.path.startswith(hub_data.PREFIX):
        found = _brought(profile, named, seed, most, scratch)
    else:
        found = _read(profile, named.path, seed, most, scratch, named.columns)
    checked = _labels_known(found, profile, stated=named.labels_are_positions)
    if len(checked) < ROWS_NEEDED:
        raise TooFewRows(rows=len(checked), needed=ROWS_NEEDED)
    test = pick(checked, range(min(len(checked), limit)))
    given = _with_calibration(test, named, profile, seed, scratch)
    return given or split(checked, seed, limit)


def _with_calibration(
    test: ExampleSet, named: naming.DataName, profile: ModelProfile, seed: int, scratch: Path | None
) -> Rows | None:
    """The two sets that the user gave, if there are two. Raises DataOverlap for a common row."""
    if named.calibration is None:
        return None
    apart = scratch / "calibration" if scratch else None
    if apart is not None:
        apart.mkdir(exist_ok=True)
    calibration = _read(profile, named.calibration, seed, CALIBRATION_KEPT, apart)
    shared = _contents(test) & _contents(calibration)
    if shared:
        raise DataOverlap(rows=len(shared))
    note = (
        f"{len(test)} rows are used for the test and the {len(calibration)} you gave for "
        "calibration; no row is in both."
    )
    return Rows(calibration=calibration, test=test, notes=(*test.notes, note))


def _read(
    profile: ModelProfile,
    data: str,
    seed: int,
    limit: int,
    scratch: Path | None,
    columns: Mapping[str, str] = NOTHING,
) -> ExampleSet:
    path = Path(data)
    if not path.exists():
        raise DataNotFound(path=data)
    card = tasks.card_of(profile.task)
    if columns and card.rows != "table":
        because = "its folders and the table beside them tell what is what, not columns"
        raise DataUnreadable(path=path.name, because=because)
    if card.rows in LABELLED:
        choose = LABELLED[card.rows]
        return pictures.read(path, choose=choose, seed=seed, limit=limit, scratch=scratch)
    if card.rows in MARKED:
        outlined = MARKED[card.rows]
        return marked.read(path, outlined=outlined, seed=seed, limit=limit, scratch=scratch)
    if card.rows == "sounds":
        spoken = not card.labels
        return sounds.read(path, spoken=spoken, seed=seed, limit=limit, scratch=scratch)
    return tables.read(path, profile, seed=seed, limit=limit, columns=columns)


def _brought(
    profile: ModelProfile, named: naming.DataName, seed: int, limit: int, scratch: Path | None
) -> ExampleSet:
    """Rows of a data set on the Hub: brought here as a file, then read like one."""
    place = scratch or archives.temporary("dataset")
    found = hub_data.bring(named, profile, place)
    table = tasks.card_of(profile.task).rows == "table"
    said = named.columns if table else NOTHING
    rows = _read(profile, str(found.path), seed, limit, scratch, said)
    notes = (one for one in rows.notes if hub_rows.TABLE not in one)  # a file of our own
    return replace(rows, origin=found.origin, notes=(*found.notes, *notes))


def read_one(profile: ModelProfile, path: Path, scratch: Path) -> ExampleSet:
    """A single file of a stranger, of what the model is fed with. Raises DataUnreadable."""
    if tasks.card_of(profile.task).reads is tasks.Reads.SOUND:
        return sounds.read_one(path, scratch)
    return pictures.read_one(path, scratch)


def _contents(rows: ExampleSet) -> set[bytes]:
    """A digest of every text, or of every picture's pixels."""
    if rows.images is not None:
        stored = pictures.Stored(rows.images)
        return {hashlib.sha256(stored[row].tobytes()).digest() for row in rows.rows}
    if rows.sounds is not None:
        heard = sounds.Stored(rows.sounds)
        return {hashlib.sha256(heard[row][0].tobytes()).digest() for row in rows.rows}
    pairs = range(len(rows.pairs))
    texts = rows.inputs or [text for index in pairs for text in _told_apart(rows, index)]
    return {text.strip().encode() for text in texts}


def _task(profile: ModelProfile) -> str:
    return profile.task.on_hub if profile.task else "nothing we do"


def _bundled(profile: ModelProfile) -> Rows:
    """A sample's own rows; for any other model our own texts or images, without labels."""
    if profile.ref.source is Source.SAMPLE:
        folder = library.samples()[profile.ref.name].folder / "data"
        return _both(folder, profile, labelled=True)
    name = tasks.bundled(profile.task, profile.labels)
    rows = _both(library.rows_of(name), profile, labelled=False)
    unlike = [OURS_ARE_UNLIKE[name]] if name in OURS_ARE_UNLIKE else []
    return replace(rows, notes=(OURS_ARE_USED, *unlike, *rows.notes))


def bundled_counts(profile: ModelProfile) -> dict[str, int | float | None]:
    """As `counts`, of the bundled rows that the model is scored by."""
    sample = profile.ref.source is Source.SAMPLE
    if sample:
        folder = library.samples()[profile.ref.name].folder / "data"
    else:
        folder = library.rows_of(tasks.bundled(profile.task, profile.labels))
    if tasks.card_of(profile.task).rows == "table":
        rows = tables.read_bundled(folder / "test.csv", profile)
        return counts(rows if sample else _unlabelled(rows), profile)
    with (folder / "test.csv").open(encoding="utf-8", newline="") as file:
        return {"requests": sum(1 for _ in csv.reader(file)) - 1}


def counts(rows: ExampleSet, profile: ModelProfile) -> dict[str, int | float | None]:
    """How many requests the rows are, the tokens of one and those of a right answer, about.

    Tokens are counted by words; None of what is no text. A pair whose texts are answered apart is
    two requests; a question and its text are one.
    """
    apart = rows.pairs and tasks.card_of(profile.task).own_space
    requests = len(rows) * (2 if apart else 1)
    texts = [*rows.inputs, *(text for pair in rows.pairs for text in pair)]
    return {
        "requests": requests,
        "row_tokens": _tokens(texts, requests, BEGIN_AND_END),
        "written_tokens": _tokens([one[0] for one in rows.answers if one], len(rows.answers), 1),
    }


def _tokens(texts: Sequence[str], among: int, beside: int) -> float | None:
    """Mean tokens of as many texts as there are `among`."""
    if not texts or not among:
        return None
    return beside + TOKENS_PER_WORD * sum(len(one.split()) for one in texts) / among


def _both(folder: Path, profile: ModelProfile, *, labelled: bool) -> Rows:
    sets, kind = [], tasks.card_of(profile.task).rows
    for name in ("calibration", "test"):
        if kind in LABELLED:
            rows = pictures.read_bundled(folder, name, choose=LABELLED[kind])
        elif kind in MARKED:
            rows = _bundled_pictures(folder, name, outlined=MARKED[kind], marked_too=labelled)
        elif kind == "sounds":
            rows = sounds.read_bundled(folder, name)
        else:
            rows = tables.read_bundled(folder / f"{name}.csv", profile)
        sets.append(rows if labelled else _unlabelled(rows))
    notes = sets[1].notes if kind in LABELLED else ()
    return Rows(calibration=sets[0], test=sets[1], notes=notes)


def _bundled_pictures(folder: Path, name: str, *, outlined: bool, marked_too: bool) -> ExampleSet:
    """With their marks, or any other pictures of ours without."""
    if marked_too:
        return marked.read_bundled(folder, name, outlined=outlined)
    return replace(marked.read_bundled(folder, name, outlined=True), masks=None)


def _unlabelled(rows: ExampleSet) -> ExampleSet:
    """Without right answers: they are another model's."""
    columns = {name: values for name, values in rows.columns.items() if name != "label"}
    return replace(rows, labels=(), target=(), answers=(), columns=columns)


def _labels_known(rows: ExampleSet, profile: ModelProfile, *, stated: bool) -> ExampleSet:
    """Labels as the model spells them; positions in its list only where that was `stated`.

    It is stated by `--labels index` or by a column called label_index. Raises LabelsUnknown with
    the strangers, LabelsAreNumbers where numbers could be positions and nobody said so.
    """
    of_the_model = tasks.card_of(profile.task).labels and not rows.candidates
    if not of_the_model or not profile.labels or not (rows.labels or rows.answers):
        return rows
    if rows.answers and rows.images is not None:
        return _boxes_known(rows, profile, stated=stated)
    if rows.answers:
        known = _sets_known if tasks.card_of(profile.task).several else _tags_known
        return known(rows, profile, stated=stated)
    used = set(rows.labels)
    if stated or rows.columns.get(tables.STATED) == ():
        return _by_position(rows, profile.labels)
    spelled = _spellings(used, profile.labels)
    strangers = sorted(used - set(spelled))
    if not strangers:
        return replace(rows, labels=tuple(spelled[one] for one in rows.labels))
    if all(one.isdecimal() for one in used):
        raise LabelsAreNumbers(labels=_few(strangers), first=profile.labels[0])
    raise LabelsUnknown(labels=_few(strangers), known=_few(profile.labels))


def _tags_known(rows: ExampleSet, profile: ModelProfile, *, stated: bool) -> ExampleSet:
    """The same for one label a word. Raises DataUnreadable where there is not one for each."""
    for at, (text, tags) in enumerate(zip(rows.inputs, rows.answers, strict=True)):
        if len(text.split()) != len(tags):
            because = f"row {at + 1} has {len(text.split())} words and {len(tags)} tags"
            raise DataUnreadable(path=rows.origin, because=because)
    return _sets_known(rows, profile, stated=stated)


def _sets_known(rows: ExampleSet, profile: ModelProfile, *, stated: bool) -> ExampleSet:
    """The same for any number of labels a row."""
    named = _each_known({tag for tags in rows.answers for tag in tags}, rows, profile, stated)
    return replace(rows, answers=tuple(tuple(named[one] for one in tags) for tags in rows.answers))


def _boxes_known(rows: ExampleSet, profile: ModelProfile, *, stated: bool) -> ExampleSet:
    """The same for things in pictures: behind its four numbers each has its label."""
    framed = [[one.split(" ", marked.NUMBERS) for one in things] for things in rows.answers]
    named = _each_known({one[-1] for things in framed for one in things}, rows, profile, stated)
    answers = tuple(
        tuple(" ".join((*numbers, named[label])) for *numbers, label in things) for things in framed
    )
    return replace(rows, answers=answers)


def _each_known(
    used: Set[str], rows: ExampleSet, profile: ModelProfile, stated: bool
) -> Mapping[str, str]:
    """The model's label for each label used."""
    known = tuple(sorted(used))
    if not known:
        return {}
    flat = replace(rows, labels=known, answers=(), columns={}, images=None)
    return dict(zip(known, _labels_known(flat, profile, stated=stated).labels, strict=True))


def _by_position(rows: ExampleSet, known: Sequence[str]) -> ExampleSet:
    """Each number as the label at that place, counted from 0."""
    wrong = {one for one in rows.labels if not (one.isdecimal() and int(one) < len(known))}
    if wrong:
        places = f"the positions 0 to {len(known) - 1}"
        raise LabelsUnknown(labels=_few(sorted(wrong)), known=places)
    note = "The labels are positions in the model's list, as you said."
    named = tuple(known[int(one)] for one in rows.labels)
    columns = {name: values for name, values in rows.columns.items() if name != tables.STATED}
    return replace(rows, labels=named, columns=columns, notes=(*rows.notes, note))


def _spellings(used: Iterable[str], known: Sequence[str]) -> dict[str, str]:
    """The model's spelling of each label used: the same, or the same but for case and joints.

    A model whose labels are LABEL_0, LABEL_1 and so on has no names, and takes the bare numbers.
    """
    folded: dict[str, list[str]] = {}
    for label in known:
        folded.setdefault(_folded(label), []).append(label)
    if all(NUMBERED.fullmatch(label) for label in known):
        for label in known:
            folded.setdefault(label.split("_")[1], []).append(label)
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
    shared = share - len(calibration)
    if shared:
        note += f" {shared} pairs that share a text with the test were left out of the calibration."
    return Rows(
        calibration=pick(rows, calibration),
        test=pick(rows, test),
        notes=(*rows.notes, note),
    )


def _without_texts_of(test: Sequence[int], others: Sequence[int], rows: ExampleSet) -> list[int]:
    if not rows.pairs:
        return list(others)
    seen = {text for index in test for text in _told_apart(rows, index)}
    return [one for one in others if not seen & set(_told_apart(rows, one))]


def _told_apart(rows: ExampleSet, index: int) -> list[str]:
    """The texts of a pair that no other set may have: both, or the one that a question is about."""
    both = [text.strip() for text in rows.pairs[index]]
    return both if rows.target else both[1:]


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
        answers=tuple(rows.answers[index] for index in chosen) if rows.answers else (),
        columns={name: some(values) for name, values in rows.columns.items()},
        rows=tuple(rows.rows[index] for index in chosen),
    )
