"""Model inputs on disk: one .npz, read row by row.

Covers: rows as they are (batch 1, no padding), padded batches for calibration, one batch of an
exact shape for timing. Does not cover: tokenizing and image work (prepare.py).
Numpy and the standard library only: measuring processes load this file and nothing else of ours.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]


class Feeds:
    """Prepared inputs. `len()` is the number of rows; `is_text` tells the two kinds apart."""

    def __init__(self, arrays: Arrays) -> None:
        self._arrays = arrays
        self.is_text = "offsets" in arrays

    def __len__(self) -> int:
        first = self._arrays["offsets"][1:] if self.is_text else self._arrays["pixels"]
        return len(first)

    def row(self, index: int) -> Arrays:
        """The inputs of one row, batch 1, unpadded, by input name."""
        if not self.is_text:
            return {"pixel_values": self._pixels(slice(index, index + 1))}
        start, end = self._arrays["offsets"][index : index + 2]
        return self._text(self._arrays["ids"][start:end], self._arrays["types"][start:end])

    def _text(self, ids: Any, types: Any) -> Arrays:
        import numpy as np

        return {
            "input_ids": ids[None].astype(np.int64),
            "attention_mask": np.ones((1, len(ids)), np.int64),
            "token_type_ids": types[None].astype(np.int64),
        }

    def _pixels(self, rows: slice | list[int]) -> Any:
        """Rescaled and normalized, float32 [rows, channels, height, width]."""
        import numpy as np

        raw = self._arrays["pixels"][rows].astype(np.float32) * np.float32(self._arrays["rescale"])
        mean, std = self._arrays["mean"], self._arrays["std"]
        return ((raw - mean[:, None, None]) / std[:, None, None]).astype(np.float32)

    def padded(self, rows: Sequence[int], length: int | None = None) -> Arrays:
        """Several rows as one batch; text is padded (or cut) to `length`, or to the longest."""
        import numpy as np

        if not self.is_text:
            return {"pixel_values": self._pixels(list(rows))}
        singles = [self.row(index) for index in rows]
        width = length or max(one["input_ids"].shape[1] for one in singles)
        batch = {
            name: np.zeros((len(singles), width), np.int64)
            for name in ("input_ids", "attention_mask", "token_type_ids")
        }
        batch["input_ids"] += int(self._arrays["pad"])
        for at, single in enumerate(singles):
            for name, value in single.items():
                kept = value[0, :width]
                batch[name][at, : len(kept)] = kept
        return batch

    def longest(self) -> int:
        """Tokens of the longest row (text), 0 for images."""
        import numpy as np

        return int(np.diff(self._arrays["offsets"]).max()) if self.is_text else 0

    def exactly(self, batch: int, tokens: int | None) -> Arrays:
        """One batch of the workload's exact shape, made of real rows, for timing."""
        import numpy as np

        if not self.is_text or tokens is None:
            rows = [index % len(self) for index in range(batch)]
            return self.padded(rows)
        ids = np.resize(self._arrays["ids"], batch * tokens).reshape(batch, tokens)
        return {
            "input_ids": ids.astype(np.int64),
            "attention_mask": np.ones((batch, tokens), np.int64),
            "token_type_ids": np.zeros((batch, tokens), np.int64),
        }


def load_feeds(path: Path) -> Feeds:
    """Feeds written by `prepare`; never unpickles."""
    import numpy as np

    with np.load(path, allow_pickle=False) as file:
        return Feeds({name: file[name] for name in file.files})
