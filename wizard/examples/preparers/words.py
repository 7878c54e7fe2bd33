"""Texts word by word: token ids, and the token that each word begins with.

Words are what spaces part. The text goes through the tokenizer whole, as a user would send it.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from wizard.examples import feeds
from wizard.examples.preparers import _tokens
from wizard.nouns import ExampleSet, ModelProfile

WORD = re.compile(r"\S+")
BEYOND = -1  # of a word that was cut off


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """The inputs of texts, and `word_starts` [words] of each."""
    import numpy as np

    _tokens.must_be_texts(examples.inputs, profile, examples)
    tokenizer = _tokens.tokenizer(profile, folder, kept)
    tokenizer.enable_truncation(max_length=_tokens.longest(profile))
    encoded = tokenizer.encode_batch(list(examples.inputs))
    starts = [
        np.asarray(_starts(text, one.offsets), np.int32)
        for text, one in zip(examples.inputs, encoded, strict=True)
    ]
    return _tokens.as_feeds(encoded, folder) | feeds.ragged("word_starts", starts, BEYOND)


def _starts(text: str, offsets: list[tuple[int, int]]) -> list[int]:
    """The first token that reaches into each word."""
    found, token = [], 0
    for word in WORD.finditer(text):
        while token < len(offsets) and offsets[token][1] <= word.start():
            token += 1
        inside = token < len(offsets) and offsets[token][0] < word.end()
        found.append(token if inside else BEYOND)
    return found
