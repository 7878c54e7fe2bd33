"""Few evenly spaced numbers for many: scale and zero point of each block of a weight.

Covers: rounding between the ends of a block; a search for ends further in, with scales of least
squares. Zero points are whole numbers: ONNX Runtime multiplies three times slower with others, and
half-quadratic optimization (Badri and Shaji 2023), which moves them, gains nothing without that.
Does not cover: uneven columns (_even.py), codebooks (_codebook.py), sample rows. Pure arithmetic.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Method = Literal["nearest", "clipping"]

# How far in the ends of a block are tried.
SHRINK = (1.0, 0.95, 0.9, 0.85, 0.8, 0.75, 0.7, 0.65, 0.6, 0.5)
REFINEMENTS = 2  # least squares of the scale for the codes found, then codes again
AT_A_TIME = 1 << 16  # blocks: bounds the memory of the search


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocks:
    """Codes [rows, blocks, block], scales and zero points [rows, blocks]."""

    codes: Array
    scales: Array
    zeros: Array

    def values(self) -> Array:
        """What the codes stand for, [rows, blocks x block]."""
        import numpy as np

        whole = self.codes.astype(np.float32) - self.zeros[:, :, None]
        return np.asarray((whole * self.scales[:, :, None]).reshape(len(whole), -1))


def fitted(values: Array, *, bits: int, block: int, method: Method) -> Blocks:
    """Codes for `values` [rows, columns]; columns are filled up with zeros to whole blocks.

    Scales are already rounded to half precision, in which tables store them, where that keeps them.
    """
    import numpy as np

    rows, columns = values.shape
    filled = np.pad(values.astype(np.float32), ((0, 0), (0, -columns % block)))
    flat = filled.reshape(-1, block)
    parts = [
        _best(flat[at : at + AT_A_TIME], bits, method) for at in range(0, len(flat), AT_A_TIME)
    ]
    codes, scales, zeros = (np.concatenate(part) for part in zip(*parts, strict=True))
    return Blocks(
        codes=codes.reshape(rows, -1, block),
        scales=scales.reshape(rows, -1),
        zeros=zeros.reshape(rows, -1),
    )


def _best(blocks: Array, bits: int, method: Method) -> tuple[Array, Array, Array]:
    """The candidate with the least error for each block; a later one must be better."""
    import numpy as np

    top = (1 << bits) - 1
    codes = np.zeros(blocks.shape, np.uint8)
    scales, zeros = np.ones(len(blocks), np.float32), np.zeros(len(blocks), np.uint8)
    least = np.full(len(blocks), np.inf)
    for scale, zero in _candidates(blocks, top, method):
        halved = _as_stored(scale)
        tried = np.clip(np.rint(blocks / halved) + zero, 0, top)
        error = np.square((tried - zero) * halved - blocks).sum(axis=1)
        better = error < least
        least = np.where(better, error, least)
        codes[better] = tried[better]
        scales[better], zeros[better] = halved[better, 0], zero[better, 0]
    return codes, scales, zeros


def _as_stored(scale: Array) -> Array:
    """Scales as half precision holds them; tiny ones would lose their digits and stay."""
    import numpy as np

    with np.errstate(over="ignore"):  # beyond 65504: stays as it is
        halved = scale.astype(np.float16).astype(np.float32)
    return np.where(fits_half(scale), halved, scale)


def fits_half(scale: Array) -> Array:
    """Where half precision keeps eleven bits."""
    import numpy as np

    return np.asarray((np.abs(scale) >= 6.2e-5) & (np.abs(scale) < 6.5e4))


def _candidates(blocks: Array, top: int, method: Method) -> Iterator[tuple[Array, Array]]:
    """Scales and zero points to try, [blocks, 1] each."""
    import numpy as np

    low = np.minimum(blocks.min(axis=1, keepdims=True), 0)
    high = np.maximum(blocks.max(axis=1, keepdims=True), 0)
    width = np.where(high > low, high - low, 1.0)
    for shrink in SHRINK if method == "clipping" else SHRINK[:1]:
        scale = (width * shrink / top).astype(np.float32)
        zero = np.clip(np.rint(-low * shrink / scale), 0, top)
        yield scale, zero
        if method == "clipping":
            yield from _refined(blocks, scale, zero, top)


def _refined(blocks: Array, scale: Array, zero: Array, top: int) -> Iterator[tuple[Array, Array]]:
    """The scale of least squares for the codes that a scale leads to."""
    import numpy as np

    for _ in range(REFINEMENTS):
        whole = np.clip(np.rint(blocks / scale) + zero, 0, top) - zero
        power = np.square(whole).sum(axis=1, keepdims=True)
        found = (blocks * whole).sum(axis=1, keepdims=True) / np.maximum(power, 1e-12)
        scale = np.where(found > 0, found, scale).astype(np.float32)
        yield scale, zero
