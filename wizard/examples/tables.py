"""Tables of text: CSV, TSV, JSON lines, plain lines.

Covers: encoding, guessing the columns (and saying so), duplicates, sampling a huge file in one
pass. Does not cover: checking labels against the model (reading.py).
"""

from __future__ import annotations

import csv
import json
import random
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from wizard.errors import ColumnMissing, DataEmpty, DataUnreadable
from wizard.nouns import ExampleSet, ModelProfile, Task

TEXT_NAMES = ("text", "sentence", "utterance", "review", "content", "query", "comment", "tweet")
LABEL_NAMES = ("label", "labels", "intent", "class", "category", "target", "sentiment")
FIRST_NAMES = ("sentence1", "text1", "premise", "question1", "a")
SECOND_NAMES = ("sentence2", "text2", "hypothesis", "question2", "b")
SCORE_NAMES = ("score", "similarity", "label", "relatedness")
SNIFFED_BYTES = 65_536

Row = Mapping[str, str]


def read(path: Path, profile: ModelProfile, *, seed: int, limit: int) -> ExampleSet:
    """The rows of a table, at most `limit` of them, without duplicates."""
    if path.is_dir():
        raise DataUnreadable(path=str(path), because="it is a folder, and texts need a file")
    _looks_like_text(path)
    kept, total, doubles = _sampled(_rows(path), seed, limit)
    if not kept:
        raise DataEmpty(path=path.name)
    notes = []
    if total > limit:
        notes.append(f"{limit} of {total} rows were drawn at random (seed {seed}).")
    if doubles:
        notes.append(f"{doubles} rows stood there twice and were used once.")
    return _example_set(path.name, kept, profile, tuple(notes))


def read_bundled(path: Path) -> ExampleSet:
    """A sample's own file; its columns are known."""
    rows = list(_rows(path))
    first = rows[0]
    if "sentence1" in first:
        return _pairs(path.parent.parent.name, rows, ("sentence1", "sentence2", "score"), ())
    label = "label" if "label" in first else None
    return _texts(path.parent.parent.name, rows, "text", label, ())


def _looks_like_text(path: Path) -> None:
    with path.open("rb") as file:
        start = file.read(SNIFFED_BYTES)
    if not start.strip():
        raise DataEmpty(path=path.name)
    if b"\0" in start:
        raise DataUnreadable(path=path.name, because="it is not a text file")
    try:
        start[: start.rfind(b"\n") + 1 or None].decode("utf-8-sig")
    except UnicodeDecodeError as error:
        because = "it is not a text file in UTF-8"
        raise DataUnreadable(path=path.name, because=because) from error


def _rows(path: Path) -> Iterator[Row]:
    """Rows as mappings from column to text."""
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            if path.suffix.lower() in {".jsonl", ".ndjson", ".json"}:
                yield from _json_rows(file, path)
            elif path.suffix.lower() == ".txt":
                yield from ({"text": line.strip()} for line in file if line.strip())
            else:
                yield from _csv_rows(file, path)
    except (csv.Error, UnicodeDecodeError) as error:
        raise DataUnreadable(path=path.name, because=str(error)) from error


def _json_rows(lines: Iterator[str], path: Path) -> Iterator[Row]:
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except json.JSONDecodeError as error:
            because = f"line {number} is not a JSON object"
            raise DataUnreadable(path=path.name, because=because) from error
        if not isinstance(row, dict):
            because = f"line {number} is not a JSON object"
            raise DataUnreadable(path=path.name, because=because)
        yield {str(key): "" if value is None else str(value) for key, value in row.items()}


def _csv_rows(file: Iterator[str], path: Path) -> Iterator[Row]:
    header = next(file, "")
    delimiter = max(",;\t", key=header.count)
    columns = [name.strip() for name in next(csv.reader([header], delimiter=delimiter), [])]
    if not columns:
        raise DataEmpty(path=path.name)
    for row in csv.reader(file, delimiter=delimiter):
        if any(cell.strip() for cell in row):
            yield dict(zip(columns, row, strict=False))


def _sampled(rows: Iterator[Row], seed: int, limit: int) -> tuple[list[Row], int, int]:
    """A uniform sample in one pass (Vitter's algorithm R), in the file's order; counts."""
    rng = random.Random(seed)  # noqa: S311 - a seeded draw, not a secret
    kept: list[tuple[int, Row]] = []
    seen: set[int] = set()
    total = doubles = 0
    for row in rows:
        digest = hash(tuple(row.values()))
        if digest in seen:
            doubles += 1
            continue
        seen.add(digest)
        total += 1
        if len(kept) < limit:
            kept.append((total, row))
            continue
        place = rng.randrange(total)
        if place < limit:
            kept[place] = (total, row)
    return [row for _, row in sorted(kept, key=lambda pair: pair[0])], total, doubles


def _example_set(
    origin: str, rows: Sequence[Row], profile: ModelProfile, notes: tuple[str, ...]
) -> ExampleSet:
    columns = list(rows[0])
    if profile.task is Task.FEATURE_EXTRACTION:
        first, second = _guess(columns, FIRST_NAMES), _guess(columns, SECOND_NAMES)
        score = _guess(columns, SCORE_NAMES)
        if first and second and score:
            return _pairs(origin, rows, (first, second, score), notes)
    text = _guess(columns, TEXT_NAMES)
    if text is None and len(columns) == 1:
        text = columns[0]
    if text is None:
        raise ColumnMissing(path=origin, column="text", columns=", ".join(columns[:12]))
    label = _guess(columns, LABEL_NAMES) if profile.labels else None
    used = f"The column '{text}' is read as the text"
    used += f" and '{label}' as its label." if label else "; there are no labels."
    return _texts(origin, rows, text, label, (*notes, used))


def _guess(columns: Sequence[str], names: Sequence[str]) -> str | None:
    lowered = {column.casefold(): column for column in columns}
    return next((lowered[name] for name in names if name in lowered), None)


def _texts(
    origin: str, rows: Sequence[Row], text: str, label: str | None, notes: tuple[str, ...]
) -> ExampleSet:
    usable = [row for row in rows if row.get(text, "").strip() and (not label or row.get(label))]
    others = [name for name in rows[0] if name not in {text, label}]
    return ExampleSet(
        origin=origin,
        inputs=tuple(row[text] for row in usable),
        labels=tuple(row[label].strip() for row in usable) if label else (),
        columns={name: tuple(row.get(name, "") for row in usable) for name in others},
        rows=tuple(range(len(usable))),
        notes=notes,
    )


def _pairs(
    origin: str, rows: Sequence[Row], names: tuple[str, str, str], notes: tuple[str, ...]
) -> ExampleSet:
    first, second, score = names
    others = [name for name in rows[0] if name not in names]
    try:
        target = tuple(float(row[score]) for row in rows)
    except ValueError as error:
        raise DataUnreadable(path=origin, because=f"'{score}' is not a number: {error}") from error
    return ExampleSet(
        origin=origin,
        pairs=tuple((row[first], row[second]) for row in rows),
        target=target,
        columns={name: tuple(row.get(name, "") for row in rows) for name in others},
        rows=tuple(range(len(rows))),
        notes=notes,
    )
