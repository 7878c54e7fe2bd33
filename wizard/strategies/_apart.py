"""How far two networks' answers and hidden states are apart, whatever the task.

Covers: choices among labels, words or places, vectors, any other numbers; padding does not count.
Does not cover: what is learnt from it (_distill.py), the verdict's own measures (measure/).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.strategies._practice import MASK

if TYPE_CHECKING:
    import torch

    Batch = dict[str, torch.Tensor]

SMALLEST = 1e-8
NEAR = 0.1  # of the spread: numbers that count as the same answer
VECTORS = ("hidden_state", "embeds", "pooler_output")


def distance(name: str, found: Any, wanted: Any, batch: Batch) -> torch.Tensor:
    """How far answers are apart; 0 where they are the same.

    Labels: Kullback-Leibler divergence. Vectors: one minus the cosine of their mean over the
    tokens. Any other numbers: squared error over their spread.
    """
    import torch

    if name.endswith(VECTORS):
        mine, theirs = (pooled(one, batch) for one in (found, wanted))
        return (1 - torch.nn.functional.cosine_similarity(mine, theirs, dim=-1)).mean()
    if not _chooses(name, wanted):
        return (found - wanted).square().mean() / wanted.var().clamp_min(SMALLEST)
    mine, theirs = (_choices(one, batch).log_softmax(-1) for one in (found, wanted))
    return _mean((theirs.exp() * (theirs - mine)).sum(-1), batch)


def agreed(name: str, found: Any, wanted: Any, batch: Batch) -> torch.Tensor:
    """For each row: whether the answer is the same; for vectors their cosine."""
    import torch

    if name.endswith(VECTORS):
        mine, theirs = (pooled(one, batch) for one in (found, wanted))
        return torch.nn.functional.cosine_similarity(mine, theirs, dim=-1)
    if not _chooses(name, wanted):
        near = (found - wanted).abs() <= NEAR * wanted.std().clamp_min(SMALLEST)
        return near.float().flatten(1).mean(1)
    same = (_choices(found, batch).argmax(-1) == _choices(wanted, batch).argmax(-1)).float()
    if same.dim() == 1:
        return same
    mask = _mask(same, batch)
    return (same * mask).flatten(1).sum(1) / mask.flatten(1).sum(1)


def _chooses(name: str, wanted: torch.Tensor) -> bool:
    """Whether the largest number is the answer: labels, words, places in a text."""
    return "logits" in name and wanted.shape[-1] > 1


def _choices(found: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The choice along the last axis; places that are padding are none."""
    mask = batch.get(MASK)
    if found.dim() == 4:  # labels of a picture's points
        return found.movedim(1, -1)
    if mask is not None and found.dim() == 2 and found.shape == mask.shape:
        return found.masked_fill(mask == 0, -1e4)
    return found


def apart(mine: torch.Tensor, theirs: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Hidden states: squared error over the original's own power there."""
    error = (mine - theirs).square()
    power = theirs.square()
    if mine.dim() == 3:
        error, power = error.mean(-1), power.mean(-1)
    return _mean(error, batch) / _mean(power, batch).clamp_min(SMALLEST)


def pooled(states: torch.Tensor, batch: Batch) -> torch.Tensor:
    """The mean over tokens that are no padding, over a picture's places: [rows, hidden]."""
    if states.dim() == 4:
        return states.flatten(2).mean(2)
    if states.dim() == 2:
        return states
    mask = _mask(states[..., 0], batch)[..., None]
    return (states * mask).sum(1) / mask.sum(1)


def _mean(each: torch.Tensor, batch: Batch) -> torch.Tensor:
    mask = _mask(each, batch)
    return (each * mask).sum() / mask.sum()


def _mask(each: torch.Tensor, batch: Batch) -> torch.Tensor:
    """Ones where a value counts: tokens that are no padding; everywhere in what has no tokens."""
    import torch

    mask = batch.get(MASK)
    fits = mask is not None and each.dim() == 2 and each.shape == mask.shape
    return mask.to(each.dtype) if fits and mask is not None else torch.ones_like(each)
