"""Pictures through preprocessor_config.json, as transformers does it; kept as bytes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wizard.errors import DataNotForTask
from wizard.examples import feeds, pictures, processor
from wizard.nouns import ExampleSet, ModelProfile


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """pixel_values of every picture: resized and cropped here, normalized when they are read."""
    import numpy as np

    if examples.images is None:
        task = profile.task.value if profile.task else "nothing we do"
        raise DataNotForTask(path=examples.origin, task=task, needed="images are needed")
    settings = processor.read(folder)
    stored = pictures.Stored(examples.images)
    return feeds.stacked(
        "pixel_values",
        np.stack([processor.pixels(stored[row], settings) for row in examples.rows]),
        rescale=settings["rescale_factor"],
        mean=settings["image_mean"],
        std=settings["image_std"],
    )
