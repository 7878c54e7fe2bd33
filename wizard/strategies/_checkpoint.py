"""Checkpoints in and out of PyTorch, also those whose layers we made smaller.

Covers: loading safely (safetensors, no code of the repository), saving a changed model with
what it needs beside it; models with fewer layers, heads or neurons than their config says.
Does not cover: what is taken out and why (the strategies), export (_torch.py).

A smaller model is saved with its original's config and a note, SHAPE_FILE: which entries of
which ModuleList stayed, and which attributes of which module changed. The sizes of its layers
are read from the weights themselves. transformers alone cannot open such a folder; ONNX can say
what transformers' config cannot.
"""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import loading, tasks
from wizard.errors import ExportFailed, UnknownArchitecture
from wizard.nouns import Task

if TYPE_CHECKING:
    import torch

ANSI = re.compile(r"\x1b\[[0-9;]*m")
LONGEST_REASON = 200  # characters of a foreign message worth showing
SHAPE_FILE, WEIGHTS_FILE = "wizard_shape.json", "model.safetensors"
WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "*.bin", "*.pt", "*.onnx", "*.h5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """What a smaller model has otherwise than its config says.

    `kept`: by the name of a ModuleList, the original numbers of the entries that stayed.
    `attributes`: by the name of a module (as numbered after `kept`), the values to set.
    """

    kept: Mapping[str, Sequence[int]] = field(default_factory=dict)
    attributes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def load(folder: Path, task: Task) -> Any:
    """The model in `folder` in float32, frozen, in evaluation mode; smaller ones too.

    Raises ExportFailed with the library's own reason, UnknownArchitecture.
    """
    loading.load_transformers()
    import transformers

    transformers.utils.logging.disable_progress_bar()
    kind = getattr(transformers, tasks.card_of(task).auto_class)
    try:
        if (folder / SHAPE_FILE).is_file():
            model, missing = _smaller(kind, folder)
        else:
            model, missing = _as_published(kind, folder)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        if "does not recognize this architecture" in str(error):
            because = "It may be newer than the transformers installed here."
            raise UnknownArchitecture(
                architecture=_architecture(folder), because=because
            ) from error
        raise ExportFailed(model=folder.name, because=reason(error)) from error
    missing = sorted(name for name in missing if "pooler" not in name)
    if missing:  # transformers would fill them with random numbers and only warn
        because = f"its files lack {len(missing)} weights, {missing[0]} among them"
        raise ExportFailed(model=folder.name, because=because)
    if hasattr(model.config, "use_cache"):
        model.config.use_cache = False
    return model.eval().requires_grad_(False)


def _as_published(kind: Any, folder: Path) -> tuple[Any, Sequence[str]]:
    model, found = kind.from_pretrained(
        folder,
        local_files_only=True,
        use_safetensors=True,
        trust_remote_code=False,
        dtype="float32",
        output_loading_info=True,
    )
    return model, list(found["missing_keys"])


def _smaller(kind: Any, folder: Path) -> tuple[Any, Sequence[str]]:
    """Built from the config, cut to the note, filled from the weights."""
    import transformers
    from safetensors.torch import load_file

    config = transformers.AutoConfig.from_pretrained(
        folder, local_files_only=True, trust_remote_code=False
    )
    model = kind.from_config(config, trust_remote_code=False).float()
    weights = load_file(folder / WEIGHTS_FILE)
    reshape(model, shape_of(folder), weights)
    missing, strange = model.load_state_dict(weights, strict=False)
    if strange:
        raise ValueError(f"{strange[0]} has no place in the model")
    tied = set(getattr(model, "_tied_weights_keys", None) or ())
    model.tie_weights()
    return model, [name for name in missing if name not in tied]


def shape_of(folder: Path) -> Shape:
    """The note of a smaller model; an empty one where there is none."""
    path = folder / SHAPE_FILE
    if not path.is_file():
        return Shape()
    said = json.loads(path.read_text(encoding="utf-8"))
    return Shape(kept=said["kept"], attributes=said["attributes"])


def as_numbered_before(module: str, shape: Shape) -> str:
    """The module's name in the original, where entries of its list were left out."""
    for name, numbers in shape.kept.items():
        if module.startswith(f"{name}."):
            number, dot, rest = module.removeprefix(f"{name}.").partition(".")
            return f"{name}.{numbers[int(number)]}{dot}{rest}"
    return module


def reshape(model: Any, shape: Shape, weights: Mapping[str, torch.Tensor]) -> None:
    """Cut `model` to `shape` and to the sizes of `weights`; its numbers are not set."""
    import torch

    for name, numbers in shape.kept.items():
        parent, _, last = name.rpartition(".")
        entries = model.get_submodule(name)
        kept = torch.nn.ModuleList([entries[number] for number in numbers])
        setattr(model.get_submodule(parent), last, kept)
    for name, values in shape.attributes.items():
        for attribute, value in values.items():
            setattr(model.get_submodule(name), attribute, value)
    for name, module in model.named_modules():
        for kind, value in [*module.named_parameters(recurse=False), *_buffers(module)]:
            wanted = weights.get(f"{name}.{kind}" if name else kind)
            if wanted is not None and wanted.shape != value.shape:
                empty = torch.empty(wanted.shape, dtype=value.dtype)
                is_weight = isinstance(value, torch.nn.Parameter)
                setattr(module, kind, torch.nn.Parameter(empty) if is_weight else empty)
        say_sizes(module)


def _buffers(module: Any) -> list[tuple[str, Any]]:
    """Buffers that have a value."""
    return [one for one in module.named_buffers(recurse=False) if one[1] is not None]


def say_sizes(module: Any) -> None:
    """Let the layer's own attributes say what its weight's shape is."""
    import torch

    weight = getattr(module, "weight", None)
    if weight is None:
        return
    if isinstance(module, torch.nn.Linear):
        module.out_features, module.in_features = weight.shape
    elif isinstance(module, torch.nn.Conv2d):
        module.out_channels = weight.shape[0]
        module.in_channels = weight.shape[1] * module.groups
    elif isinstance(module, torch.nn.BatchNorm2d):
        module.num_features = weight.shape[0]
    elif isinstance(module, torch.nn.LayerNorm):
        module.normalized_shape = tuple(weight.shape)
    elif isinstance(module, torch.nn.Embedding):
        module.num_embeddings, module.embedding_dim = weight.shape


def save(model: Any, shape: Shape, source: Path, target: Path) -> Path:
    """The model as a checkpoint folder: weights, note, and all small files of `source`.

    Tied weights are stored once. Returns `target`.
    """
    from safetensors.torch import save_file

    target.mkdir(parents=True, exist_ok=True)
    left = {one for pattern in WEIGHTS for one in source.glob(pattern)}
    for one in source.iterdir():
        if one.is_file() and one not in left and one.name != SHAPE_FILE:
            shutil.copyfile(one, target / one.name)
    seen: dict[int, str] = {}
    weights = {}
    for name, value in model.state_dict().items():
        if seen.setdefault(value.data_ptr(), name) == name or value.numel() == 0:
            weights[name] = value.detach().contiguous().clone()
    save_file(weights, target / WEIGHTS_FILE, metadata={"format": "pt"})
    note = {
        "kept": {name: list(numbers) for name, numbers in shape.kept.items()},
        "attributes": {name: dict(values) for name, values in shape.attributes.items()},
    }
    (target / SHAPE_FILE).write_text(json.dumps(note, indent=1), encoding="utf-8")
    return target


def _architecture(folder: Path) -> str:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    return str((config.get("architectures") or [config.get("model_type")])[0])


def reason(error: BaseException) -> str:
    """The innermost cause, first line, without colour codes: the rest is pages of text."""
    while error.__cause__ is not None:
        error = error.__cause__
    lines = ANSI.sub("", str(error)).strip().splitlines()
    return f"{type(error).__name__}: {lines[0] if lines else ''}"[:LONGEST_REASON]
