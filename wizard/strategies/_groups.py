"""What can be taken out of a network without touching the rest: heads, neurons, inner channels.

Covers: encoders built like BERT or DistilBERT (attention heads, neurons of the feed-forward part)
and ResNets (channels inside a residual block); how much arithmetic hangs on each; slicing.
Does not cover: which units go (_importance.py), what the rest makes up for (_refit.py).

A unit is what one layer hands to the next: its maker's rows and its reader's columns go together.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.strategies._checkpoint import say_sizes

if TYPE_CHECKING:
    import torch

HEADS, NEURONS, CHANNELS = "heads", "neurons", "channels"
# Kernels work on eight or sixteen numbers at a time: neurons and channels leave in eights.
STEP = {HEADS: 1, NEURONS: 8, CHANNELS: 8}
BERT_LIKE = {"bert", "roberta", "xlm-roberta", "camembert", "electra"}
DISTILBERT, RESNET = "distilbert", "resnet"
FAMILIES = {*BERT_LIKE, DISTILBERT, RESNET}
BLOCKS = {"ResNetBasicLayer", "ResNetBottleNeckLayer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Units of one kind between two layers; modules by name.

    `makers` lose rows and `norm` (a batch norm between) numbers, `reader` loses columns: `width`
    for each unit. `sum_at` is the module that is given the reader's output plus the residual,
    `scaled_by` a batch norm between the reader and that sum. `block` is the encoder layer or
    residual block they lie in. `counted`: attributes of `attention` to set to the heads and to
    the width that are left.
    """

    kind: str
    block: str
    units: int
    width: int
    makers: tuple[str, ...]
    reader: str
    sum_at: str
    norm: str | None = None
    scaled_by: str | None = None
    attention: str | None = None
    counted: tuple[str, ...] = ()

    @property
    def step(self) -> int:
        """How many units leave at a time."""
        return min(STEP[self.kind], self.units)


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """Multiply-accumulates of one piece, in proportion to what is kept of `groups` (by index)."""

    macs: float
    groups: tuple[int, ...] = ()


def share(work: Sequence[Work], groups: Sequence[Group], kept: Sequence[int]) -> float:
    """The share of the arithmetic that is left when `kept` units of each group stay."""
    left = sum(
        one.macs * math.prod(kept[at] / groups[at].units for at in one.groups) for one in work
    )
    return left / sum(one.macs for one in work)


def layers_of(model: Any) -> str:
    """The name of an encoder's list of layers."""
    end = "transformer.layer" if model.config.model_type == DISTILBERT else "encoder.layer"
    names = [str(name) for name, _ in model.named_modules()]
    return next(name for name in names if name == end or name.endswith(f".{end}"))


def blocks_of(model: Any) -> tuple[str, ...]:
    """Encoder layers or residual blocks; each takes what the one before gives."""
    if model.config.model_type == RESNET:
        return tuple(name for name, one in model.named_modules() if type(one).__name__ in BLOCKS)
    name = layers_of(model)
    return tuple(f"{name}.{at}" for at in range(len(model.get_submodule(name))))


def groups_of(model: Any) -> tuple[Group, ...]:
    """Every group of the model, in running order."""
    kind = model.config.model_type
    inside = _residual if kind == RESNET else _distilbert if kind == DISTILBERT else _bert
    return tuple(group for block in blocks_of(model) for group in inside(model, block))


def _bert(model: Any, layer: str) -> list[Group]:
    attention = model.get_submodule(f"{layer}.attention.self")
    width = attention.attention_head_size
    inner = model.get_submodule(f"{layer}.intermediate.dense")
    return [
        Group(
            kind=HEADS,
            block=layer,
            units=attention.query.out_features // width,
            width=width,
            makers=tuple(f"{layer}.attention.self.{one}" for one in ("query", "key", "value")),
            reader=f"{layer}.attention.output.dense",
            sum_at=f"{layer}.attention.output.LayerNorm",
            attention=f"{layer}.attention.self",
            counted=("num_attention_heads", "all_head_size"),
        ),
        Group(
            kind=NEURONS,
            block=layer,
            units=inner.out_features,
            width=1,
            makers=(f"{layer}.intermediate.dense",),
            reader=f"{layer}.output.dense",
            sum_at=f"{layer}.output.LayerNorm",
        ),
    ]


def _distilbert(model: Any, layer: str) -> list[Group]:
    attention = model.get_submodule(f"{layer}.attention")
    width = attention.attention_head_size
    return [
        Group(
            kind=HEADS,
            block=layer,
            units=attention.q_lin.out_features // width,
            width=width,
            makers=tuple(f"{layer}.attention.{one}" for one in ("q_lin", "k_lin", "v_lin")),
            reader=f"{layer}.attention.out_lin",
            sum_at=f"{layer}.sa_layer_norm",
            attention=f"{layer}.attention",
            counted=("n_heads",),
        ),
        Group(
            kind=NEURONS,
            block=layer,
            units=model.get_submodule(f"{layer}.ffn.lin1").out_features,
            width=1,
            makers=(f"{layer}.ffn.lin1",),
            reader=f"{layer}.ffn.lin2",
            sum_at=f"{layer}.output_layer_norm",
        ),
    ]


def _residual(model: Any, block: str) -> list[Group]:
    """Between the convolutions of one residual block."""
    last = len(model.get_submodule(f"{block}.layer")) - 1
    found = []
    for number in range(last):
        maker, reader = (f"{block}.layer.{one}" for one in (number, number + 1))
        found.append(
            Group(
                kind=CHANNELS,
                block=block,
                units=model.get_submodule(f"{maker}.convolution").out_channels,
                width=1,
                makers=(f"{maker}.convolution",),
                norm=f"{maker}.normalization",
                reader=f"{reader}.convolution",
                scaled_by=f"{reader}.normalization",
                sum_at=f"{block}.activation" if number + 1 == last else f"{reader}.activation",
            )
        )
    return found


def work_of(
    model: Any, groups: Sequence[Group], feed: Mapping[str, torch.Tensor]
) -> tuple[Work, ...]:
    """The arithmetic of all encoder layers (of all convolutions) on one row."""
    if model.config.model_type == RESNET:
        return _of_convolutions(model, groups, feed)
    tokens = next(iter(feed.values())).shape[1]
    found = []
    for at, group in enumerate(groups):
        outside = model.get_submodule(group.reader).out_features
        inside = group.units * group.width
        matrices = (len(group.makers) + 1) * outside * inside * tokens
        looking = 2 * tokens * tokens * inside if group.kind == HEADS else 0
        found.append(Work(macs=float(matrices + looking), groups=(at,)))
    return tuple(found)


def _of_convolutions(
    model: Any, groups: Sequence[Group], feed: Mapping[str, torch.Tensor]
) -> tuple[Work, ...]:
    import torch

    touched: dict[str, tuple[int, ...]] = {}
    for at, group in enumerate(groups):
        for name in (*group.makers, group.reader):
            touched[name] = (*touched.get(name, ()), at)
    macs: dict[str, float] = {}
    hooks = []
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d):

            def seen(one: Any, given: Any, out: Any, name: str = name) -> None:
                macs[name] = float(one.weight.numel() * out.shape[2] * out.shape[3])

            hooks.append(module.register_forward_hook(seen))
    with torch.no_grad():
        model(**feed)
    for hook in hooks:
        hook.remove()
    return tuple(Work(macs=value, groups=touched.get(name, ())) for name, value in macs.items())


def slice_out(model: Any, group: Group, kept: Sequence[int]) -> dict[str, dict[str, int]]:
    """Take all units but `kept` out of the model; returns the attributes that changed."""
    import torch

    rows = torch.tensor([unit * group.width + at for unit in kept for at in range(group.width)])
    for name in group.makers:
        _cut(model.get_submodule(name), ("weight", "bias"), rows, 0)
    if group.norm is not None:
        names = ("weight", "bias", "running_mean", "running_var")
        _cut(model.get_submodule(group.norm), names, rows, 0)
    _cut(model.get_submodule(group.reader), ("weight",), rows, 1)
    if group.attention is None:
        return {}
    attention = model.get_submodule(group.attention)
    counts = dict(zip(group.counted, (len(kept), len(rows)), strict=False))
    for attribute, value in counts.items():
        setattr(attention, attribute, value)
    return {group.attention: counts}


def _cut(module: Any, names: Sequence[str], rows: torch.Tensor, axis: int) -> None:
    import torch

    for name in names:
        value = getattr(module, name)
        if value is None:
            continue
        less = value.detach().index_select(axis, rows).contiguous()
        weight = isinstance(value, torch.nn.Parameter)
        setattr(module, name, torch.nn.Parameter(less, requires_grad=False) if weight else less)
    say_sizes(module)
