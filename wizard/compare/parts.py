"""The clause that no part of the data pays for the others: an average can hide a ruined language.

Covers: the limit for a part, the clause when one breaks it.
Does not cover: finding the parts and what they lost, corrected for the looks (who_pays.py).
"""

from __future__ import annotations

from wizard.nouns import Basis, Clause, Plan, Verdict, WhoPays

# A part may lose this many times what is allowed on average (judgement: a tolerance of one point
# is no leave to lose every twentieth answer in one language), and a point in any case.
PART_MAY_LOSE, AT_LEAST_POINTS = 5.0, 1.0
# Rows of which the original was unsure flip first in any honest compression.
NOT_A_PART = {"confidence"}
NAME = "parts of the data"


def parts_clause(plan: Plan, payers: WhoPays) -> Clause | None:
    """A MISS when a part has lost more than it may, beyond chance and all looks; else None."""
    limit = max(PART_MAY_LOSE * plan.needs.tolerance.points, AT_LEAST_POINTS)
    paying = [one for one in payers.slices if one.clear and one.column not in NOT_A_PART]
    beyond = [one for one in paying if (one.drop.low or 0.0) > limit]
    if not beyond:
        return None
    worst = max(beyond, key=lambda one: one.drop.low or 0.0)
    because = (
        f"{payers.sentence} The {worst.rows} rows with {worst.column} '{worst.value}' lost "
        f"{worst.drop.value:.1f} {worst.drop.unit}, for certain more than "
        f"{worst.drop.low or 0:.1f}; with {plan.needs.tolerance.points:g} allowed on average, "
        f"a part may lose {limit:g}."
    )
    return Clause(
        name=NAME,
        verdict=Verdict.MISS,
        limit=limit,
        before=worst.before,
        after=worst.after,
        unit=worst.drop.unit,
        low=worst.drop.low,
        high=worst.drop.high,
        basis=Basis.MEASURED,
        because=because,
        next="Choose a gentler candidate, or look at these rows before you trust this one.",
    )
