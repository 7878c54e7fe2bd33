"""What a file has fewer of than the original: stored weights, arithmetic with them. Pure.

Covers: both shares from two audits, and the label that says so.
Does not cover: bits (audit.py).
"""

from __future__ import annotations

import dataclasses

from wizard.nouns import Audit

AS_MANY = 0.97  # two counts of the same network differ by less: tiny tables, folded constants
UNCOMPRESSED = ", not compressed"


def beside(audit: Audit, original: Audit) -> Audit:
    """`audit` with its share of the original's arithmetic; a smaller network's label says so."""
    if not (original.weights and original.work):
        return audit
    weights, work = audit.weights / original.weights, audit.work / original.work
    if weights >= AS_MANY and work >= AS_MANY:
        return audit
    rest = audit.label.removesuffix(UNCOMPRESSED)
    return dataclasses.replace(
        audit,
        label=f"a smaller network ({weights:.0%} of the weights): {rest}",
        work_share=min(1.0, work),
    )
