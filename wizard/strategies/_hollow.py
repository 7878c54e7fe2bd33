"""The graph of a model whose weights stay on disk: traced from its config, filled tensor by tensor.

Covers: building the architecture without weights, the trace, one placeholder for every weight
(its name in the checkpoint, its shape, no numbers), Transpose and Gemm of a placeholder resolved by
name, reading one tensor at a time from safetensors in whatever float type it is stored.
Does not cover: what the numbers become (the strategy that fills it).

Parameters are built on torch's meta device and traced as memory that is never touched; buffers
that the model computes itself (rotary frequencies) are real. The graph is tidied while the weights
are its inputs, so that nothing is folded that has no numbers yet.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import tasks
from wizard.errors import ExportFailed, WeightsDamaged
from wizard.nouns import Task
from wizard.strategies import _causal, _decoder, _graph, _listener
from wizard.strategies._checkpoint import reason

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import torch

    Array = np.ndarray[Any, Any]

WRAPPED = "model."  # our wrapper's name for the model inside
FLOAT = 1  # onnx.TensorProto.FLOAT


@dataclass(slots=True)
class Hollow:
    """A graph whose weights are placeholders. `turned` names those that are read transposed."""

    model: onnx.ModelProto
    weights: Weights
    turned: dict[str, str] = field(default_factory=dict)

    def values(self, name: str) -> Array:
        """The numbers of a placeholder, float32, as its node wants them; of others, as stored."""
        from onnx import numpy_helper

        known = next(one for one in self.model.graph.initializer if one.name == name)
        if not is_empty(known):
            stored: Array = numpy_helper.to_array(known)
            return stored
        if name in self.turned:
            return self.weights.read(self.turned[name]).T
        return self.weights.read(name)

    def placeholders(self) -> list[str]:
        """Those still in the graph."""
        return [one.name for one in self.model.graph.initializer if is_empty(one)]


class Weights:
    """The tensors of a checkpoint by name, one at a time; `names` maps ours to the file's."""

    def __init__(self, folder: Path, names: dict[str, str]) -> None:
        self._names = names
        self._files = _files_of(folder)
        missing = sorted(set(names.values()) - self._files.keys())
        if missing:
            because = f"its files lack {len(missing)} weights, {missing[0]} among them"
            raise ExportFailed(model=folder.name, because=because)

    def holds(self, there: str) -> bool:
        """Whether the files have a tensor of that name."""
        return there in self._files

    def read(self, name: str) -> Array:
        """One tensor in float32, by our name for it."""
        return self.read_as_stored(self._names[name])

    def read_as_stored(self, there: str) -> Array:
        """The same by the files' name. They are opened anew: nothing read stays in memory."""
        from safetensors import safe_open

        with safe_open(self._files[there], "pt") as file:
            value: Array = file.get_tensor(there).float().numpy()
        return value


def _files_of(folder: Path) -> dict[str, Path]:
    from safetensors import SafetensorError, safe_open

    found: dict[str, Path] = {}
    for path in sorted(folder.glob("*.safetensors")):
        try:
            with safe_open(path, "pt") as file:
                found |= dict.fromkeys(file.keys(), path)
        except SafetensorError as error:
            raise WeightsDamaged(file=path.name, because=str(error)[:120]) from error
    return found


def count(folder: Path) -> int:
    """How many numbers the checkpoint's files hold, by their headers."""
    import math

    from safetensors import safe_open

    total = 0
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            for name in file.keys():  # noqa: SIM118 - it is no mapping
                total += math.prod(file.get_slice(name).get_shape())
    return total


def is_empty(one: onnx.TensorProto) -> bool:
    """Whether a stored tensor is a placeholder."""
    held = one.HasField("raw_data") or one.float_data or one.external_data
    return one.data_type == FLOAT and bool(one.dims) and not held


def writing(folder: Path, task: Task, opset: int) -> Hollow:
    """The graph of the model in `folder` that writes, of one part or two, its caches in and out.

    Raises ExportFailed, UnknownArchitecture or NotSupported; no large weight is read.
    """
    import transformers

    with _graph.quiet():
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        model = _built(getattr(transformers, tasks.card_of(task).auto_class), config)
        _compute_positions(model)
        stored = _stored_names(model)
        weights = Weights(folder, {f"{WRAPPED}{name}": there for name, there in stored.items()})
        _read_buffers(model, weights)
        parts = _causal.parts_of(model)
        alone = parts.cache_of(model) if parts is _decoder else None  # while it costs nothing
        _give_untouched_memory(model)
        cache = alone or parts.cache_of(model)
        vocabulary = model.get_input_embeddings().num_embeddings
        program = parts.trace(parts.wrapped(model), cache, vocabulary, opset, optimize=False)
        proto = _tidied(program, {f"{WRAPPED}{name}" for name in stored}, parts)
    hollow = Hollow(model=proto, weights=weights)
    _turn_by_name(hollow)
    _multiply_by_name(hollow)
    _graph.drop_unused(proto)
    return hollow


def _built(kind: Any, config: Any) -> Any:
    """The architecture: parameters on meta, buffers real. Raises ExportFailed."""
    try:
        with _parameters_on_meta():
            model = kind.from_config(config, trust_remote_code=False)
    except (OSError, ValueError, RuntimeError, KeyError) as error:
        raise ExportFailed(model=config.model_type, because=reason(error)) from error
    model.tie_weights()
    if hasattr(model, "float"):
        model.float()
    return model.eval().requires_grad_(False)


@contextlib.contextmanager
def _parameters_on_meta() -> Iterator[None]:
    """Every parameter goes to the meta device as soon as a module registers it."""
    import torch

    register = torch.nn.Module.register_parameter

    def on_meta(module: Any, name: str, parameter: Any) -> None:
        register(module, name, parameter)
        if parameter is not None:
            light = torch.nn.Parameter(parameter.detach().to("meta"), requires_grad=False)
            module._parameters[name] = light  # noqa: SLF001 - torch offers no other hook

    torch.nn.Module.register_parameter = on_meta
    try:
        yield
    finally:
        torch.nn.Module.register_parameter = register


def _compute_positions(model: Any) -> None:
    """Real numbers for the tables of sines that a checkpoint does not hold (Marian, Pegasus)."""
    import torch

    for module in model.modules():
        if hasattr(module, "create_weight") and module.weight.is_meta:
            with torch.device("cpu"):
                module.weight = torch.nn.Parameter(torch.empty(module.weight.shape))
                made = module.create_weight()
            module.weight = torch.nn.Parameter(made.float(), requires_grad=False)


def _stored_names(model: Any) -> dict[str, str]:
    """Every parameter's name, tied ones too, and the name under which it is stored."""
    first: dict[int, str] = {}
    return {
        name: first.setdefault(id(value), name)
        for name, value in model.named_parameters(remove_duplicate=False)
        if value.is_meta
    }


def _read_buffers(model: Any, weights: Weights) -> None:
    """Buffers that the checkpoint holds (the bias of Marian's last layer) get its numbers."""
    import torch

    kept = set(model.state_dict())
    for name, value in model.named_buffers():
        if name in kept and weights.holds(name):
            value.copy_(torch.from_numpy(weights.read_as_stored(name)))


def _give_untouched_memory(model: Any) -> None:
    """CPU tensors in place of meta ones: the system gives no memory until somebody writes to it."""
    import torch

    given: dict[int, torch.nn.Parameter] = {}
    for module in model.modules():
        for name, value in list(module.named_parameters(recurse=False)):
            if value.is_meta and id(value) not in given:
                empty = torch.empty(value.shape, dtype=torch.float32)
                given[id(value)] = torch.nn.Parameter(empty, requires_grad=False)
            module._parameters[name] = given.get(id(value), value)  # noqa: SLF001 - likewise


def _tidied(program: Any, weights: set[str], parts: Any) -> onnx.ModelProto:
    """The program optimized with its weights as inputs, then with placeholders in their place."""
    import onnx_ir

    graph = program.model.graph
    for name in [one for one in graph.initializers if one in weights]:
        value = graph.initializers.pop(name)
        value.const_value = None
        graph.inputs.append(value)
    program.optimize()
    if parts is _listener:
        _listener.pick_all(program)
    graph = program.model.graph
    ours = [one for one in graph.inputs if one.name in weights]
    for one in ours:
        graph.inputs.remove(one)
    shapes = {one.name: [int(side) for side in one.shape] for one in ours}
    made: onnx.ModelProto = onnx_ir.to_proto(program.model)
    for name, dims in shapes.items():
        made.graph.initializer.append(_placeholder(name, dims))
    return made


def _placeholder(name: str, dims: list[int]) -> onnx.TensorProto:
    import onnx

    return onnx.TensorProto(name=name, dims=dims, data_type=FLOAT)


def _turn_by_name(hollow: Hollow) -> None:
    """Transpose of a placeholder as one of the other shape, where no lookup reads it too."""
    model = hollow.model
    known, reads = _graph.stored(model), _graph.users(model)
    for node in model.graph.node:
        if node.op_type != "Transpose" or node.input[0] not in known:
            continue
        source = node.input[0]
        flat = len(known[source].dims) == 2
        if not is_empty(known[source]) or reads[source] > 1 or not flat:
            continue
        name = f"{source}_turned"
        rows, columns = known[source].dims
        model.graph.initializer.append(_placeholder(name, [columns, rows]))
        hollow.turned[name] = source
        _rewire(model, node.output[0], name)


def _rewire(model: onnx.ModelProto, old: str, new: str) -> None:
    for node in model.graph.node:
        for at, name in enumerate(node.input):
            if name == old:
                node.input[at] = new


def _multiply_by_name(hollow: Hollow) -> None:
    """Gemm by a placeholder as MatMul and Add: the few-bit kernels multiply only."""
    from onnx.helper import make_node

    model = hollow.model
    known = _graph.stored(model)
    swaps = {}
    for node in model.graph.node:
        weight = known.get(node.input[1]) if node.op_type == "Gemm" else None
        if weight is None or not is_empty(weight):
            continue
        name = weight.name
        if _graph.attribute(node, "transB", 0):
            name = f"{weight.name}_turned"
            if name not in hollow.turned:
                model.graph.initializer.append(_placeholder(name, list(weight.dims)[::-1]))
                hollow.turned[name] = weight.name
        biased = len(node.input) > 2 and bool(node.input[2])
        product = f"{node.output[0]}_product" if biased else node.output[0]
        made = [make_node("MatMul", [node.input[0], name], [product], name=node.name)]
        if biased:
            made.append(make_node("Add", [product, node.input[2]], [node.output[0]]))
        swaps[node.output[0]] = made
    _graph.replace_nodes(model, swaps)
