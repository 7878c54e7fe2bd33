"""Weights as a later step will round them, while a network is being trained.

Covers: 7 and 8 bits with one scale per output (int8_dynamic, int8_static), 2 and 4 bits with one
scale per block of inputs and loud columns apart (int4_weights, low_bit_weights), tables by row,
8-bit inputs with one range per batch; gradients pass as if nothing had been rounded.
Does not cover: files (those steps write them), codebooks.

Straight-through: Bengio et al. 2013 (arXiv 1308.3432); training with rounded weights and inputs:
Jacob et al. 2018 (arXiv 1712.05877), for BERT Zafrir et al. 2019 (arXiv 1910.06188).
"""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.strategies import _distill, _even

if TYPE_CHECKING:
    from collections.abc import Iterator

    import torch

LAST_BITS, LAST_BLOCK = 8, 32  # as low_bit_weights keeps the last layer
INPUT_LEVELS = 255
SMALLEST = 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How one weight [outputs, inputs] is seen: bits, inputs per scale (0: all), loud columns."""

    bits: int
    block: int = 0
    columns: Any = None

    def seen(self, weight: torch.Tensor) -> torch.Tensor:
        """The weight as it will be stored."""
        flat = weight.flatten(1)
        if self.columns is not None:
            flat = flat / self.columns
        found = in_blocks(flat, self.bits, self.block) if self.block else by_row(flat, self.bits)
        if self.columns is not None:
            found = found * self.columns
        return found.reshape(weight.shape)


def by_row(flat: torch.Tensor, bits: int) -> torch.Tensor:
    """Symmetric, one scale per row."""
    top = (1 << (bits - 1)) - 1
    scale = flat.abs().amax(1, keepdim=True).clamp_min(SMALLEST) / top
    return (flat / scale).round().clamp(-top, top) * scale


def in_blocks(flat: torch.Tensor, bits: int, block: int) -> torch.Tensor:
    """From the least to the most of each block, both sides of zero, whole zero points."""
    import torch

    rows, columns = flat.shape
    blocks = torch.nn.functional.pad(flat, (0, -columns % block)).reshape(-1, block)
    top = (1 << bits) - 1
    low = blocks.amin(1, keepdim=True).clamp_max(0)
    high = blocks.amax(1, keepdim=True).clamp_min(0)
    scale = (high - low).clamp_min(SMALLEST) / top
    zero = (-low / scale).round()
    found = ((blocks / scale + zero).round().clamp(0, top) - zero) * scale
    return found.reshape(rows, -1)[:, :columns]


class Rounded(_distill.Rounding):
    """The student's weights by form; what has no form stays as it is."""

    def __init__(self, forms: Mapping[str, Form]) -> None:
        self.forms = forms

    def weights(self, named: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
        """Rounded, with the gradient of what was not."""
        found = dict(named)
        for name, form in self.forms.items():
            one = named[name]
            found[name] = one + (form.seen(one.detach()) - one.detach())
        return found

    def bake(self, model: Any) -> None:
        """Write what is seen into the weights, so that the later step finds it."""
        import torch

        with torch.no_grad():
            for name, one in model.named_parameters():
                if name in self.forms:
                    one.copy_(self.forms[name].seen(one))


@dataclass(frozen=True, slots=True, kw_only=True)
class Wanted:
    """Of a whole model: bits, inputs per scale, bits of tables, loud columns, the last layer."""

    bits: int
    block: int = 0
    tables: int = 32
    even: bool = False
    spare_last: bool = False


def forms_of(model: Any, batch: Any, wanted: Wanted) -> dict[str, Form]:
    """A form for every matrix, filter and table; the batch shows who shares inputs."""
    import torch

    bits, block, even, tables = wanted.bits, wanted.block, wanted.even, wanted.tables
    forms: dict[str, Form] = {}
    groups = _by_input(model, batch)
    last = groups[-1][-1] if groups else ""
    for names in groups:
        weights = {one: model.get_submodule(one).weight.detach().float() for one in names}
        columns = _columns(list(weights.values())) if even and block else None
        for name in names:
            spared = wanted.spare_last and block and name == last
            form = Form(bits=bits, block=block, columns=columns)
            forms[f"{name}.weight"] = Form(bits=LAST_BITS, block=LAST_BLOCK) if spared else form
    for name, module in model.named_modules():
        if isinstance(module, torch.nn.Conv2d):
            forms[f"{name}.weight"] = Form(bits=bits)
        elif isinstance(module, torch.nn.Embedding) and tables < 32:
            weight = module.weight.detach()
            columns = _columns([weight]) if even and block and tables < 8 else None
            forms[f"{name}.weight"] = Form(bits=tables, block=block, columns=columns)
    named = {name for name, _ in model.named_parameters()}  # of tied weights the first name only
    return {name: form for name, form in forms.items() if name in named}


def _columns(weights: list[torch.Tensor]) -> Any:
    """Scales of loud columns, as low_bit_weights takes them out; None where they are even."""
    import torch

    found = _even.columns_of([one.numpy() for one in weights])
    return None if found is None else torch.from_numpy(found)


def _by_input(model: Any, batch: Any) -> list[list[str]]:
    """Linear layers that read the same value, in running order."""
    import torch

    seen: dict[int, list[str]] = {}
    held = []  # values must live, or a later one takes the place in memory of an earlier

    def see(name: str) -> Any:
        def look(module: Any, given: tuple[Any, ...]) -> None:
            held.append(given[0])
            seen.setdefault(given[0].data_ptr(), []).append(name)

        return look

    hooks = [
        one.register_forward_pre_hook(see(name))
        for name, one in model.named_modules()
        if isinstance(one, torch.nn.Linear)
    ]
    with torch.no_grad():
        model(**batch)
    for hook in hooks:
        hook.remove()
    return list(seen.values())


@contextmanager
def rounded_inputs(model: Any, *, wanted: bool) -> Iterator[None]:
    """While it lasts, matrices and filters read 8-bit inputs, one range for each batch."""
    import torch

    kinds = (torch.nn.Linear, torch.nn.Conv2d)
    hooks = [
        one.register_forward_pre_hook(_round_input)
        for one in model.modules()
        if wanted and isinstance(one, kinds)
    ]
    try:
        yield
    finally:
        for hook in hooks:
            hook.remove()


def _round_input(module: Any, given: tuple[Any, ...]) -> tuple[Any, ...]:
    first = given[0]
    value = first.detach()
    low, high = value.amin().clamp_max(0), value.amax().clamp_min(0)
    scale = (high - low).clamp_min(SMALLEST) / INPUT_LEVELS
    zero = (-low / scale).round()
    seen = ((value / scale + zero).round().clamp(0, INPUT_LEVELS) - zero) * scale
    return (first + (seen - value), *given[1:])
