"""Where a compressed model hurts: one sentence, a chart and a table of its layers.

Covers: ranking shown as bars, every layer's figures in a table, what overflows on old processors,
layers left in full precision. The page and the report show the same.
Does not cover: the figures (measure/layers.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape

from wizard import charts
from wizard.nouns import LayerDamage, Measurement

BARS, ROWS = 8, 40
HEADINGS = ("Layer", "In the file", "Adds itself", "Off in all", "Out of range", "Would overflow")
BITS_HEADINGS = ("Layer", "Got", "Answers off at the fewest bits")
BITS_CHOSEN = (
    "Each layer was tried alone at the fewest bits: this is how far the final answers moved. "
    "Layers that matter most keep more bits."
)
# Below this share of its output nobody needs to hear of a layer.
WORTH_TELLING = 0.01
NOT_COMPARED = (
    "The layers were not compared: the two files have no layers in common, or they are larger than "
    "1.5 GB together."
)
KEY = (
    "How far a layer's output is from the original's, on the calibration rows. In front, with its "
    "number: what the layer adds when it is given the original's own inputs; behind: with what it "
    "inherits."
)


def own(layer: LayerDamage) -> float:
    """What a layer adds itself; all of its error where that is not known."""
    return layer.relative_error if layer.own_error is None else layer.own_error


def sentence(after: Measurement) -> str:
    """Where most of the damage is made; empty where layers were not compared."""
    if not after.layers:
        return ""
    worst = after.layers[0]
    if own(worst) < WORTH_TELLING:
        return f"No layer adds an error of more than {charts.show_share(own(worst))} to its output."
    return (
        f"Most of the damage is made in {worst.layer}: on its own it puts its output off by "
        f"{charts.show_share(own(worst))}."
    )


def section(after: Measurement) -> str:
    """Sentence, chart, table; or why there is none. Bits by layer where they were chosen."""
    if not after.layers:
        return f"<p>{NOT_COMPARED}</p>{_bits(after)}"
    return (
        f"<p>{escape(sentence(after))}</p>{_overflowing(after)}{_left(after)}"
        f"<figure class='card fig narrow'>{chart(after.layers[:BARS])}"
        f"<p class='mut'>{escape(KEY)}</p></figure>"
        f"{_table(after.layers)}{_bits(after)}"
    )


def _bits(after: Measurement) -> str:
    """What each layer alone would cost at its fewest bits, and the bits it got."""
    if not after.sensitivity:
        return ""
    rows = [
        (one.layer, one.operator, charts.show_share(one.relative_error))
        for one in after.sensitivity[:ROWS]
    ]
    return (
        f"<p>{BITS_CHOSEN}</p><figure class='card fig narrow'>{chart(after.sensitivity[:BARS])}"
        f"</figure>{charts.table(BITS_HEADINGS, rows)}"
    )


def chart(layers: Sequence[LayerDamage]) -> str:
    """A bar for each layer in the order given: behind with what it inherits, in front its own."""
    longest = max((max(own(one), one.relative_error) for one in layers), default=0.0) or 1.0
    scale = charts.Scale(low=0.0, high=longest, start=0.0, end=charts.WIDTH - 90)
    body = ""
    for row, one in enumerate(layers):
        y = 18 + 42 * row
        front, back = scale(own(one)), scale(max(own(one), one.relative_error))
        body += f'<text class="lb" x="0" y="{y}">{escape(_shortened(one.layer))}</text>'
        for css, wide in (("b", back), ("a", front)):
            width = max(1.0, wide)
            body += (
                f'<rect class="{css}" x="0" y="{y + 6}" width="{width:.1f}" height="13" rx="2"/>'
            )
        share = charts.show_share(own(one))
        body += f'<text class="val" x="{back + 6:.1f}" y="{y + 17}">{share}</text>'
    told = "; ".join(
        f"{one.layer} adds {charts.show_share(own(one))}, "
        f"{charts.show_share(one.relative_error)} in all"
        for one in layers
    )
    return charts.svg(12 + 42 * len(layers), "Damage by layer, worst first", f"{told}.", body)


def _shortened(name: str) -> str:
    """The end of a name too long for a line; the end tells layers apart."""
    letters = int(charts.WIDTH / charts.LETTER)
    return name if len(name) <= letters else f"\u2026{name[1 - letters :]}"


def overflowing(after: Measurement) -> LayerDamage | None:
    """The layer most of whose sums would overflow on a processor without VNNI, if any does."""
    worst = max(after.layers or (), key=lambda one: one.saturated or 0.0, default=None)
    return worst if worst is not None and worst.saturated else None


def _overflowing(after: Measurement) -> str:
    worst = overflowing(after)
    if worst is None:
        return ""
    share = charts.show_share(worst.saturated or 0.0)
    return (
        f"<p>On an older processor (x86 without VNNI) {share} of the 8-bit sums in "
        f"{escape(worst.layer)} would overflow.</p>"
    )


def _left(after: Measurement) -> str:
    names = after.audit.fallbacks
    if not names:
        return ""
    few = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
    return f"<p>Left in full precision: {escape(few)}.</p>"


def _table(layers: Sequence[LayerDamage]) -> str:
    rows = [
        (
            one.layer,
            one.operator,
            charts.show_share(own(one)),
            charts.show_share(one.relative_error),
            _known(one.clipped),
            _known(one.saturated),
        )
        for one in layers[:ROWS]
    ]
    rest = len(layers) - ROWS
    more = f"<p class='mut'>{rest} more layers add less.</p>" if rest > 0 else ""
    return charts.table(HEADINGS, rows) + more


def _known(share: float | None) -> str:
    return "\u2013" if share is None else charts.show_share(share)
