"""A bound against a limit, and numbers as a clause says them.

Covers: the three answers, rounding that never promises too much. Does not cover: any clause.
"""

from __future__ import annotations

import math

from wizard.nouns import Verdict


def three_way(low: float, high: float, limit: float) -> Verdict:
    """Both ends inside: PASS. Both outside: MISS. Otherwise CANNOT TELL."""
    if high <= limit:
        return Verdict.PASS
    return Verdict.MISS if low > limit else Verdict.CANNOT_TELL


def said(value: float, digits: int = 3) -> str:
    """Three digits, and never a power of ten."""
    return f"{value:.{digits}g}" if abs(value) < 10**digits else f"{value:.0f}"


def rounded_up(value: float, digits: int = 3) -> str:
    """Rounded up, so that whoever allows this much is not refused again."""
    if value <= 0:
        return said(value, digits)
    step = 10.0 ** (math.floor(math.log10(value)) - digits + 1)
    return said(math.ceil(value / step - 1e-9) * step, digits)
