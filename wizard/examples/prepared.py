"""Where a model says how its pictures or sounds are prepared.

Covers: preprocessor_config.json, and the same settings as a part of processor_config.json, where
transformers 5 writes all that a processor of several parts needs.
Does not cover: what the settings mean (processor.py, hearing.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from wizard.errors import ConfigUnreadable

ALONE, TOGETHER = "preprocessor_config.json", "processor_config.json"
PARTS = ("image_processor", "feature_extractor")


def read(folder: Path, in_full: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """The settings with what `in_full` makes of them. Raises ConfigUnreadable."""
    try:
        written = settings_in(folder)
    except ValueError as error:
        raise ConfigUnreadable(model=folder.name, because=str(error)) from error
    if written is None:
        raise ConfigUnreadable(model=folder.name, because=f"it has no {ALONE}")
    try:
        return in_full(written)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        named = ALONE if (folder / ALONE).is_file() else TOGETHER
        because = f"{named} cannot be followed ({error})"
        raise ConfigUnreadable(model=folder.name, because=because) from error


def settings_in(folder: Path) -> dict[str, Any] | None:
    """The settings as they are written; None where no file has any.

    Raises ValueError, whose text is fit for a sentence, for what is not JSON or no object.
    """
    alone = _object(folder / ALONE)
    if alone is not None:
        return alone
    together = _object(folder / TOGETHER) or {}
    return next((together[one] for one in PARTS if isinstance(together.get(one), dict)), None)


def _object(path: Path) -> dict[str, Any] | None:
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ValueError(f"{path.name} is not JSON") from error
    if not isinstance(found, dict):
        raise ValueError(f"{path.name} is no JSON object")  # noqa: TRY004 - of the file, no type
    return found
