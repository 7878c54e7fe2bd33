"""Rounding in blocks that lets later columns make good what earlier ones lost, from sample rows.

Covers: codes of few evenly spaced numbers for a matrix whose inputs' second moments are known; the
ends of each block are found for what is left of it when its turn comes.
Does not cover: the ends themselves (_fit.py), codebooks (_codebook.py), looking at rows (_inputs).
Source: Frantar et al. 2022, GPTQ (arXiv 2210.17323). Pure arithmetic.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.strategies._codebook import whitening
from wizard.strategies._fit import Blocks, Method, fitted

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def carried(values: Array, moments: Array, *, bits: int, block: int, method: Method) -> Blocks:
    """Codes for `values` [outputs, inputs] with the least error in the output, block by block.

    `moments` [inputs, inputs] is E[x x^T] of what the matrix multiplies.
    """
    import numpy as np

    rows, inputs = values.shape
    more = -inputs % block
    left = np.pad(values.astype(np.float32), ((0, 0), (0, more)))
    factor = whitening(np.pad(moments, (0, more))).astype(np.float32)
    parts = []
    for at in range(0, left.shape[1], block):
        here, after = slice(at, at + block), slice(at + block, None)
        part = fitted(left[:, here], bits=bits, block=block, method=method)
        codes, errors = _codes(left[:, here], part, factor[here, here], (1 << bits) - 1)
        left[:, after] -= errors @ factor[here, after]
        parts.append((codes, part.scales, part.zeros))
    codes, scales, zeros = (np.concatenate(one, axis=1) for one in zip(*parts, strict=True))
    return Blocks(codes=codes.reshape(rows, -1, block), scales=scales, zeros=zeros)


def _codes(values: Array, ends: Blocks, factor: Array, top: int) -> tuple[Array, Array]:
    """Codes of one block [outputs, columns], and each column's error over its own factor."""
    import numpy as np

    scale, zero = ends.scales[:, 0], ends.zeros[:, 0].astype(np.float32)
    left = values.copy()
    codes, errors = np.empty(values.shape, np.uint8), np.empty_like(left)
    for at in range(values.shape[1]):
        code = np.clip(np.rint(left[:, at] / scale) + zero, 0, top)
        errors[:, at] = (left[:, at] - (code - zero) * scale) / factor[at, at]
        left[:, at + 1 :] -= errors[:, at, None] * factor[at, at + 1 :]
        codes[:, at] = code
    return codes, errors
