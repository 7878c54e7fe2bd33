"""Counts a model's parameters and multiply-adds on torch's meta device, where weights cost nothing.

Covers: parameters by the kind of layer that holds them, multiply-adds of one request (layers
and attention's own products by PyTorch's flop counter), depthwise convolutions.
Does not cover: reading weights; none are read.
"""

from __future__ import annotations

import warnings
from dataclasses import dataclass
from typing import Any

from wizard import loading, tasks
from wizard.errors import ConfigUnreadable, UnknownArchitecture
from wizard.examples import choosing
from wizard.examples.hearing import shape_heard
from wizard.nouns import Task, Workload

# What a constructor may raise on numbers that fit no model: a width of 0, a text for a number.
NO_SUCH_MODEL = (
    ValueError,
    TypeError,
    RuntimeError,
    ArithmeticError,
    LookupError,
    AttributeError,
    AssertionError,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Count:
    """Parameters by kind; `depthwise` is the part of `conv` in depthwise convolutions.

    `fed_with` is the model's first input: "input_ids" for texts, "pixel_values" for pictures.
    `tied`: the last layer shares the table of words.
    """

    embedding: int = 0
    linear: int = 0
    conv: int = 0
    other: int = 0
    depthwise: int = 0
    macs: int = 0
    fed_with: str = ""
    tied: bool = False

    @property
    def total(self) -> int:
        return self.embedding + self.linear + self.conv + self.other


def count(config: dict[str, Any], task: Task | None, workload: Workload, name: str) -> Count:
    """Build the architecture of the model called `name` without weights and count.

    Raises UnknownArchitecture, or ConfigUnreadable when the config's numbers fit no model.
    """
    loading.load_transformers()
    import torch

    model = _on_meta(config, task, name)
    kinds = {"embedding": 0, "linear": 0, "conv": 0, "other": 0}
    depthwise = 0
    seen: set[int] = set()
    for module in model.modules():
        for called, parameter in module.named_parameters(recurse=False):
            if id(parameter) in seen:
                continue
            seen.add(id(parameter))
            kind = _kind(module) if called == "weight" else "other"
            kinds[kind] += parameter.numel()
            if kind == "conv" and getattr(module, "groups", 1) == module.in_channels > 1:
                depthwise += parameter.numel()
    with torch.no_grad():
        macs = _macs(model, workload)
    return Count(
        **kinds,
        depthwise=depthwise,
        macs=macs,
        fed_with=model.main_input_name,
        tied=_is_tied(model),
    )


def _is_tied(model: Any) -> bool:
    """Whether the last layer's weight is the table of words again."""
    head = model.get_output_embeddings()
    if head is None:
        return False
    return getattr(head, "weight", None) is model.get_input_embeddings().weight


def _on_meta(config: dict[str, Any], task: Task | None, name: str) -> Any:
    import torch
    import transformers
    from huggingface_hub.errors import StrictDataclassError

    named = dict(config)
    kind = named.pop("model_type")
    if kind not in transformers.CONFIG_MAPPING:
        raise UnknownArchitecture(architecture=kind, because=_age(config))
    try:
        built = transformers.CONFIG_MAPPING[kind].from_dict(named)
        with torch.device("meta"), warnings.catch_warnings():
            # Said of an empty layer, which stays empty; nothing is initialized on meta anyway.
            warnings.filterwarnings("ignore", message="Initializing zero-element tensors")
            return loader_for(task).from_config(built, trust_remote_code=False).eval()
    except (*NO_SUCH_MODEL, StrictDataclassError) as error:
        if "Unrecognized configuration class" in str(error):
            raise UnknownArchitecture(architecture=kind, because=_no_head(task)) from error
        because = f"no {kind} model can be built from it ({_reason(error)})"
        raise ConfigUnreadable(model=name, because=because) from error


def _no_head(task: Task | None) -> str:
    return f"transformers has no model of this kind for {task.on_hub if task else 'any task'}."


def _reason(error: Exception) -> str:
    """The last line says what; the first may only say where."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return f"{type(error).__name__}: {lines[-1] if lines else ''}"[:160].removesuffix(".")


def loader_for(task: Task | None) -> Any:
    """The AutoModel class of a task; of none, that of the bare model."""
    import transformers

    return getattr(transformers, tasks.card_of(task).auto_class if task else "AutoModel")


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


def _macs(model: Any, workload: Workload) -> int:
    """Half the floating-point operations that PyTorch's counter sees in one meta forward.

    Without an attention mask: transformers looks whether a mask hides anything, and on meta
    there is nothing to look at.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    batch = workload.batch
    try:
        with torch.device("meta"), FlopCounterMode(display=False) as counter:
            if workload.labels is not None:
                model(**_pictures_beside_labels(model, workload))
            elif model.main_input_name == "input_values":
                shape = (batch, *shape_heard(model.config, workload.samples))
                model(input_values=torch.empty(shape, dtype=model.dtype))
            elif model.main_input_name == "pixel_values":
                side = workload.image_size or 224
                channels = getattr(model.config, "num_channels", 3)
                shape = (batch, channels, side, side)
                model(pixel_values=torch.empty(shape, dtype=model.dtype))
            elif model.main_input_name == "input_features":
                model(**_window(model, batch))
            else:
                model(**_words(model, batch, workload.tokens or 128))
    except (*NO_SUCH_MODEL, NotImplementedError):
        return _closed_form(model, workload)
    return int(counter.get_total_flops()) // 2


def _window(model: Any, batch: int) -> dict[str, Any]:
    """The sound that such a model always hears, of one length, and one token written after it."""
    import torch

    shape = (batch, model.config.num_mel_bins, 2 * model.config.max_source_positions)
    return {
        "input_features": torch.empty(shape, dtype=model.dtype),
        "decoder_input_ids": torch.empty(batch, 1, dtype=torch.long),
    }


def _pictures_beside_labels(model: Any, workload: Workload) -> dict[str, Any]:
    """Pictures, and once for all of them the labels to choose from."""
    import torch

    side = workload.image_size or 224
    channels = getattr(choosing.sees(model.config), "num_channels", 3)
    shape = (workload.batch, channels, side, side)
    tokens = choosing.usual(model.config.to_dict())
    return {
        "pixel_values": torch.empty(shape, dtype=model.dtype),
        "input_ids": torch.empty(workload.labels or 1, tokens, dtype=torch.long),
    }


def _words(model: Any, batch: int, tokens: int) -> dict[str, Any]:
    """A text; a model of two parts writes one token after it."""
    import torch

    given = {"input_ids": torch.empty(batch, tokens, dtype=torch.long)}
    if getattr(model.config, "is_encoder_decoder", False):
        given["decoder_input_ids"] = torch.empty(batch, 1, dtype=torch.long)
    return given


def _closed_form(model: Any, workload: Workload) -> int:
    """Weights times positions, and attention's two products: for what will not run on meta."""
    import torch

    weights = sum(
        module.weight.numel() for module in model.modules() if isinstance(module, torch.nn.Linear)
    )
    tokens = workload.tokens or 1
    layers = getattr(model.config, "num_hidden_layers", None) or 0
    width = getattr(model.config, "hidden_size", None) or 0
    return workload.batch * (int(weights) * tokens + 2 * layers * tokens * tokens * width)
