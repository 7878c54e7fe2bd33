"""Tables of text: CSV, TSV, JSON lines, plain lines.

Covers: encoding, guessing the columns (and saying so), duplicates, sampling a huge file in one
pass. Does not cover: checking labels against the model (reading.py).
"""

from __future__ import annotations

import codecs
import csv
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from math import isfinite
from pathlib import Path
from typing import TextIO

from wizard.errors import ColumnMissing, DataEmpty, DataUnreadable
from wizard.nouns import ExampleSet, ModelProfile, Task

TEXT_NAMES = ("text", "sentence", "utterance", "review", "content", "query", "comment", "tweet")
STATED = "label_index"  # a column of that name holds positions in the model's list
LABEL_NAMES = ("label", STATED, "labels", "intent", "class", "category", "target", "sentiment")
FIRST_NAMES = ("sentence1", "text1", "premise", "question1", "a")
SECOND_NAMES = ("sentence2", "text2", "hypothesis", "question2", "b")
SCORE_NAMES = ("score", "similarity", "label", "relatedness")
SNIFFED_BYTES = 65_536
LARGEST_LIST = 64 * 2**20  # bytes; a JSON list is held in memory at once
NO_DELIMITER = "\x1f"  # ASCII's own unit separator, which no text holds

Row = Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Columns:
    """Which columns are read as what: one text or two, and the label or score if there is one."""

    texts: tuple[str, ...]
    answer: str = ""

    def content(self, row: Row) -> tuple[str, ...]:
        """What makes the row this row; empty when a text or its answer is missing."""
        found = tuple([row.get(name, "").strip() for name in self.texts])
        answered = not self.answer or row.get(self.answer, "").strip()
        return found if answered and all(found) else ()


def read(path: Path, profile: ModelProfile, *, seed: int, limit: int) -> ExampleSet:
    """The rows of a table, at most `limit` of them, no text twice."""
    if path.is_dir():
        raise DataUnreadable(path=path.name, because="it is a folder, and texts need a file")
    _looks_like_text(path)
    rows = _rows(path)
    first = next(rows, None)
    if first is None:
        raise DataEmpty(path=path.name)
    columns, said = _choose(list(first), profile, path.name)
    drawn = _drawn(chain([first], rows), columns, seed, limit)
    return _example_set(path.name, drawn, columns, said)


def read_bundled(path: Path) -> ExampleSet:
    """A sample's own file; its columns are known."""
    rows = list(_rows(path))
    names = rows[0]
    if "sentence1" in names:
        columns = Columns(texts=("sentence1", "sentence2"), answer="score")
    else:
        columns = Columns(texts=("text",), answer="label" if "label" in names else "")
    return _example_set(path.parent.parent.name, _Drawn(rows=rows), columns, "")


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
    return {str(key): "" if value is None else str(value) for key, value in row.items()}


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


def _csv_rows(file: Iterator[str], path: Path) -> Iterator[Row]:
    header = next(file, "")
    # A header of one column needs no delimiter, and commas in its texts are commas.
    delimiter = max(",;\t", key=header.count)
    delimiter = delimiter if delimiter in header else NO_DELIMITER
    columns = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    if not any(columns):
        raise DataEmpty(path=path.name)
    reader = csv.reader(file, delimiter=delimiter)
    for row in reader:
        if len(row) > len(columns) and any(cell.strip() for cell in row[len(columns) :]):
            because = (
                f"line {reader.line_num + 1} has {len(row)} cells and the header {len(columns)}; "
                "put quotes around texts that hold a comma"
            )
            raise DataUnreadable(path=path.name, because=because)
        if any(cell.strip() for cell in row):
            yield dict(zip(columns, row, strict=False))


@dataclass(slots=True)
class _Drawn:
    """The rows drawn, and what was passed over on the way."""

    rows: list[Row]
    total: int = 0
    doubles: int = 0
    unusable: int = 0
    seed: int = 0


def _drawn(rows: Iterator[Row], columns: Columns, seed: int, limit: int) -> _Drawn:
    """A uniform sample in one pass (Vitter's algorithm R), in the file's order.

    A text that stands there again is passed over, whatever its label: it must not come into
    calibration and test.
    """
    rng = random.Random(seed)  # noqa: S311 - a seeded draw, not a secret
    drawn = _Drawn(rows=[], seed=seed)
    kept: list[tuple[int, Row]] = []
    seen: set[int] = set()
    for row in rows:
        content = columns.content(row)
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


def _choose(names: list[str], profile: ModelProfile, origin: str) -> tuple[Columns, str]:
    """The columns by their names, and a sentence on which were taken."""
    if profile.task is Task.FEATURE_EXTRACTION:
        first, second = _guess(names, FIRST_NAMES), _guess(names, SECOND_NAMES)
        score = _guess(names, SCORE_NAMES)
        if first and second and score:
            said = f"The columns '{first}' and '{second}' are compared, and '{score}' is the truth."
            return Columns(texts=(first, second), answer=score), said
    text = _guess(names, TEXT_NAMES) or (names[0] if len(names) == 1 else None)
    if text is None:
        raise ColumnMissing(path=origin, column="text", columns=", ".join(names[:12]))
    label = (_guess(names, LABEL_NAMES) or "") if profile.labels else ""
    said = f"The column '{text}' is read as the text"
    said += f" and '{label}' as its label." if label else "; there are no labels."
    return Columns(texts=(text,), answer=label), said


def _example_set(origin: str, drawn: _Drawn, columns: Columns, said: str) -> ExampleSet:
    rows, answer = drawn.rows, columns.answer
    names = rows[0] if rows else ()
    others = [name for name in names if name not in {*columns.texts, answer}]
    pairs = len(columns.texts) == 2
    texts = [tuple(row[name] for name in columns.texts) for row in rows]
    return ExampleSet(
        origin=origin,
        inputs=() if pairs else tuple(text[0] for text in texts),
        pairs=tuple((text[0], text[1]) for text in texts) if pairs else (),
        labels=tuple(row[answer].strip() for row in rows) if answer and not pairs else (),
        target=tuple(_number(row[answer], answer, origin) for row in rows) if pairs else (),
        columns={name: tuple(row.get(name, "") for row in rows) for name in others}
        | ({STATED: ()} if answer.casefold() == STATED else {}),
        rows=tuple(range(len(rows))),
        notes=_notes(drawn, said),
    )


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


def _number(text: str, column: str, origin: str) -> float:
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError as error:
        because = f"'{text[:40]}' in the column '{column}' is not a number"
        raise DataUnreadable(path=origin, because=because) from error
    if not isfinite(value):
        raise DataUnreadable(path=origin, because=f"'{column}' holds {text.strip()}")
    return value


def _guess(columns: Sequence[str], names: Sequence[str]) -> str | None:
    lowered = {column.casefold(): column for column in columns}
    return next((lowered[name] for name in names if name in lowered), None)
