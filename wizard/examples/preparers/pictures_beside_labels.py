"""Pictures, and beside them the labels to choose from, each as a sentence that all rows share."""

from __future__ import annotations

import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.errors import DataNotForTask
from wizard.examples import choosing, feeds
from wizard.examples.preparers import _tokens, pictures
from wizard.nouns import ExampleSet, ModelProfile

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """A row for each picture; `input_ids` [labels, tokens], and `alone` for who reads the answers.

    `alone`: each label is judged by itself.
    """
    import numpy as np

    seen = pictures.prepare(profile, folder, examples, kept)
    if len(examples.candidates) < 2:
        needed = "two labels or more to choose from are needed"
        raise DataNotForTask(
            path=examples.origin, task="zero-shot-image-classification", needed=needed
        )
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    tokenizer = _tokens.tokenizer(profile, folder, kept)
    tokenizer.enable_truncation(max_length=choosing.longest(config))
    said = [choosing.sentence(one, config) for one in examples.candidates]
    ids = [one.ids for one in tokenizer.encode_batch(said)]
    alone = choosing.judged_alone(config)
    length = choosing.longest(config) if alone else max(map(len, ids))
    filled, mask = _filled(ids, length, _filler(config))
    return {
        **seen,
        **feeds.shared("input_ids", filled),
        **feeds.shared("attention_mask", mask),
        **feeds.shared("alone", np.array([alone], np.int32)),
    }


def _filler(config: dict[str, Any]) -> int:
    """What fills a text up. A model that looks at the end of a text does not see it (CLIP)."""
    found = (config.get("text_config") or {}).get("pad_token_id")
    return found if isinstance(found, int) else 1


def _filled(ids: Sequence[Sequence[int]], length: int, filler: int) -> tuple[Array, Array]:
    """The texts at one length [labels, length], and ones where they are [labels, length]."""
    import numpy as np

    filled = np.full((len(ids), length), filler, np.int32)
    mask = np.zeros((len(ids), length), np.int32)
    for at, one in enumerate(ids):
        filled[at, : len(one)] = one
        mask[at, : len(one)] = 1
    return filled, mask
