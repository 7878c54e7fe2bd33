"""The model card: what a model is, from its config and file list, before any weights.

Covers: task, family, parameters by kind and multiply-adds (built on torch's meta device, where
weights cost nothing), licence, support verdict; a cache, so that a second look needs no torch.
Does not cover: the weights themselves (weights.py), where files come from (source.py).
"""

from __future__ import annotations

import hashlib
import json
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wizard import library
from wizard.errors import ConfigUnreadable, RemoteCode
from wizard.intake import source
from wizard.intake.count import Count, count
from wizard.nouns import (
    Family,
    ModelProfile,
    ModelRef,
    ParameterCount,
    Source,
    Support,
    SupportLevel,
    Task,
    Workload,
    jsonable,
)

# The endings of config.json's `architectures`, and the Hub task each one answers. Checked in
# tests against the task names and AutoModel classes that optimum keeps.
TASK_OF_ENDING = {
    "ForSequenceClassification": "text-classification",
    "ForImageClassification": "image-classification",
    "ForTokenClassification": "token-classification",
    "ForQuestionAnswering": "question-answering",
    "ForMaskedLM": "fill-mask",
    "ForMultipleChoice": "multiple-choice",
    "ForCausalLM": "text-generation",
    "LMHeadModel": "text-generation",
    "ForConditionalGeneration": "text2text-generation",
    "MTModel": "text2text-generation",
    "ForObjectDetection": "object-detection",
    "ForSemanticSegmentation": "image-segmentation",
    "ForImageSegmentation": "image-segmentation",
    "ForAudioClassification": "audio-classification",
    "ForCTC": "automatic-speech-recognition",
    "ForSpeechSeq2Seq": "automatic-speech-recognition",
    "ForZeroShotImageClassification": "zero-shot-image-classification",
    "ForDepthEstimation": "depth-estimation",
    "Model": "feature-extraction",
}
DEFAULT_TOKENS = 128
# Raise it when a card says more or counts differently; older cards are then made anew.
CARD_LAYOUT = 1
DEFAULT_IMAGE_SIDE = 224


def examine(
    ref: ModelRef, workload: Workload | None = None, cache: Path | None = None
) -> ModelProfile:
    """The card of a model. A task we do not do gives a card that says so, not an error.

    Raises RemoteCode, ConfigUnreadable, UnknownArchitecture, and what `source` raises.
    """
    pinned = source.resolve(ref)
    found = source.listing(pinned)
    config = _config(pinned, found.folder)
    key = _key(pinned, config, found.files, workload)
    known = _from_cache(cache, key)
    if known is not None:
        return known
    profile = _profile(pinned, config, found, workload)
    if cache is not None:
        _to_cache(cache, key, profile)
    return profile


def cached(ref: ModelRef, workload: Workload | None, cache: Path) -> ModelProfile | None:
    """The card from an earlier look, without torch and without the network."""
    if ref.source is Source.HUB:
        return None
    found = source.listing(ref)
    return _from_cache(cache, _key(ref, _config(ref, found.folder), found.files, workload))


def _config(ref: ModelRef, folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    if not path.is_file():
        raise ConfigUnreadable(model=str(ref), because="there is none")
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigUnreadable(model=str(ref), because="it is not JSON") from error
    if not isinstance(config, dict) or "model_type" not in config:
        raise ConfigUnreadable(model=str(ref), because="it names no model_type")
    if "auto_map" in config:
        raise RemoteCode(model=str(ref))
    return config


def _key(
    ref: ModelRef, config: dict[str, Any], files: dict[str, int], workload: Workload | None
) -> str:
    parts = [
        str(ref),
        config,
        files,
        jsonable(workload),
        [CARD_LAYOUT, *(version(name) for name in ("torch", "transformers"))],
        jsonable(_family(config)),
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _from_cache(cache: Path | None, key: str) -> ModelProfile | None:
    from pydantic import TypeAdapter

    path = cache / "cards" / f"{key}.json" if cache else None
    if path is None or not path.is_file():
        return None
    return TypeAdapter(ModelProfile).validate_json(path.read_bytes())


def _to_cache(cache: Path, key: str, profile: ModelProfile) -> None:
    path = cache / "cards" / f"{key}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(jsonable(profile)), encoding="utf-8")
    temporary.replace(path)


def _family(config: dict[str, Any]) -> Family | None:
    kind = config.get("model_type")
    return next((one for one in library.families().values() if kind in one.model_types), None)


def _profile(
    ref: ModelRef, config: dict[str, Any], found: source.Listing, workload: Workload | None
) -> ModelProfile:
    task_name = task_of(config)
    family = _family(config)
    support = _support(config, task_name, family)
    task = Task(task_name) if task_name in set(Task) else None
    image_side = _image_side(config, found.folder)
    max_tokens = _max_tokens(config, found.folder)
    work = _workload(ref, task, workload, max_tokens, image_side)
    counted = count(config, task, work) if support.level is not SupportLevel.NOT_HERE else Count()
    header = _readme_header(found.folder)
    weights = sum(size for name, size in found.files.items() if name.endswith(".safetensors"))
    return ModelProfile(
        ref=ref,
        title=_title(ref),
        family=family.id if family else str(config["model_type"]),
        task=task,
        architecture=(config.get("architectures") or ["?"])[0],
        parameters=ParameterCount(
            embedding=counted.embedding,
            linear=counted.linear,
            conv=counted.conv,
            other=counted.other,
        ),
        weights_bytes=weights or 4 * counted.total,
        dtype=str(config.get("dtype") or config.get("torch_dtype") or "float32"),
        macs=counted.macs,
        workload=work,
        support=support,
        licence=_licence(header),
        base_model=_text(header.get("base_model")),
        labels=_labels(config) if task is not Task.FEATURE_EXTRACTION else (),
        max_tokens=max_tokens,
        image_size=image_side if task is Task.IMAGE_CLASSIFICATION else None,
        channels=int(config.get("num_channels", 3)),
        hidden_size=_whole(config.get("hidden_size")),
        layers=_layers(config),
        vocabulary=_whole(config.get("vocab_size")),
        depthwise_share=counted.depthwise / counted.conv if counted.conv else 0.0,
        tied_embeddings=bool(config.get("tie_word_embeddings", False)) and task is None,
        files=tuple(sorted(found.files)),
    )


def _title(ref: ModelRef) -> str:
    if ref.source is Source.SAMPLE:
        return library.samples()[ref.name].title
    return Path(ref.name).name if ref.source is Source.FOLDER else ref.name


def task_of(config: dict[str, Any]) -> str | None:
    """The Hub's name of the task that config.json's architecture answers, or None."""
    architecture = (config.get("architectures") or [""])[0]
    endings = (end for end in TASK_OF_ENDING if architecture.endswith(end))
    best = max(endings, key=len, default=None)
    return TASK_OF_ENDING[best] if best else None


def _support(config: dict[str, Any], task: str | None, family: Family | None) -> Support:
    ours = " and ".join(sorted(one.value for one in Task)).replace(" and ", ", ", len(Task) - 2)
    if task not in set(Task):
        said = task or "something its config does not name"
        because = f"It is a model for {said}; today we do {ours}."
        return Support(level=SupportLevel.NOT_HERE, because=because, nearest=_nearest(family))
    if family is None:
        because = f"No model of the kind '{config['model_type']}' was tried yet."
        return Support(level=SupportLevel.SHOULD_WORK, because=because)
    if not family.supported:
        return Support(level=SupportLevel.NOT_HERE, because=family.because, nearest=family.nearest)
    if family.tested:
        because = f"The family was tested with {', '.join(family.tested)}."
        return Support(level=SupportLevel.TESTED, because=because)
    return Support(level=SupportLevel.SHOULD_WORK, because="Its export was tried, no more.")


def _nearest(family: Family | None) -> str | None:
    return family.nearest if family else None


def _workload(
    ref: ModelRef,
    task: Task | None,
    asked: Workload | None,
    max_tokens: int | None,
    image_side: int | None,
) -> Workload:
    if task is Task.IMAGE_CLASSIFICATION:
        return Workload(batch=asked.batch if asked else 1, image_size=image_side)
    tokens = asked.tokens if asked and asked.tokens else None
    if tokens is None and ref.source is Source.SAMPLE:
        tokens = library.samples()[ref.name].workload.tokens
    tokens = min(tokens or DEFAULT_TOKENS, max_tokens or DEFAULT_TOKENS * 4)
    return Workload(batch=asked.batch if asked else 1, tokens=tokens)


def _max_tokens(config: dict[str, Any], folder: Path) -> int | None:
    positions = config.get("max_position_embeddings")
    limits = [positions] if isinstance(positions, int) else []
    path = folder / "tokenizer_config.json"
    if path.is_file():
        said = json.loads(path.read_text(encoding="utf-8")).get("model_max_length")
        if isinstance(said, int) and said < 1_000_000:
            limits.append(said)
    if not limits:
        return None
    # RoBERTa's positions begin after the padding index, so two of them are never used.
    reserved = 2 if config.get("model_type") in {"roberta", "xlm-roberta", "camembert"} else 0
    return min(limits) - (reserved if len(limits) == 1 else 0)


def _image_side(config: dict[str, Any], folder: Path) -> int | None:
    path = folder / "preprocessor_config.json"
    settings = json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}
    for holder in ("crop_size", "size") if settings.get("do_center_crop") else ("size",):
        size = settings.get(holder)
        if isinstance(size, int):
            return size
        if isinstance(size, dict):
            return int(size.get("height") or size.get("shortest_edge") or DEFAULT_IMAGE_SIDE)
    side = config.get("image_size")
    return side if isinstance(side, int) else None


def _labels(config: dict[str, Any]) -> tuple[str, ...]:
    names = config.get("id2label") or {}
    return tuple(str(names[key]) for key in sorted(names, key=int))


def _readme_header(folder: Path) -> dict[str, Any]:
    """The YAML block at the top of README.md, empty if there is none or it is damaged."""
    import yaml

    path = folder / "README.md"
    text = path.read_text(encoding="utf-8", errors="replace") if path.is_file() else ""
    if not text.startswith("---"):
        return {}
    try:
        header = yaml.safe_load(text.split("---", 2)[1])
    except (yaml.YAMLError, IndexError):
        return {}
    return header if isinstance(header, dict) else {}


def _layers(config: dict[str, Any]) -> int | None:
    """Transformer layers, or the blocks of all stages of a network that counts those."""
    depths = config.get("depths")
    if isinstance(depths, list) and all(isinstance(depth, int) for depth in depths):
        return sum(depths)
    return _whole(config.get("num_hidden_layers"))


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _licence(header: dict[str, Any]) -> str | None:
    return _text(header.get("license"))


def _text(value: object) -> str | None:
    if isinstance(value, list) and value:
        return str(value[0])
    return str(value) if isinstance(value, str) and value else None
