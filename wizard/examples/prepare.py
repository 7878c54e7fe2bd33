"""Turns rows into model inputs with the model's own tokenizer or image processor settings.

Covers: finding the task's preparer, writing what it makes. Does not cover: padding (rows stay as
they are), the preparers (one file each in preparers/).
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

from wizard import tasks
from wizard.examples import feeds
from wizard.nouns import ExampleSet, ModelProfile, Workload


def prepare(
    profile: ModelProfile, model_folder: Path, examples: ExampleSet, workload: Workload, out: Path
) -> Path:
    """Write the inputs of every row to `out` (.npz) and return it.

    An example may give several rows (a pair gives two). `workload` bounds nothing here: rows keep
    their length, up to the model's maximum or 512 tokens.
    """
    import numpy as np

    card = tasks.card_of(profile.task)
    preparer = importlib.import_module(f"wizard.examples.preparers.{card.prepare}")
    arrays: dict[str, Any] = preparer.prepare(profile, model_folder, examples, out.parent)
    arrays[feeds.REDUCE] = np.str_(card.reduce)
    temporary = out.with_suffix(".tmp.npz")
    np.savez(temporary, **arrays)
    temporary.replace(out)
    return out
