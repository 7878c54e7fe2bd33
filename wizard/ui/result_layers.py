"""The fold "Where the damage is" of the result page.

Covers: the same chart and table as the report, closed until asked for.
Does not cover: what is in them (bundle/damage.py).
"""

from __future__ import annotations

from wizard.bundle import damage as told
from wizard.nouns import Outcome
from wizard.ui import words


def damage(outcome: Outcome) -> str:
    """The delivered candidate's layers, the one that adds most damage first."""
    best = outcome.comparison.chosen or outcome.comparison.nearest
    if best is None:
        return ""
    return (
        f"<details class='sub' id='damage'><summary>{words.DAMAGE}</summary>"
        f"{told.section(outcome.measurements[best])}</details>"
    )
