"""Cuts the rows into parts: by label, length, confidence, any column of the data, and pairs.

Covers: which columns are looked at, bands for numbers, the smallest part worth a look, what a
part is called. Does not cover: what a part lost (losses.py).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations
from typing import TYPE_CHECKING, Any

from wizard.nouns import Answers, ExampleSet

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# A column with more values than this names rows, not parts of the data.
VALUES_AT_MOST = 20
COLUMNS_AT_MOST = 8
LABEL, ANSWER, LENGTH, CONFIDENCE = "label", "answer", "length", "confidence"
LANGUAGES = {"language", "lang", "locale"}
SIZES = ("short", "medium", "long")
# Where the original was that sure of its answer; the last band is open.
BANDS = (0.5, 0.8, 0.95)
BAND_NAMES = ("under 50 %", "50 to 80 %", "80 to 95 %", "over 95 %")


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Rows that share a value in one column or in two: `parts` are (column, value)."""

    parts: tuple[tuple[str, str], ...]
    members: Array

    @property
    def column(self) -> str:
        return ", ".join(column for column, _ in self.parts)

    @property
    def value(self) -> str:
        return ", ".join(value for _, value in self.parts)


def parts_of(
    rows: ExampleSet,
    before: Answers,
    labels: Sequence[str],
    languages: Mapping[str, str],
    least: int,
) -> tuple[list[Part], int]:
    """Every part of at least `least` rows with as many left beside it, and how many were smaller.

    A pair of values that holds the same rows as one of the two alone is that one.
    """
    columns = _columns(rows, before, labels, languages)
    found: list[Part] = []
    small = 0
    for part in _all_parts(columns):
        if len(part.members) < least:
            small += 1
        elif len(rows) - len(part.members) >= least:
            found.append(part)
    return found, small


def _all_parts(columns: Mapping[str, Sequence[str]]) -> Iterator[Part]:
    import numpy as np

    coded = {}
    for column, values in columns.items():
        names, codes = np.unique(np.asarray(values, dtype=object).astype(str), return_inverse=True)
        if len(names) < 2:
            continue
        coded[column] = (names, codes)
        for members in _groups(codes):
            name = str(names[codes[members[0]]])
            yield Part(parts=((column, name),), members=members)
    paired = [one for one, (names, _) in coded.items() if _pairs_well(one, len(names))]
    for first, second in combinations(paired, 2):
        yield from _crossed(first, coded[first], second, coded[second])


def _pairs_well(column: str, values: int) -> bool:
    return column not in {CONFIDENCE, ANSWER} and values <= VALUES_AT_MOST


def _crossed(
    first: str, firsts: tuple[Array, Array], second: str, seconds: tuple[Array, Array]
) -> Iterator[Part]:
    import numpy as np

    (names, codes), (other_names, other_codes) = firsts, seconds
    sizes, other_sizes = np.bincount(codes), np.bincount(other_codes)
    for members in _groups(codes * len(other_names) + other_codes):
        one, other = codes[members[0]], other_codes[members[0]]
        if len(members) < min(sizes[one], other_sizes[other]):
            both = ((first, str(names[one])), (second, str(other_names[other])))
            yield Part(parts=both, members=members)


def _groups(codes: Array) -> list[Array]:
    """The rows of each code that occurs, codes ascending."""
    import numpy as np

    order = np.argsort(codes, kind="stable")
    ends = np.flatnonzero(np.diff(codes[order])) + 1
    return list(np.split(order, ends)) if len(order) else []


def _columns(
    rows: ExampleSet, before: Answers, labels: Sequence[str], languages: Mapping[str, str]
) -> dict[str, Sequence[str]]:
    """What the rows can be cut by: column -> one value a row."""
    found: dict[str, Sequence[str]] = {}
    if before.predicted:
        known = before.truth or before.predicted
        found[LABEL if before.truth else ANSWER] = [name_of(one, labels) for one in known]
        found[CONFIDENCE] = _bands(before.confidence)
    lengths = _lengths(rows)
    if lengths:
        found[LENGTH] = lengths
    for name, values in list(rows.columns.items()):
        plain = name.strip().casefold()
        if len(found) >= COLUMNS_AT_MOST or plain in found or not _few(values):
            continue
        found[name] = _named(values, languages) if plain in LANGUAGES else values
    return found


def name_of(answer: int, labels: Sequence[str]) -> str:
    """The label of an answer; a file may give more answers than the model has names for."""
    return labels[answer] if answer < len(labels) else f"answer {answer}"


def _few(values: Sequence[str]) -> bool:
    return 2 <= len(set(values)) <= VALUES_AT_MOST


def _named(values: Sequence[str], languages: Mapping[str, str]) -> list[str]:
    """German for de and for de-AT; a value that is no code we know stays itself."""
    names = {one: languages.get(one.strip().casefold()[:2], one) for one in set(values)}
    codes = all(len(one.strip().replace("_", "-").split("-")[0]) == 2 for one in names)
    return [names[one] for one in values] if codes else list(values)


def _bands(confidence: Sequence[float]) -> list[str]:
    import numpy as np

    return [BAND_NAMES[at] for at in np.digitize(np.asarray(confidence), BANDS)]


def _lengths(rows: ExampleSet) -> list[str]:
    """Short, medium and long: the data's own column, or thirds of the characters."""
    given = next((v for k, v in rows.columns.items() if k.strip().casefold() == LENGTH), None)
    if given is not None and len(given) == len(rows):
        numbers = _numbers(given)
        return list(given) if numbers is None else _thirds(numbers)
    texts = rows.inputs or [first + second for first, second in rows.pairs]
    return _thirds([float(len(text)) for text in texts]) if texts else []


def _numbers(values: Sequence[str]) -> list[float] | None:
    try:
        return [float(one) for one in values]
    except ValueError:
        return None


def _thirds(values: Sequence[float]) -> list[str]:
    import numpy as np

    edges = np.quantile(values, (1 / 3, 2 / 3))
    return [SIZES[at] for at in np.searchsorted(edges, values, side="left")]


def subject(part: Part, noun: str) -> str:
    """The part in plain words: `short German texts`, `pictures of 'seven' with ink 'thin'`."""
    before, after = [], []
    for column, value in sorted(part.parts, key=lambda one: _word_order(one[0])):
        plain = column.strip().casefold()
        if plain == LENGTH and value in SIZES:
            before.append("medium-length" if value == "medium" else value)
        elif plain in LANGUAGES and value[:1].isupper():
            before.append(value)
        else:
            after.append(_told(plain, column, value))
    return " ".join([*before, noun, *after])


def _word_order(column: str) -> int:
    plain = column.strip().casefold()
    order = (LENGTH, *sorted(LANGUAGES), LABEL)
    return order.index(plain) if plain in order else len(order)


def _told(plain: str, column: str, value: str) -> str:
    if plain == LABEL:
        return f"of '{value}'"
    if plain == ANSWER:
        return f"that were '{value}' to the original"
    if plain == CONFIDENCE:
        return f"of which the original was {value} sure"
    return f"with {column} '{value}'"
