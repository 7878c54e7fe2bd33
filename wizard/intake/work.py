"""What one request is to a model: how many tokens, how large a picture, how long a sound.

Covers: what its files say, what the user asked for, what we assume otherwise.
Does not cover: the model card (card.py).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from wizard import library, tasks
from wizard.nouns import ModelRef, Source, Task, Workload

# Their positions begin after the padding index, so some of them are never used.
POSITIONS_RESERVED = {
    **dict.fromkeys(("roberta", "xlm-roberta", "xlm-roberta-xl", "camembert", "mpnet"), 2),
    **dict.fromkeys(("roberta-prelayernorm", "data2vec-text", "longformer", "ibert", "luke"), 2),
}
DEFAULT_TOKENS, DEFAULT_IMAGE_SIDE, DEFAULT_SECONDS, DEFAULT_LABELS = 128, 224, 3.0, 10
DEFAULT_RATE = 16_000  # samples a second


@dataclass(frozen=True, slots=True)
class Sizes:
    """What the files say: config.json, preprocessor_config.json, the longest input in tokens.

    `image_side` is an .onnx file's own, where it takes pictures of one size.
    """

    config: Mapping[str, Any]
    processor: Mapping[str, Any]
    max_tokens: int | None
    image_side: int | None = None


def request(ref: ModelRef, task: Task | None, asked: Workload | None, said: Sizes) -> Workload:
    """One request: as asked for, as the sample's own file says, or the usual size."""
    batch = asked.batch if asked else 1
    own = library.samples()[ref.name].workload if ref.source is Source.SAMPLE else Workload()
    reads = tasks.card_of(task).reads if task is not None else tasks.Reads.TEXTS
    if reads is tasks.Reads.PICTURES:
        side = said.image_side or side_of(said.config, said.processor)
        return Workload(
            batch=batch,
            image_size=side or DEFAULT_IMAGE_SIDE,
            labels=_labels(task, asked, own),
        )
    if reads is tasks.Reads.SOUND:
        given = (asked.seconds if asked else None) or own.seconds or DEFAULT_SECONDS
        seconds = _whole(said.processor.get("chunk_length")) or given  # it hears one window always
        return Workload(batch=batch, seconds=seconds, samples=_samples(seconds, said))
    tokens = (asked.tokens if asked else None) or own.tokens or DEFAULT_TOKENS
    return Workload(batch=batch, tokens=min(tokens, said.max_tokens or DEFAULT_TOKENS * 4))


def _labels(task: Task | None, asked: Workload | None, own: Workload) -> int | None:
    """How many labels are read beside each picture; None where the model has a list of its own."""
    if not tasks.labels_beside(task):
        return None
    return (asked.labels if asked else None) or own.labels or DEFAULT_LABELS


def _samples(seconds: float, said: Sizes) -> int | None:
    """None for a spectrogram, which has one size."""
    if said.config.get("num_mel_bins"):
        return None
    return round(seconds * (_whole(said.processor.get("sampling_rate")) or DEFAULT_RATE))


def max_tokens(config: Mapping[str, Any], tokenizer: Mapping[str, Any] | None) -> int | None:
    """The longest input: what the positions hold and what the tokenizer was told."""
    limits = []
    positions = _whole(config.get("max_position_embeddings") or config.get("n_positions"))
    if positions:
        limits.append(positions - POSITIONS_RESERVED.get(config["model_type"], 0))
    said = _whole((tokenizer or {}).get("model_max_length"))
    if said and said < 1_000_000:
        limits.append(said)
    return min(limits, default=None)


def side_of(config: Mapping[str, Any], settings: Mapping[str, Any]) -> int | None:
    """Pixels of a side of a prepared picture."""
    for holder in ("crop_size", "size") if settings.get("do_center_crop") else ("size",):
        size = settings.get(holder)
        if isinstance(size, int):
            return size
        if isinstance(size, dict):
            return _whole(size.get("height") or size.get("shortest_edge")) or DEFAULT_IMAGE_SIDE
    return _whole(config.get("image_size"))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None
