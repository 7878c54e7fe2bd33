"""Counts a model's parameters and multiply-adds on torch's meta device, where weights cost nothing.

Covers: parameters by the kind of layer that holds them, multiply-adds of one request (layers by
hooks, attention's own products by PyTorch's flop counter), depthwise convolutions.
Does not cover: reading weights; none are read.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from wizard.errors import UnknownArchitecture
from wizard.nouns import Task, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Parameters by kind; `depthwise` is the part of `conv` in depthwise convolutions."""

    embedding: int = 0
    linear: int = 0
    conv: int = 0
    other: int = 0
    depthwise: int = 0
    macs: int = 0

    @property
    def total(self) -> int:
        return self.embedding + self.linear + self.conv + self.other


def count(config: dict[str, Any], task: Task | None, workload: Workload) -> Count:
    """Build the architecture without weights and count. Raises UnknownArchitecture."""
    import torch

    model = _on_meta(config, task)
    kinds = {"embedding": 0, "linear": 0, "conv": 0, "other": 0}
    depthwise = 0
    seen: set[int] = set()
    for module in model.modules():
        for name, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            kind = _kind(module) if name == "weight" else "other"
            kinds[kind] += parameter.numel()
            if kind == "conv" and getattr(module, "groups", 1) == module.in_channels > 1:
                depthwise += parameter.numel()
    with torch.no_grad():
        macs = _macs(model, task, workload)
    return Count(**kinds, depthwise=depthwise, macs=macs)


def _on_meta(config: dict[str, Any], task: Task | None) -> Any:
    import torch
    import transformers

    named = dict(config)
    kind = named.pop("model_type")
    if kind not in transformers.CONFIG_MAPPING:
        raise UnknownArchitecture(architecture=kind, because=_age(config))
    built = transformers.CONFIG_MAPPING[kind].from_dict(named)
    try:
        with torch.device("meta"):
            return loader_for(task).from_config(built).eval()
    except (ValueError, TypeError, RuntimeError) as error:
        because = str(error).split("\n", 1)[0][:160]
        raise UnknownArchitecture(architecture=kind, because=because) from error


def loader_for(task: Task | None) -> Any:
    """The AutoModel class of a task, from optimum's map of tasks."""
    from optimum.exporters.tasks import TasksManager

    name = (task or Task.FEATURE_EXTRACTION).value
    return TasksManager.get_model_class_for_task(name, framework="pt", library="transformers")


def _age(config: dict[str, Any]) -> str:
    """Old library or private architecture? The config says which version wrote it."""
    import transformers
    from packaging.version import InvalidVersion, Version

    try:
        wrote = Version(str(config.get("transformers_version", "0")))
    except InvalidVersion:
        return ""
    ours = Version(transformers.__version__)
    if wrote > ours:
        return f"It was saved by transformers {wrote}; ours is {ours}."
    return ""


def _kind(module: Any) -> str:
    import torch
    from transformers.pytorch_utils import Conv1D

    if isinstance(module, torch.nn.Embedding):
        return "embedding"
    if isinstance(module, torch.nn.Linear | Conv1D):
        return "linear"
    if isinstance(module, torch.nn.Conv1d | torch.nn.Conv2d | torch.nn.Conv3d):
        return "conv"
    return "other"


def _macs(model: Any, task: Task | None, workload: Workload) -> int:
    """Half the floating-point operations that PyTorch's counter sees in one meta forward."""
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    batch = workload.batch
    with torch.device("meta"):
        if task is Task.IMAGE_CLASSIFICATION:
            side = workload.image_size or 224
            channels = getattr(model.config, "num_channels", 3)
            inputs = {"pixel_values": torch.empty(batch, channels, side, side)}
        else:
            shape = (batch, workload.tokens or 128)
            inputs = {
                "input_ids": torch.empty(shape, dtype=torch.long),
                "attention_mask": torch.ones(shape, dtype=torch.long),
            }
    try:
        with FlopCounterMode(display=False) as counter:
            model(**inputs)
    except (RuntimeError, ValueError, TypeError, NotImplementedError):
        return _closed_form(model, workload)
    return int(counter.get_total_flops()) // 2


def _closed_form(model: Any, workload: Workload) -> int:
    """Weights times positions: what is left when an architecture will not run on meta."""
    import torch

    weights = sum(
        module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear)
    )
    return int(weights) * workload.batch * (workload.tokens or 1)
