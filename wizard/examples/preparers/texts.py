"""Texts as token ids. A pair is read as one; where vectors are compared, each of its texts is."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wizard import tasks
from wizard.examples import feeds
from wizard.examples.preparers import _tokens
from wizard.nouns import ExampleSet, ModelProfile


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """input_ids, attention_mask and token_type_ids of every text."""
    tokenizer = _tokens.tokenizer(profile, folder, kept)
    tokenizer.enable_truncation(max_length=_tokens.longest(profile))
    apart = tasks.card_of(profile.task).own_space
    pairs = [text for pair in examples.pairs for text in pair] if apart else list(examples.pairs)
    flat = pairs or list(examples.inputs)
    _tokens.must_be_texts(flat, profile, examples)
    made = _tokens.as_feeds(tokenizer.encode_batch(flat), folder)
    return made | feeds.grouped([2] * len(examples.pairs)) if apart and examples.pairs else made
