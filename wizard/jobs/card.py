"""The question that a stranger to the model asks first: its card.

Covers: turning plain arguments into nouns, calling intake. Apart from the other questions
(answers.py), because the rooms that those need take as long to import again.
"""

from __future__ import annotations

from pathlib import Path

from wizard import intake
from wizard.nouns import Json, ModelProfile, ModelRef, Workload


def examine(ref: Json, workload: Json, cache: str | None) -> ModelProfile:
    """A model's card, kept in `cache` for the next time if there is one."""
    from pydantic import TypeAdapter

    named = TypeAdapter(ModelRef).validate_python(ref)
    asked = TypeAdapter(Workload | None).validate_python(workload)
    return intake.examine(named, asked, cache=Path(cache) if cache else None)
