"""What a user says about data beside its path: columns, how labels are meant, calibration's file.

Covers: the form `PATH#columns=text=COLUMN,label=COLUMN#labels=index#calibration=PATH`, which
travels as one word through every door, is recorded with a job and typed again.
Does not cover: reading (reading.py), which names a task's columns have (columns.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, unquote

from wizard.errors import BadNeeds

BY_INDEX, CALIBRATION, COLUMNS = "#labels=index", "#calibration=", "#columns="
WRITTEN = "it is written text=COLUMN, with a comma before the next"


@dataclass(frozen=True, slots=True, kw_only=True)
class DataName:
    """The data's path, and what was said about it; `columns` by what they are read as."""

    path: str
    labels_are_positions: bool = False
    calibration: str | None = None
    columns: Mapping[str, str] = field(default_factory=dict)

    def __str__(self) -> str:
        pairs = ",".join(f"{role}={_quoted(column)}" for role, column in self.columns.items())
        said = (COLUMNS + pairs if pairs else "") + (BY_INDEX if self.labels_are_positions else "")
        return self.path + said + (f"{CALIBRATION}{self.calibration}" if self.calibration else "")


def parse(data: str) -> DataName:
    """The parts of a data's name; a file that is really called so keeps its name.

    Raises BadNeeds for columns that are not written as they should be.
    """
    if Path(data).exists():
        return DataName(path=data)
    path, _, calibration = data.partition(CALIBRATION)
    by_index = path.endswith(BY_INDEX)
    path, _, columns = path.removesuffix(BY_INDEX).partition(COLUMNS)
    return DataName(
        path=path,
        labels_are_positions=by_index,
        calibration=calibration or None,
        columns=stated(columns.split(",")) if columns.strip() else {},
    )


def stated(pairs: list[str]) -> Mapping[str, str]:
    """What each of `text=COLUMN` says, by what the column is read as. Raises BadNeeds."""
    said: dict[str, str] = {}
    for pair in pairs:
        role, _, column = (part.strip() for part in pair.partition("="))
        if not role or not column or role.casefold() in said:
            because = f"'{role}' stands there twice" if role.casefold() in said else WRITTEN
            raise BadNeeds(name="columns", value=pair.strip() or "empty", because=because)
        said[role.casefold()] = unquote(column)
    return said


def _quoted(column: str) -> str:
    return quote(column, safe=" /()[]:.")
