"""One example as somebody types it into the playground.

Covers: one text, or two that belong together. Does not cover: preparing it for a model.
"""

from __future__ import annotations

from collections.abc import Sequence

from wizard import tasks
from wizard.nouns import ExampleSet, ModelProfile


def typed(profile: ModelProfile, fields: Sequence[str]) -> ExampleSet:
    """The example of what stands in the fields that the task's card asks for."""
    asked = len(tasks.card_of(profile.task).asks)
    texts = tuple(fields[:asked])
    if len(texts) == 2:
        return ExampleSet(origin="typed", pairs=((texts[0], texts[1]),), rows=(0,))
    return ExampleSet(origin="typed", inputs=texts, rows=(0,))
