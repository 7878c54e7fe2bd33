"""The quality of a file on a processor without VNNI, where ours has it.

Covers: as many of the test rows as eight seconds allow, scored against the original's answers to
the same rows; what to say where the file cannot be emulated.
Does not cover: the emulation itself (saturation.py), whether the loss is allowed (compare).
"""

from __future__ import annotations

import tempfile
import time
from collections.abc import Callable
from math import prod
from pathlib import Path

from wizard.errors import WorkerFailed
from wizard.examples.feeds import load_feeds
from wizard.measure import answered, saturation
from wizard.measure.answered import Answered
from wizard.measure.process import Process
from wizard.nouns import Artifact, Quality

SECONDS, ROWS_AT_A_TIME = 8.0, 50
# Bytes that the emulation of one layer may take at once: four values of four bytes a pair.
AT_ONCE, BYTES_A_PAIR = 2_000_000_000, 16


def under_saturation(
    artifact: Artifact,
    feeds: Path,
    scored: Callable[[Answered], Quality],
    threads: int = 1,
) -> tuple[Quality | None, str]:
    """The quality with overflows, and what to say when there is none to give.

    (None, "") where no sum of the file can overflow: its quality here is its quality there.
    `scored` gives the quality of raw answers to the first rows of `feeds`.
    """
    with tempfile.TemporaryDirectory(prefix="emulated-") as room:
        copy = Path(room) / "emulated.onnx"
        emulated = saturation.emulate(artifact.path, copy, count=False)
        needed = emulated.pairs * _positions(feeds) * BYTES_A_PAIR
        if emulated.unread or emulated.too_large or needed > AT_ONCE:
            return None, saturation.NOT_EMULATED
        if emulated.path is None:
            return None, ""
        try:
            raw = _answers(emulated.path, feeds, threads)
        except WorkerFailed:
            return None, saturation.NOT_EMULATED
    return scored(raw), ""


def _positions(feeds: Path) -> int:
    """How often a row is multiplied at most: its tokens, or a quarter of its pixels."""
    known = load_feeds(feeds)
    if known.is_text:
        return known.longest()
    shapes: list[tuple[int, ...]] = [one.shape for one in known.row(0).values()]
    return max(prod(shape[2:]) // 4 if len(shape) > 2 else prod(shape) for shape in shapes)


def _answers(model: Path, feeds: Path, threads: int) -> Answered:
    """Answers to the first rows, as many as eight seconds are expected to be enough for."""
    parts: list[Answered] = []
    out = model.with_suffix(".npz")
    start, total, each = 0, 1, 0.0
    began = time.perf_counter()
    with Process(model, feeds, threads) as process:
        while start < total and (not parts or time.perf_counter() - began + each < SECONDS):
            asked = time.perf_counter()
            said = process.ask("answer", out=str(out), start=start, count=ROWS_AT_A_TIME)
            parts.append(answered.load(out))
            start, total = start + said["rows"], said["of"]
            each = time.perf_counter() - asked
    return answered.joined(parts)
