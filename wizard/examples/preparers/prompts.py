"""Prompts and what should follow them, as a model that writes reads them.

Covers: the prompt with its tokenizer's first tokens, the continuation without; an empty cache of
the shape that config.json says; where a text ends; how much is written at most.
Does not cover: chat templates (a row is the text as it is given), several turns.
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
from wizard.nouns import ExampleSet, ModelProfile

if TYPE_CHECKING:
    from tokenizers import Tokenizer

# What is written where nothing says how much follows, and at most.
WRITTEN, WRITTEN_AT_MOST = 24, 64
BESIDE = 8  # tokens that may be written beyond the longest expected continuation
LAYERS = ("num_hidden_layers", "n_layer", "num_layers")
HEADS = ("num_attention_heads", "n_head", "num_heads")
WIDTH = ("hidden_size", "n_embd", "d_model")
TOKENIZER = "tokenizer.json"


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """What every prompt is fed as, and beside it what should follow, where it ends, how much."""
    import numpy as np

    tokenizer = _tokens.tokenizer(profile, folder, kept)
    if not (kept / TOKENIZER).is_file():  # what is written must become text again
        shutil.copyfile(folder / TOKENIZER, kept / TOKENIZER)
    _tokens.must_be_texts(examples.inputs, profile, examples)
    stops = ends(folder)
    targets = _targets(tokenizer, examples, stops)
    most = max((len(one) for one in targets), default=0)
    room = max(1, _tokens.longest(profile) - (most or WRITTEN))
    prompts = [one.ids[-room:] for one in tokenizer.encode_batch(list(examples.inputs))]
    layers, heads, size = _cache(folder)
    made = {
        **feeds.ragged("input_ids", [np.asarray(one, np.int32) for one in prompts], 0),
        **feeds.mask("attention_mask", "input_ids"),
        **feeds.places("position_ids", "input_ids"),
        **feeds.ragged("target", [np.asarray(one, np.int32) for one in targets], -1),
        **feeds.shared("stops", np.asarray(stops, np.int32)),
        **feeds.shared("limit", np.asarray([_limit(most)], np.int32)),
    }
    for layer in range(layers):
        for what in ("key", "value"):
            made |= feeds.each(f"past_key_values.{layer}.{what}", (heads, 0, size))
    return made


def _limit(most: int) -> int:
    return min(WRITTEN_AT_MOST, most + BESIDE) if most else WRITTEN


def ends(folder: Path) -> list[int]:
    """The tokens that end a text, from generation_config.json or config.json; empty for none."""
    for name in ("generation_config.json", "config.json"):
        path = folder / name
        said = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
        found = said.get("eos_token_id")
        if found is not None:
            return [int(one) for one in (found if isinstance(found, list) else [found])]
    return []


def _targets(tokenizer: Tokenizer, examples: ExampleSet, stops: list[int]) -> list[list[int]]:
    """The tokens of each first answer, with a space before it and the end after it, if any."""
    if not examples.answers:
        return [[] for _ in examples.inputs]
    texts = [
        answers[0] if prompt[-1:].isspace() else f" {answers[0]}"
        for prompt, answers in zip(examples.inputs, examples.answers, strict=True)
    ]
    found = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [[*one.ids, *stops[:1]] for one in found]


def cache_shape(config: Mapping[str, Any]) -> tuple[int, int, int]:
    """Layers, heads and numbers per head of the cache that config.json describes.

    Raises KeyError when it says none of it.
    """
    text = config.get("text_config") or config
    layers, heads, width = (_first(text, names) for names in (LAYERS, HEADS, WIDTH))
    size = text.get("head_dim") or width // heads
    return layers, int(text.get("num_key_value_heads") or heads), int(size)


def _first(config: Mapping[str, Any], names: tuple[str, ...]) -> int:
    for name in names:
        if isinstance(config.get(name), int):
            return int(config[name])
    raise KeyError(names[0])


def _cache(folder: Path) -> tuple[int, int, int]:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    try:
        return cache_shape(config)
    except KeyError as error:
        because = f"it does not say {error.args[0]}, so the shape of its cache is unknown"
        raise ConfigUnreadable(model=folder.name, because=because) from error
