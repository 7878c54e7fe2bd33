"""Bits of HTML that several steps share. Everything from outside passes `escape`.

Covers: headings, alerts, fact lists, ranges and durations in words, verdict badges.
Does not cover: charts and number formats (wizard.charts).
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from html import escape
from urllib.parse import quote

from wizard import charts, library
from wizard.nouns import Basis, Explained, Quantity, SupportLevel, Verdict
from wizard.ui import words

# Characters of a value, tags included, from which it takes two columns.
LONG = 80
SUPPORT_CSS = {
    SupportLevel.TESTED: "good",
    SupportLevel.SHOULD_WORK: "maybe",
    SupportLevel.NOT_HERE: "bad",
}
VERDICT_CSS = {Verdict.PASS: "good", Verdict.MISS: "bad", Verdict.CANNOT_TELL: "maybe"}
VERDICT_SIGN = {Verdict.PASS: "\u2713", Verdict.MISS: "\u2715", Verdict.CANNOT_TELL: "?"}
BASIS_WORDS = {
    Basis.MEASURED: "measured here",
    Basis.ESTIMATED: "estimated",
    Basis.REPORTED: "measured on your device",
    Basis.CONFIG: "read from the files",
}


def heading(title: str, lead: str) -> str:
    """The title of a step and one sentence."""
    return f"<div class='st-h'><h2>{escape(title)}</h2><p>{escape(lead)}</p></div>"


def alert(explained: Explained | None) -> str:
    """What happened and what to do next; announced when it appears."""
    if explained is None:
        return ""
    return (
        "<div class='alert' role='alert'>"
        f"<p><b>{escape(explained.message)}</b> {escape(explained.next)}</p></div>"
    )


def facts(pairs: Iterable[tuple[str, str]]) -> str:
    """A list of names and values; values are HTML already, a long one gets twice the room."""
    rows = "".join(
        f"<div{' class=wide' if len(value) > LONG else ''}>"
        f"<dt>{escape(name)}</dt><dd>{value}</dd></div>"
        for name, value in pairs
    )
    return f"<dl class='facts'>{rows}</dl>"


def badge(text: str, css: str) -> str:
    """A small coloured label; the words carry the meaning, the colour helps."""
    return f"<span class='badge {css}'>{escape(text)}</span>"


def verdict_badge(verdict: Verdict) -> str:
    """PASS, MISS or CANNOT TELL, with a sign."""
    sign = f"<span aria-hidden='true'>{VERDICT_SIGN[verdict]}</span> "
    return f"<span class='badge {VERDICT_CSS[verdict]}'>{sign}{verdict.value}</span>"


def span(quantity: Quantity) -> str:
    """A forecast as `12 to 18 MB`; one number when both ends read the same."""
    low = quantity.value if quantity.low is None else quantity.low
    high = quantity.value if quantity.high is None else quantity.high
    first, last = _plain(low), _plain(high)
    if first == last:
        return f"{first}\u00a0{quantity.unit}"
    return f"{first} to {last}\u00a0{quantity.unit}"


def _plain(value: float) -> str:
    """Two significant digits: a forecast knows no more."""
    if value == 0:
        return "0"
    rounded = float(f"{value:.2g}")
    return charts.show_number(rounded) if rounded >= 10_000 else f"{rounded:,.10g}".replace(",", "")


def megabytes(value_bytes: float) -> str:
    """Bytes as `14.9 MB` (10**6) or `1.2 GB` (10**9)."""
    if value_bytes >= 1e9:
        return f"{charts.show_number(value_bytes / 1e9)}\u00a0GB"
    return f"{charts.show_number(value_bytes / 1e6)}\u00a0MB"


def count(value: float) -> str:
    """A big number in words: `3.7 million`."""
    for size, name in ((1e9, "billion"), (1e6, "million"), (1e3, "thousand")):
        if value >= size:
            return f"{charts.show_number(value / size)} {name}"
    return f"{value:g}"


def duration(seconds: float) -> str:
    """`8 s`, `2 min 10 s`, `1 h 5 min`."""
    whole = round(seconds)
    if whole < 60:
        return f"{whole}\u00a0s"
    minutes, rest = divmod(whole, 60)
    if minutes >= 60:
        return f"{minutes // 60}\u00a0h {minutes % 60}\u00a0min"
    return f"{minutes}\u00a0min {rest}\u00a0s" if rest and minutes < 10 else f"{minutes}\u00a0min"


def span_of_time(quantity: Quantity) -> str:
    """A forecast of seconds as `20 s to 1 min`."""
    low = quantity.value if quantity.low is None else quantity.low
    high = quantity.value if quantity.high is None else quantity.high
    first, last = duration(_round(low)), duration(_round(high))
    return first if first == last else f"{first} to {last}"


def _round(seconds: float) -> float:
    return round(seconds) if seconds < 10 else 5 * round(seconds / 5)


def milliseconds(value: float) -> str:
    """`33 ms`, or `1.5 s` from a second on."""
    if value >= 1000:
        return f"{value / 1000:g}\u00a0s"
    return f"{value:g}\u00a0ms"


def copyable(element_id: str, text: str, word: str = words.COPY, link: str = "") -> str:
    """A line of code and a button that copies it (or the page's address with `link`)."""
    data = f" data-link='{escape(link)}'" if link else ""
    return (
        f"<div class='copy'><code id='{element_id}'{data} tabindex='0'>{escape(text)}</code>"
        f"<button type='button' class='plain' data-copy='{element_id}' data-word='{escape(word)}'>"
        f"{escape(word)}</button></div>"
    )


@lru_cache(maxsize=64)
def picture(name: str) -> str:
    """An SVG of assets/ui as text."""
    return (library.assets_folder() / "ui" / f"{name}.svg").read_text(encoding="utf-8").strip()


def group_css(groups: Iterable[str]) -> str:
    """A pictogram before each kind of device, as a mask that takes the text's colour."""
    folder = library.assets_folder() / "ui" / "groups"
    rules = []
    for group in groups:
        name = group.lower().replace(" ", "-")
        file = name if (folder / f"{name}.svg").is_file() else "other"
        address = f"url('data:image/svg+xml,{quote(picture(f'groups/{file}'))}')"
        rules.append(
            f"#group label:has(input[value='{group}'])::before"
            f"{{-webkit-mask-image:{address};mask-image:{address}}}"
        )
    return "\n".join(rules)
