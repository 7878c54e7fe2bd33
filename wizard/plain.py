"""The plain JSON form of any noun: numbers, words, lists and mappings, nothing else.

Covers: the types of JSON values, turning a noun into them.
Does not cover: reading nouns back (pydantic does, where they are read).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from enum import StrEnum
from math import isfinite
from pathlib import Path
from typing import TypeAlias

Scalar: TypeAlias = bool | int | float | str | None
Value: TypeAlias = Scalar | list[Scalar]  # what a setting, a fact or a condition may be
Json: TypeAlias = "Scalar | Sequence[Json] | Mapping[str, Json]"


def jsonable(value: object) -> Json:
    """The plain JSON form of any noun: enums as values, paths as strings, sets sorted.

    NaN and infinities become null, because JSON has neither.
    """
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, float):
        return value if isfinite(value) else None
    if value is None or isinstance(value, bool | int | str):
        return value
    if isinstance(value, Path):
        return value.as_posix()
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: jsonable(getattr(value, f.name)) for f in dataclasses.fields(value)}
    return _jsonable_collection(value)


def _jsonable_collection(value: object) -> Json:
    if isinstance(value, Mapping):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, set | frozenset):
        return sorted(str(item) for item in value)
    if isinstance(value, tuple | list):
        return [jsonable(item) for item in value]
    raise TypeError(f"no JSON form for {type(value).__name__}")
