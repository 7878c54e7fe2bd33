"""Counts rows before a plan is made: some recipes learn from them, all are scored by them.

Covers: which needs have rows to count, remembering a count until the file changes.
Does not cover: reading the rows, which is done in a child (answers.preview).
"""

from __future__ import annotations

import json
from dataclasses import replace
from functools import lru_cache
from pathlib import Path
from typing import Any

from wizard import examples
from wizard.jobs.questions import ask
from wizard.nouns import ModelProfile, Needs, SupportLevel, jsonable

# What is counted, as a preview and the needs call it.
COUNTED = ("calibration_rows", "requests", "row_tokens", "written_tokens")


def counted(profile: ModelProfile, needs: Needs) -> Needs:
    """With the rows to learn from, where the data is a file, and the requests that score.

    What was counted before stands. Raises what is wrong with the data (DataNotFound, ...).
    """
    if profile.task is None or profile.support.level is SupportLevel.NOT_HERE:
        return needs
    if needs.data == "sample" and needs.requests is None:
        known: dict[str, Any] = {**examples.bundled_counts(profile)}
        return replace(needs, **known)
    ours = needs.data == "sample" or needs.data.startswith("hub:")
    if ours or needs.calibration_rows is not None:
        return needs
    said = examples.parse(needs.data)
    changed = tuple(_changed(one) for one in (said.path, said.calibration or ""))
    card = json.dumps(jsonable(profile), sort_keys=True)
    return replace(needs, **_count(card, needs.data, changed))


def _changed(path: str) -> int:
    return Path(path).stat().st_mtime_ns if path and Path(path).exists() else 0


@lru_cache(maxsize=16)
def _count(card: str, data: str, changed: tuple[int, ...]) -> dict[str, Any]:
    del changed  # it only tells two states of the same files apart
    look = ask("preview", {"profile": json.loads(card), "path": data, "seed": 0})
    assert isinstance(look, dict)  # noqa: S101 - what answers.preview gives
    return {name: look[name] for name in COUNTED}  # the texts that it shows are not kept
