"""Sounds as the model's own feature extractor hears them: waves, or spectrograms of one size."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wizard.errors import DataNotForTask
from wizard.examples import feeds, hearing, sounds
from wizard.nouns import ExampleSet, ModelProfile


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """input_values of every recording, at the model's sampling rate."""
    import numpy as np

    if examples.sounds is None:
        task = profile.task.on_hub if profile.task else "nothing we do"
        raise DataNotForTask(path=examples.origin, task=task, needed="recordings are needed")
    settings = hearing.read(folder)
    stored = sounds.Stored(examples.sounds)
    heard = [_heard(stored, row, settings) for row in examples.rows]
    if settings["view"] == "spectrogram":
        return feeds.stacked("input_values", np.stack(heard))
    return feeds.ragged("input_values", heard)


def _heard(stored: sounds.Stored, row: int, settings: hearing.Settings) -> Any:
    wave, rate = stored[row]
    return hearing.heard(hearing.at_rate(wave, rate, settings["sampling_rate"]), settings)
