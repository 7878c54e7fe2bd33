"""From a causal language model in PyTorch to one ONNX file that keeps what it has read.

Covers: a wrapper with the cache as plain inputs and outputs, named as Optimum and transformers.js
expect them (`past_key_values.0.key`, `present.0.key`); the trace, with or without weights; feeds
of any batch, tokens and cached length.
Does not cover: loading, tidying and keeping the file (_torch.py, to_onnx.py); models of two parts
(encoder and decoder); caches that are not one key and one value tensor per layer.

One file serves both calls: the first one with an empty cache, all later ones with what the call
before gave. The wrapper takes any module with transformers' signature, also one on the meta
device, so that a trace needs no weights in memory.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.errors import ExportFailed, NotSupported
from wizard.strategies import _as_traced
from wizard.strategies._checkpoint import reason

if TYPE_CHECKING:
    import numpy as np
    import torch

    Arrays = dict[str, np.ndarray[Any, Any]]

TITLE = "Translate to ONNX"
# The exporter treats 0 and 1 as constants, so nothing in the example is that short.
EXAMPLE = (2, 3, 5)
# Batch, new tokens and cached tokens at which the answers are compared: a first call, one long
# text, several texts, then single tokens as they are written.
UNSEEN = ((1, 7, 0), (3, 4, 9), (1, 1, 12), (2, 1, 1))
PROBE_TOKENS = 3
FIRST_WORD = 3  # the ids below are special in most vocabularies


@dataclass(frozen=True, slots=True, kw_only=True)
class Cache:
    """What a causal model keeps of the tokens it has read: per layer one key and one value.

    Each is [batch, heads, tokens, size].
    """

    layers: int
    heads: int
    size: int

    def names(self, prefix: str) -> tuple[str, ...]:
        """`past_key_values.0.key`, `past_key_values.0.value`, ..."""
        return tuple(
            f"{prefix}.{layer}.{kind}" for layer in range(self.layers) for kind in ("key", "value")
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        return ("input_ids", "attention_mask", "position_ids", *self.names("past_key_values"))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("logits", *self.names("present"))

    def empty(self, batch: int, tokens: int = 0) -> tuple[int, int, int, int]:
        """The shape of one of its tensors."""
        return (batch, self.heads, tokens, self.size)


def cache_of(model: Any) -> Cache:
    """Read off a first call with a few tokens, which also works on the meta device.

    Raises NotSupported where layers keep unlike things (sliding windows of their own length,
    states of another kind), because the common file layout has no place for them.
    """
    import torch

    device = next(model.parameters()).device
    words = torch.ones((1, PROBE_TOKENS), dtype=torch.long, device=device)
    with torch.no_grad():
        kept = model(input_ids=words, use_cache=True, return_dict=True).past_key_values
    layers = getattr(kept, "layers", ())
    shapes = {tuple(one.shape) for layer in layers for one in _tensors(layer)}
    if len(shapes) != 1 or len(next(iter(shapes))) != 4:
        raise NotSupported(strategy=TITLE, because="its layers keep unlike things between tokens")
    _, heads, _, size = next(iter(shapes))
    return Cache(layers=len(layers), heads=heads, size=size)


def _tensors(layer: Any) -> list[Any]:
    found = [getattr(layer, name, None) for name in ("keys", "values")]
    if any(one is None for one in found):
        raise NotSupported(strategy=TITLE, because="its layers keep unlike things between tokens")
    return found


def wrapped(model: Any) -> torch.nn.Module:
    """A module with the cache's tensors in and out: (ids, mask, positions, past) -> all answers."""
    import torch
    from transformers.cache_utils import DynamicCache

    class WithCache(torch.nn.Module):  # type: ignore[misc] # torch is imported where it is used
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            position_ids: torch.Tensor,
            past: tuple[torch.Tensor, ...],
        ) -> tuple[torch.Tensor, ...]:
            pairs = list(zip(past[0::2], past[1::2], strict=True))
            answer = self.model(
                input_ids=input_ids,
                attention_mask=attention_mask,
                position_ids=position_ids,
                past_key_values=DynamicCache(pairs),
                use_cache=True,
                return_dict=True,
            )
            kept = answer.past_key_values.layers
            return (answer.logits, *(one for layer in kept for one in (layer.keys, layer.values)))

    return WithCache().eval()


def trace(
    module: torch.nn.Module, cache: Cache, vocabulary: int, opset: int, *, optimize: bool = True
) -> Any:
    """The exporter's program of a `wrapped` module; weights that are on meta stay empty.

    Without `optimize` nothing is folded, as weights without numbers must not be.

    Raises ExportFailed with the exporter's own reason.
    """
    import torch

    words = {0: "batch", 1: "sequence"}
    kept = tuple({0: "batch", 2: "past_sequence"} for _ in range(2 * cache.layers))
    device = next(module.parameters()).device
    try:
        return _as_traced.program_of(
            module,
            arguments(feed(cache, vocabulary, *EXAMPLE), device),
            optimize=optimize,
            opset_version=opset,
            input_names=list(cache.inputs),
            output_names=list(cache.outputs),
            dynamic_shapes=(words, {0: "batch", 1: "total_sequence"}, words, kept),
        )
    except torch.onnx.OnnxExporterError as error:
        raise ExportFailed(model=type(module).__name__, because=reason(error)) from error


def feed(cache: Cache, vocabulary: int, batch: int, tokens: int, past: int) -> Arrays:
    """Random inputs, the same ones every time; the second row begins with padding.

    Padding stands on the left, as it does wherever texts of unequal length are continued.
    """
    import numpy as np

    random = np.random.default_rng(0)
    mask = np.ones((batch, past + tokens), np.int64)
    mask[1:, : min(2, past)] = 0
    positions = np.maximum(mask.cumsum(axis=1) - 1, 0)[:, past:]
    lowest = min(FIRST_WORD, vocabulary - 1)
    given: Arrays = {
        "input_ids": random.integers(lowest, vocabulary, (batch, tokens)),
        "attention_mask": mask,
        "position_ids": positions,
    }
    for name in cache.names("past_key_values"):
        given[name] = random.standard_normal(cache.empty(batch, past), np.float32)
    return given


def arguments(given: Mapping[str, Any], device: Any = "cpu") -> tuple[Any, ...]:
    """What `wrapped` is called with, from inputs in the cache's order."""
    import torch

    tensors = [torch.from_numpy(value).to(device) for value in given.values()]
    return (*tensors[:3], tuple(tensors[3:]))


def answers(module: torch.nn.Module, given: Mapping[str, Any]) -> list[np.ndarray[Any, Any]]:
    """What PyTorch says: logits, then the cache."""
    import torch

    with torch.no_grad():
        return [one.numpy().copy() for one in module(*arguments(given))]
