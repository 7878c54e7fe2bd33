"""A text with each of the labels it may get, as a sentence that may follow from it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from wizard.errors import DataNotForTask
from wizard.examples import feeds
from wizard.examples.preparers import _tokens
from wizard.nouns import ExampleSet, ModelProfile

# The sentence that transformers' zero-shot pipeline makes of a label.
SENTENCE = "This example is {}."


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """A row for each text and candidate; `follows` is the model's answer that means entailment."""
    import numpy as np

    _tokens.must_be_texts(examples.inputs, profile, examples)
    if len(examples.candidates) < 2:
        needed = "two labels or more to choose from are needed"
        raise DataNotForTask(path=examples.origin, task="zero-shot-classification", needed=needed)
    tokenizer = _tokens.tokenizer(profile, folder, kept)
    tokenizer.enable_truncation(max_length=_tokens.longest(profile), strategy="only_first")
    sentences = [SENTENCE.format(one) for one in examples.candidates]
    pairs = [(text, sentence) for text in examples.inputs for sentence in sentences]
    return (
        _tokens.as_feeds(tokenizer.encode_batch(pairs), folder)
        | feeds.grouped([len(sentences)] * len(examples.inputs))
        | feeds.shared("follows", np.array([_entailment(folder)]))
    )


def _entailment(folder: Path) -> int:
    """The place of entailment among the labels; the last one where none is called so."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = config.get("id2label") or {}
    found = [int(at) for at, name in names.items() if str(name).lower().startswith("entail")]
    return found[0] if found else max((int(at) for at in names), default=0)
