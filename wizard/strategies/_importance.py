"""Which heads, neurons and channels can go at the least cost for the answers.

Covers: the order within a group (by what is lost after the rest has made up for it), a search over
all groups under a budget of arithmetic, whole layers by what skipping them changes.
Does not cover: collecting the statistics (_seen.py), slicing (_groups.py).

Loss, to second order: Fisher information of a layer's outputs times the second moments of its
inputs, as K-FAC has it. A unit's removal with the rest refitted then costs
tr(H^-1 W'FW) over its columns, H their part of the moments' inverse (optimal brain surgeon for
structures: Kurtic et al. 2023, ZipLM, arXiv 2302.04089). Mask search under a budget without
retraining: Kwon et al. 2022, arXiv 2204.09656, who judge units by the Fisher information of
masks alone; on the samples that keeps fewer answers (DECISIONS.md).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.strategies._groups import NEURONS, Group, Work, blocks_of, share
from wizard.strategies._seen import Seen, answer

if TYPE_CHECKING:
    import torch

    from wizard.strategies._seen import Row

DAMPING = 1e-3  # of the inputs' mean power
GOES_AT_MOST = 128  # removals a group is cut into; wide groups lose more at a time


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """Units that go together, and the loss that adds once the rest has made up for it."""

    units: tuple[int, ...]
    loss: float


def removals(model: Any, group: Group, seen: Seen) -> list[Removal]:
    """The group's units in the order they should go, nearly all of them; losses never fall."""
    import torch

    reader = model.get_submodule(group.reader)
    weight = reader.weight.detach().double().flatten(1)
    weight = torch.cat([weight, torch.zeros(len(weight), 1).double()], 1)
    moments = seen.inputs.clone()
    moments.diagonal()[:-1].add_(DAMPING * moments.diagonal()[:-1].mean())
    inverse = torch.linalg.inv(moments)
    felt = seen.outputs @ weight
    wide = (weight.shape[1] - 1) // group.units
    at_once = _at_once(group)
    left, found, most = list(range(group.units)), [], 0.0
    while len(left) > at_once:
        losses = _each_alone(inverse, weight, felt, left, wide)
        units = sorted(left[at] for at in losses.argsort()[:at_once].tolist())
        columns = _columns(units, wide)
        most = max(most, float(_loss(inverse, weight, felt, columns)))
        found.append(Removal(units=tuple(units), loss=most))
        solved = torch.linalg.solve(inverse[columns][:, columns], inverse[columns])
        felt = felt - felt[:, columns] @ solved
        weight = weight - weight[:, columns] @ solved
        inverse = inverse - inverse[:, columns] @ solved
        gone = set(units)
        left = [unit for unit in left if unit not in gone]
    return found


def _at_once(group: Group) -> int:
    if group.kind != NEURONS:
        return group.step
    return group.step * max(1, round(group.units / GOES_AT_MOST / group.step))


def _columns(units: Sequence[int], wide: int) -> torch.Tensor:
    import torch

    return (torch.tensor(units)[:, None] * wide + torch.arange(wide)).flatten()


def _loss(
    inverse: torch.Tensor, weight: torch.Tensor, felt: torch.Tensor, columns: torch.Tensor
) -> torch.Tensor:
    """Of these columns of the weight [outputs, inputs] together; `felt` is F W."""
    import torch

    squares = weight[:, columns].T @ felt[:, columns]
    return torch.linalg.solve(inverse[columns][:, columns], squares).trace()


def _each_alone(
    inverse: torch.Tensor,
    weight: torch.Tensor,
    felt: torch.Tensor,
    left: Sequence[int],
    wide: int,
) -> torch.Tensor:
    """The loss of each unit if it alone went."""
    import torch

    if wide > 1:
        alone = [_loss(inverse, weight, felt, _columns([unit], wide)) for unit in left]
        return torch.stack(alone)
    squares = (weight[:, left] * felt[:, left]).sum(0)
    return squares / inverse.diagonal()[left]


def search(
    work: Sequence[Work],
    groups: Sequence[Group],
    orders: Sequence[Sequence[Removal]],
    budget: float,
) -> list[list[int]] | None:
    """The units to keep in each group, so that at most `budget` of the arithmetic is left.

    What costs least per share of the arithmetic goes first. None where it cannot be reached.
    """
    orders = orders or [[] for _ in groups]
    kept = [group.units for group in groups]
    taken = [0] * len(groups)
    now = share(work, groups, kept)
    while now > budget:
        best = None
        for at, order in enumerate(orders):
            if taken[at] == len(order):
                continue
            removal = order[taken[at]]
            then = share(work, groups, _with_less(kept, at, len(removal.units)))
            price = removal.loss / max(now - then, 1e-12)
            if best is None or price < best[0]:
                best = (price, at, then)
        if best is None:
            return None
        _, at, now = best
        kept = _with_less(kept, at, len(orders[at][taken[at]].units))
        taken[at] += 1
    pairs = zip(orders, taken, strict=True)
    gone = [{unit for one in order[:count] for unit in one.units} for order, count in pairs]
    return [
        [unit for unit in range(group.units) if unit not in out]
        for group, out in zip(groups, gone, strict=True)
    ]


def _with_less(kept: Sequence[int], at: int, less: int) -> list[int]:
    return [count - less if number == at else count for number, count in enumerate(kept)]


def least_needed_layers(model: Any, rows: Sequence[Row], count: int) -> list[int]:
    """The numbers of the layers to drop, one after the other: those that change answers least."""
    import torch

    layers = range(len(blocks_of(model)))
    dropped: list[int] = []
    with torch.no_grad():
        wanted = [answer(model, row) for row in rows]
        for _ in range(count):
            left = [at for at in layers if at not in dropped]
            moved = {at: _moved(model, rows, wanted, [*dropped, at]) for at in left}
            dropped.append(min(left, key=lambda at: moved[at]))
    return sorted(dropped)


def _moved(
    model: Any, rows: Sequence[Row], wanted: Sequence[torch.Tensor], without: Sequence[int]
) -> float:
    """How far the answers move when these layers hand on what they are given."""

    def hand_on(module: Any, given: tuple[Any, ...], named: dict[str, Any], out: Any) -> Any:
        first = given[0] if given else named["hidden_states"]
        return (first, *out[1:]) if isinstance(out, tuple) else first

    names = blocks_of(model)
    hooks = [
        model.get_submodule(names[at]).register_forward_hook(hand_on, with_kwargs=True)
        for at in without
    ]
    pairs = zip(rows, wanted, strict=True)
    found = sum(float((answer(model, row) - want).square().mean()) for row, want in pairs)
    for hook in hooks:
        hook.remove()
    return found
