"""The model's own tokenizer, with the lengths that the model can take.

Covers: tokenizer.json, made from older files where there is none; truncation, the padding id.
Does not cover: what is tokenized (the preparers beside it).
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wizard.errors import ConfigUnreadable, DataNotForTask
from wizard.examples import feeds
from wizard.examples.preparers import _marian
from wizard.nouns import ExampleSet, ModelProfile

LONGEST = 512


def tokenizer(profile: ModelProfile, folder: Path, kept: Path) -> Any:
    """A tokenizers.Tokenizer without padding; nothing is cut yet. Raises ConfigUnreadable."""
    from tokenizers import Tokenizer

    made = Tokenizer.from_file(str(_file(profile, folder, kept)))
    made.no_padding()
    made.no_truncation()
    return made


def tokenizer_of_answers(folder: Path, reading: Any) -> Any:
    """That of what is written: `reading` itself, but for Marian, which writes other pieces."""
    if (folder / "tokenizer.json").is_file() or not _marian.is_marian(folder):
        return reading
    return _marian.tokenizer(folder, _marian.TARGET)


def longest(profile: ModelProfile) -> int:
    """Tokens of the longest input that the model takes and we give."""
    return min(profile.max_tokens or LONGEST, LONGEST)


def _file(profile: ModelProfile, folder: Path, kept: Path) -> Path:
    """The model's tokenizer.json; one made from older files is kept in `kept` for the bundle."""
    path, made = folder / "tokenizer.json", kept / "tokenizer.json"
    if path.is_file():
        return _read_as_json(path, profile)
    if made.is_file():
        return made
    if _marian.is_marian(folder):
        _marian.tokenizer(folder, _marian.SOURCE).save(str(made))
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


def pad_id(folder: Path) -> int:
    """What fills short rows up."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found = config.get("pad_token_id")
    return found if isinstance(found, int) else 0


def as_feeds(encoded: list[Any], folder: Path) -> dict[str, Any]:
    """The inputs of tokenized texts."""
    import numpy as np

    return feeds.texts(
        [np.asarray(one.ids, np.int32) for one in encoded],
        [np.asarray(one.type_ids, np.int32) for one in encoded],
        pad_id(folder),
    )


def must_be_texts(found: object, profile: ModelProfile, examples: ExampleSet) -> None:
    """Raises DataNotForTask where there are none."""
    if not found:
        task = profile.task.value if profile.task else "nothing we do"
        raise DataNotForTask(path=examples.origin, task=task, needed="texts are needed")
