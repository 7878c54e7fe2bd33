"""An ONNX file from a stranger: is it safe to open, what is it for, does it run as it should.

Covers: external data that lies elsewhere, operators that nobody has, constants too large for any
machine, the task by inputs and outputs, free batch and sequence axes, a trial run with a limit.
Does not cover: where the file comes from (uploads.py), the card made of it (given.py).

A graph is a program: it is only opened in a child process with limits on memory and time.
"""

from __future__ import annotations

import math
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any

from wizard import tasks
from wizard.errors import UploadRefused
from wizard.limits import limits
from wizard.nouns import Task

# ONNX's own operators and the contributed ones of ONNX Runtime.
DOMAINS = {"", "ai.onnx", "ai.onnx.ml", "com.microsoft"}
MARKS_OF_COMPRESSION = {
    *("DynamicQuantizeLinear", "QLinearMatMul", "QLinearConv", "MatMulInteger", "ConvInteger"),
    *("DequantizeLinear", "MatMulNBits", "GatherBlockQuantized"),
}
TEXT_INPUTS = {"input_ids", "attention_mask", "token_type_ids"}
PIXELS = "pixel_values"
FLOAT, INTEGERS = 1, {6, 7}  # onnx.TensorProto's numbers for float32, int32 and int64
POOLED = ("sentence_embedding", "text_embeds", "pooler_output")
USUAL_SIDE = 224
TRIED_TOKENS = (7, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Axes:
    """What a trial run found: whether other batches (and lengths) than the file's own work."""

    batch_free: bool
    tokens: int | None = None
    image_size: int | None = None
    width: int = 0


def load_checked(path: Path) -> Any:
    """The model, external data included, once nothing in it means harm. Raises UploadRefused."""
    import onnx
    from google.protobuf.message import DecodeError  # type: ignore[import-untyped]
    from onnx.checker import ValidationError

    if path.stat().st_size > limits().graph_bytes:
        allowed = f"{limits().graph_bytes / 1e9:,.0f} GB"
        raise UploadRefused(file=path.name, because=f"it is larger than the {allowed} we take")
    try:
        model = onnx.load(str(path), load_external_data=False)
    except DecodeError as error:
        raise UploadRefused(file=path.name, because="it cannot be read as ONNX") from error
    _check_data(model, path)
    _check_operators(model, path.name)
    _check_constants(model, path.name)
    try:
        onnx.checker.check_model(str(path), full_check=False)
        return onnx.load(str(path))
    except (ValidationError, ValueError, RuntimeError, OSError) as error:
        because = f"it is no valid ONNX model ({_first_line(error)})"
        raise UploadRefused(file=path.name, because=because) from error


def _first_line(error: Exception) -> str:
    return str(error).strip().split("\n", 1)[0][:160].rstrip(".")


def _graphs(graph: Any) -> Iterator[Any]:
    """A graph and those inside its loops and branches."""
    yield graph
    for node in graph.node:
        for attribute in node.attribute:
            for inner in (attribute.g, *attribute.graphs):
                if inner.node or inner.initializer:
                    yield from _graphs(inner)


def _tensors(model: Any) -> Iterator[Any]:
    for graph in _graphs(model.graph):
        yield from graph.initializer
        for node in graph.node:
            for attribute in node.attribute:
                if attribute.HasField("t"):
                    yield attribute.t
                yield from attribute.tensors


def data_files(model: Any) -> set[str]:
    """The files beside the model that hold its weights, as the model names them."""
    found = set()
    for tensor in _tensors(model):
        if tensor.data_location == 1:  # TensorProto.EXTERNAL
            found |= {entry.value for entry in tensor.external_data if entry.key == "location"}
    return found


def _check_data(model: Any, path: Path) -> None:
    """Weights lie in files of their own beside the model, and nowhere else on the machine."""
    home = path.parent.resolve()
    for named in sorted(data_files(model)):
        inner = PurePosixPath(named.replace("\\", "/"))
        file = path.parent / named
        if inner.is_absolute() or ".." in inner.parts or ":" in named:
            because = "it takes weights from outside its own folder"
        elif file.is_symlink() or not file.resolve().is_relative_to(home):
            because = f"its weights in {inner.name} are a link"
        elif not file.is_file():
            because = f"its weights in {inner.name} are missing; put that file beside it"
        elif file.stat().st_nlink > 1:
            because = f"its weights in {inner.name} are another file's too (a hard link)"
        else:
            continue
        raise UploadRefused(file=path.name, because=because)


def _check_operators(model: Any, name: str) -> None:
    ours = {(one.domain, one.name) for one in model.functions}
    nodes = [node for graph in _graphs(model.graph) for node in graph.node]
    nodes += [node for function in model.functions for node in function.node]
    strange = sorted(
        {
            node.domain
            for node in nodes
            if node.domain not in DOMAINS and (node.domain, node.op_type) not in ours
        }
    )
    if strange:
        because = f"it needs operators of '{strange[0][:60]}', which ONNX Runtime does not have"
        raise UploadRefused(file=name, because=because)


def _check_constants(model: Any, name: str) -> None:
    """No tensor claims, and no constant of a given shape would take, more than is taken in."""
    import numpy as np
    from onnx import numpy_helper

    allowed = limits().graph_bytes
    for tensor in _tensors(model):
        if any(dim < 0 for dim in tensor.dims) or math.prod(tensor.dims) > allowed:
            raise UploadRefused(file=name, because=f"a tensor claims {_huge(tensor.dims)}")
    for graph in _graphs(model.graph):
        stored = {one.name: one for one in graph.initializer}
        for node in graph.node:
            shape = stored.get(node.input[0]) if node.op_type == "ConstantOfShape" else None
            if shape is None or shape.data_location == 1:
                continue
            dims = [int(dim) for dim in np.ravel(numpy_helper.to_array(shape))]
            if 4 * math.prod(dims) > allowed:
                raise UploadRefused(file=name, because=f"a constant would take {_huge(dims)}")


def _huge(dims: Any) -> str:
    return f"{4 * math.prod(dims) / 1e12:,.2g} TB"


# --------------------------------------------------------------------------- what it is for


def guess_task(model: Any, config: dict[str, Any] | None, name: str) -> Task:
    """By config.json where there is one, else by inputs and outputs. Raises UploadRefused."""
    from wizard.intake.heads import task_of

    said = tasks.known(task_of(config)) if config else None
    inputs = inputs_of(model)
    if {"pixel_values", "input_ids"} <= set(inputs):
        because = (
            "it takes pictures and texts together, and such files have their texts in many forms; "
            "give its folder with the safetensors instead"
        )
        raise UploadRefused(file=name, because=because)
    if said is not None:
        return said
    rank = _rank(model.graph.output[0]) if model.graph.output else 0
    texts = "input_ids" in inputs
    if not texts and rank == 2 and _is_picture(inputs):
        return Task.IMAGE_CLASSIFICATION
    if texts and (model.graph.output[0].name in POOLED or rank == 3):
        return Task.FEATURE_EXTRACTION
    if texts and rank == 2:
        return Task.TEXT_CLASSIFICATION
    shown = ", ".join(f"{one} {_dims(value)}" for one, value in inputs.items())
    because = (
        f"we cannot tell its task from what goes in ({shown}); put a config.json beside it that "
        "names the architecture"
    )
    raise UploadRefused(file=name, because=because)


def inputs_of(model: Any) -> dict[str, Any]:
    """What a request must bring: initializers may also stand among the inputs."""
    stored = {one.name for one in model.graph.initializer}
    return {one.name: one for one in model.graph.input if one.name not in stored}


def _rank(value: Any) -> int:
    return len(value.type.tensor_type.shape.dim)


def _dims(value: Any) -> list[str]:
    shape = value.type.tensor_type.shape.dim
    return [dim.dim_param or str(dim.dim_value or "?") for dim in shape]


def _is_picture(inputs: dict[str, Any]) -> bool:
    value = next(iter(inputs.values()), None)
    if len(inputs) != 1 or value is None or _rank(value) != 4:
        return False
    shape = value.type.tensor_type.shape.dim
    return value.type.tensor_type.elem_type == FLOAT and shape[1].dim_value in {0, 1, 3}


def is_compressed(model: Any) -> bool:
    """Whether its weights have few bits already."""
    return any(node.op_type in MARKS_OF_COMPRESSION for node in model.graph.node)


# --------------------------------------------------------------------------- as we feed it


def adapt(model: Any, task: Task, name: str) -> None:
    """In place: inputs under the names we feed, the outputs of the task first, no traces."""
    card = tasks.card_of(task)
    inputs = inputs_of(model)
    if PIXELS in card.inputs and len(inputs) == 1 and PIXELS not in inputs:
        _rename(model, next(iter(inputs)), PIXELS)
    strange = sorted(set(inputs_of(model)) - set(card.inputs))
    if strange:
        because = f"it asks for the input '{strange[0]}', which {card.title} does not have"
        raise UploadRefused(file=name, because=because)
    wanted = [one for one in model.graph.output if one.name in card.outputs]
    pooled = [one for one in model.graph.output if one.name in POOLED]
    kept = wanted or pooled[:1] or list(model.graph.output)[: max(1, len(card.outputs))]
    del model.graph.output[:]
    model.graph.output.extend(kept)
    for node in model.graph.node:
        node.ClearField("doc_string")
        del node.metadata_props[:]


def _rename(model: Any, old: str, new: str) -> None:
    for graph in _graphs(model.graph):
        for node in graph.node:
            for index, used in enumerate(node.input):
                if used == old:
                    node.input[index] = new
    for value in model.graph.input:
        if value.name == old:
            value.name = new


def free_axes(model: Any) -> None:
    """Name the first axis of everything "batch", and the second of a text's inputs "sequence"."""
    for value in (*inputs_of(model).values(), *model.graph.output):
        shape = value.type.tensor_type.shape.dim
        if shape:
            shape[0].dim_param = "batch"
        if value.name in TEXT_INPUTS and len(shape) > 1:
            shape[1].dim_param = "sequence"
    del model.graph.value_info[:]


def sides_of(model: Any) -> tuple[int, int]:
    """Channels and side of the picture that goes in, as the file has them."""
    shape = inputs_of(model)[PIXELS].type.tensor_type.shape.dim
    return shape[1].dim_value or 3, shape[2].dim_value or 0


def try_out(path: Path, image_size: int | None, name: str) -> Axes:
    """Run it once in each shape that it will be asked for. Raises UploadRefused."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads, options.log_severity_level = 1, 4
    try:
        session = ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except _troubles() as error:
        because = f"ONNX Runtime does not open it ({_first_line(error)})"
        raise UploadRefused(file=name, because=because) from error
    length = TRIED_TOKENS[0] if image_size is None else None
    first = _run(session, 1, length, image_size, name)
    if first is None:
        because = "it does not run" if image_size else "it runs only at one number of tokens"
        because += "; export it with free axes (dynamic_axes)"
        raise UploadRefused(file=name, because=because)
    other = TRIED_TOKENS[1] if image_size is None else None
    if image_size is None and _run(session, 1, other, None, name) is None:
        because = "it runs only at one number of tokens; export it with free axes (dynamic_axes)"
        raise UploadRefused(file=name, because=because)
    free = _run(session, 2, length, image_size, name) is not None
    width = int(first[0].shape[-1])
    return Axes(batch_free=free, tokens=length, image_size=image_size, width=width)


def _troubles() -> tuple[type[Exception], ...]:
    """ONNX Runtime's errors, which have no base of their own."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    own = [one for one in vars(state).values() if isinstance(one, type)]
    known = [one for one in own if issubclass(one, Exception)]
    return (*known, RuntimeError, ValueError, MemoryError)


def _run(
    session: Any, batch: int, tokens: int | None, side: int | None, name: str
) -> list[Any] | None:
    """The answers, None where that shape does not fit. A run without an end is ended."""
    import onnxruntime as ort

    run = ort.RunOptions()
    run.log_severity_level = 4
    over = threading.Event()

    def stop() -> None:
        over.set()
        run.terminate = True

    seconds = limits().trial_seconds
    timer = threading.Timer(seconds, stop)
    timer.daemon = True
    timer.start()
    try:
        answers: list[Any] = session.run(None, _feed(session, batch, tokens, side), run)
    except _troubles() as error:
        if over.is_set():
            because = f"one answer took more than {seconds:.0f} seconds"
            raise UploadRefused(file=name, because=because) from error
        if "alloc" in str(error).lower():
            because = "one answer takes more memory than this machine gives it"
            raise UploadRefused(file=name, because=because) from error
        return None
    finally:
        timer.cancel()
    return answers if len(answers[0]) == batch else None


def _feed(session: Any, batch: int, tokens: int | None, side: int | None) -> dict[str, Any]:
    import numpy as np

    rng = np.random.default_rng(0)
    fed = {}
    for one in session.get_inputs():
        kind = np.int32 if "int32" in one.type else np.int64
        if one.name == PIXELS:
            channels = one.shape[1] if isinstance(one.shape[1], int) else 3
            sides = side or USUAL_SIDE
            shape = (batch, channels, sides, sides)
            fed[one.name] = rng.standard_normal(shape).astype(np.float32)
        elif one.name == "attention_mask":
            fed[one.name] = np.ones((batch, tokens or 1), kind)
        else:
            fed[one.name] = np.ones((batch, tokens or 1), kind)
    return fed
