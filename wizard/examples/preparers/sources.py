"""Texts to rewrite and what should come of them, as a model of two parts reads and writes them.

Covers: the source with its tokenizer's own tokens, the token that writing begins with, the
expected text with its end; empty caches of the shape that config.json says; tokens that are never
written; how much is written at most.
Does not cover: prefixes that name the work ("summarize: "; a row is the text as it is given),
languages chosen by a token.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.errors import ConfigUnreadable
from wizard.examples import feeds
from wizard.examples.preparers import _tokens
from wizard.examples.preparers.prompts import TOKENIZER, ends
from wizard.nouns import ExampleSet, ModelProfile

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What is written where nothing says how much follows, and at most; beyond the longest expected.
WRITTEN, WRITTEN_AT_MOST, BESIDE = 32, 128, 8
LAYERS = ("num_decoder_layers", "decoder_layers", "num_layers", "num_hidden_layers")
HEADS = ("decoder_attention_heads", "num_heads", "num_attention_heads")
WIDTH = ("d_model", "hidden_size")
DECODER = "decoder_input_ids"


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """What every source is fed as, and beside it what should be written, where it ends, how much.

    Raises ConfigUnreadable where the config says neither how writing begins nor the cache's shape.
    """
    import numpy as np

    tokenizer = _tokens.tokenizer(profile, folder, kept)
    if not (kept / TOKENIZER).is_file():  # what is written must become text again
        shutil.copyfile(folder / TOKENIZER, kept / TOKENIZER)
    _tokens.must_be_texts(examples.inputs, profile, examples)
    said, stops = settings_of(folder), ends(folder)
    first = begins(said, folder)
    writing = _tokens.tokenizer_of_answers(folder, tokenizer)
    targets = _targets(writing, examples, first, stops)
    most = max((len(one) for one in targets), default=0)
    sources = _sources(tokenizer, examples, _tokens.longest(profile), stops)
    return {
        **feeds.ragged("input_ids", sources, _tokens.pad_id(folder)),
        **feeds.mask("attention_mask", "input_ids"),
        **feeds.stacked(DECODER, np.tile(np.asarray(first, np.int32), (len(sources), 1))),
        **caches(said, folder),
        **feeds.ragged("target", [np.asarray(one, np.int32) for one in targets], -1),
        **feeds.shared("stops", np.asarray(stops, np.int32)),
        **feeds.shared("never", np.asarray(never(said), np.int32)),
        **feeds.shared("limit", np.asarray([_limit(most)], np.int32)),
    }


def _limit(most: int) -> int:
    return min(WRITTEN_AT_MOST, most + BESIDE) if most else WRITTEN


def settings_of(folder: Path) -> dict[str, Any]:
    """config.json, with what generation_config.json says instead."""
    said: dict[str, Any] = {}
    for name in ("config.json", "generation_config.json"):
        path = folder / name
        if path.is_file():
            said |= json.loads(path.read_text(encoding="utf-8"))
    return said


def begins(said: Mapping[str, Any], folder: Path) -> list[int]:
    """The tokens that writing begins with: the decoder's first one, and one that is forced on it.

    Raises ConfigUnreadable where none is named.
    """
    start = said.get("decoder_start_token_id")
    if not isinstance(start, int):
        because = "it does not say decoder_start_token_id, so nobody knows how its texts begin"
        raise ConfigUnreadable(model=folder.name, because=because)
    forced = said.get("forced_bos_token_id")
    return [start, *([forced] if isinstance(forced, int) else [])]


def never(said: Mapping[str, Any]) -> list[int]:
    """Tokens that transformers bars as well (suppress_tokens, bad words of a single token)."""
    bad = [one[0] for one in said.get("bad_words_ids") or [] if len(one) == 1]
    return sorted({int(one) for one in (*bad, *(said.get("suppress_tokens") or [])) if one >= 0})


def _sources(tokenizer: Tokenizer, examples: ExampleSet, room: int, stops: list[int]) -> list[Any]:
    """The tokens of each source; one that is too long keeps its end token."""
    import numpy as np

    found = [one.ids for one in tokenizer.encode_batch(list(examples.inputs))]
    return [np.asarray(_cut(one, room, stops), np.int32) for one in found]


def _cut(tokens: list[int], room: int, stops: list[int]) -> list[int]:
    if len(tokens) <= room or tokens[-1] not in stops:
        return tokens[:room]
    return [*tokens[: room - 1], tokens[-1]]


def _targets(
    tokenizer: Tokenizer, examples: ExampleSet, first: list[int], stops: list[int]
) -> list[list[int]]:
    """The tokens of each first answer, without what writing begins with and with the end."""
    if not examples.answers:
        return [[] for _ in examples.inputs]
    made = []
    for one in tokenizer.encode_batch([answers[0] for answers in examples.answers]):
        ids = list(one.ids)
        if first[1:] and ids[:1] == first[1:]:
            ids = ids[1:]
        if stops and ids[-1:] and ids[-1] not in stops:
            ids.append(stops[0])
        made.append(ids)
    return made


def cache_shape(said: Mapping[str, Any]) -> tuple[int, int, int]:
    """Decoder layers, heads and numbers per head. Raises KeyError when the config says none."""
    layers, heads = (_first(said, names) for names in (LAYERS, HEADS))
    return layers, heads, int(said.get("d_kv") or _first(said, WIDTH) // heads)


def _first(said: Mapping[str, Any], names: tuple[str, ...]) -> int:
    for name in names:
        if isinstance(said.get(name), int):
            return int(said[name])
    raise KeyError(names[0])


def caches(said: Mapping[str, Any], folder: Path) -> dict[str, Any]:
    """Both caches of every layer, empty. Raises ConfigUnreadable."""
    try:
        layers, heads, size = cache_shape(said)
    except KeyError as error:
        because = f"it does not say {error.args[0]}, so the shape of its cache is unknown"
        raise ConfigUnreadable(model=folder.name, because=because) from error
    made: dict[str, Any] = {}
    for layer in range(layers):
        for part in ("decoder", "encoder"):
            for what in ("key", "value"):
                name = f"past_key_values.{layer}.{part}.{what}"
                made |= feeds.each(name, (heads, 0, size))
    return made
