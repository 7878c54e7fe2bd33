"""Translates the computation as it was traced, where PyTorch's exporter would trace it once more.

Covers: the few operations without a translation rewritten in the traced graph, so that the
exporter's pass of decompositions, two fifths of an export's time, has nothing left to do.
Does not cover: graphs with other such operations, changes in place that others would see, branches:
those go through that pass as ever. Every export's answers are compared with PyTorch's afterwards.
PyTorch has no switch for it (2.13); the function replaced is its exporter's own, found by name.
intents 3.8 -> 1.5 s, calls 7.9 -> 3.5, with the same operators in the file (DECISIONS, 2026-11-30).
"""

from __future__ import annotations

import contextlib
import copy
import operator
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from wizard import loading

if TYPE_CHECKING:
    import torch
    from torch.export import ExportedProgram
    from torch.fx import Graph, Node

ASSERTIONS = ("aten._assert", "aten.sym_constrain")  # the exporter drops them afterwards
_again: list[bool] = []  # whether nothing is to be left out


def program_of(module: torch.nn.Module, example: tuple[Any, ...], **options: Any) -> Any:
    """What torch.onnx.export makes of a module; traced once where that is enough.

    Raises torch.onnx.OnnxExporterError. Not safe twice at once in one process, as the exporter.
    """
    import torch

    def export() -> Any:
        return torch.onnx.export(module, example, dynamo=True, verbose=False, **options)

    if not _again:
        with contextlib.suppress(torch.onnx.OnnxExporterError), _as_traced():
            return export()
    return export()


@contextmanager
def traced_again() -> Iterator[None]:
    """While it lasts, every computation goes the exporter's own way, as anybody's would."""
    _again.append(True)
    try:
        yield
    finally:
        _again.pop()


@contextmanager
def _as_traced() -> Iterator[None]:
    from torch.onnx._internal.exporter import _fx_passes

    whole = _fx_passes.decompose_with_registry

    def what_is_left(program: ExportedProgram, registry: Any) -> ExportedProgram:
        return program if rewritten(program, _translated(registry)) else whole(program, registry)

    with (
        loading.without_collecting(),
        _told_their_types(),
        _replaced(_fx_passes, "decompose_with_registry", what_is_left),
    ):
        yield


@contextmanager
def _replaced(owner: Any, name: str, function: Callable[..., Any]) -> Iterator[None]:
    whole = getattr(owner, name)
    setattr(owner, name, function)
    try:
        yield
    finally:
        setattr(owner, name, whole)


@contextmanager
def _told_their_types() -> Iterator[None]:
    """Operands of two types are brought together without computing the whole graph once more.

    The exporter's pass runs every operation on tensors without numbers to see the types of those
    after it, which the trace has written down: only what has none is run.
    """
    from torch.onnx._internal.fx.passes import type_promotion

    interpreter = type_promotion._TypePromotionInterpreter  # noqa: SLF001 - it has no other name
    run = interpreter.run_node

    def told(self: Any, node: Node) -> Any:
        if node.op != "call_function" or node.meta.get("val") is None:
            return run(self, node)
        with self._set_current_node(node):
            rule = type_promotion.get_type_promotion_rule(node, self.type_promotion_table)
            if rule:
                self._maybe_promote_node(node, rule)
        return node.meta["val"]

    with _replaced(interpreter, "run_node", told):
        yield


def _translated(registry: Any) -> set[Any]:
    """The operations that the exporter has a translation for."""
    return {found[0].fx_target for found in registry.functions.values()}


def rewritten(program: ExportedProgram, translated: set[Any]) -> bool:
    """Whether every operation of the program has a translation now; else it is as it was."""
    known = _rewriters()
    module = program.graph_module
    graph = copy.deepcopy(module.graph)
    graph.owning_module = module
    _unwrap(graph)
    for node in list(graph.nodes):
        rewrite = known.get(node.target) if node.op == "call_function" else None
        if rewrite is not None and not rewrite(graph, node):
            return False
    if not all(_is_fine(node, translated) for node in graph.nodes):
        return False
    module.graph = graph
    module.delete_all_unused_submodules()  # they would be translated too
    module.recompile()
    return True


def _is_assertion(node: Node) -> bool:
    return str(node.target).startswith(ASSERTIONS)


def _is_fine(node: Node, translated: set[Any]) -> bool:
    if node.op != "call_function" or _is_assertion(node):
        return bool(node.op != "get_attr")
    schema = getattr(node.target, "_schema", None)
    return bool(node.target in translated and not (schema and schema.is_mutable))


def _unwrap(graph: Graph) -> None:
    """What is computed without gradients stands in the graph itself, as everything is."""
    import torch

    wrapper = torch.ops.higher_order.wrap_with_set_grad_enabled
    for node in [one for one in graph.nodes if one.target is wrapper]:
        _, part, *given = node.args
        inner = getattr(graph.owning_module, part.target).graph
        inputs = [one for one in inner.nodes if one.op == "placeholder"]
        with graph.inserting_before(node):
            results = graph.graph_copy(inner, dict(zip(inputs, given, strict=True)))
        for user in list(node.users):
            user.replace_all_uses_with(results[user.args[1]])
            graph.erase_node(user)
        graph.erase_node(node)
        if not part.users:
            graph.erase_node(part)


def _rewriters() -> dict[Any, Callable[[Graph, Node], bool]]:
    """What is said otherwise, each as the pass of decompositions says it."""
    return {
        _aten("to.device"): _cast(2),
        _aten("to.dtype"): _cast(1),
        _aten("to.dtype_layout"): _cast(None),
        _aten("__and__.Tensor"): _instead("bitwise_and.Tensor"),
        _aten("__or__.Tensor"): _instead("bitwise_or.Tensor"),
        _aten("min.other"): _instead("minimum.default"),
        _aten("max.other"): _instead("maximum.default"),
        _aten("add_.Tensor"): _in_place("add.Tensor"),
        _aten("mul_.Tensor"): _in_place("mul.Tensor"),
        _aten("relu_.default"): _in_place("relu.default"),
        _aten("detach_.default"): _in_place("detach.default"),
        _aten("batch_norm.default"): _batch_norm,
        _aten("conv2d.padding"): _padded,
        _aten("adaptive_avg_pool1d.default"): _mean_of_all,
        _aten("adaptive_avg_pool2d.default"): _mean_of_all,
        _aten("reshape.default"): _reshape,
        _aten("view.default"): _reshape,
        _aten("dropout_.default"): _nothing,
        _aten("_weight_norm.default"): _weight_norm,
    }


def _aten(name: str) -> Any:
    """An operation of PyTorch by its name and overload."""
    import torch

    found: Any = operator.attrgetter(name)(torch.ops.aten)
    return found


def _instead(other: str) -> Callable[[Graph, Node], bool]:
    def rewrite(graph: Graph, node: Node) -> bool:
        del graph
        node.target = _aten(other)
        return True

    return rewrite


def _in_place(other: str) -> Callable[[Graph, Node], bool]:
    """A change in place is a new value where nobody looks at the old one afterwards."""

    def rewrite(graph: Graph, node: Node) -> bool:
        changed, order = node.args[0], {one: at for at, one in enumerate(graph.nodes)}
        if changed.op != "call_function" or _is_view(changed):
            return False
        if any(order[user] > order[node] or _is_view(user) for user in changed.users):
            return False
        node.target = _aten(other)
        return True

    return rewrite


def _is_view(node: Node) -> bool:
    """Whether what it gives may be part of what it was given."""
    maker = node.args[0] if node.target is operator.getitem else node
    schema = getattr(getattr(maker, "target", None), "_schema", None)
    if schema is None:
        return True
    return any(one.alias_info is not None and not one.alias_info.is_write for one in schema.returns)


def _cast(position: int | None) -> Callable[[Graph, Node], bool]:
    """A conversion of type; where only the device or the layout is said, nothing happens."""

    def rewrite(graph: Graph, node: Node) -> bool:
        given = node.kwargs.get("dtype")
        if given is None and position is not None and len(node.args) > position:
            given = node.args[position]
        before = node.args[0]
        if given is None or before.meta["val"].dtype == given:
            return _drop(graph, node)
        node.target = _aten("_to_copy.default")
        node.args, node.kwargs = (before,), {"dtype": given}
        return True

    return rewrite


def _drop(graph: Graph, node: Node) -> bool:
    """What does nothing goes; an answer of the whole keeps its name."""
    if any(user.op == "output" for user in node.users):
        node.target, node.args, node.kwargs = _aten("clone.default"), node.args[:1], {}
    else:
        node.replace_all_uses_with(node.args[0])
        graph.erase_node(node)
    return True


def _batch_norm(graph: Graph, node: Node) -> bool:
    """With what was counted in training, as a model that answers does."""
    given, weight, bias, mean, variance, training, momentum, epsilon, *_ = node.args
    if training or mean is None or variance is None:
        return False
    value = node.meta["val"]
    nothing = value.new_empty((0,))
    with graph.inserting_before(node):
        whole = graph.call_function(
            _aten("_native_batch_norm_legit_no_training.default"),
            (given, weight, bias, mean, variance, momentum, epsilon),
        )
        whole.meta = {**node.meta, "val": (value, nothing, nothing)}
    node.target, node.args, node.kwargs = operator.getitem, (whole, 0), {}
    return True


def _padded(graph: Graph, node: Node) -> bool:
    """Padding in a word as a number of pixels; "same" where both sides get as many."""
    del graph
    defaults = (None, (1, 1), "valid", (1, 1), 1)
    given, weight, *said = node.args
    values: list[Any] = [*said, *defaults[len(said) :]]
    bias, stride, padding, dilation, groups = values
    if node.kwargs or padding not in {"valid", "same"}:
        return False
    sides = weight.meta["val"].shape[2:]
    wider = [apart * (side - 1) for apart, side in zip(dilation, sides, strict=True)]
    if padding == "same" and any(one % 2 for one in wider):
        return False
    pixels = [one // 2 if padding == "same" else 0 for one in wider]
    node.target = _aten("conv2d.default")
    node.args = (given, weight, bias, stride, pixels, dilation, groups)
    return True


def _mean_of_all(graph: Graph, node: Node) -> bool:
    """A pooling to one number, or to one by one, is a mean."""
    del graph
    given, size = node.args
    if any(side != 1 for side in size):
        return False
    node.target = _aten("mean.dim")
    node.args, node.kwargs = (given, list(range(-len(size), 0)), True), {}
    return True


def _nothing(graph: Graph, node: Node) -> bool:
    """Dropout is for training."""
    training = len(node.args) > 2 and bool(node.args[2])
    return False if training else _drop(graph, node)


def _reshape(graph: Graph, node: Node) -> bool:
    """One to the shape that is there already does nothing; a length that is known is said.

    Of an empty cache ONNX Runtime cannot tell what -1 stands for.
    """
    from torch.fx.experimental.symbolic_shapes import statically_known_true

    before, wanted = node.args
    shape, was = node.meta["val"].shape, before.meta["val"].shape
    # Known for every size: two free lengths that happen to be equal now are not the same.
    if len(shape) == len(was) and all(
        statically_known_true(now == then) for now, then in zip(shape, was, strict=True)
    ):
        return _drop(graph, node)
    said = [
        now if then == -1 and isinstance(now, int) else then
        for then, now in zip(wanted, shape, strict=True)
    ]
    node.args = (before, said)
    return True


def _weight_norm(graph: Graph, node: Node) -> bool:
    """A weight kept as direction and length."""
    direction, length, *rest = node.args
    value = direction.meta["val"]
    over = [axis for axis in range(value.dim()) if axis != (rest[0] if rest else 0)]
    with graph.inserting_before(node):
        norm = graph.call_function(_aten("linalg_vector_norm.default"), (direction, 2, over, True))
        scale = graph.call_function(_aten("div.Tensor"), (length, norm))
    for one in (norm, scale):
        one.meta = {**node.meta, "val": length.meta["val"]}
    node.target, node.args, node.kwargs = _aten("mul.Tensor"), (direction, scale), {}
    return True
