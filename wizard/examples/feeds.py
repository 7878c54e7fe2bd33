"""Model inputs on disk: one .npz, read row by row.

Covers: named inputs of any shape: rows of one shape, rows of a shape each (padded where they meet
in a batch), masks, values that all rows share; several rows to one example (a pair, a long text in
windows); one batch of an exact shape for timing.
Does not cover: making them (preparers).
Numpy and the standard library only: measuring processes load this file and nothing else of ours.

Arrays that no model asks for travel with the inputs, for whoever reads the answers (which tokens
are the text's, say): whoever runs a model picks what it asks for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]
    Arrays = dict[str, Array]

# What stands behind an input's name in the file, after a dot.
ROWS, FLAT, SHAPES, PAD, SAME, MASK = "rows", "flat", "shapes", "pad", "same", "mask"
EACH, PLACES = "each", "places"
DERIVED = {MASK, PLACES}  # from another input of the same row
RESCALE, MEAN, STD = "rescale", "mean", "std"
# The file's own entries: the ends of each example's rows, and who reads the model's answers.
ENDS, REDUCE = "examples", "reduce"


# --------------------------------------------------------------------------- writing


def stacked(name: str, rows: Array, **normalized: Any) -> Arrays:
    """Rows of one shape [rows, ...]; `rescale`, `mean` and `std` [channels] as processors use them.

    With them the rows may stay bytes [rows, channels, ...], and become floats when they are read.
    """
    import numpy as np

    return {f"{name}.{ROWS}": rows} | {
        f"{name}.{key}": np.asarray(value, np.float32) for key, value in normalized.items()
    }


def ragged(name: str, rows: Sequence[Array], pad: float = 0) -> Arrays:
    """Rows of a shape each, with the number that fills them up where they meet in a batch."""
    import numpy as np

    flat = np.concatenate([one.ravel() for one in rows]) if rows else np.zeros(0, np.int32)
    return {
        f"{name}.{FLAT}": flat,
        f"{name}.{SHAPES}": np.array([one.shape for one in rows], np.int64),
        f"{name}.{PAD}": np.asarray(pad, flat.dtype),
    }


def mask(name: str, of: str) -> Arrays:
    """Ones wherever the input `of` has a value, zeros where it was filled up."""
    import numpy as np

    return {f"{name}.{MASK}": np.str_(of)}  # type: ignore[dict-item] # np.savez takes scalars


def shared(name: str, value: Array) -> Arrays:
    """What every request gets alike, with its own first axis."""
    return {f"{name}.{SAME}": value}


def each(name: str, shape: Sequence[int]) -> Arrays:
    """Zeros of one shape for every row; a size may be 0 (a cache in which nothing is yet)."""
    import numpy as np

    return {f"{name}.{EACH}": np.asarray(shape, np.int64)}


def places(name: str, of: str) -> Arrays:
    """Where each value of the input `of` stands in its row, from 0."""
    import numpy as np

    return {f"{name}.{PLACES}": np.str_(of)}  # type: ignore[dict-item] # np.savez takes scalars


def grouped(counts: Iterable[int]) -> Arrays:
    """How many rows each example has, where that is not one."""
    import numpy as np

    return {ENDS: np.concatenate([[0], np.cumsum(list(counts))]).astype(np.int64)}


def texts(ids: Sequence[Array], types: Sequence[Array], pad: int) -> Arrays:
    """Token ids and types of each text, as text models take them."""
    return {
        **ragged("input_ids", ids, pad),
        **mask("attention_mask", "input_ids"),
        **ragged("token_type_ids", types),
    }


# --------------------------------------------------------------------------- reading


class Feeds:
    """Prepared inputs. `len()` is the number of rows, `examples` that of examples."""

    def __init__(self, arrays: Mapping[str, Array]) -> None:
        import numpy as np

        self._arrays = arrays
        self._kinds: dict[str, str] = {}
        for key in arrays:
            name, dot, kind = key.rpartition(".")
            if dot and kind in {ROWS, FLAT, SAME, EACH, *DERIVED}:
                self._kinds[name] = kind
        self._starts = {
            name: np.concatenate([[0], np.cumsum(self._shapes(name).prod(axis=1))])
            for name, kind in self._kinds.items()
            if kind == FLAT
        }
        self.reducer = str(arrays.get(REDUCE, "classes"))
        self.names = tuple(self._kinds)

    def _shapes(self, name: str) -> Array:
        return self._arrays[f"{name}.{SHAPES}"]

    def has(self, name: str) -> bool:
        """Whether there is such an input."""
        return name in self._kinds

    @property
    def is_text(self) -> bool:
        """Whether rows are texts; a text that all rows share is none of theirs."""
        return self._kinds.get("input_ids", SAME) != SAME

    def __len__(self) -> int:
        for name, kind in self._kinds.items():
            if kind == ROWS:
                return len(self._arrays[f"{name}.{ROWS}"])
            if kind == FLAT:
                return len(self._shapes(name))
        return 0

    @property
    def examples(self) -> int:
        return len(self._arrays[ENDS]) - 1 if ENDS in self._arrays else len(self)

    def rows_of(self, example: int) -> range:
        """The rows that belong to one example."""
        if ENDS not in self._arrays:
            return range(example, example + 1)
        start, end = self._arrays[ENDS][example : example + 2]
        return range(int(start), int(end))

    def row(self, index: int) -> Arrays:
        """The inputs of one row, batch 1, unpadded, by input name."""
        return self.padded([index])

    def padded(self, rows: Sequence[int], length: int | None = None) -> Arrays:
        """Several rows as one batch; ragged inputs are filled up to the longest.

        Token sequences are filled up, or cut, to `length` where that is given.
        """
        made = {
            name: self._batch(name, kind, rows, length)
            for name, kind in self._kinds.items()
            if kind not in DERIVED
        }
        derived = {
            name: self._derived(name, kind, rows, made)
            for name, kind in self._kinds.items()
            if kind in DERIVED
        }
        return {name: (made | derived)[name] for name in self._kinds}

    def _batch(self, name: str, kind: str, rows: Sequence[int], length: int | None) -> Array:
        if kind == SAME:
            return _as_fed(self._arrays[f"{name}.{SAME}"])
        if kind == EACH:
            return _zeros(len(rows), self._arrays[f"{name}.{EACH}"])
        if kind == ROWS:
            return self._stacked(name, list(rows))
        return self._filled(name, rows, length)

    def _stacked(self, name: str, rows: list[int]) -> Array:
        """As stored, or rescaled and normalized: float32 [rows, channels, height, width]."""
        import numpy as np

        raw = self._arrays[f"{name}.{ROWS}"][rows]
        if f"{name}.{RESCALE}" not in self._arrays:
            return _as_fed(raw)
        scaled = raw.astype(np.float32) * np.float32(self._arrays[f"{name}.{RESCALE}"])
        mean, std = (self._arrays[f"{name}.{one}"][:, None, None] for one in (MEAN, STD))
        return ((scaled - mean) / std).astype(np.float32)

    def _one(self, name: str, row: int) -> Array:
        start, end = self._starts[name][row : row + 2]
        one: Array = self._arrays[f"{name}.{FLAT}"][start:end].reshape(self._shapes(name)[row])
        return one

    def _filled(self, name: str, rows: Sequence[int], length: int | None) -> Array:
        import numpy as np

        singles = [self._one(name, row) for row in rows]
        shape = [max(sizes) for sizes in zip(*(one.shape for one in singles), strict=True)]
        if length is not None and len(shape) == 1:
            shape = [length]
        fill = self._arrays[f"{name}.{PAD}"]
        batch = np.full((len(singles), *shape), fill, self._arrays[f"{name}.{FLAT}"].dtype)
        for at, single in enumerate(singles):
            kept = tuple(slice(0, min(n, m)) for n, m in zip(single.shape, shape, strict=True))
            batch[at][kept] = single[kept]
        return _as_fed(batch)

    def _derived(
        self, name: str, kind: str, rows: Sequence[int], made: Mapping[str, Array]
    ) -> Array:
        of = str(self._arrays[f"{name}.{kind}"])
        return self._mask(of, rows, made) if kind == MASK else _counted(made[of])

    def _mask(self, of: str, rows: Sequence[int], made: Mapping[str, Array]) -> Array:
        """Ones [rows, longest] over the first axis of each row of the input `of`."""
        import numpy as np

        if self._kinds[of] != FLAT:
            return np.ones(made[of].shape[:2], np.int64)
        lengths = self._shapes(of)[list(rows), 0]
        return (np.arange(made[of].shape[1])[None] < lengths[:, None]).astype(np.int64)

    def longest(self) -> int:
        """Tokens of the longest row; 0 where rows are no sequences."""
        for name, kind in self._kinds.items():
            if kind == FLAT and self._shapes(name).shape[1] == 1:
                return int(self._shapes(name).max())
        return 0

    def exactly(self, batch: int, tokens: int | None) -> Arrays:
        """One batch of the workload's exact shape, made of real rows, for timing."""
        import numpy as np

        rows = [index % len(self) for index in range(batch)]
        made = self.padded(rows)
        if tokens is None:
            return made
        for name, kind in self._kinds.items():
            if kind == FLAT and self._shapes(name).shape[1] == 1:
                flat = np.resize(self._arrays[f"{name}.{FLAT}"], batch * tokens)
                made[name] = _as_fed(flat.reshape(batch, tokens))
        for name, kind in self._kinds.items():
            if kind in DERIVED:
                of = made[str(self._arrays[f"{name}.{kind}"])]
                made[name] = np.ones(of.shape[:2], np.int64) if kind == MASK else _counted(of)
        return made


def _zeros(rows: int, shape: Array) -> Array:
    import numpy as np

    return np.zeros((rows, *shape.tolist()), np.float32)


def _counted(of: Array) -> Array:
    """0, 1, 2, ... along each row."""
    import numpy as np

    return np.tile(np.arange(of.shape[1], dtype=np.int64), (of.shape[0], 1))


def _as_fed(values: Array) -> Array:
    """Whole numbers as int64, floating ones as float32, as exported graphs take them."""
    import numpy as np

    if values.dtype.kind in "bU":
        return values
    return values.astype(np.float32 if values.dtype.kind == "f" else np.int64)


def load_feeds(path: Path) -> Feeds:
    """Feeds written by `prepare`; never unpickles."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        return Feeds({name: file[name] for name in file.files})
