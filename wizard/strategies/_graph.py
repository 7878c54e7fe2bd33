"""Reading and rewriting ONNX graphs: what several techniques need.

Covers: stored weights and who uses them, Gemm -> MatMul + Add, Transpose of a
stored weight folded, dead parts dropped, a session for checking. All rewrites are exact.
Does not cover: any change of numbers.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.errors import PromiseBroken
from wizard.strategies._file import is_large as is_large
from wizard.strategies._file import load as load
from wizard.strategies._file import load_graph as load_graph
from wizard.strategies._file import quiet as quiet
from wizard.strategies._file import save as save

if TYPE_CHECKING:
    import numpy as np
    import onnx
    import onnxruntime

    Arrays = Mapping[str, np.ndarray[Any, Any]]


# No activation of a working network needs steps this wide; float32 ends at 3.4e38.
LARGEST_SCALE = 1e30


@dataclass(frozen=True, slots=True, kw_only=True)
class Footprint:
    """Bytes of stored float32 weights by the kind of node that uses them, each counted once.

    `columns` of all matrices and `rows` of all tables: what scales of their own cost.
    """

    matmul: int = 0
    embedding: int = 0
    conv: int = 0
    other: int = 0
    matrices: int = 0
    columns: int = 0
    rows: int = 0

    @property
    def total(self) -> int:
        return self.matmul + self.embedding + self.conv + self.other


def stored(model: onnx.ModelProto) -> dict[str, onnx.TensorProto]:
    """Initializers by name."""
    return {one.name: one for one in model.graph.initializer}


def users(model: onnx.ModelProto) -> Counter[str]:
    """How many inputs (and graph outputs) read each value."""
    counted = Counter(name for node in model.graph.node for name in node.input if name)
    counted.update(output.name for output in model.graph.output)
    return counted


def operators(model: onnx.ModelProto) -> Counter[str]:
    """How many nodes of each type."""
    return Counter(node.op_type for node in model.graph.node)


def is_float_matrix(tensor: onnx.TensorProto | None) -> bool:
    """A stored two-dimensional float32 weight."""
    return tensor is not None and tensor.data_type == 1 and len(tensor.dims) == 2


def weight_matmuls(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """MatMul nodes whose second input is a stored float matrix."""
    known = stored(model)
    nodes = (node for node in model.graph.node if node.op_type == "MatMul")
    return [node for node in nodes if is_float_matrix(known.get(node.input[1]))]


def embeddings(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Gather nodes on axis 0 whose table is a stored float matrix."""
    known = stored(model)
    nodes = (node for node in model.graph.node if node.op_type == "Gather")
    return [
        node
        for node in nodes
        if is_float_matrix(known.get(node.input[0])) and attribute(node, "axis", 0) == 0
    ]


def free_tables(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """The embedding lookups whose table nothing but lookups reads."""
    lookups = embeddings(model)
    reads = users(model)
    by_table = {node.input[0]: 0 for node in lookups}
    for node in lookups:
        by_table[node.input[0]] += 1
    return [node for node in lookups if reads[node.input[0]] == by_table[node.input[0]]]


def heads(model: onnx.ModelProto) -> set[str]:
    """Outputs of the last layers: those that only a stored bias or a reshaping follows."""
    known = stored(model)
    makers = {out: node for node in model.graph.node for out in node.output}
    found, front = set(), [output.name for output in model.graph.output]
    while front:
        node = makers.get(front.pop())
        if node is None:
            continue
        if node.op_type in {"MatMul", "Gemm", "Conv"}:
            found.add(str(node.output[0]))
        elif node.op_type == "Add":
            free = [name for name in node.input if name not in known]
            front += free if len(free) == 1 else []
        elif node.op_type in {"Reshape", "Flatten", "Squeeze", "Identity", "Softmax", "Sigmoid"}:
            front.append(node.input[0])
    return found


def weight_convs(model: onnx.ModelProto) -> list[onnx.NodeProto]:
    """Conv nodes whose weight is stored in float32."""
    known = stored(model)
    nodes = (node for node in model.graph.node if node.op_type == "Conv")
    return [
        node for node in nodes if node.input[1] in known and known[node.input[1]].data_type == 1
    ]


def attribute(node: onnx.NodeProto, name: str, default: Any) -> Any:
    """An attribute's value, or the operator's default."""
    from onnx.helper import get_attribute_value

    return next((get_attribute_value(a) for a in node.attribute if a.name == name), default)


def footprint(path: Path) -> Footprint:
    """Where the bytes of the stored float32 weights are, as a quantizer will find them.

    That is after the exact rewrites: Gemm as MatMul, weights out from behind a Transpose; tied
    tables count as `other`, because they stay as they are.
    """
    model = load(path)
    gemm_to_matmul(model)
    fold_transposed_weights(model)
    known = stored(model)
    tables = {node.input[0] for node in free_tables(model)}
    tied = {node.input[0] for node in embeddings(model)} - tables
    matrices = {node.input[1] for node in weight_matmuls(model)} - tables - tied
    convs = {node.input[1] for node in weight_convs(model)}
    sizes = {name: 4 * _count(one.dims) for name, one in known.items() if one.data_type == 1}
    named = matrices | tables | convs
    return Footprint(
        matmul=sum(sizes[name] for name in matrices),
        embedding=sum(sizes[name] for name in tables),
        conv=sum(sizes[name] for name in convs),
        other=sum(size for name, size in sizes.items() if name not in named),
        matrices=len(matrices),
        columns=sum(known[name].dims[1] for name in matrices),
        rows=sum(known[name].dims[0] for name in tables),
    )


def _count(dims: Sequence[int]) -> int:
    total = 1
    for one in dims:
        total *= one
    return total


def gemm_to_matmul(model: onnx.ModelProto) -> int:
    """Rewrite Gemm with a stored weight as MatMul + Add; returns how many.

    The n-bit and dynamic quantizers look at MatMul only, and skip Gemm without a word.
    alpha and beta other than 1 are folded into the stored numbers when those are stored.
    """
    from onnx import numpy_helper

    known = stored(model)
    nodes: list[onnx.NodeProto] = []
    rewritten = 0
    for node in model.graph.node:
        if not _rewritable(node, known):
            nodes.append(node)
            continue
        weight = numpy_helper.to_array(known[node.input[1]])
        if attribute(node, "transB", 0):
            weight = weight.T
        name = f"{node.name or node.output[0]}_weight"
        model.graph.initializer.append(numpy_helper.from_array(weight.copy(), name))
        nodes.extend(_matmul_add(node, name))
        rewritten += 1
    _replace_nodes(model, nodes)
    if rewritten:
        drop_unused(model)
    return rewritten


def _rewritable(node: onnx.NodeProto, known: Mapping[str, onnx.TensorProto]) -> bool:
    return (
        node.op_type == "Gemm"
        and is_float_matrix(known.get(node.input[1]))
        and not attribute(node, "transA", 0)
        and attribute(node, "alpha", 1.0) == attribute(node, "beta", 1.0) == 1.0
    )


def _matmul_add(node: onnx.NodeProto, weight: str) -> list[onnx.NodeProto]:
    from onnx.helper import make_node

    name = node.name or node.output[0]
    biased = len(node.input) > 2 and bool(node.input[2])
    product = f"{node.output[0]}_product" if biased else node.output[0]
    nodes = [make_node("MatMul", [node.input[0], weight], [product], name=f"{name}_matmul")]
    if biased:
        nodes.append(make_node("Add", [product, node.input[2]], [node.output[0]], name=name))
    return nodes


def fold_transposed_weights(model: onnx.ModelProto) -> int:
    """Store Transpose(weight) as the weight itself, so that quantizers see it; returns how many.

    A weight that others read too (tied embeddings) stays as it is: folding would store it twice.
    """
    from onnx import numpy_helper

    known, counted = stored(model), users(model)
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        source = known.get(node.input[0]) if node.op_type == "Transpose" else None
        if source is None or counted[source.name] > 1:
            nodes.append(node)
            continue
        order = attribute(node, "perm", list(reversed(range(len(source.dims)))))
        turned = numpy_helper.to_array(source).transpose(order).copy()
        model.graph.initializer.append(numpy_helper.from_array(turned, node.output[0]))
    folded = len(model.graph.node) - len(nodes)
    _replace_nodes(model, nodes)
    if folded:
        drop_unused(model)
    return folded


def drop_unused(model: onnx.ModelProto) -> int:
    """Remove nodes and stored values that no output depends on; returns how many."""
    graph = model.graph
    needed = {output.name for output in graph.output}
    kept: list[onnx.NodeProto] = []
    for node in reversed(graph.node):
        if needed.intersection(node.output):
            kept.append(node)
            needed.update(node.input)
            needed.update(_read_in_subgraphs(node))
    dropped = len(graph.node) - len(kept)
    _replace_nodes(model, list(reversed(kept)))
    # One by one and in place: extending a protobuf list copies every weight.
    unused = [i for i, one in enumerate(graph.initializer) if one.name not in needed]
    for index in reversed(unused):
        del graph.initializer[index]
    return dropped + len(unused)


def _read_in_subgraphs(node: onnx.NodeProto) -> set[str]:
    graphs = [a.g for a in node.attribute if a.HasField("g")]
    inner = [one for graph in graphs for one in graph.node]
    names = {name for one in inner for name in one.input}
    outputs = {output.name for graph in graphs for output in graph.output}
    return names.union(outputs, *(_read_in_subgraphs(one) for one in inner))


def _replace_nodes(model: onnx.ModelProto, nodes: Sequence[onnx.NodeProto]) -> None:
    copies = [_copy(node) for node in nodes]
    del model.graph.node[:]
    model.graph.node.extend(copies)


def _copy(node: onnx.NodeProto) -> onnx.NodeProto:
    import onnx

    twin = onnx.NodeProto()
    twin.CopyFrom(node)
    return twin


def replace_nodes(model: onnx.ModelProto, swaps: Mapping[str, Sequence[onnx.NodeProto]]) -> None:
    """Put other nodes where the node with that first output stands; order is kept."""
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        nodes.extend(swaps.get(node.output[0], [node]))
    _replace_nodes(model, nodes)


def contrib(model: onnx.ModelProto) -> None:
    """Declare ONNX Runtime's own operators, which the n-bit kernels are."""
    from onnx.helper import make_opsetid

    if all(one.domain != "com.microsoft" for one in model.opset_import):
        model.opset_import.append(make_opsetid("com.microsoft", 1))


def session(
    path: Path, threads: int = 1, *, optimized: bool = True
) -> onnxruntime.InferenceSession:
    """An ONNX Runtime session on the CPU, quiet; default optimizations, or none at all."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    if not optimized:
        options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])


def must_load(path: Path, strategy: str, *, optimized: bool = True) -> None:
    """Raises PromiseBroken when ONNX Runtime cannot open the file."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    failures = (state.Fail, state.InvalidGraph, state.InvalidArgument, state.InvalidProtobuf,
                state.NotImplemented, state.RuntimeException)  # fmt: skip
    try:
        session(path, optimized=optimized)
    except failures as error:
        found = str(error).splitlines()[0][:200]
        raise PromiseBroken(
            strategy=strategy, promised="a file that ONNX Runtime opens", found=found
        ) from error


def must_weigh(after_bytes: int, predicted: float, strategy: str) -> None:
    """Raises PromiseBroken when the file is more than a tenth above the arithmetic.

    32 kB are allowed for the graph itself: scales, names, nodes of very small models.
    """
    limit = 1.1 * predicted + 32_768
    if after_bytes > limit:
        raise PromiseBroken(
            strategy=strategy,
            promised=f"at most {limit / 1e6:.2f} MB",
            found=f"{after_bytes / 1e6:.2f} MB",
        )


def must_hold(count: int, what: str, strategy: str) -> None:
    """Raises PromiseBroken when the file holds none of what the technique makes."""
    if count == 0:
        raise PromiseBroken(strategy=strategy, promised=f"at least one {what}", found="none")


def must_be_finite(model: onnx.ModelProto, strategy: str) -> None:
    """Raises PromiseBroken when a stored scale is infinite or as large as only a mask makes it.

    An attention mask holds -inf or -3.4e38; quantized, it leaves no step for any other number.
    """
    import numpy as np
    from onnx import numpy_helper

    for one in model.graph.initializer:
        if not one.name.endswith("_scale"):
            continue
        largest = np.abs(numpy_helper.to_array(one).astype(np.float64)).max(initial=0.0)
        if not largest < LARGEST_SCALE:
            reader = next(node for node in model.graph.node if one.name in node.input)
            found = f"an infinite one at {reader.input[0]}, where a mask is added"
            raise PromiseBroken(strategy=strategy, promised="finite ranges", found=found)
