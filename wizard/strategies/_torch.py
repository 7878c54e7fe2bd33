"""From a checkpoint in PyTorch to an ONNX file with the same answers: export, tidy, compare.

Covers: one wrapper for every task's inputs and outputs (wizard/tasks), torch.onnx.export (dynamo),
agreement of every output at three shapes that the exporter never saw.
Does not cover: loading (_checkpoint.py), caching and where files go (to_onnx.py).
"""

from __future__ import annotations

import ast
import gc
import inspect
import os
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import tasks
from wizard.errors import ExportFailed, NotSupported
from wizard.examples import choosing, prepared
from wizard.examples.hearing import shape_heard
from wizard.nouns import Task
from wizard.strategies import _as_traced, _graph, _reshapes
from wizard.strategies._checkpoint import Shape, as_numbered_before, load, reason, shape_of

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import torch

# The free axes of an input, by its name.
AXES: Mapping[str, Mapping[int, str]] = {
    "input_ids": {0: "batch", 1: "sequence"},
    "attention_mask": {0: "batch", 1: "sequence"},
    "token_type_ids": {0: "batch", 1: "sequence"},
    "pixel_values": {0: "batch"},
    "input_values": {0: "batch"},
}
# The exporter treats 0 and 1 as constants, so the example batch is 2 (engine facts, part 2).
EXAMPLE_BATCH, EXAMPLE_TOKENS = 2, 16
UNSEEN = ((1, 7), (3, 33), (2, 20))  # batch and tokens at which the answers are compared
SAMPLES_A_TOKEN = 641  # of sound: 7 tokens stand for a third of a second, and no round number
# Where PyTorch's exporter keeps the modules a node came from, outermost first; the last entry is
# the operation itself. "model." is our wrapper's.
SCOPES, WRAPPED = "pkg.torch.onnx.name_scopes", "model."
WITH_WEIGHTS = {"MatMul", "Gemm", "Conv", "Gather"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Parity:
    """The largest absolute difference to PyTorch over `shapes` of the first input."""

    largest_difference: float
    shapes: tuple[tuple[int, ...], ...]


def checked_export(
    folder: Path,
    task: Task,
    path: Path,
    *,
    opset: int,
    image_size: int | None,
    report: Callable[[float, str], None],
) -> Parity:
    """Export the checkpoint in `folder` to `path` and compare the answers.

    Raises ExportFailed, UnknownArchitecture or NotSupported. Not safe twice at once in one
    process: the exporter is not.
    """
    os.environ.setdefault("HF_HUB_OFFLINE", "1")
    with _graph.quiet():
        report(0.05, "loading PyTorch")
        model = load(folder, task)
        card = tasks.card_of(task)
        names = input_names(model, card)
        feeds = _Feeds(model, names, _side(folder, image_size))
        report(0.2, "reading the computation")
        given = [feeds.of(batch, tokens) for batch, tokens in UNSEEN]
        expected = [_numbers(model, one, card.outputs) for one in given]
        raw = path.with_name("raw.onnx")
        _exported(model, names, card, feeds, opset, raw)
        del model  # its memory is needed for the file's own weights
        gc.collect()
        report(0.7, "tidying the file")
        tidy(raw, path, shape_of(folder))
        report(0.8, "comparing the answers")
        return _compare(given, expected, path)


def input_names(model: Any, card: tasks.TaskCard) -> tuple[str, ...]:
    """Which of the task's inputs this model takes, in the card's order.

    Raises NotSupported when it is fed with something else in the first place.
    """
    accepted = inspect.signature(model.forward).parameters
    if model.main_input_name not in card.inputs:
        because = (
            f"it is fed with {model.main_input_name}, and {card.title} is done for {card.reads}"
        )
        raise NotSupported(strategy="Translate to ONNX", because=because)
    # RoBERTa's forward takes token types but has a single one: its tokenizer gives none.
    typed = (getattr(model.config, "type_vocab_size", 0) or 0) > 1
    return tuple(
        name for name in card.inputs if name in accepted and (typed or name != "token_type_ids")
    )


def _side(folder: Path, image_size: int | None) -> tuple[int, int]:
    """Height and width of a prepared picture, as the image processor's file says."""
    settings = prepared.settings_in(folder) or {}
    for key in ("crop_size", "size") if settings.get("do_center_crop") else ("size",):
        size = settings.get(key)
        if isinstance(size, int):
            return size, size
        if isinstance(size, dict) and "height" in size:
            return int(size["height"]), int(size["width"])
        if isinstance(size, dict) and "shortest_edge" in size:
            return int(size["shortest_edge"]), int(size["shortest_edge"])
    return image_size or 224, image_size or 224


class _Feeds:
    """Random inputs of any shape, the same ones every time; `tokens` stand for any length."""

    def __init__(self, model: Any, names: tuple[str, ...], side: tuple[int, int]) -> None:
        self._names, self._side = names, side
        config = model.config.get_text_config() if "input_ids" in names else model.config
        self._vocabulary = getattr(config, "vocab_size", 2)
        self._ends = getattr(config, "eos_token_id", None)
        self._channels = getattr(choosing.sees(model.config), "num_channels", 3)
        self._heard = shape_heard(model.config, None)
        positions = getattr(config, "max_position_embeddings", None)
        # RoBERTa counts positions from the padding id, so two of them are not usable.
        self._longest = (
            max(4, positions - 2) if isinstance(positions, int) and positions > 0 else 64
        )

    def axes(self, name: str) -> Mapping[int, str]:
        """The free axes of an input; a sound's length is free where the wave itself is heard."""
        wave = name == "input_values" and len(self._heard) == 1
        return {0: "batch", 1: "samples"} if wave else AXES[name]

    def of(self, batch: int, tokens: int) -> dict[str, np.ndarray[Any, Any]]:
        import numpy as np

        random = np.random.default_rng(0)
        if "pixel_values" in self._names:
            shape = (batch, self._channels, *self._side)
            seen = {"pixel_values": random.standard_normal(shape, np.float32)}
            return seen | self._labels(2 * batch + 1, 2 * tokens)
        if "input_values" in self._names:
            samples = tokens * SAMPLES_A_TOKEN
            sound = self._heard if len(self._heard) > 1 else (samples,)
            return {"input_values": random.standard_normal((batch, *sound), np.float32)}
        return self._texts(batch, min(tokens, self._longest))

    def _texts(self, count: int, tokens: int) -> dict[str, np.ndarray[Any, Any]]:
        import numpy as np

        random = np.random.default_rng(0)
        mask = np.ones((count, tokens), np.int64)
        mask[1:, tokens - tokens // 3 :] = 0  # rows of unequal length, as real batches have
        given = {
            "input_ids": random.integers(self._vocabulary // 10, self._vocabulary, mask.shape),
            "attention_mask": mask,
            "token_type_ids": np.zeros_like(mask),
        }
        return {name: given[name] for name in self._names if name in given}

    def _labels(self, count: int, tokens: int) -> dict[str, np.ndarray[Any, Any]]:
        """Texts beside pictures, up to the longest: as many as nothing else; each with its end.

        What some look at is the sign at the end of a text, and a random text has none.
        """
        if "input_ids" not in self._names:
            return {}
        tokens = min(tokens, self._longest + 2)
        given = self._texts(count, tokens)
        if isinstance(self._ends, int) and self._ends < self._vocabulary:  # SigLIP names CLIP's
            given["input_ids"][0, -1] = given["input_ids"][1:, tokens // 2] = self._ends
        return given


def _wrapped(model: Any, names: tuple[str, ...], outputs: tuple[str, ...]) -> torch.nn.Module:
    """A module with positional inputs and outputs; what feeds other outputs is left behind."""
    import torch

    class Outputs(torch.nn.Module):  # type: ignore[misc] # torch is imported where it is used
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, *values: torch.Tensor) -> tuple[torch.Tensor, ...]:
            return _answer(self.model, dict(zip(names, values, strict=True)), outputs)

    return Outputs().eval()


def _answer(model: Any, inputs: dict[str, Any], outputs: tuple[str, ...]) -> tuple[Any, ...]:
    said = model(**inputs, return_dict=True)
    return tuple(getattr(said, output) for output in outputs)


def _exported(
    model: Any,
    names: tuple[str, ...],
    card: tasks.TaskCard,
    feeds: _Feeds,
    opset: int,
    path: Path,
) -> None:
    """With the attention written out step by step where the fused one cannot be translated.

    Swin's cannot: its windows leave the fused product in an order that the exporter does not
    bring together (torch 2.13, transformers 5.23).
    """
    try:
        _export(_wrapped(model, names, card.outputs), names, card, feeds, opset, path)
    except ExportFailed:
        if getattr(model.config, "_attn_implementation", None) != "sdpa":
            raise
        model.set_attn_implementation("eager")
        _export(_wrapped(model, names, card.outputs), names, card, feeds, opset, path)


def _export(
    module: torch.nn.Module,
    names: tuple[str, ...],
    card: tasks.TaskCard,
    feeds: _Feeds,
    opset: int,
    path: Path,
) -> None:
    """Straight to disk, weights beside the file: in memory they would be held three times."""
    import torch

    example = feeds.of(EXAMPLE_BATCH, EXAMPLE_TOKENS)
    try:
        program = _as_traced.program_of(
            module,
            tuple(torch.from_numpy(example[name]) for name in names),
            opset_version=opset,
            input_names=list(names),
            output_names=list(card.outputs),
            dynamic_shapes={
                "values": tuple(dict(card.axes.get(name) or feeds.axes(name)) for name in names)
            },
        )
    except torch.onnx.OnnxExporterError as error:
        raise ExportFailed(model=type(module).__name__, because=reason(error)) from error
    program.save(str(path), external_data=True)


def tidy(raw: Path, path: Path, shape: Shape) -> None:
    """The exporter's file with its weights, folded and stripped, at `path`."""
    model = _graph.load(raw)
    for left in (raw, raw.with_name(raw.name + ".data")):
        left.unlink(missing_ok=True)
    name_after_modules(model, shape)
    _reshapes.settle(model)
    _graph.fold_transposed_weights(model)
    _graph.drop_unused(model)
    _graph.save(model, path)


def name_after_modules(model: onnx.ModelProto, shape: Shape) -> None:
    """Name the nodes that may hold weights after the module whose weight they use.

    `bert.encoder.layer.0.output.dense/MatMul`: names survive the quantizers, metadata does not.
    A layer keeps the number it had before others were left out.
    """
    taken: Counter[str] = Counter()
    known = _graph.stored(model)
    for node in model.graph.node:
        module = _module_of(node, known) if node.op_type in WITH_WEIGHTS else ""
        if module:
            name = f"{as_numbered_before(module.removeprefix(WRAPPED), shape)}/{node.op_type}"
            taken[name] += 1
            node.name = name if taken[name] == 1 else f"{name}_{taken[name]}"


def _module_of(node: onnx.NodeProto, known: Mapping[str, onnx.TensorProto]) -> str:
    """By its weight's name (a norm may have been folded into it), else by the exporter's note."""
    weights = [name for name in node.input if name in known and name.endswith(".weight")]
    if weights:
        return str(weights[0].removesuffix(".weight"))
    scopes = next((one.value for one in node.metadata_props if one.key == SCOPES), "[]")
    return str((["", *ast.literal_eval(scopes)[:-1]])[-1])


def _numbers(
    model: Any, given: dict[str, Any], outputs: tuple[str, ...]
) -> list[np.ndarray[Any, Any]]:
    """What PyTorch answers."""
    import torch

    with torch.no_grad():
        inputs = {name: torch.from_numpy(value) for name, value in given.items()}
        return [one.numpy().copy() for one in _answer(model, inputs, outputs)]


def _compare(
    given: list[dict[str, Any]], expected: list[list[np.ndarray[Any, Any]]], path: Path
) -> Parity:
    """What ONNX Runtime answers at the shapes that the exporter did not see."""
    session = _graph.session(path)
    wanted = [one.name for one in session.get_inputs()]
    largest, shapes = 0.0, []
    for one, answers in zip(given, expected, strict=True):
        found = session.run(None, {name: one[name] for name in wanted})
        seen = one.get("attention_mask")
        pairs = zip(found, answers, strict=True)
        largest = max([largest, *(_apart(now, then, seen) for now, then in pairs)])
        shapes.append(tuple(next(iter(one.values())).shape))
    return Parity(largest_difference=largest, shapes=tuple(shapes))


def _apart(
    found: np.ndarray[Any, Any], wanted: np.ndarray[Any, Any], seen: np.ndarray[Any, Any] | None
) -> float:
    """The largest difference; infinite for another shape or what is no number.

    Answers to single tokens count where the mask lets the token be `seen`: what a model with local
    attention says of padding that sees nothing is chance, and nobody reads it.
    """
    import numpy as np

    if found.shape != wanted.shape:
        return float("inf")
    if seen is not None and found.shape[: seen.ndim] == seen.shape:
        found, wanted = found[seen > 0], wanted[seen > 0]
    return float(np.nan_to_num(np.abs(found - wanted).max(initial=0), nan=np.inf))
