"""The model card: what a model is, from its config and file list, before any weights.

Covers: task, family, parameters by kind and multiply-adds (built on torch's meta device, where
weights cost nothing), licence, support verdict; a cache, so that a second look needs no torch.
Does not cover: the weights themselves (weights.py), where files come from (source.py).
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any

from wizard import library, tasks
from wizard.errors import ConfigUnreadable, RemoteCode
from wizard.examples import prepared
from wizard.intake import given, source, work
from wizard.intake.count import Count, count
from wizard.intake.heads import task_of
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

# What config.json must hold where it says anything at all; transformers checks the rest.
KINDS = {
    "architectures": list,
    "id2label": dict,
    "num_channels": int,
    "num_labels": int,
    "quantization_config": dict,
}
WRITERS = {"decoder", "encoder-decoder"}  # shapes of families that write texts
# Raise it when a card says more or counts differently; older cards are then made anew.
CARD_LAYOUT = 7
FED_WITH = {"pixel_values": "pictures", "input_ids": "texts", "input_values": "sound waves"}


def examine(
    ref: ModelRef, workload: Workload | None = None, cache: Path | None = None
) -> ModelProfile:
    """The card of a model. A task we do not do gives a card that says so, not an error.

    Raises RemoteCode, ConfigUnreadable, UnknownArchitecture, PickleOnly, and what `source` raises.
    """
    pinned = source.resolve(ref)
    known = cached(pinned, workload, cache) if cache else None
    if known is not None:
        return known
    found = source.listing(pinned)
    config = _config(pinned, found.folder)
    source.check_no_pickle(pinned, found.files)
    profile = _profile(pinned, config, found, workload)
    if cache is not None:
        _to_cache(cache, _key(pinned, workload, config, found.files), profile)
    return profile


def cached(ref: ModelRef, workload: Workload | None, cache: Path) -> ModelProfile | None:
    """The card from an earlier look, without torch and without the network.

    A Hub model's card is found again under its commit only: a branch may have moved.
    """
    if ref.source is Source.HUB and not source.is_commit(ref.revision):
        return None
    if ref.source is Source.HUB:
        return _from_cache(cache, _key(ref, workload, {}, {}))
    found = source.listing(ref)
    return _from_cache(cache, _key(ref, workload, _config(ref, found.folder), found.files))


def _config(ref: ModelRef, folder: Path) -> dict[str, Any]:
    config = prepared.json_object(folder / "config.json", str(ref))
    if config is None:
        raise ConfigUnreadable(model=str(ref), because="there is none")
    if not isinstance(config.get("model_type"), str):
        raise ConfigUnreadable(model=str(ref), because="it names no model_type")
    if "auto_map" in config:
        raise RemoteCode(model=str(ref))
    for key, kind in KINDS.items():
        if config.get(key) is not None and not isinstance(config[key], kind):
            because = f"its {key} cannot be {str(config[key])[:40]}"
            raise ConfigUnreadable(model=str(ref), because=because)
    if any(not isinstance(one, str) for one in config.get("architectures") or ()):
        raise ConfigUnreadable(model=str(ref), because="its architectures are no names")
    if any(not str(key).isdecimal() for key in config.get("id2label") or {}):
        raise ConfigUnreadable(model=str(ref), because="its id2label counts with words")
    return config


def _key(
    ref: ModelRef, workload: Workload | None, config: dict[str, Any], files: dict[str, int]
) -> str:
    """A name for the card: its content and whoever made it. A commit stands for its content."""
    parts = [
        str(ref),
        [] if ref.source is Source.HUB else [config, files],
        jsonable(workload),
        [CARD_LAYOUT, *(version(name) for name in ("torch", "transformers"))],
        [jsonable(family) for family in library.families().values()],
    ]
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _from_cache(cache: Path, key: str) -> ModelProfile | None:
    from pydantic import TypeAdapter, ValidationError

    path = cache / "cards" / f"{key}.json"
    if not path.is_file():
        return None
    try:
        return TypeAdapter(ModelProfile).validate_json(path.read_bytes())
    except ValidationError:  # another version of the wizard kept it
        return None


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
    taken = given.read(found.folder) if ref.source is Source.FOLDER else None
    header = _readme_header(found.folder)
    named = tasks.refined(task_of(config), _text(header.get("pipeline_tag")))
    task_name = taken.task if taken else named
    family = _family(config)
    support = taken.support() if taken else _support(config, task_name, family)
    task = tasks.known(task_name)
    read_json = partial(prepared.json_object, model=str(ref))
    processor = prepared.settings_in(found.folder, read_json)
    max_tokens = work.max_tokens(config, read_json(found.folder / "tokenizer_config.json"))
    sizes = work.Sizes(config, processor or {}, max_tokens, taken.image_size if taken else None)
    request = work.request(ref, task, workload, sizes)
    counted = Count()
    if taken:
        counted = taken.count(request)
    elif support.level is not SupportLevel.NOT_HERE:
        support = _readable(support, family, found.files)
        counted = count(config, task, request, str(ref))
        support = _fed_as_expected(support, task, counted.fed_with)
    weights = sum(
        size
        for name, size in found.files.items()
        if re.fullmatch(r"[^/]+\.safetensors|model\.onnx(\.data)?", name)
    )
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
        workload=request,
        support=support,
        licence=_licence(header),
        base_model=_text(header.get("base_model")),
        labels=_labels(config) if task is None or tasks.card_of(task).labels else (),
        max_tokens=max_tokens,
        image_size=request.image_size,
        channels=_whole(config.get("num_channels")) or 3,
        hidden_size=_whole(
            config.get("hidden_size") or config.get("n_embd") or config.get("d_model")
        ),
        layers=_layers(config),
        vocabulary=_whole(config.get("vocab_size")),
        depthwise_share=counted.depthwise / counted.conv if counted.conv else 0.0,
        tied_embeddings=counted.tied and (task is None or tasks.card_of(task).word_head),
        files=tuple(sorted(found.files)),
        downloads=tuple(sorted(found.downloads.items())),
        given=taken is not None,
    )


def _title(ref: ModelRef) -> str:
    if ref.source is Source.SAMPLE:
        return library.samples()[ref.name].title
    return Path(ref.name).name if ref.source is Source.FOLDER else ref.name


def _support(config: dict[str, Any], task: str | None, family: Family | None) -> Support:
    ours = sorted({one.on_hub for one in tasks.cards()})
    if tasks.known(task) is None:
        said = task or "something its config does not name"
        because = f"It is a model for {said}; today we do {', '.join(ours[:-1])} and {ours[-1]}."
        return Support(level=SupportLevel.NOT_HERE, because=because, nearest=_nearest(family))
    unfit = _unfit(config, tasks.card_of(tasks.known(task)))
    if unfit:
        return Support(level=SupportLevel.NOT_HERE, because=unfit)
    if family is None:
        because = f"No model of the kind '{config['model_type']}' was tried yet."
        return Support(level=SupportLevel.SHOULD_WORK, because=because)
    if not family.supported:
        return Support(level=SupportLevel.NOT_HERE, because=family.because, nearest=family.nearest)
    if tasks.writes(tasks.known(task)) != (family.shape in WRITERS):
        return _not_its_work(task or "", family)
    return _tried(config["model_type"], tasks.card_of(tasks.known(task)), family)


def _tried(kind: str, card: tasks.TaskCard, family: Family) -> Support:
    """How far a family that we know was tried for this very task."""
    run = [one for one in family.tested if tasks.alike(library.sample_task(one), card.task)]
    if run:
        because = f"The family was tested with {', '.join(run)}."
        return Support(level=SupportLevel.TESTED, because=because)
    apart = library.exports().get(kind, {}).get((card.stands_in_for or (card.task,))[0].value)
    if apart is None:
        return Support(level=SupportLevel.SHOULD_WORK, because="Its export was tried, no more.")
    because = (
        f"With random weights it answers as PyTorch does (largest difference {apart:.0e}); "
        f"no trained {kind} was run from end to end for this task."
    )
    return Support(level=SupportLevel.SHOULD_WORK, because=because)


def _not_its_work(task: str, family: Family) -> Support:
    """A writer that chooses among labels, or a reader that writes: neither was tried."""
    usual = " or ".join(family.tasks) or "other work"
    because = f"Models of this family were tried for {usual}, not for {task}."
    return Support(level=SupportLevel.NOT_HERE, because=because, nearest=family.nearest)


def _unfit(config: dict[str, Any], card: tasks.TaskCard) -> str:
    """Why a model of a known task still cannot be measured honestly, or nothing."""
    if config.get("quantization_config"):
        said = config["quantization_config"].get("quant_method", "by another tool")
        return f"Its weights are compressed already ({said}); start from the original model."
    if not card.labels or card.several:
        return ""
    if config.get("problem_type") == "multi_label_classification":
        return "It gives several labels at once; today we do models that choose one."
    if len(_labels(config)) < 2:
        return "It gives a number, not a choice among labels; today we do models that choose one."
    return ""


def _fed_as_expected(support: Support, task: Task | None, fed_with: str) -> Support:
    """Vectors are made of texts today, whatever else a bare model could be fed with."""
    card = tasks.card_of(task)
    if fed_with in card.inputs:
        return support
    fed = FED_WITH.get(fed_with, fed_with)
    because = f"It is fed with {fed}; today we do {card.task.on_hub} for {card.reads}."
    return Support(level=SupportLevel.NOT_HERE, because=because)


def _readable(support: Support, family: Family | None, files: Mapping[str, int]) -> Support:
    """Models of some families cannot be read without a certain file."""
    if family is None or not family.needs or any(set(one) <= set(files) for one in family.needs):
        return support
    level = SupportLevel.NOT_HERE
    return Support(level=level, because=family.needs_because, nearest=family.nearest)


def _nearest(family: Family | None) -> str | None:
    return family.nearest if family else None


def _labels(config: dict[str, Any]) -> tuple[str, ...]:
    """The labels by position; transformers' own names where the config gives none."""
    names = config.get("id2label")
    if not names:
        return tuple(f"LABEL_{index}" for index in range(config.get("num_labels") or 2))
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
    """Transformer layers (of both parts), or the blocks of all stages of a network of stages."""
    depths = config.get("depths")
    if isinstance(depths, list) and all(isinstance(depth, int) for depth in depths):
        return sum(depths)
    parts = [config.get(part) or {} for part in ("vision_config", "text_config")]
    if all(isinstance(one, dict) and _whole(one.get("num_hidden_layers")) for one in parts):
        return sum(int(one["num_hidden_layers"]) for one in parts)
    reads, writes = (_whole(config.get(f"{part}_layers")) for part in ("encoder", "decoder"))
    if reads is not None and writes is not None:
        return reads + writes
    found = _whole(
        config.get("num_hidden_layers") or config.get("n_layer") or config.get("num_layers")
    )
    if found is not None and config.get("is_encoder_decoder"):
        return found + (_whole(config.get("num_decoder_layers")) or found)
    return found


def _whole(value: object) -> int | None:
    return value if isinstance(value, int) else None


def _licence(header: dict[str, Any]) -> str | None:
    return _text(header.get("license"))


def _text(value: object) -> str | None:
    if isinstance(value, list) and value:
        return str(value[0])
    return str(value) if isinstance(value, str) and value else None
