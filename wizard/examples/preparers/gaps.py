"""Texts with a word left out: the user's own gaps, or one that we make in each text.

A gap is [MASK] (or the model's own mask). A text without one loses a word that is a single piece of
the vocabulary, the same one every time; that word is the right answer.
"""

from __future__ import annotations

import json
import re
import zlib
from pathlib import Path
from typing import Any

from wizard.errors import ConfigUnreadable, DataNotForTask
from wizard.examples import feeds
from wizard.examples.preparers import _tokens
from wizard.nouns import ExampleSet, ModelProfile

GAP = re.compile(r"\[MASK\]|<mask>", re.IGNORECASE)
UNKNOWN = -1  # an answer that is no single piece of the vocabulary, or none was given


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """The inputs; `gaps` [gaps] are their tokens, `missing` [gaps] the pieces that belong there.

    `vocabulary` are all pieces by number, for whoever puts answers into words.
    """
    import numpy as np

    _tokens.must_be_texts(examples.inputs, profile, examples)
    tokenizer = _tokens.tokenizer(profile, folder, kept)
    mask = _mask(folder, profile)
    tokenizer.enable_truncation(max_length=_tokens.longest(profile))
    encoded = tokenizer.encode_batch([GAP.sub(mask, text) for text in examples.inputs])
    number = tokenizer.token_to_id(mask)
    told = examples.answers or ((),) * len(encoded)
    rows = [
        _row(tokenizer, one, number, words, examples.origin)
        for one, words in zip(encoded, told, strict=True)
    ]
    ids, gaps, missing = (
        [np.asarray(one, np.int32) for one in part] for part in zip(*rows, strict=True)
    )
    types = [np.asarray(one.type_ids, np.int32) for one in encoded]
    pieces = [tokenizer.decode([at]).strip() for at in range(tokenizer.get_vocab_size())]
    return (
        feeds.texts(ids, types, _tokens.pad_id(folder))
        | feeds.ragged("gaps", gaps, 0)
        | feeds.ragged("missing", missing, UNKNOWN)
        | feeds.shared("vocabulary", np.array(pieces))
    )


def _mask(folder: Path, profile: ModelProfile) -> str:
    """The model's own mask token."""
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        path = folder / name
        said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        mask = said.get("mask_token")
        mask = mask.get("content") if isinstance(mask, dict) else mask
        if isinstance(mask, str):
            return mask
    raise ConfigUnreadable(model=profile.title, because="its tokenizer names no mask_token")


def _row(
    tokenizer: Any, encoded: Any, mask: int, words: tuple[str, ...], origin: str
) -> tuple[list[int], list[int], list[int]]:
    """Ids, the places of the gaps, and the pieces that belong there."""
    ids = list(encoded.ids)
    gaps = [at for at, one in enumerate(ids) if one == mask]
    if gaps:
        known = [_piece(tokenizer, word) for word in words[: len(gaps)]]
        return ids, gaps, known + [UNKNOWN] * (len(gaps) - len(known))
    fit = _whole_words(tokenizer, encoded)
    if not fit:
        shown = str(tokenizer.decode(ids))[:40]
        needed = f"each text needs [MASK] or a plain word to leave out; '{shown}' has neither"
        raise DataNotForTask(path=origin, task="fill-mask", needed=needed)
    gap = fit[zlib.crc32(bytes(str(ids), "ascii")) % len(fit)]
    missing, ids[gap] = ids[gap], mask
    return ids, [gap], [missing]


def _piece(tokenizer: Any, word: str) -> int:
    """The piece that is this word in the middle of a text."""
    for text in (f" {word}", word):
        ids = tokenizer.encode(text, add_special_tokens=False).ids
        if len(ids) == 1:
            return int(ids[0])
    return UNKNOWN


def _whole_words(tokenizer: Any, encoded: Any) -> list[int]:
    """Tokens that are a word of letters by themselves."""
    words = encoded.word_ids
    alone = [at for at, word in enumerate(words) if word is not None and words.count(word) == 1]
    return [at for at in alone if tokenizer.decode([encoded.ids[at]]).strip().isalpha()]
