"""Codebooks: a byte stands for a few neighbouring numbers of a weight.

Covers: learning the entries (k-means on vectors), the nearest entry, rounding that lets later
columns make good what earlier ones lost when the layer's inputs are known, scales of the rows.
Does not cover: even rows and columns (_even.py), inputs (_inputs.py), files (_expanded.py).
Sources: Lloyd 1982; Frantar et al. 2022, GPTQ (arXiv 2210.17323) for carrying the error on;
van Baalen et al. 2024, GPTVQ (arXiv 2402.15319) for doing so with vectors.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

ENTRIES = 256  # a byte
ROUNDS = 16
LEARNT_FROM = 32_768  # vectors; more change the entries in the third digit
BINS = 4096
VECTORS_PER_ENTRY = 4  # small weights get smaller books
DAMPING = 0.01  # of the mean power of the inputs, so that the moments can be inverted
AT_A_TIME = 1 << 15


def learnt(vectors: Array, importance: Array | None, seed: int) -> Array:
    """Up to 256 entries [entries, numbers] for `vectors` [n, numbers], by weighted k-means.

    An entry that nothing is near to is moved onto a vector drawn anew.
    """
    import numpy as np

    random = np.random.default_rng(seed)
    at = random.permutation(len(vectors))[:LEARNT_FROM]
    seen = vectors[at].astype(np.float32)
    weight = None if importance is None else importance[at].astype(np.float32)
    mattering = np.ones_like(seen) if weight is None else weight
    count = max(1, min(ENTRIES, len(seen) // VECTORS_PER_ENTRY))
    book = _start(seen, count, random)
    for _ in range(ROUNDS):
        codes = _nearest_by(seen, weight, book)
        for number in range(seen.shape[1]):
            each = mattering[:, number]
            total = np.bincount(codes, each, minlength=count)
            mass = np.bincount(codes, each * seen[:, number], minlength=count)
            book[:, number] = np.where(total > 0, mass / np.maximum(total, 1e-12), book[:, number])
        empty = np.flatnonzero(np.bincount(codes, minlength=count) == 0)
        book[empty] = seen[random.integers(0, len(seen), len(empty))]
    # Sorted, the same weights give the same file; neighbours compress better when zipped.
    order = np.lexsort(book.T[::-1])
    return np.asarray(book[order].astype(np.float16).astype(np.float32))


def _start(seen: Array, count: int, random: np.random.Generator) -> Array:
    """Vectors drawn; single numbers spread by the cube root of their density (Panter, Dite 1951).

    From drawn numbers, k-means on a line needs hundreds of rounds to spread them so.
    """
    import numpy as np

    if seen.shape[1] > 1:
        return seen[random.permutation(len(seen))[:count]].copy()
    height, edge = np.histogram(seen[:, 0], bins=BINS)
    reached = np.concatenate([[0.0], np.cumsum(np.cbrt(height))])
    wanted = (np.arange(count) + 0.5) / count * reached[-1]
    return np.asarray(np.interp(wanted, reached, edge), np.float32)[:, None]


def _nearest_by(seen: Array, weight: Array | None, book: Array) -> Array:
    if weight is None or seen.shape[1] == 1:
        return nearest(seen, book)
    import numpy as np

    distance = weight @ np.square(book).T
    distance -= 2 * (weight * seen) @ book.T
    return np.asarray(distance.argmin(axis=1))


def nearest(vectors: Array, book: Array) -> Array:
    """The nearest entry of each vector, uint8 [n]."""
    import numpy as np

    if vectors.shape[1] == 1:
        order = np.argsort(book[:, 0], kind="stable")
        steps = book[order, 0]
        between = (steps[1:] + steps[:-1]) / 2
        return np.asarray(order[np.searchsorted(between, vectors[:, 0])].astype(np.uint8))
    power = np.square(book).sum(axis=1)
    parts = [
        (power - 2 * vectors[at : at + AT_A_TIME] @ book.T).argmin(axis=1)
        for at in range(0, len(vectors), AT_A_TIME)
    ]
    return np.concatenate(parts).astype(np.uint8)


def carried(values: Array, rows: Array, columns: Array, moments: Array, book: Array) -> Array:
    """Codes [outputs, inputs / numbers] for `values` [outputs, inputs], least error in the output.

    An entry stands for itself times the scales of its row and of its columns. Column by column, the
    error made is carried to the columns still to come, as far as the inputs' second moments
    [inputs, inputs] say they move together.
    """
    import numpy as np

    numbers = book.shape[1]
    factor = whitening(moments)
    left = values.astype(np.float64)
    codes = np.empty((len(values), values.shape[1] // numbers), np.uint8)
    for at in range(0, values.shape[1], numbers):
        here, after = slice(at, at + numbers), slice(at + numbers, None)
        turn = np.linalg.inv(factor[here, here])
        entries = book * columns[here]
        seen, known = left[:, here] @ turn, entries @ turn
        distance = np.square(rows[:, None]) * np.square(known).sum(axis=1)
        distance -= 2 * rows[:, None] * (seen @ known.T)
        codes[:, at // numbers] = distance.argmin(axis=1)
        error = left[:, here] - entries[codes[:, at // numbers]] * rows[:, None]
        left[:, after] -= error @ turn @ factor[here, after]
    return codes


def whitening(moments: Array) -> Array:
    """The upper Cholesky factor of the inverse of the damped moments."""
    import numpy as np

    size = len(moments)
    damping = DAMPING * max(float(np.trace(moments)) / size, 1e-12)
    inverse = np.linalg.inv(moments.astype(np.float64) + damping * np.eye(size))
    return np.asarray(np.linalg.cholesky((inverse + inverse.T) / 2).T)


def row_scales(values: Array, made: Array, moments: Array | None) -> Array:
    """What to multiply each row of `made` with to come nearest to `values`, in the output."""
    import numpy as np

    if moments is None:
        same, power = (values * made).sum(axis=1), np.square(made).sum(axis=1)
    else:
        turned = made.astype(np.float64) @ moments
        same, power = (values * turned).sum(axis=1), (made * turned).sum(axis=1)
    return np.asarray(np.where(power > 0, same / np.maximum(power, 1e-30), 1.0), np.float32)
