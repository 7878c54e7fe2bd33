"""Batch norms: means and spreads measured anew on sample rows.

Covers: re-estimation in one pass with the weights as they are, or as they will be rounded.
Does not cover: training, layer norms (they measure every row themselves), ONNX files, where
norms have become part of the convolutions.
Statistics measured anew after a network was changed: Wu and Johnson 2021 (arXiv 2105.07576), part
3.2; after pruning EagleEye, Li et al. 2020 (arXiv 2007.02491).
"""

from __future__ import annotations

from typing import Any

from wizard.strategies import _distill, _practice

ROWS_AT_ONCE = 64


def norms_of(model: Any) -> list[Any]:
    """The batch norms that keep statistics."""
    import torch

    kinds = (torch.nn.BatchNorm1d, torch.nn.BatchNorm2d)
    return [m for m in model.modules() if isinstance(m, kinds) and m.track_running_stats]


def measure_anew(model: Any, rows: _practice.Practice, rounding: _distill.Rounding) -> None:
    """Set the statistics of all batch norms from the rows that may be learnt on."""
    import torch

    norms, device = norms_of(model), next(model.parameters()).device
    momenta = [one.momentum for one in norms]
    for one in norms:
        one.reset_running_stats()
        one.momentum = None  # a plain mean over the batches
        one.train()
    with torch.no_grad():
        for batch in _practice.as_they_are(rows, ROWS_AT_ONCE):
            weights = rounding.weights(dict(model.named_parameters()))
            given = {name: one.to(device) for name, one in batch.items()}
            torch.func.functional_call(model, weights, args=(), kwargs=given)
    for one, momentum in zip(norms, momenta, strict=True):
        one.momentum = momentum
        one.eval()
