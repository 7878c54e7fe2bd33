"""Tables of text: CSV, TSV, JSON lines, Parquet, plain lines.

Covers: encoding, guessing the columns (and saying so), duplicates, sampling a huge file in one
pass. Does not cover: checking labels against the model (reading.py).
"""

from __future__ import annotations

import codecs
import csv
import json
import random
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import chain
from pathlib import Path
from typing import TextIO

from wizard import tasks
from wizard.errors import ColumnMissing, DataEmpty, DataUnreadable
from wizard.examples import cells, columns
from wizard.examples.columns import NOTHING
from wizard.nouns import ExampleSet, ModelProfile
from wizard.tasks import Layout

STATED = "label_index"  # a column of that name holds positions in the model's list
NEEDS_TWO = (
    "The model's labels are about two texts, and these rows have one: columns named sentence1 and "
    "sentence2, or premise and hypothesis, would be read together."
)
SNIFFED_BYTES = 65_536
LARGEST_LIST = 64 * 2**20  # bytes; a JSON list is held in memory at once
PARQUET, PARQUET_ROWS = ".parquet", 1_000
NO_DELIMITER = "\x1f"  # ASCII's own unit separator, which no text holds

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns are read as what: one text or two, and the answer if there is one.

    `layout` says how their cells are read; `marks` are columns called like the model's labels,
    which say of each whether it holds.
    """

    layout: Layout
    texts: tuple[str, ...]
    answer: str = ""
    marks: tuple[str, ...] = ()

    def content(self, row: Row) -> tuple[str, ...]:
        """What makes the row this row; empty when a text or its answer is missing."""
        found = tuple([row.get(name, "").strip() for name in self.texts])
        may_be_none = not self.answer or self.layout.kind == cells.SEVERAL
        answered = may_be_none or row.get(self.answer, "").strip()
        return found if answered and all(found) else ()


def read(
    path: Path,
    profile: ModelProfile,
    *,
    seed: int,
    limit: int,
    columns: Mapping[str, str] = NOTHING,
) -> ExampleSet:
    """The rows of a table, at most `limit` of them, no text twice.

    `columns` are those that the user named, by what they are read as.
    """
    if path.is_dir():
        raise DataUnreadable(path=path.name, because="it is a folder, and texts need a file")
    if path.suffix.lower() != PARQUET:
        _looks_like_text(path)
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        raise DataEmpty(path=path.name)
    chosen, said = _choose(list(first), profile, path.name, columns)
    drawn = _drawn(chain([first], rows), chosen, seed, limit)
    return _example_set(path.name, drawn, chosen, said)


def read_bundled(path: Path, profile: ModelProfile) -> ExampleSet:
    """A sample's own file; its columns have names that every layout knows."""
    rows = list(_rows(path))
    chosen, _ = _choose(list(rows[0]), profile, path.name)
    return _example_set(path.parent.parent.name, _Drawn(rows=rows), chosen, "")


def _looks_like_text(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(SNIFFED_BYTES)
    if not start.strip():
        raise DataEmpty(path=path.name)
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise DataUnreadable(path=path.name, because="it is in UTF-16, not in UTF-8")
    if b"\0" in start:
        raise DataUnreadable(path=path.name, because="it is not a text file")


def _rows(path: Path) -> Iterator[Row]:
    """Rows as mappings from column to text."""
    kind = path.suffix.lower()
    if kind == PARQUET:
        yield from _parquet_rows(path)
        return
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if kind == ".json":
                yield from _json_list(file, path)
            elif kind in {".jsonl", ".ndjson"}:
                yield from _json_rows(file, path)
            elif kind == ".txt":
                yield from ({"text": line.strip()} for line in file if line.strip())
            else:
                yield from _csv_rows(file, path)
    except UnicodeDecodeError as error:
        because = "it is not a text file in UTF-8"
        raise DataUnreadable(path=path.name, because=because) from error
    except csv.Error as error:
        raise DataUnreadable(path=path.name, because=str(error)) from error


def _json_list(file: TextIO, path: Path) -> Iterator[Row]:
    """A list of objects, or one object a line under the wrong ending."""
    if file.read(1_000).lstrip()[:1] != "[":
        file.seek(0)
        yield from _json_rows(file, path)
        return
    if path.stat().st_size > LARGEST_LIST:
        because = "a JSON list above 64 MB is not read; save it as JSON lines"
        raise DataUnreadable(path=path.name, because=because)
    file.seek(0)
    try:
        found = json.load(file)
    except (json.JSONDecodeError, RecursionError) as error:
        raise DataUnreadable(path=path.name, because="it is not valid JSON") from error
    for number, row in enumerate(found, 1):
        if not isinstance(row, dict):
            because = f"entry {number} is not a JSON object"
            raise DataUnreadable(path=path.name, because=because)
        yield _as_text(row)


def _as_text(row: Mapping[str, object]) -> Row:
    return {str(key): _cell(value) for key, value in row.items()}


def _cell(value: object) -> str:
    if isinstance(value, list | dict):
        return json.dumps(value, ensure_ascii=False)
    return "" if value is None else str(value)


def _json_rows(lines: Iterator[str], path: Path) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except (json.JSONDecodeError, RecursionError) as error:
            because = f"line {number} is not a JSON object"
            raise DataUnreadable(path=path.name, because=because) from error
        if not isinstance(row, dict):
            because = f"line {number} is not a JSON object"
            raise DataUnreadable(path=path.name, because=because)
        yield _as_text(row)


def _parquet_rows(path: Path) -> Iterator[Row]:
    """Row group by row group, so that a large file is never whole in memory."""
    import pyarrow
    import pyarrow.parquet

    try:
        with pyarrow.parquet.ParquetFile(path) as file:
            for batch in file.iter_batches(batch_size=PARQUET_ROWS):
                for row in batch.to_pylist():
                    yield _as_text(row)
    except (pyarrow.ArrowException, OSError, ValueError) as error:
        because = "it is no whole Parquet file"
        raise DataUnreadable(path=path.name, because=because) from error


def _csv_rows(file: Iterator[str], path: Path) -> Iterator[Row]:
    header = next(file, "")
    # A header of one column needs no delimiter, and commas in its texts are commas.
    delimiter = max(",;\t", key=header.count)
    delimiter = delimiter if delimiter in header else NO_DELIMITER
    names = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    if not any(names):
        raise DataEmpty(path=path.name)
    reader = csv.reader(file, delimiter=delimiter)
    for row in reader:
        if len(row) > len(names) and any(cell.strip() for cell in row[len(names) :]):
            because = (
                f"line {reader.line_num + 1} has {len(row)} cells and the header {len(names)}; "
                "put quotes around texts that hold a comma"
            )
            raise DataUnreadable(path=path.name, because=because)
        if any(cell.strip() for cell in row):
            yield dict(zip(names, row, strict=False))


@dataclass(slots=True)
class _Drawn:
    """The rows drawn, and what was passed over on the way."""

    rows: list[Row]
    total: int = 0
    doubles: int = 0
    unusable: int = 0
    seed: int = 0


def _drawn(rows: Iterator[Row], chosen: Columns, seed: int, limit: int) -> _Drawn:
    """A uniform sample in one pass (Vitter's algorithm R), in the file's order.

    A text that stands there again is passed over, whatever its label: it must not come into
    calibration and test.
    """
    rng = random.Random(seed)  # noqa: S311 - a seeded draw, not a secret
    drawn = _Drawn(rows=[], seed=seed)
    kept: list[tuple[int, Row]] = []
    seen: set[int] = set()
    for row in rows:
        content = chosen.content(row)
        if not content:
            drawn.unusable += 1
            continue
        digest = hash(content)
        if digest in seen:
            drawn.doubles += 1
            continue
        seen.add(digest)
        drawn.total += 1
        if len(kept) < limit:
            kept.append((drawn.total, row))
            continue
        place = rng.randrange(drawn.total)
        if place < limit:
            kept[place] = (drawn.total, row)
    drawn.rows = [row for _, row in sorted(kept, key=lambda pair: pair[0])]
    return drawn


def _choose(
    names: list[str], profile: ModelProfile, origin: str, named: Mapping[str, str] = NOTHING
) -> tuple[Columns, str]:
    """The columns named by the user, else by their names, and a sentence.

    Of the task's layouts the first that fits.
    """
    card = tasks.card_of(profile.task)
    guess = partial(columns.guess, names, columns=named, origin=origin)
    plainest = reversed(card.layouts)
    columns.check(named, [role for one in plainest for role in (*one.texts, one.answer)], origin)
    for layout in card.layouts:
        if not _reads(layout, named):
            continue
        texts = [guess(known) for known in layout.texts]
        if layout.as_is and len(texts) == len(names) == 1:
            texts = [texts[0] or names[0]]
        answer = guess(layout.answer) or ""
        if layout.kind == "label" and not profile.labels:
            answer = ""
        if all(texts) and (answer or not layout.must_answer):
            chosen = tuple(one for one in texts if one)
            marks = _marks(names, profile) if layout.kind == cells.SEVERAL and not answer else ()
            said = _said(chosen, answer, marks)
            if len(chosen) == 1 and tasks.of_two(profile.task, profile.labels):
                said += f" {NEEDS_TWO}"
            return Columns(layout=layout, texts=chosen, answer=answer, marks=marks), said
    wanted = card.layouts[-1].texts
    missing = next(one[0] for one in wanted if guess(one) is None)
    raise ColumnMissing(path=origin, column=missing, columns=", ".join(names[:12]))


def _reads(layout: Layout, named: Mapping[str, str]) -> bool:
    """Whether all that the user named is read in this form of the table."""
    roles = {name for known in (*layout.texts, layout.answer) for name in known}
    return set(named) <= roles


def _marks(names: list[str], profile: ModelProfile) -> tuple[str, ...]:
    """The columns called like labels of the model, where there are some of them."""
    labels = {label.casefold() for label in profile.labels}
    found = tuple(name for name in names if name.casefold() in labels)
    return found if len(found) > 1 else ()


def _said(texts: tuple[str, ...], answer: str, marks: tuple[str, ...] = ()) -> str:
    """Which columns were taken, in a sentence."""
    if marks:
        read = "' and '".join(texts)
        return f"'{read}' is read; {len(marks)} columns ('{marks[0]}', ...) say which labels hold."
    if len(texts) == 2:
        said = f"The columns '{texts[0]}' and '{texts[1]}' are read together"
        return said + (f", and '{answer}' is the truth." if answer else "; there are no answers.")
    said = f"The column '{texts[0]}' is read as the text"
    return said + (f" and '{answer}' as its label." if answer else "; there are no labels.")


def _example_set(origin: str, drawn: _Drawn, chosen: Columns, said: str) -> ExampleSet:
    rows, answer, layout = drawn.rows, chosen.answer, chosen.layout
    names = rows[0] if rows else ()
    others = [name for name in names if name not in {*chosen.texts, *chosen.marks, answer}]
    texts = [
        tuple(cells.text(row[name], layout.text_kind) for name in chosen.texts) for row in rows
    ]
    told = [row[answer] for row in rows] if answer else []
    return ExampleSet(
        origin=origin,
        inputs=tuple(text[0] for text in texts) if len(chosen.texts) == 1 else (),
        pairs=tuple((text[0], text[1]) for text in texts) if len(chosen.texts) == 2 else (),
        labels=tuple(one.strip() for one in told) if layout.kind in {"label", "choice"} else (),
        candidates=tuple(sorted({one.strip() for one in told})) if layout.kind == "choice" else (),
        target=tuple(cells.number(one, answer, origin) for one in told)
        if layout.kind == "number"
        else (),
        answers=_answers(told, rows, chosen),
        columns={name: tuple(row.get(name, "") for row in rows) for name in others}
        | ({STATED: ()} if answer.casefold() == STATED else {}),
        rows=tuple(range(len(rows))),
        notes=_notes(drawn, said),
    )


def _answers(told: list[str], rows: list[Row], chosen: Columns) -> tuple[tuple[str, ...], ...]:
    """What is right in each row, where that is no label of its own."""
    if chosen.marks:
        held = ([name for name in chosen.marks if cells.holds(row[name])] for row in rows)
        return tuple(tuple(one) for one in held)
    kind = chosen.layout.kind
    return tuple(cells.answers(one, kind) for one in told) if kind in cells.KINDS else ()


def _notes(drawn: _Drawn, said: str) -> tuple[str, ...]:
    notes = []
    if drawn.total > len(drawn.rows):
        kept = len(drawn.rows)
        notes.append(f"{kept} of {drawn.total} rows were drawn at random (seed {drawn.seed}).")
    if drawn.doubles:
        notes.append(f"{drawn.doubles} rows repeat an earlier text and were left out.")
    if drawn.unusable:
        notes.append(f"{drawn.unusable} rows lack a text or its answer and were left out.")
    return (*notes, said) if said else tuple(notes)
