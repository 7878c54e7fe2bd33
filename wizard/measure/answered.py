"""What a model answered, kept small: for every example some named arrays.

Covers: keeping, cutting, joining, storing. Rows may be of unequal shapes.
Does not cover: what is kept of an answer (reducers), what it means (scorers).
Numpy and the standard library only: measuring processes load this file and nothing else of ours.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

FLAT, SHAPES = "flat", "shapes"


class Answered:
    """Answers to some examples; `len()` counts them."""

    def __init__(self, kept: Mapping[str, Sequence[Array]]) -> None:
        self._kept = {name: list(rows) for name, rows in kept.items()}

    def __len__(self) -> int:
        return len(next(iter(self._kept.values()), ()))

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(self._kept)

    def of(self, name: str) -> list[Array]:
        """What is kept under a name, one array an example."""
        return self._kept[name]

    def stacked(self, name: str) -> Array:
        """The same as one array [examples, ...], where all have one shape."""
        import numpy as np

        return np.stack(self._kept[name])

    def first(self, count: int) -> Answered:
        """The first examples only."""
        return Answered({name: rows[:count] for name, rows in self._kept.items()})

    def not_finite(self) -> int:
        """Examples with a value that is no number, or infinite."""
        import numpy as np

        rows = zip(*self._kept.values(), strict=True)
        return sum(
            not all(np.isfinite(one).all() for one in row if one.dtype.kind != "U") for row in rows
        )

    def save(self, path: Path) -> None:
        """To an .npz file."""
        import numpy as np

        arrays: dict[str, Any] = {}
        for name, rows in self._kept.items():
            arrays[f"{name}.{FLAT}"] = np.concatenate([np.ravel(one) for one in rows])
            arrays[f"{name}.{SHAPES}"] = np.array([np.shape(one) for one in rows], np.int64)
        np.savez(path, **arrays)


def load(path: Path) -> Answered:
    """Answers as they were saved; never unpickles."""
    import numpy as np

    kept: dict[str, list[Array]] = {}
    with np.load(path, allow_pickle=False) as file:
        for key in file.files:
            name, _, kind = key.rpartition(".")
            if kind != FLAT:
                continue
            shapes = file[f"{name}.{SHAPES}"]
            ends = np.cumsum(shapes.prod(axis=1))[:-1]
            parts = np.split(file[key], ends)
            kept[name] = [
                part.reshape(shape) for part, shape in zip(parts, shapes.tolist(), strict=True)
            ]
    return Answered(kept)


def joined(parts: Sequence[Answered]) -> Answered:
    """Several in a row."""
    names = parts[0].names if parts else ()
    return Answered({name: [row for one in parts for row in one.of(name)] for name in names})
