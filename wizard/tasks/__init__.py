"""The tasks that we do, one file each; a file of this folder without a leading underscore is one.

Covers: finding a task's card. Does not cover: what is done with it.

A new task is a member of nouns.Task and five files: its card here; a preparer (rows -> model
inputs, examples/preparers), a reducer (raw output -> what is kept of an answer, numpy only,
measure/reducers) and a scorer (kept answers -> evidence for each row, measure/scorers), where no
other task has the same; a run.py (bundle/templates); a sample with its maker (assets/samples).
Nothing else asks which task it is.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Mapping, Sequence
from functools import lru_cache

from wizard.nouns import Task
from wizard.tasks._card import Field, Layout, Reads, TaskCard


@lru_cache(maxsize=1)
def cards() -> Mapping[Task, TaskCard]:
    """Every task that we do, by name."""
    names = sorted(one.name for one in pkgutil.iter_modules(__path__) if one.name[0] != "_")
    found = [importlib.import_module(f"{__name__}.{name}").CARD for name in names]
    return {card.task: card for card in found}


def card_of(task: Task | None) -> TaskCard:
    """The card of a task that we do; `task` is None only where nobody looked at the support."""
    assert task is not None  # noqa: S101 - a model without a task is refused before any work
    return cards()[task]


def writes(task: Task | None) -> bool:
    """Whether models of this task write one token after the other."""
    return task is not None and cards()[task].writes


def labels_beside(task: Task | None) -> bool:
    """Whether labels that the user names are read beside each picture, by a part of their own."""
    if task is None or cards()[task].reads is Reads.TEXTS:
        return False
    return any(field.choices for field in cards()[task].asks)


def of_two(task: Task | None, labels: Sequence[str]) -> bool:
    """Whether a model with these labels is asked about two texts at once, as their names tell."""
    names = {label.casefold().replace("-", "_").replace(" ", "_") for label in labels}
    return task is not None and bool(names & cards()[task].labels_of_two)


def asks(task: Task | None, labels: Sequence[str]) -> tuple[Field, ...]:
    """The boxes that somebody fills in to ask such a model something."""
    card = card_of(task)
    return card.asks_of_two if of_two(task, labels) else card.asks


def bundled(task: Task | None, labels: Sequence[str]) -> str:
    """The sample whose rows stand in where the user has none."""
    card = card_of(task)
    return card.bundled_of_two if of_two(task, labels) else card.bundled


def known(name: str | None) -> Task | None:
    """The task by its name on the Hub, if we do it."""
    return next((task for task in cards() if task.value == name), None)


def alike(one: Task, other: Task) -> bool:
    """Whether two tasks are the same work: prepared and scored by the same code."""
    first, second = card_of(one), card_of(other)
    return (first.prepare, first.score) == (second.prepare, second.score)


def refined(task: str | None, named: str | None) -> str | None:
    """The task that a model's own card names, where it shares the architecture of `task`."""
    other = known(named)
    if other is None or known(task) not in cards()[other].stands_in_for:
        return task
    return other.value


__all__ = [
    "Field",
    "Layout",
    "Reads",
    "TaskCard",
    "alike",
    "asks",
    "bundled",
    "card_of",
    "cards",
    "known",
    "labels_beside",
    "of_two",
    "refined",
    "writes",
]
