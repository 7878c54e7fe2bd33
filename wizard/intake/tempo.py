"""How fast this machine is beside the one that the forecasts of seconds were measured on.

Covers: the interpreter (exports, searches over graphs), arithmetic in 32 bits, and reading weights
from memory, one core each, in a tenth of a second.
Does not cover: more cores than two, disks, other programs at work.

Seconds of the processor are counted, not of the wall: others may want the core meanwhile, and a
command is planned while the libraries load.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from functools import lru_cache

from wizard.nouns import Pace

# Milliseconds on the machine of DECISIONS.md, 2026-11-29 (AMD EPYC with VNNI, Python 3.11).
INTERPRETER_MS, ARITHMETIC_MS = 3.1, 2.5
# The same of DECISIONS.md, 2026-11-30 (Intel Xeon with AMX).
READING_MS = 8.5
TIMES = 4
# A clock that stands still or a machine that sleeps tells nothing: a factor beyond is not believed.
SLOWEST = 8.0
READ_NUMBERS = 32_000_000  # 128 MB: more than caches hold, or a guest's part of them
SIDE = 64  # small enough that no library shares the product among cores


@lru_cache(maxsize=1)
def pace() -> Pace:
    """Measured once in a process; the least of four, so that what disturbs does not count."""
    return Pace(
        interpreter=_beside(INTERPRETER_MS, _interpret),
        arithmetic=_beside(ARITHMETIC_MS, _multiply()),
        reading=_beside(READING_MS, _read()),
    )


def _beside(reference_ms: float, work: Callable[[], object]) -> float:
    taken = min(_milliseconds(work) for _ in range(TIMES))
    return min(SLOWEST, max(1 / SLOWEST, taken / reference_ms))


def _milliseconds(work: Callable[[], object]) -> float:
    began = time.thread_time()
    work()
    return 1000 * (time.thread_time() - began)


def _interpret() -> int:
    seen: dict[tuple[int, str], int] = {}
    letters = 0
    for at in range(20_000):
        key = (at % 97, "x")
        seen[key] = seen.get(key, 0) + at
        letters += len(str(at))
    return letters


def _multiply() -> Callable[[], object]:
    import numpy as np

    ones = np.ones((SIDE, SIDE), np.float32)
    back = np.float32(1 / SIDE)  # every product is ones again: numbers that fade to nothing are
    # a hundred times as slow on some processors, and nothing on others

    def work() -> object:
        product = ones
        for _ in range(400):
            product = ones @ product * back
        return product

    return work


def _read() -> Callable[[], object]:
    import numpy as np

    return np.ones(READ_NUMBERS, np.float32).max
