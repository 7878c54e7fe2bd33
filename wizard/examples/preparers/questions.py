"""A question and a text together; a long text in overlapping windows.

Windows overlap by a quarter of the model's length, at most 128 tokens (as the usual scripts for
SQuAD do); each is a row of its own, and the best answer of all windows counts.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wizard.examples import feeds
from wizard.examples.preparers import _tokens
from wizard.nouns import ExampleSet, ModelProfile

STRIDE, OUTSIDE = 128, -1


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """The inputs of every window; where each token of the text begins and ends in it (letters)."""
    import numpy as np

    _tokens.must_be_texts(examples.pairs, profile, examples)
    tokenizer = _tokens.tokenizer(profile, folder, kept)
    longest = _tokens.longest(profile)
    questions = [_short(tokenizer, question, longest // 2) for question, _ in examples.pairs]
    tokenizer.enable_truncation(
        max_length=longest, stride=min(STRIDE, longest // 4), strategy="only_second"
    )
    texts = [text for _, text in examples.pairs]
    encoded = tokenizer.encode_batch(list(zip(questions, texts, strict=True)))
    windows = [[one, *one.overflowing] for one in encoded]
    flat = [window for some in windows for window in some]
    places = [_places(window) for window in flat]
    return (
        _tokens.as_feeds(flat, folder)
        | feeds.ragged("begins", [np.asarray(one, np.int32) for one, _ in places], OUTSIDE)
        | feeds.ragged("finishes", [np.asarray(one, np.int32) for _, one in places], OUTSIDE)
        | feeds.grouped(len(some) for some in windows)
    )


def _short(tokenizer: Any, question: str, tokens: int) -> str:
    """The question, cut where it would leave no room for the text."""
    tokenizer.no_truncation()
    offsets = tokenizer.encode(question, add_special_tokens=False).offsets
    return question if len(offsets) <= tokens else question[: offsets[tokens - 1][1]]


def _places(window: Any) -> tuple[list[int], list[int]]:
    sides = zip(window.sequence_ids, window.offsets, strict=True)
    found = [offsets if side == 1 else (OUTSIDE, OUTSIDE) for side, offsets in sides]
    return [start for start, _ in found], [end for _, end in found]
