"""Citations as links: who says so, one click away.

Duty: turn the citations of rules and devices into HTML in which each source that can be read
somewhere is a link (presets/links.toml; arXiv numbers by themselves). Covers: escaping.
Does not cover: where a citation stands on a page (ui, bundle.report).
"""

import re
from functools import lru_cache
from html import escape

from wizard import library

ARXIV = r"arXiv (?P<arxiv>\d{4}\.\d{4,5})"


class Html(str):
    """Text that is HTML already: `charts.table` leaves it as it is."""

    __slots__ = ()


def cited(source: str) -> Html:
    """A citation as HTML: escaped, its sources linked, each opening in a tab of its own."""
    parts = []
    at = 0
    for found in _sources().finditer(source):
        name = found.group()
        arxiv = found.group("arxiv")
        address = f"https://arxiv.org/abs/{arxiv}" if arxiv else library.links()[name]
        opening = f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">'
        parts += [escape(source[at : found.start()]), f"{opening}{escape(name)}</a>"]
        at = found.end()
    return Html("".join([*parts, escape(source[at:])]))


def on_the_hub(model: str) -> Html:
    """A model of the Hub, `owner/name` or `owner/name@revision`, as a link to its page."""
    repo, _, revision = model.partition("@")
    address = f"https://huggingface.co/{repo}" + (f"/tree/{revision}" if revision else "")
    return Html(
        f'<a href="{escape(address)}" target="_blank" rel="noopener noreferrer">{escape(repo)}</a>'
    )


@lru_cache(maxsize=1)
def _sources() -> re.Pattern[str]:
    """Every name that has an address, the longest first, and arXiv numbers."""
    names = sorted(library.links(), key=len, reverse=True)
    return re.compile("|".join([*map(re.escape, names), ARXIV]))
