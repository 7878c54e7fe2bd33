"""What stands in the cells of a data set on the Hub: class numbers, pictures, sounds.

Covers: the stream with what is known of it, class numbers as names (also in lists), columns of
media by what the user said, their names or their kind, media that lie in files of the repository.
Does not cover: what rows are written as (hub_rows.py).
"""

from __future__ import annotations

import itertools
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from wizard.errors import DatasetUnusable
from wizard.examples import columns
from wizard.nouns import ModelProfile
from wizard.tasks import TaskCard

LARGEST_FILE = 50 * 2**20
MOST_BYTES = 2 * 10**9  # of pictures or sounds together
AT_ONCE = 8  # files of a repository that are fetched together


@dataclass(frozen=True, slots=True, kw_only=True)
class Rows:
    """A stream of rows with what is known of it.

    `features` are the kinds of its columns, None each where the stream does not know; `open` reads
    a file of the repository.
    """

    stream: Any
    features: Mapping[str, Any]
    card: TaskCard
    profile: ModelProfile
    name: str
    open: Callable[[str], bytes]
    by_position: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)

    @property
    def slug(self) -> str:
        """The data set's name as that of a file, which sentences about the rows show."""
        return re.sub(r"[^\w.-]+", "_", self.name.removeprefix("hub:"))

    @property
    def bare(self) -> bool:
        """Whether class numbers stay numbers: as the user says, or because labels have no names."""
        labels = self.profile.labels
        unnamed = all(one.startswith("LABEL_") for one in labels)
        return bool(labels) and (self.by_position or unnamed)


def names_of(kind: Any) -> list[str]:
    """The names of a ClassLabel's numbers, or of a list of them; none for any other column."""
    found = getattr(getattr(kind, "feature", kind), "names", None)
    return list(found) if isinstance(found, list) else []


def reader(kind: Any, *, bare: bool) -> Callable[[Any], Any]:
    """How a column's values are written: class numbers as names, where the model has names."""
    names = names_of(kind)
    if not names or bare:
        return plain
    several = hasattr(kind, "feature")
    return _each_named(names) if several else _named(names)


def _named(names: list[str]) -> Callable[[Any], Any]:
    """-1 stands for an answer that is held back."""

    def name_of(value: Any) -> Any:
        return names[value] if isinstance(value, int) and 0 <= value < len(names) else ""

    return name_of


def _each_named(names: list[str]) -> Callable[[Any], Any]:
    one = _named(names)
    return lambda values: [one(value) for value in values or ()]


def plain(value: Any) -> Any:
    return "" if value == -1 else value


# --------------------------------------------------------------------------- files in cells


def media(rows: Rows, known: Sequence[str], found: Sequence[str], what: str) -> str:
    """The column of media: the one stated, the one of a known name, the first of its kind.

    Raises DatasetUnusable where there is none, ColumnNotThere for a stated one that is not there.
    """
    named = columns.guess(list(rows.features), known, rows.columns, rows.name)
    if named in found:
        return str(named)
    if columns.stated(rows.columns, known) is not None:
        because = f"its column '{named}' holds no {what}"
        raise DatasetUnusable(name=rows.name, because=because)
    if not found:
        because = f"it has no {what}; its columns are {', '.join(list(rows.features)[:8])}"
        raise DatasetUnusable(name=rows.name, because=because)
    return found[0]


def label_of(rows: Rows, known: Sequence[str], media: str) -> str:
    """The column of answers: the one stated, the only one with class names, or of a known name."""
    others = [name for name in rows.features if name != media]
    named = columns.guess(others, known, rows.columns, rows.name)
    if columns.stated(rows.columns, known) is not None:
        return str(named)
    if "label" in known:
        classes = [name for name in others if names_of(rows.features[name])]
        if classes and named not in classes:
            return classes[0]
    return named or ""


def contents(
    rows: Rows, column: str, first: int, what: str
) -> Iterator[tuple[int, bytes, Mapping[str, Any]]]:
    """Number, bytes of the media and the row itself; what is empty or too large is passed over.

    Raises DatasetUnusable where that is all of it.
    """
    held = 0
    with _unopened(), ThreadPoolExecutor(AT_ONCE) as pool:
        stream = enumerate(itertools.islice(rows.stream, first))
        while some := list(itertools.islice(stream, 4 * AT_ONCE)):
            read = pool.map(lambda one: content_of(one[1][column], rows), some)
            for (number, row), content in zip(some, read, strict=True):
                if not content or len(content) > LARGEST_FILE:
                    continue
                held += len(content)
                if held > MOST_BYTES:
                    return
                yield number, content, row
    if not held:
        raise DatasetUnusable(name=rows.name, because=f"not one of its {what} could be read")


@contextmanager
def _unopened() -> Iterator[None]:
    """Media of a stream come as bytes or as the name of a file, and nothing decodes them.

    Asked to by `cast_column`, datasets 5.2 still decodes what lies in folders, and for sounds it
    wants torchcodec even to hand on bytes. Only in the child that reads the rows.
    """
    from datasets import Audio, Image

    kept = (Audio.encode_example, Audio.decode_example, Image.decode_example)
    Audio.encode_example = lambda _, value: (
        {"bytes": value.get("bytes"), "path": value.get("path")}
        if isinstance(value, Mapping)
        else {"bytes": None, "path": str(value)}
    )
    Audio.decode_example = Image.decode_example = lambda _, value, **__: value
    try:
        yield
    finally:
        Audio.encode_example, Audio.decode_example, Image.decode_example = kept


def content_of(cell: Mapping[str, Any] | None, rows: Rows) -> bytes:
    """The bytes in a cell, or of the file that it names."""
    if not cell:
        return b""
    if cell.get("bytes"):
        return bytes(cell["bytes"])
    return rows.open(str(cell["path"])) if cell.get("path") else b""
