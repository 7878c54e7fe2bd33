"""Time and births that a step of the machine's clock does not move.

Covers: seconds of a running job, the moment at which a process was started.
Does not cover: when files were written (wall time).
Clocks are set by networks, and machines are put to sleep or moved: a running job was taken for
dead when wall time stepped by two seconds, since process ages are told in wall time on Linux.
"""

from __future__ import annotations

import sys
import time
from collections.abc import Callable

import psutil


def steady() -> Callable[[], float]:
    """Seconds since the epoch as of now, and from now on at the pace of a clock nobody sets."""
    wall, since = time.time(), time.monotonic()
    return lambda: wall + (time.monotonic() - since)


def birth(process: psutil.Process) -> float:
    """When it was started: on Linux in seconds since the machine's start, else since the epoch.

    Raises psutil.NoSuchProcess when it is gone.
    """
    made = float(process.create_time())
    # To what the kernel keeps there, psutil adds the machine's start, which moves with wall time.
    return made - float(psutil.boot_time()) if sys.platform.startswith("linux") else made
