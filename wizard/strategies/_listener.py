"""From a model that hears and writes to one ONNX file that keeps what it has heard and written.

Covers: a wrapper that hears a window of sound (encoder) and writes (decoder) in one graph, with
both caches as plain inputs and outputs; the trace; feeds of any batch and lengths; what PyTorch
itself answers. The same functions as _encoder_decoder.py, for the same walk (_causal.py).
Does not cover: models that hear sounds of any length (a mask would be needed).

One file serves both calls, as for texts. But a window has one length, so it is the batch that is
empty once it was heard: later calls are given 0 windows, which costs the encoder nothing, and the
keys and values of those heard before. They are computed here, by each layer's own projections:
transformers' attention would shape them by the batch of what is written.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.strategies import _encoder_decoder
from wizard.strategies._encoder_decoder import FIRST_WORD, cache, exported, written

if TYPE_CHECKING:
    import numpy as np
    import torch

    Arrays = dict[str, np.ndarray[Any, Any]]

# Windows that are new and that were heard, tokens to write after and that were written. The
# exporter treats 0 and 1 as constants, so nothing in its example is that small.
EXAMPLE = (2, 3, 4, 5)
# A first call with a prompt, one of several windows; then single tokens as they are written.
UNSEEN = ((1, 0, 4, 0), (3, 0, 2, 0), (0, 1, 1, 9), (0, 2, 1, 3))
GIVEN = ("input_features", "decoder_input_ids")


@dataclass(frozen=True, slots=True, kw_only=True)
class Caches(_encoder_decoder.Caches):
    """What each decoder layer keeps; of the sound always `positions` keys and values.

    A window is [bands, frames].
    """

    positions: int
    bands: int
    frames: int

    @property
    def inputs(self) -> tuple[str, ...]:
        return (*GIVEN, *self.names("past_key_values"))


def cache_of(model: Any) -> Caches:
    """Read off the config."""
    config = model.config
    heads = config.decoder_attention_heads
    return Caches(
        layers=config.decoder_layers,
        heads=heads,
        size=config.d_model // heads,
        positions=config.max_source_positions,
        bands=config.num_mel_bins,
        frames=2 * config.max_source_positions,  # its second convolution takes every other one
    )


def wrapped(model: Any) -> torch.nn.Module:
    """A module with both caches in and out: (windows, written, past) -> all answers."""
    import torch

    # The fused product hides its shapes from the exporter where one of them may be zero.
    model.set_attn_implementation("eager")

    class HearsAndWrites(torch.nn.Module):  # type: ignore[misc] # torch is imported where it is used
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(
            self,
            input_features: torch.Tensor,
            decoder_input_ids: torch.Tensor,
            past: tuple[torch.Tensor, ...],
        ) -> tuple[torch.Tensor, ...]:
            heard = self.model.get_encoder()(input_features, return_dict=True)
            batch = decoder_input_ids.shape[0]
            known = _with(self.model, heard.last_hidden_state, past, batch)
            return written(self.model, heard, None, decoder_input_ids, cache(known, complete=True))

    return HearsAndWrites().eval()


def _with(
    model: Any, heard: torch.Tensor, past: tuple[torch.Tensor, ...], batch: int
) -> tuple[torch.Tensor, ...]:
    """The caches with keys and values of the new windows behind those heard before."""
    import torch

    made = list(past)
    for at, layer in enumerate(model.get_decoder().layers):
        for place, project in ((2, layer.encoder_attn.k_proj), (3, layer.encoder_attn.v_proj)):
            old = past[4 * at + place]
            new = project(heard).unflatten(2, (old.shape[1], old.shape[3])).transpose(1, 2)
            # Picked by number, so that the exporter knows that there are as many as texts.
            made[4 * at + place] = torch.cat([old, new])[torch.arange(batch)]
    return tuple(made)


def trace(
    module: torch.nn.Module, caches: Caches, vocabulary: int, opset: int, *, optimize: bool = True
) -> Any:
    """The exporter's program of a `wrapped` module. Raises ExportFailed with its own reason.

    Without `optimize` nothing is folded, and `pick_all` is left for afterwards.
    """
    axes = (
        {0: "new_batch"},
        {0: "batch", 1: "sequence"},
        tuple(
            {0: "heard_batch"} if ".encoder." in name else {0: "batch", 2: "past_sequence"}
            for name in caches.names("past_key_values")
        ),
    )
    example = arguments(feed(caches, vocabulary, *EXAMPLE))
    program = exported(module, example, caches, axes, opset, optimize=optimize)
    if optimize:
        pick_all(program)
    return program


def pick_all(program: Any) -> None:
    """Nothing is picked any more: picking all windows that there are copies them for each token."""
    for node in program.model.graph:
        made = node.inputs[0].producer() if node.op_type == "GatherND" else None
        if made is not None and made.op_type == "Concat" and ".encoder." in made.inputs[0].name:
            node.op_type = "Identity"
            node.attributes.clear()
            node.resize_inputs(1)


def feed(caches: Caches, vocabulary: int, new: int, heard: int, words: int, written: int) -> Arrays:
    """Random inputs, the same ones every time."""
    import numpy as np

    random = np.random.default_rng(0)
    lowest, batch = min(FIRST_WORD, vocabulary - 1), new + heard
    windows = (new, caches.bands, caches.frames)
    given: Arrays = {
        "input_features": random.standard_normal(windows, np.float32),
        "decoder_input_ids": random.integers(lowest, vocabulary, (batch, words)),
    }
    for name in caches.names("past_key_values"):
        of_sound = ".encoder." in name
        rows, tokens = (heard, caches.positions) if of_sound else (batch, written)
        shape = (rows, caches.heads, tokens, caches.size)
        given[name] = random.standard_normal(shape, np.float32)
    return given


def arguments(given: Mapping[str, Any]) -> tuple[Any, ...]:
    """What `wrapped` is called with, from inputs in the caches' order."""
    import torch

    tensors = [torch.from_numpy(value) for value in given.values()]
    return (*tensors[: len(GIVEN)], tuple(tensors[len(GIVEN) :]))


def answers(module: torch.nn.Module, given: Mapping[str, Any]) -> list[np.ndarray[Any, Any]]:
    """What PyTorch says: logits, then the caches; as transformers begins and goes on.

    A first call is held against transformers' own, whose attention makes its keys itself; after
    the sound its cache is complete.
    """
    import torch
    from transformers.modeling_outputs import BaseModelOutput

    windows, words, past = arguments(given)
    model: Any = module.model
    with torch.no_grad():
        if len(windows):
            found = _first(model, windows, words)
        else:
            shape = (len(words), past[2].shape[2], model.config.d_model)
            heard = BaseModelOutput(last_hidden_state=torch.zeros(shape))
            found = written(model, heard, None, words, cache(past, complete=True))
    return [one.numpy().copy() for one in found]


def _first(model: Any, windows: torch.Tensor, words: torch.Tensor) -> tuple[torch.Tensor, ...]:
    """A first call without any cache of ours."""
    answer = model(
        input_features=windows, decoder_input_ids=words, use_cache=True, return_dict=True
    )
    return _encoder_decoder.told(answer)
