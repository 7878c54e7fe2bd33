"""What stands in a cell: a number, or answers that are no label of the model.

Covers: one text among several right ones, tags of words, words behind gaps, in plain text or JSON.
Does not cover: which column (tables.py).
"""

from __future__ import annotations

import json
from math import isfinite

from wizard.errors import DataUnreadable

# How the answer's cell is read: texts of which any is right; one word or tag for each place.
ANY_OF, IN_ORDER = "any of", "in order"
KINDS = frozenset({ANY_OF, IN_ORDER})


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


def answers(cell: str, kind: str) -> tuple[str, ...]:
    """The answers of a cell: a JSON list, SQuAD's {"text": [...]}, or plain text.

    Plain text is one answer (ANY_OF) or one for each word (IN_ORDER).
    """
    found = _json(cell)
    if isinstance(found, dict):
        found = found.get("text", [])
    if isinstance(found, list):
        return tuple(str(one) for one in found)
    return (cell.strip(),) if kind == ANY_OF else tuple(cell.split())


def _json(cell: str) -> object:
    if cell.lstrip()[:1] not in {"[", "{"}:
        return None
    try:
        return json.loads(cell)
    except (json.JSONDecodeError, RecursionError):
        return None
