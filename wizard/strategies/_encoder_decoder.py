"""From a model of two parts in PyTorch to one ONNX file that keeps what it has read and written.

Covers: a wrapper that reads the source (encoder) and writes (decoder) in one graph, with both
caches as plain inputs and outputs (`past_key_values.0.decoder.key`, `past_key_values.0.encoder.key`
as Optimum names them); the trace; feeds of any batch and lengths; what PyTorch itself answers.
Does not cover: loading, tidying and keeping the file (_causal.py, to_onnx.py); several sources.

One file serves both calls. The first one has the whole source and empty caches; all later ones have
a source of no tokens, which costs the encoder nothing, and the keys and values of what was read.
So the tables that both parts share are stored once, there is no branch (an `If` node that no
quantizer looks into), and a file is a model for every later step.
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
# Batch, tokens of the source that are new and that were read, tokens to write after and that were
# written. The exporter treats 0 and 1 as constants, so nothing in its example is that short.
EXAMPLE = (2, 7, 5, 3, 4)
# A first call, one with several texts and a prompt of some tokens; then single tokens as they are
# written, of one text and of several.
UNSEEN = ((1, 9, 0, 1, 0), (3, 6, 0, 4, 0), (1, 0, 8, 1, 12), (2, 0, 5, 1, 3))
FIRST_WORD = 3  # the ids below are special in most vocabularies
PROBE_TOKENS = 3
GIVEN = ("input_ids", "attention_mask", "decoder_input_ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caches:
    """What each decoder layer keeps: keys and values of what was written, and of the source.

    Each is [batch, heads, tokens, size].
    """

    layers: int
    heads: int
    size: int

    def names(self, prefix: str) -> tuple[str, ...]:
        """`past_key_values.0.decoder.key`, ..., `past_key_values.0.encoder.value`, ..."""
        return tuple(
            f"{prefix}.{layer}.{part}.{kind}"
            for layer in range(self.layers)
            for part in ("decoder", "encoder")
            for kind in ("key", "value")
        )

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*GIVEN, *self.names("past_key_values"))

    @property
    def outputs(self) -> tuple[str, ...]:
        return ("logits", *self.names("present"))

    def shape(self, name: str, batch: int, read: int, written: int) -> tuple[int, int, int, int]:
        """The shape of one of its tensors."""
        return (batch, self.heads, read if ".encoder." in name else written, self.size)


def cache_of(model: Any) -> Caches:
    """Read off a first call with a few tokens. Raises NotSupported for unlike layers."""
    import torch

    words = torch.ones((1, PROBE_TOKENS), dtype=torch.long)
    with torch.no_grad():
        kept = model(
            input_ids=words, decoder_input_ids=words, use_cache=True, return_dict=True
        ).past_key_values
    layers = [*kept.self_attention_cache.layers, *kept.cross_attention_cache.layers]
    shapes = {tuple(one.shape) for layer in layers for one in (layer.keys, layer.values)}
    if len(shapes) != 1:
        raise NotSupported(strategy=TITLE, because="its layers keep unlike things between tokens")
    _, heads, _, size = next(iter(shapes))
    return Caches(layers=len(layers) // 2, heads=heads, size=size)


def wrapped(model: Any) -> torch.nn.Module:
    """A module with both caches in and out: (source, mask, written, past) -> all answers."""
    import torch

    # The fused product hides its shapes from the exporter where one of them may be zero.
    model.set_attn_implementation("eager")

    class TwoParts(torch.nn.Module):  # type: ignore[misc] # torch is imported where it is used
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            input_ids: torch.Tensor,
            attention_mask: torch.Tensor,
            decoder_input_ids: torch.Tensor,
            past: tuple[torch.Tensor, ...],
        ) -> tuple[torch.Tensor, ...]:
            new, read = input_ids.shape[1], past[2].shape[2]
            # Picked by number, so that the exporter knows how long the pieces are.
            seen = attention_mask[:, read + torch.arange(new)]
            both = attention_mask[:, torch.arange(read + new)]
            heard = self.model.get_encoder()(
                input_ids=input_ids, attention_mask=seen, return_dict=True
            )
            return written(self.model, heard, both, decoder_input_ids, cache(past))

    return TwoParts().eval()


def cache(past: tuple[torch.Tensor, ...], *, complete: bool = False) -> Any:
    """Transformers' own cache; unless `complete`, keys of the new source are put after those read.

    That is what its update does with a layer that is not marked as having seen its source.
    """
    from transformers.cache_utils import DynamicCache, EncoderDecoderCache

    own = DynamicCache(list(zip(past[0::4], past[1::4], strict=True)))
    cross = DynamicCache(list(zip(past[2::4], past[3::4], strict=True)))
    both = EncoderDecoderCache(own, cross)
    both.is_updated = dict.fromkeys(both.is_updated, complete)
    return both


def written(
    model: Any, heard: Any, mask: torch.Tensor | None, words: torch.Tensor, cache: Any
) -> tuple[torch.Tensor, ...]:
    """What the part that writes says after what was read or `heard`: logits, then the caches."""
    answer = model(
        encoder_outputs=heard,
        attention_mask=mask,
        decoder_input_ids=words,
        past_key_values=cache,
        use_cache=True,
        return_dict=True,
    )
    return told(answer)


def told(answer: Any) -> tuple[torch.Tensor, ...]:
    """The logits and both caches of a transformers answer, in the caches' order."""
    kept = answer.past_key_values
    layers = zip(kept.self_attention_cache.layers, kept.cross_attention_cache.layers, strict=True)
    tensors = [(own.keys, own.values, read.keys, read.values) for own, read in layers]
    return (answer.logits, *(one for layer in tensors for one in layer))


def trace(
    module: torch.nn.Module, caches: Caches, vocabulary: int, opset: int, *, optimize: bool = True
) -> Any:
    """The exporter's program of a `wrapped` module. Raises ExportFailed with its own reason.

    Without `optimize` nothing is folded, as weights without numbers must not be.
    """
    axes = (
        {0: "batch", 1: "source"},
        {0: "batch", 1: "total_source"},
        {0: "batch", 1: "sequence"},
        tuple(
            {0: "batch", 2: "past_source" if ".encoder." in name else "past_sequence"}
            for name in caches.names("past_key_values")
        ),
    )
    example = arguments(feed(caches, vocabulary, *EXAMPLE))
    return exported(module, example, caches, axes, opset, optimize=optimize)


def exported(
    module: torch.nn.Module,
    example: tuple[Any, ...],
    caches: Caches,
    axes: Any,
    opset: int,
    *,
    optimize: bool,
) -> Any:
    """The exporter's program, named as the caches say. Raises ExportFailed."""
    import torch

    try:
        return _as_traced.program_of(
            module,
            example,
            optimize=optimize,
            opset_version=opset,
            input_names=list(caches.inputs),
            output_names=list(caches.outputs),
            dynamic_shapes=axes,
        )
    except torch.onnx.OnnxExporterError as error:
        raise ExportFailed(model=type(module).__name__, because=reason(error)) from error


def feed(  # noqa: PLR0913 - the five lengths that a request has
    caches: Caches, vocabulary: int, batch: int, new: int, read: int, words: int, written: int
) -> Arrays:
    """Random inputs, the same ones every time; the second source ends with padding."""
    import numpy as np

    random = np.random.default_rng(0)
    lowest = min(FIRST_WORD, vocabulary - 1)
    mask = np.ones((batch, read + new), np.int64)
    mask[1:, read + new - 2 :] = 0
    given: Arrays = {
        "input_ids": random.integers(lowest, vocabulary, (batch, new)),
        "attention_mask": mask,
        "decoder_input_ids": random.integers(lowest, vocabulary, (batch, words)),
    }
    for name in caches.names("past_key_values"):
        given[name] = random.standard_normal(caches.shape(name, batch, read, written), np.float32)
    return given


def arguments(given: Mapping[str, Any]) -> tuple[Any, ...]:
    """What `wrapped` is called with, from inputs in the caches' order."""
    import torch

    tensors = [torch.from_numpy(value) for value in given.values()]
    return (*tensors[: len(GIVEN)], tuple(tensors[len(GIVEN) :]))


def answers(module: torch.nn.Module, given: Mapping[str, Any]) -> list[np.ndarray[Any, Any]]:
    """What PyTorch says: logits, then the caches; after the source, as transformers goes on.

    PyTorch cannot read a source of no tokens, and transformers never does: its cache is complete.
    """
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    source, mask, words, past = arguments(given)
    with torch.no_grad():
        if source.shape[1]:
            found = module(source, mask, words, past)
        else:
            model: Any = module.model
            width = model.get_encoder().config.d_model
            nothing = torch.zeros((len(mask), mask.shape[1], width))
            heard = BaseModelOutput(last_hidden_state=nothing)
            found = written(model, heard, mask, words, cache(past, complete=True))
    return [one.numpy().copy() for one in found]
