"""Where a model says how its pictures or sounds are prepared.

Covers: preprocessor_config.json, and the same settings as a part of processor_config.json, where
transformers 5 writes all that a processor of several parts needs; reading a JSON object of a
model's folder.
Does not cover: what the settings mean (processor.py, hearing.py).
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

from wizard.errors import ConfigUnreadable

ALONE, TOGETHER = "preprocessor_config.json", "processor_config.json"
PARTS = ("image_processor", "feature_extractor")


Reader: TypeAlias = Callable[[Path], dict[str, Any] | None]


def read(folder: Path, in_full: Callable[[Mapping[str, Any]], dict[str, Any]]) -> dict[str, Any]:
    """The settings with what `in_full` makes of them. Raises ConfigUnreadable."""
    written = settings_in(folder)
    if written is None:
        raise ConfigUnreadable(model=folder.name, because=f"it has no {ALONE}")
    try:
        return in_full(written)
    except (TypeError, ValueError, KeyError, AttributeError) as error:
        named = ALONE if (folder / ALONE).is_file() else TOGETHER
        because = f"{named} cannot be followed ({error})"
        raise ConfigUnreadable(model=folder.name, because=because) from error


def settings_in(folder: Path, read_json: Reader | None = None) -> dict[str, Any] | None:
    """The settings as they are written; None where no file has any.

    Raises what `read_json` does (by default ConfigUnreadable) for what is no JSON object.
    """
    read_json = read_json or partial(json_object, model=folder.name)
    alone = read_json(folder / ALONE)
    if alone is not None:
        return alone
    together = read_json(folder / TOGETHER) or {}
    return next((together[one] for one in PARTS if isinstance(together.get(one), dict)), None)


def json_object(path: Path, model: str) -> dict[str, Any] | None:
    """What a file of a model says; None when there is no such file. Raises ConfigUnreadable."""
    if not path.is_file():
        return None
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError, RecursionError) as error:
        raise ConfigUnreadable(model=model, because=f"{path.name} is not JSON") from error
    if not isinstance(found, dict):
        raise ConfigUnreadable(model=model, because=f"{path.name} is no JSON object")
    return found
