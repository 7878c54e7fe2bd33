"""Turns rows into model inputs with the model's own tokenizer or image processor settings.

Covers: text through tokenizer.json, images through preprocessor_config.json (resize, centre crop,
rescale, normalize, as transformers does it). Does not cover: padding; rows stay as they are;
what each image processor does (processor.py).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from wizard.errors import ConfigUnreadable, DataNotForTask
from wizard.examples import pictures, processor
from wizard.nouns import ExampleSet, ModelProfile, Task, Workload

LONGEST = 512


def prepare(
    profile: ModelProfile, model_folder: Path, examples: ExampleSet, workload: Workload, out: Path
) -> Path:
    """Write the inputs of every row to `out` (.npz) and return it.

    A pair gives two rows, 2i and 2i+1. `workload` bounds nothing here: rows keep their length,
    up to the model's maximum or 512 tokens.
    """
    import numpy as np

    if profile.task is Task.IMAGE_CLASSIFICATION:
        arrays = _images(profile, model_folder, examples)
    else:
        arrays = _texts(profile, model_folder, examples, out.parent)
    temporary = out.with_suffix(".tmp.npz")
    np.savez(temporary, **arrays)
    temporary.replace(out)
    return out


def _texts(profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path) -> dict[str, Any]:
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_tokenizer(profile, folder, kept)))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=min(profile.max_tokens or LONGEST, LONGEST))
    flat = [text for pair in examples.pairs for text in pair] or list(examples.inputs)
    if not flat:
        raise DataNotForTask(path=examples.origin, task=_task(profile), needed="texts are needed")
    encoded = tokenizer.encode_batch(flat)
    lengths = [len(one.ids) for one in encoded]
    return {
        "ids": np.concatenate([np.asarray(one.ids, np.int32) for one in encoded]),
        "types": np.concatenate([np.asarray(one.type_ids, np.int32) for one in encoded]),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "pad": np.int64(_pad_id(folder)),
    }


def _tokenizer(profile: ModelProfile, folder: Path, kept: Path) -> Path:
    """The model's tokenizer.json; one made from older files is kept in `kept` for the bundle."""
    path, made = folder / "tokenizer.json", kept / "tokenizer.json"
    if path.is_file():
        return _read_as_json(path, profile)
    if made.is_file():
        return made
    from transformers import AutoTokenizer

    try:
        slow = AutoTokenizer.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        slow.backend_tokenizer.save(str(made))
    except (OSError, ValueError, AttributeError, ImportError) as error:
        because = "it has no tokenizer.json and none can be made from its files"
        raise ConfigUnreadable(model=profile.title, because=because) from error
    return made


def _read_as_json(path: Path, profile: ModelProfile) -> Path:
    """The same path, when it is a JSON object with a model: the library's own error is bare."""
    try:
        whole = isinstance(json.loads(path.read_text(encoding="utf-8"))["model"], dict)
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigUnreadable(model=profile.title, because=f"{path.name} is damaged") from error
    if not whole:
        raise ConfigUnreadable(model=profile.title, because=f"{path.name} is damaged")
    return path


def _task(profile: ModelProfile) -> str:
    return profile.task.value if profile.task else "nothing we do"


def _pad_id(folder: Path) -> int:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found = config.get("pad_token_id")
    return found if isinstance(found, int) else 0


def _images(profile: ModelProfile, folder: Path, examples: ExampleSet) -> dict[str, Any]:
    import numpy as np

    if examples.images is None:
        raise DataNotForTask(path=examples.origin, task=_task(profile), needed="images are needed")
    settings = processor.read(folder)
    stored = pictures.Stored(examples.images)
    return {
        "pixels": np.stack([processor.pixels(stored[row], settings) for row in examples.rows]),
        "rescale": np.float32(settings["rescale_factor"]),
        "mean": np.asarray(settings["image_mean"], np.float32),
        "std": np.asarray(settings["image_std"], np.float32),
    }


def batches(rows: Iterable[int], size: int) -> Iterator[list[int]]:
    """Rows in groups of `size`, the last one shorter."""
    group: list[int] = []
    for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
