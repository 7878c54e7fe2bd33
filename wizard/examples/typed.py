"""One example as somebody types it into the playground.

Covers: one text, or two that belong together, and labels to choose from.
Does not cover: preparing it for a model.
"""

from __future__ import annotations

from collections.abc import Sequence

from wizard import tasks
from wizard.nouns import ExampleSet, ModelProfile


def typed(profile: ModelProfile, fields: Sequence[str]) -> ExampleSet:
    """The example of what stands in the fields that the task's card asks for."""
    asks = tasks.asks(profile.task, profile.labels)
    texts = [text for field, text in zip(asks, fields, strict=False) if not field.choices]
    named = [text for field, text in zip(asks, fields, strict=False) if field.choices]
    choices = tuple(one for text in named for one in listed(text))
    if len(texts) == 2 and asks[1].optional and not texts[1].strip():
        texts = texts[:1]
    if len(texts) == 2:
        return ExampleSet(origin="typed", pairs=((texts[0], texts[1]),), rows=(0,))
    return ExampleSet(origin="typed", inputs=tuple(texts), candidates=choices, rows=(0,))


def listed(text: str) -> tuple[str, ...]:
    """Labels that stand in one box with commas between them, each once."""
    return tuple(dict.fromkeys(one.strip() for one in text.split(",") if one.strip()))
