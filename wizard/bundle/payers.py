"""Who pays, as a section of a page: the sentence, the parts of the data, the answers that changed.

Covers: which parts and which answers are shown first, the table beside the chart.
Does not cover: finding them (compare), the rest of the report (report.py).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from html import escape
from operator import eq

from wizard import charts
from wizard.measure.metrics import features_of, named
from wizard.nouns import Outcome, Quantity, SliceLoss, WhoPays

SLICES_AT_MOST, SLICES_IF_NONE, FLIPS_AT_MOST = 8, 6, 12
YOUR_ROWS = "The examples are rows of the data it was checked on."
CHART_KEY = (
    "Points lost, with 95 % intervals; a red square marks a part that lost more than the rest, "
    "beyond chance. The dashed line is what all rows lost together."
)


def section(outcome: Outcome, candidate_id: str) -> str:
    """The sentence, the chart, its table and the answers that changed."""
    found = outcome.payers.get(candidate_id)
    if found is None:
        return ""
    flips = flips_table(found)
    note = f"<p class='mut'>{YOUR_ROWS}</p>" if flips else ""
    return (
        f"<p><b>{escape(found.sentence)}</b></p>{parts(outcome, candidate_id)}"
        f"<p>{escape(changed_words(found, len(outcome.original.quality.answers.rows)))}</p>"
        f"{flips}{note}"
    )


def parts(outcome: Outcome, candidate_id: str) -> str:
    """The chart of the parts that stand out or lost most, and the same as a table."""
    shown = leading(outcome.payers[candidate_id].slices)
    if not shown:
        return ""
    drawing = charts.slices(shown, whole_loss(outcome, candidate_id))
    unit = shown[0].drop.unit
    return (
        "<div class='paying'><figure class='card fig'><figcaption>"
        f"{unit[0].upper()}{unit[1:]} lost by each part</figcaption>{drawing}"
        f"<p class='mut'>{CHART_KEY}</p></figure>"
        f"<div>{parts_table(outcome.payers[candidate_id])}</div></div>"
    )


def leading(found: Sequence[SliceLoss]) -> tuple[SliceLoss, ...]:
    """The first eight, whoever pays before the others; fewer when nobody does."""
    most = SLICES_AT_MOST if any(one.clear for one in found) else SLICES_IF_NONE
    return tuple(found[:most])


def whole_loss(outcome: Outcome, candidate_id: str) -> float:
    """Points that all rows lost together: of right answers, of the original's, or of the score."""
    before, after = outcome.original.quality, outcome.measurements[candidate_id].quality
    was, now = before.answers, after.answers
    if not now.predicted:
        was_score, score = (features_of([[one.value.value]])[0] for one in (before, after))
        return 100 * float(named(after.metric).loss(was_score, score)[0])
    against = now.truth or was.predicted
    first, second = (sum(map(eq, one.predicted, against)) for one in (was, now))
    return float(100 * (first - second) / max(1, len(against)))


def parts_table(found: WhoPays) -> str:
    """One line a part: rows, before, after, what it lost, how likely that is by chance."""
    rows = [
        (
            charts.part_name(one),
            str(one.rows),
            f"{one.before:.1f}",
            f"{one.after:.1f}",
            lost(one.drop),
            chance(one.p),
            "pays" if one.clear else "",
        )
        for one in leading(found.slices)
    ]
    headings = ("Part", "Rows", "Before", "After", "Lost (95 %)", "By chance", "Stands out")
    few = found.too_small
    had = "1 part has" if few == 1 else f"{few} parts have"
    note = f"<p class='mut'>{had} too few rows to be looked at.</p>"
    return charts.table(headings, rows) + (note if few else "")


def lost(drop: Quantity) -> str:
    """`6.1 (4.2 to 8.3)`, gains with a minus sign."""
    ends = (drop.value, drop.low, drop.high)
    value, low, high = (f"{0.0 if one is None else one:.1f}".replace("-", "\u2212") for one in ends)
    return f"{value} ({low} to {high})"


def chance(p: float) -> str:
    """A probability in per cent."""
    return "under 0.1 %" if p < 0.001 else f"{100 * p:.1f} %" if p < 0.1 else f"{100 * p:.0f} %"


def changed_words(found: WhoPays, rows: int) -> str:
    """How many answers changed, and for better or worse as far as all of them are kept."""
    said = f"{found.flips_total} of {rows} answers changed"
    if found.flips_total != len(found.flips) or not found.flips:
        return f"{said}."
    kinds = Counter(one.kind for one in found.flips)
    return f"{said}: {', '.join(f'{number} {kind}' for kind, number in kinds.items())}."


def flips_table(found: WhoPays) -> str:
    """The first answers that changed, the broken ones first."""
    if not found.flips:
        return ""
    rows = [
        (
            one.kind,
            one.example,
            one.truth,
            _answer(one.before, one.confidence_before),
            _answer(one.after, one.confidence_after),
        )
        for one in found.flips[:FLIPS_AT_MOST]
    ]
    return charts.table(("Change", "Example", "Truth", "Before", "After"), rows)


def _answer(said: str, sure: float | None) -> str:
    return said if sure is None else f"{said} ({sure:.0%})"
