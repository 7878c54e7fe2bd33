"""Speaks voice-assistant commands from the phrasings in phrases/*.toml.

Covers: choices, slots, polite words around a command, typing mistakes, drawing rows without
repetition. The phrasings are written by us: twenty intents in four languages, each with six known
phrasings (most with choices in them) and three new ones that no training row shows.
Does not cover: training; the makers of `intents` and `sentences` draw from here.
"""

from __future__ import annotations

import random
import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

PHRASES = Path(__file__).resolve().parent / "phrases"
LANGUAGES = ("de", "en", "es", "fr")
KNOWN, NEW = "known", "new"
CHOICE = re.compile(r"\[([^\[\]]*)\]")
SLOT = re.compile(r"\{(\w+)\}")
LOWER_CASE_SHARE = 0.3
TRIES_PER_ROW = 200
# The keys beside each key on a keyboard, for typing mistakes.
NEIGHBOURS = {
    "a": "sq", "b": "vn", "c": "xv", "d": "sf", "e": "wr", "f": "dg", "g": "fh", "h": "gj",
    "i": "uo", "j": "hk", "k": "jl", "l": "k", "m": "n", "n": "bm", "o": "ip", "p": "o",
    "q": "wa", "r": "et", "s": "ad", "t": "ry", "u": "yi", "v": "cb", "w": "qe", "x": "zc",
    "y": "tu", "z": "x",
}  # fmt: skip

Book = Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """One command and where it comes from; `filling` are its slot values by slot and position."""

    text: str
    intent: str
    language: str
    phrasing: str
    filling: tuple[tuple[str, int], ...]

    @property
    def length(self) -> str:
        """`short` up to four words, `medium` up to seven, `long` beyond."""
        words = len(self.text.split())
        return "short" if words <= 4 else "medium" if words <= 7 else "long"


def books() -> dict[str, Book]:
    """The phrasings of each language, as written in its file."""
    return {
        language: tomllib.loads((PHRASES / f"{language}.toml").read_text(encoding="utf-8"))
        for language in LANGUAGES
    }


def intents(book: Book) -> tuple[str, ...]:
    """The names of all intents, sorted."""
    return tuple(sorted(name for name in book if name not in {"before", "after", "slots"}))


def speak(
    rng: random.Random,
    book: Book,
    intent: str,
    language: str,
    phrasing: str,
    wanted: Mapping[str, int] | None = None,
) -> Command:
    """One command in clean writing; slots in `wanted` get that value, the others a random one."""
    given = wanted or {}
    text = rng.choice(book[intent][phrasing])
    text = CHOICE.sub(lambda found: rng.choice(found[1].split("|")), text)
    filling = []
    for slot in SLOT.findall(text):
        index = given.get(slot, rng.randrange(len(book["slots"][slot])))
        text = text.replace(f"{{{slot}}}", book["slots"][slot][index], 1)
        filling.append((slot, index))
    return Command(
        text=" ".join(text.split()),
        intent=intent,
        language=language,
        phrasing=phrasing,
        filling=tuple(filling),
    )


def around(rng: random.Random, book: Book, text: str) -> str:
    """The command with a polite word before or after it, or neither."""
    return f"{rng.choice(book['before'])}{text}{rng.choice(book['after'])}"


def typed(rng: random.Random, text: str, typos: float) -> str:
    """As somebody types it: up to two slips, each with probability `typos`; some in lower case."""
    for _ in range(2):
        if rng.random() < typos:
            text = _slip(rng, text)
    return text.lower() if rng.random() < LOWER_CASE_SHARE else text


def _slip(rng: random.Random, text: str) -> str:
    """A neighbouring key, a lost, a doubled or two swapped letters, at a random letter."""
    letters = [at for at, letter in enumerate(text[:-1]) if letter.lower() in NEIGHBOURS]
    at = rng.choice(letters)
    letter, rest = text[at], text[at + 1 :]
    slips = (
        rng.choice(NEIGHBOURS[letter.lower()]) + rest,
        rest,
        letter + letter + rest,
        rest[0] + letter + rest[1:],
    )
    return text[:at] + rng.choice(slips)


def draw(
    rng: random.Random, count: int, phrasing: str, typos: float, taken: set[str]
) -> list[Command]:
    """`count` different commands, evenly over intents and languages, none of them in `taken`.

    Adds their texts to `taken`. Raises RuntimeError when a cell of the grammar has no more to say.
    """
    shelf = books()
    cells = [(intent, language) for intent in intents(shelf["en"]) for language in LANGUAGES]
    drawn: list[Command] = []
    while len(drawn) < count:
        intent, language = cells[len(drawn) % len(cells)]
        for _ in range(TRIES_PER_ROW):
            plain = speak(rng, shelf[language], intent, language, phrasing)
            text = typed(rng, around(rng, shelf[language], plain.text), typos)
            if text.casefold() not in taken:
                break
        else:
            raise RuntimeError(f"no more to say: {intent} in {language}")
        taken.add(text.casefold())
        drawn.append(replace(plain, text=text))
    return drawn
