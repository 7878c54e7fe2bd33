"""What a user says about data beside its path: how labels are meant, a file for calibration.

Covers: the form `PATH#labels=index#calibration=PATH`, which travels as one word through every
door, is recorded with a job and typed again. Does not cover: reading (reading.py).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

BY_INDEX, CALIBRATION = "#labels=index", "#calibration="


@dataclass(frozen=True, slots=True, kw_only=True)
class DataName:
    """The data's path, and what was said about it."""

    path: str
    labels_are_positions: bool = False
    calibration: str | None = None

    def __str__(self) -> str:
        said = BY_INDEX if self.labels_are_positions else ""
        return self.path + said + (f"{CALIBRATION}{self.calibration}" if self.calibration else "")


def parse(data: str) -> DataName:
    """The parts of a data's name; a file that is really called so keeps its name."""
    if Path(data).exists():
        return DataName(path=data)
    path, _, calibration = data.partition(CALIBRATION)
    by_index = path.endswith(BY_INDEX)
    return DataName(
        path=path.removesuffix(BY_INDEX),
        labels_are_positions=by_index,
        calibration=calibration or None,
    )
