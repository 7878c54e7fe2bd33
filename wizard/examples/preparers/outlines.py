"""Pictures as they are prepared elsewhere, with every pixel's right label where it is known."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wizard.examples import feeds, prepared, processor
from wizard.examples import pictures as stored_pictures
from wizard.examples.preparers import pictures
from wizard.nouns import ExampleSet, ModelProfile

NEAREST = 0  # PIL's code: labels are not mixed
NO_LABEL = 255  # the field's own mark for pixels that do not count


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """pixel_values; and `truth` [height, width] at the same size, for whoever reads the answers."""
    import numpy as np

    made = pictures.prepare(profile, folder, examples, kept)
    if examples.masks is None:
        return made
    settings = processor.read(folder) | {"resample": NEAREST, "do_flip_channel_order": False}
    stored = stored_pictures.Stored(examples.masks, "masks")
    truths = [processor.pixels(stored[row], settings)[0] for row in examples.rows]
    if _without_ground(folder):
        truths = [np.where(one == 0, NO_LABEL, one - 1).astype(np.uint8) for one in truths]
    return made | feeds.stacked("truth", np.stack(truths))


def _without_ground(folder: Path) -> bool:
    """Whether the masks count the ground as 0 and the model does not know it."""
    written = prepared.settings_in(folder) or {}
    return bool(written.get("do_reduce_labels") or written.get("reduce_labels"))
