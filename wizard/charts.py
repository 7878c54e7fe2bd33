"""Charts as inline SVG and numbers as people read them; the same in the page and the report.

Covers: latency strip, trade-off plot, before/after bars, what each part of the data lost, a table
beside each for screen readers.
Does not cover: pages. Colours come from CSS classes (.b before, .a after, .gr grid, .bg limit),
so that light, dark and print follow the style sheet. Everything from outside is escaped.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from html import escape

from wizard.cited import Html
from wizard.nouns import Latency, Quantity, SliceLoss

WIDTH, LEFT, RIGHT = 520, 84, 24
DOTS = 90
# Of a label at 14 px: the mean width of a letter and the height of a line.
LETTER, LINE = 7.6, 17
# Of the chart of parts: where it begins, the height of a row, the letters of a name.
PART_LEFT, ROW, NAME_AT_MOST = 190, 26, 24
PLAIN_COLUMNS = {"length", "language", "label"}
# Where a label's line may stand below or above its dot, nearest first.
SHIFTS = (-9, 5, 19, -25, 35, -41, 51, -57, 67, -73, 83, -89, 99, -105, 115, -121, 131, 147)


def show_number(value: float) -> str:
    """Three significant digits, no exponent."""
    value = float(f"{value:.3g}") if abs(value) < 100 else value
    if value == 0:
        return "0"
    size = abs(value)
    if size >= 100:
        return f"{value:,.0f}".replace(",", "\u202f")
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.2f}" if size >= 0.1 else f"{value:.2g}"


def show_quantity(quantity: Quantity) -> str:
    """Value, unit and, when there is one, the range."""
    if quantity.low is None or quantity.high is None or quantity.low == quantity.high:
        return f"{show_number(quantity.value)} {quantity.unit}"
    return f"{show_number(quantity.low)} to {show_number(quantity.high)} {quantity.unit}"


def show_change(before: float, after: float) -> str:
    """The relative change in per cent, with a real minus sign."""
    if not before:
        return ""
    change = 100 * (after / before - 1)
    if abs(change) < 0.5:
        return "no change"
    sign = "\u2212" if change < 0 else "+"
    return f"{sign}{abs(change):.0f}\u00a0%"


def show_points(points: float) -> str:
    """A difference in points, with a real minus sign."""
    sign = "\u2212" if points < 0 else "+" if points > 0 else ""
    size = f"{abs(points):.2f}".rstrip("0").rstrip(".") or "0"
    return f"{sign}{size} point{'' if size == '1' else 's'}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Scale:
    """A linear axis from `low` to `high` on `start`..`end` pixels."""

    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        span = self.high - self.low or 1.0
        return self.start + (value - self.low) / span * (self.end - self.start)

    def ticks(self, count: int = 4) -> list[float]:
        """Round numbers inside the axis."""
        raw = (self.high - self.low) / count or 1.0
        base = 10.0 ** len(str(int(raw))) / 10 if raw >= 1 else 1.0
        while base > raw:
            base /= 10
        step = next(base * m for m in (1, 2, 5, 10) if base * m >= raw)
        first = int(self.low / step) * step
        made = [first + step * index for index in range(count + 4)]
        return [one for one in made if self.low <= one <= self.high * 1.0001]


def svg(height: int, title: str, told: str, body: str) -> str:
    """A drawing whose title and `told` (its numbers in words) are read aloud."""
    return (
        f'<svg viewBox="0 0 {WIDTH} {height}" role="img" '
        f'aria-label="{escape(title)}. {escape(told)}">'
        f"<title>{escape(title)}</title><desc>{escape(told)}</desc>{body}</svg>"
    )


def _grid(scale: Scale, top: int, bottom: int) -> str:
    return "".join(
        f'<line class="gr" x1="{scale(t):.1f}" x2="{scale(t):.1f}" y1="{top}" y2="{bottom}"/>'
        f'<text x="{scale(t):.1f}" y="{bottom + 18}" text-anchor="middle">{t:.6g}</text>'
        for t in scale.ticks()
    )


def latency_strip(before: Latency, after: Latency, limit_ms: float | None) -> str:
    """Every timed request as a dot, the medians as lines, the limit dashed; milliseconds."""
    shown = [_thinned(one.samples_ms) for one in (before, after)]
    highest = max(max(one) for one in shown)
    if limit_ms is not None and limit_ms < 3 * highest:
        highest = max(highest, limit_ms * 1.1)
    scale = Scale(low=0.0, high=highest * 1.04, start=LEFT, end=WIDTH - RIGHT)
    body = _grid(scale, 14, 128)
    for row, (name, css, values, latency) in enumerate(
        (("Before", "b", shown[0], before), ("After", "a", shown[1], after))
    ):
        y = 44 + 54 * row
        body += f'<text class="lb" x="0" y="{y + 5}">{name}</text>'
        for index, value in enumerate(values):
            jitter = ((index * 37) % 23 - 11) * 1.1
            body += f'<circle class="{css}" cx="{scale(value):.1f}" cy="{y + jitter:.1f}" r="2.6"/>'
        middle = scale(latency.p50.value)
        body += (
            f'<line class="md" x1="{middle:.1f}" x2="{middle:.1f}" y1="{y - 19}" y2="{y + 19}"/>'
        )
        anchor = "end" if middle > WIDTH * 0.75 else "start"
        shift = -6 if anchor == "end" else 6
        body += (
            f'<text class="val" x="{middle + shift:.1f}" y="{y - 14}" text-anchor="{anchor}">'
            f"{show_number(latency.p50.value)} ms</text>"
        )
    if limit_ms is not None and limit_ms <= scale.high:
        x = scale(limit_ms)
        body += f'<line class="bg" x1="{x:.1f}" x2="{x:.1f}" y1="8" y2="128"/>'
        body += (
            f'<text class="bt" x="{x - 5:.1f}" y="124" text-anchor="end">'
            f"limit {limit_ms:.6g}</text>"
        )
    told = f"Medians: {show_number(before.p50.value)} ms before, {show_number(after.p50.value)} ms"
    told += " after." if limit_ms is None else f" after; the limit is {limit_ms:.6g} ms."
    return svg(152, "Latency of every timed request, before and after", told, body)


def _thinned(values: Sequence[float]) -> list[float]:
    """At most DOTS values evenly through the sorted ones, without the slowest hundredth."""
    ordered = sorted(values)[: max(1, int(len(values) * 0.99))]
    step = max(1, len(ordered) // DOTS)
    return ordered[::step]


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """A pair of bars: what it is, before and after, and their unit."""

    name: str
    before: float
    after: float
    unit: str


def bars(pairs: Sequence[Bar]) -> str:
    """Before and after of several quantities, each pair on its own scale."""
    body = ""
    for row, pair in enumerate(pairs):
        y = 10 + 50 * row
        longest = max(pair.before, pair.after) or 1.0
        scale = Scale(low=0, high=longest, start=0, end=WIDTH - LEFT - 40 - 80)
        left = LEFT + 36
        body += f'<text class="lb" x="0" y="{y + 21}">{escape(pair.name)}</text>'
        for offset, css, value in ((0, "b", pair.before), (18, "a", pair.after)):
            width = max(2.0, scale(value))
            label = "val" if css == "a" else ""
            body += (
                f'<rect class="{css}" x="{left}" y="{y + offset}" '
                f'width="{width:.1f}" height="13" rx="2"/>'
                f'<text class="{label}" x="{left + width + 6:.1f}" y="{y + offset + 11}">'
                f"{show_number(value)} {escape(pair.unit)}</text>"
            )
    told = "; ".join(
        f"{one.name} {show_number(one.before)} {one.unit}, then {show_number(one.after)} {one.unit}"
        for one in pairs
    )
    return svg(12 + 50 * len(pairs), "Before and after", f"{told}.", body)


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """A candidate in the trade-off plot. `cost` is megabytes or milliseconds; `score` per cent."""

    name: str
    cost: float
    score: float
    score_low: float
    score_high: float
    chosen: bool = False
    original: bool = False


def trade_off(
    points: Sequence[Point],
    *,
    cost_limit: float | None,
    score_limit: float,
    higher_is_better: bool = True,
) -> str:
    """Cost against score with intervals, better scores above; the zone that keeps is shaded."""
    height, bottom, top = 290, 236, 20
    costs = [one.cost for one in points] + ([cost_limit] if cost_limit else [])
    costs = [one for one in costs if one <= 1.6 * max(point.cost for point in points)]
    lows = [one.score_low for one in points] + [score_limit]
    highs = [one.score_high for one in points] + [score_limit]
    pad = 0.12 * max(0.5, max(highs) - min(lows))
    x = Scale(low=0.0, high=max(costs) * 1.12, start=LEFT - 24, end=WIDTH - RIGHT)
    start, end = (bottom, top) if higher_is_better else (top, bottom)
    y = Scale(low=min(lows) - pad, high=max(highs) + pad, start=start, end=end)
    right = x(min(cost_limit, x.high)) if cost_limit else x.end
    body = (
        f'<rect class="zone" x="{x.start}" y="{top}" width="{max(0.0, right - x.start):.1f}" '
        f'height="{max(0.0, y(score_limit) - top):.1f}"/>'
    )
    body += _grid(x, top, bottom)
    for tick in y.ticks(5):
        body += f'<text x="{x.start - 8}" y="{y(tick) + 4:.1f}" text-anchor="end">{tick:.6g}</text>'
    # The most important is drawn last, on top, and named first, nearest to its dot.
    ordered = sorted(points, key=lambda one: (one.chosen, one.original))
    for point in ordered:
        body += _dot(point, x(point.cost), y)
    places = [(one, x(one.cost), y(one.score)) for one in reversed(ordered)]
    body += _names(places, Box(left=x.start, right=WIDTH, top=top - 14, bottom=bottom))
    told = "; ".join(
        f"{one.name}: {show_number(one.cost)}, score {show_number(one.score)}" for one in points
    )
    return svg(height, "Cost against score; the shaded zone keeps the contract", f"{told}.", body)


def _dot(point: Point, at: float, y: Scale) -> str:
    css = "b" if point.original else "a" if point.chosen else "o"
    low, high, middle = y(point.score_low), y(point.score_high), y(point.score)
    return (
        f'<line class="iv" x1="{at:.1f}" x2="{at:.1f}" y1="{low:.1f}" y2="{high:.1f}"/>'
        f'<circle class="{css} pt" cx="{at:.1f}" cy="{middle:.1f}" r="6"/>'
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    """A rectangle in pixels; y grows downwards."""

    left: float
    right: float
    top: float
    bottom: float

    def meets(self, other: Box) -> bool:
        """Whether the two overlap."""
        apart = self.right <= other.left or other.right <= self.left
        return not (apart or self.bottom <= other.top or other.bottom <= self.top)

    def holds(self, other: Box) -> bool:
        """Whether the other lies inside."""
        across = self.left <= other.left and other.right <= self.right
        return across and self.top <= other.top and other.bottom <= self.bottom


def _names(places: Sequence[tuple[Point, float, float]], frame: Box) -> str:
    """The points' names where they cover neither each other nor a dot, tied to their dots."""
    taken = [Box(left=x - 8, right=x + 8, top=y - 8, bottom=y + 8) for _, x, y in places]
    drawn = ""
    for point, x, y in places:
        box, start = _free_place(len(point.name), x, y, frame, taken)
        taken.append(box)
        css, anchor = ("val" if point.chosen else "lb"), ("start" if start else "end")
        edge = box.left if start else box.right
        if not -20 < box.bottom - y < 30:
            middle = (box.top + box.bottom) / 2
            drawn += (
                f'<line class="iv" x1="{x:.1f}" x2="{edge:.1f}" y1="{y:.1f}" y2="{middle:.1f}"/>'
            )
        drawn += (
            f'<text class="{css}" x="{edge:.1f}" y="{box.bottom - 4:.1f}" '
            f'text-anchor="{anchor}">{escape(point.name)}</text>'
        )
    return drawn


def _free_place(
    letters: int, x: float, y: float, frame: Box, taken: Sequence[Box]
) -> tuple[Box, bool]:
    """The nearest free box for a label, and whether it starts (or ends) beside its dot."""
    width = LETTER * letters
    places = [
        (
            Box(
                left=x + 10 if start else x - 10 - width,
                right=x + 10 + width if start else x - 10,
                top=y + shift - LINE + 4,
                bottom=y + shift + 4,
            ),
            start,
        )
        for shift in SHIFTS
        for start in ((True, False) if x < WIDTH / 2 else (False, True))
    ]
    free = (
        (box, start)
        for box, start in places
        if frame.holds(box) and not any(box.meets(one) for one in taken)
    )
    return next(free, places[0])


def slices(parts: Sequence[SliceLoss], whole: float) -> str:
    """What each part lost, in points, with its interval; `whole` is what all rows lost together.

    A part that lost more than the rest is a red square, the others are dots.
    """
    bottom = 18 + ROW * len(parts)
    ends = [end for one in parts for end in _ends(one.drop)]
    low, high = min(0.0, whole, *ends), max(0.0, whole, *ends)
    scale = Scale(low=low, high=high + 0.05 * (high - low), start=PART_LEFT, end=WIDTH - RIGHT)
    body = _grid(scale, 8, bottom)
    for x, css, dashes in ((scale(0.0), "gr", "none"), (scale(whole), "md", "5 4")):
        body += (
            f'<line class="{css}" stroke-dasharray="{dashes}" x1="{x:.1f}" x2="{x:.1f}" '
            f'y1="8" y2="{bottom}"/>'
        )
    for row, part in enumerate(parts):
        body += _part(part, 24 + ROW * row, scale)
    told = "; ".join(
        f"{part_name(one)}: {show_number(one.drop.value)}, {show_number(_ends(one.drop)[0])} to "
        f"{show_number(_ends(one.drop)[1])}"
        for one in parts
    )
    told = f"All rows lost {show_number(whole)}; {told}."
    return svg(bottom + 26, "Points lost by each part of the data", told, body)


def part_name(part: SliceLoss) -> str:
    """`short, German` for what speaks for itself, `phrasing: new` for the data's own columns."""
    columns, values = part.column.split(", "), part.value.split(", ")
    if len(columns) != len(values):
        return f"{part.column}: {part.value}"
    return ", ".join(
        value if column in PLAIN_COLUMNS else f"{column}: {value}"
        for column, value in zip(columns, values, strict=True)
    )


def _ends(quantity: Quantity) -> tuple[float, float]:
    low = quantity.value if quantity.low is None else quantity.low
    return low, quantity.value if quantity.high is None else quantity.high


def _part(part: SliceLoss, y: int, scale: Scale) -> str:
    name = part_name(part)
    name = name if len(name) <= NAME_AT_MOST else f"{name[: NAME_AT_MOST - 1]}\u2026"
    at = scale(part.drop.value)
    low, high = (scale(one) for one in _ends(part.drop))
    mark = f'<circle class="o pt" cx="{at:.1f}" cy="{y}" r="4.5"/>'
    if part.clear:
        mark = f'<rect class="bt" x="{at - 5:.1f}" y="{y - 5}" width="10" height="10"/>'
    return (
        f'<text class="{"val" if part.clear else "lb"}" x="0" y="{y + 5}">{escape(name)}</text>'
        f'<line class="iv" x1="{low:.1f}" x2="{high:.1f}" y1="{y}" y2="{y}"/>{mark}'
    )


def show_share(share: float) -> str:
    """A share in per cent; a thousandfold stands for "not a number" (measure/inside.py)."""
    if share >= 1000:
        return "no number"
    return f"{show_number(100 * share)}\u00a0%"


def table(headings: Sequence[str], rows: Sequence[Sequence[str]], css: str = "tb") -> str:
    """A plain table, texts escaped and `Html` as it is; on phones each cell carries its heading."""
    head = "".join(f"<th scope='col'>{escape(one)}</th>" for one in headings)
    body = ""
    for row in rows:
        cells = "".join(
            f"<td data-l='{escape(name)}'>{cell if isinstance(cell, Html) else escape(cell)}</td>"
            for name, cell in zip(headings, row, strict=True)
        )
        body += f"<tr>{cells}</tr>"
    return (
        f"<div class='tw'><table class='{css}'><thead><tr>{head}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )
