"""The layers that remain take over what those that left did: linear least squares, no training.

Covers: the reader of every group, from the first block to the last, each fitted to the original's
sum with the residual given what the smaller model really hands it; so errors do not pile up.
Does not cover: which units left (_importance.py); the other layers, whose numbers stay.

Kwon et al. 2022 (arXiv 2204.09656) rescale what is kept; here all its weights and the bias are
fitted, held near where they were by a ridge.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wizard.strategies._contract import Workbench
from wizard.strategies._groups import Group, blocks_of
from wizard.strategies._seen import Crossed, flattened, places, with_constant

if TYPE_CHECKING:
    import torch

    from wizard.strategies._seen import Row

    # A block's positional arguments after the first, and its keyword arguments; then the first.
    Call = tuple[tuple[Any, ...], dict[str, Any], torch.Tensor]

RIDGE = 1e-2  # of the inputs' mean power
SMALLEST_SCALE = 1e-3  # a batch norm's factor below which a channel is as good as silent


class _Stopped(Exception):
    """Raised once a block's input is known."""


def refit(
    original: Any,
    smaller: Any,
    groups: Sequence[Group],
    kept: Sequence[int],
    rows: Sequence[Row],
    bench: Workbench,
) -> None:
    """Fit `smaller` in place; `groups` are its own, `kept` the original numbers of its blocks."""
    import torch

    theirs, ours = blocks_of(original), blocks_of(smaller)
    with torch.no_grad():
        calls = [_call_of(original, theirs[0], row) for row in rows]
        given = calls
        for at, name in enumerate(theirs):
            bench.report(0.6 + 0.3 * at / len(theirs), "letting the rest make up for it")
            if at in kept:
                mine = ours[list(kept).index(at)]
                for group in (one for one in groups if one.block == mine):
                    _fit(original, smaller, group, (name, mine), (calls, given))
                given = [_next(smaller, mine, call) for call in given]
            calls = [_next(original, name, call) for call in calls]


def _call_of(model: Any, block: str, row: Row) -> Call:
    """How the first block is called for one row."""
    found: list[Call] = []

    def see(module: Any, given: tuple[Any, ...], named: dict[str, Any]) -> None:
        named = dict(named)
        first = given[0] if given else named.pop("hidden_states")
        found.append((given[1:], named, first))
        raise _Stopped

    hook = model.get_submodule(block).register_forward_pre_hook(see, with_kwargs=True)
    try:
        model(**row)
    except _Stopped:
        pass
    finally:
        hook.remove()
    return found[0]


def _run(model: Any, block: str, call: Call) -> torch.Tensor:
    rest, named, first = call
    out = model.get_submodule(block)(first, *rest, **named)
    found: torch.Tensor = out[0] if isinstance(out, tuple) else out
    return found


def _next(model: Any, block: str, call: Call) -> Call:
    """How the block after it is called."""
    rest, named, _ = call
    return rest, named, _run(model, block, call)


def _fit(
    original: Any,
    smaller: Any,
    group: Group,
    blocks: tuple[str, str],
    calls: tuple[Sequence[Call], Sequence[Call]],
) -> None:
    """Least squares for one reader over all rows."""
    theirs, mine = blocks
    there = group.sum_at.replace(mine, theirs, 1)
    reader = smaller.get_submodule(group.reader)
    scale = _scale(smaller, group)
    seen: dict[str, torch.Tensor] = {}
    hooks = [
        original.get_submodule(there).register_forward_pre_hook(_keep(seen, "wanted")),
        smaller.get_submodule(group.sum_at).register_forward_pre_hook(_keep(seen, "sum")),
        reader.register_forward_hook(_keep_both(seen)),
    ]
    inputs, crossed = Crossed(), Crossed()
    for call, given in zip(*calls, strict=True):
        _run(original, theirs, call)
        _run(smaller, mine, given)
        missing = flattened(seen["wanted"] - seen["sum"]) / scale
        x = with_constant(places(reader, seen["in"])).double()
        inputs.add(x)
        crossed.add(x, (flattened(seen["out"]) + missing).double())
    for hook in hooks:
        hook.remove()
    _set(smaller, group, inputs.total(), crossed.total())


def _keep(seen: dict[str, torch.Tensor], name: str) -> Any:
    def see(module: Any, given: tuple[Any, ...]) -> None:
        seen[name] = given[0].clone()

    return see


def _keep_both(seen: dict[str, torch.Tensor]) -> Any:
    def see(module: Any, given: tuple[Any, ...], out: Any) -> None:
        seen["in"], seen["out"] = given[0], out

    return see


def _scale(model: Any, group: Group) -> Any:
    """By what a batch norm multiplies the reader's outputs before the sum, [outputs]; or 1."""
    if group.scaled_by is None:
        return 1.0
    norm = model.get_submodule(group.scaled_by)
    factor = norm.weight / (norm.running_var + norm.eps).sqrt()
    return factor.abs().clamp_min(SMALLEST_SCALE) * (1 - 2 * (factor < 0).float())


def _set(model: Any, group: Group, inputs: torch.Tensor, crossed: torch.Tensor) -> None:
    """Solve and write the weights; without a bias, the batch norm's mean takes the constant."""
    import torch

    reader = model.get_submodule(group.reader)
    was = reader.weight.double().flatten(1)
    bias = torch.zeros(len(was)).double() if reader.bias is None else reader.bias.double()
    ridge = RIDGE * inputs.diagonal()[:-1].mean() * torch.ones(len(inputs)).double()
    ridge[-1] = 0
    near = torch.cat([was, bias[:, None]], 1).T * ridge[:, None]
    solved = torch.linalg.solve(inputs + torch.diag(ridge), crossed + near).T
    reader.weight.copy_(solved[:, :-1].reshape(reader.weight.shape).float())
    if reader.bias is not None:
        reader.bias.copy_(solved[:, -1].float())
    else:
        norm = model.get_submodule(group.scaled_by)
        norm.running_mean.sub_(solved[:, -1].float())
