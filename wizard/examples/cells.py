"""What stands in a cell: a number, or answers that are no label of the model.

Covers: one text among several right ones, tags of words, words behind gaps, labels that hold, in
plain text or JSON.
Does not cover: which column (tables.py).
"""

from __future__ import annotations

import json
import re
from math import isfinite

from wizard.errors import DataUnreadable

# How the answer's cell is read: texts of which any is right; one word or tag for each place; all
# labels that hold, or none.
ANY_OF, IN_ORDER, SEVERAL = "any of", "in order", "several"
KINDS = frozenset({ANY_OF, IN_ORDER, SEVERAL})
APART = re.compile(r"[,;|]")


def number(text: str, column: str, origin: str) -> float:
    """A finite number, with a point or a comma. Raises DataUnreadable."""
    try:
        value = float(text.strip().replace(",", "."))
    except ValueError as error:
        because = f"'{text[:40]}' in the column '{column}' is not a number"
        raise DataUnreadable(path=origin, because=because) from error
    if not isfinite(value):
        raise DataUnreadable(path=origin, because=f"'{column}' holds {text.strip()}")
    return value


def text(cell: str, kind: str) -> str:
    """The text of a cell; words given one by one ("words") are joined by spaces."""
    found = _json(cell) if kind == "words" else None
    if not isinstance(found, list):
        return cell
    return " ".join(str(word).replace(" ", "\u00a0") for word in found)


def holds(cell: str) -> bool:
    """Whether a cell says yes: anything but nothing, 0, no and false."""
    return cell.strip().casefold() not in {"", "0", "0.0", "no", "n", "false"}


def answers(cell: str, kind: str) -> tuple[str, ...]:
    """The answers of a cell: a JSON list, SQuAD's {"text": [...]}, or plain text.

    Plain text is one answer (ANY_OF), one for each word (IN_ORDER) or labels with a comma,
    semicolon or bar between them (SEVERAL).
    """
    found = _json(cell)
    if isinstance(found, dict):
        found = found.get("text", [])
    if isinstance(found, list):
        return tuple(str(one) for one in found)
    if kind == SEVERAL:
        return tuple(one.strip() for one in APART.split(cell) if one.strip())
    return (cell.strip(),) if kind == ANY_OF else tuple(cell.split())


def _json(cell: str) -> object:
    if cell.lstrip()[:1] not in {"[", "{"}:
        return None
    try:
        return json.loads(cell)
    except (json.JSONDecodeError, RecursionError):
        return None
