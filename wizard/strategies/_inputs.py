"""What a model's layers see: the second moments of their inputs on sample rows.

Covers: matrix multiplications and ungrouped convolutions (their inputs patch by patch), a few
layers at a time so that memory stays bounded. Rows are run one by one, without padding.
Does not cover: what is done with the moments (_codebook.py); grouped or dilated convolutions.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wizard import examples
from wizard.errors import CalibrationTooSmall
from wizard.nouns import Json
from wizard.strategies import _graph
from wizard.strategies._contract import Workbench
from wizard.strategies._kept import remembered

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

FEWEST_ROWS = 8
HELD_BYTES = 150_000_000  # moments in memory at a time
FLOAT64 = 8


def powers(
    model: onnx.ModelProto, nodes: Mapping[str, onnx.NodeProto], samples: int, bench: Workbench
) -> dict[str, Array]:
    """E[x^2] [inputs] of each node, by the name it has in `nodes`.

    Raises CalibrationTooSmall below eight rows.
    """
    return _seen(model, nodes, samples, bench, _power)


def moments(
    model: onnx.ModelProto, nodes: Mapping[str, onnx.NodeProto], samples: int, bench: Workbench
) -> Iterator[dict[str, Array]]:
    """E[x x^T] [inputs, inputs] of each node, as many at a time as fit into 150 MB.

    Raises CalibrationTooSmall below eight rows.
    """
    for group in _groups(model, nodes):
        yield _seen(model, group, samples, bench, _products)


def _power(seen: Array) -> Array:
    import numpy as np

    return np.asarray(np.square(seen, dtype=np.float64).sum(axis=0))


def _products(seen: Array) -> Array:
    import numpy as np

    return np.asarray(seen.T.astype(np.float64) @ seen)


def _groups(
    model: onnx.ModelProto, nodes: Mapping[str, onnx.NodeProto]
) -> Iterator[dict[str, onnx.NodeProto]]:
    known = _graph.stored(model)
    group: dict[str, onnx.NodeProto] = {}
    held = 0
    for name, node in nodes.items():
        size = FLOAT64 * inputs_of(node, known) ** 2
        if group and held + size > HELD_BYTES:
            yield group
            group, held = {}, 0
        group[name] = node
        held += size
    if group:
        yield group


def inputs_of(node: onnx.NodeProto, known: Mapping[str, onnx.TensorProto]) -> int:
    """How many numbers one output of the node is a sum over."""
    dims = list(known[node.input[1]].dims)
    if node.op_type == "Conv":
        return int(dims[1] * dims[2] * dims[3])
    return int(dims[1] if _graph.attribute(node, "transB", 0) else dims[0])


def _seen(
    model: onnx.ModelProto,
    nodes: Mapping[str, onnx.NodeProto],
    samples: int,
    bench: Workbench,
    summed: Callable[[Array], Array],
) -> dict[str, Array]:
    """The mean over all positions of what `summed` makes of the inputs [positions, inputs]."""
    enough_rows(bench)
    looked: dict[str, Json] = {
        "samples": samples,
        "summed": summed.__name__,
        "nodes": {name: [node.op_type, node.input[0]] for name, node in nodes.items()},
    }
    return remembered(
        model, bench, looked, lambda: _looked_at(model, nodes, samples, bench, summed)
    )


def _looked_at(
    model: onnx.ModelProto,
    nodes: Mapping[str, onnx.NodeProto],
    samples: int,
    bench: Workbench,
    summed: Callable[[Array], Array],
) -> dict[str, Array]:
    import numpy as np

    feeds = enough_rows(bench)
    shown = bench.folder / "shown.onnx"
    own = len(model.graph.output)
    _show(model, [node.input[0] for node in nodes.values()])
    _graph.save(model, shown)
    del model.graph.output[own:]
    session = _graph.session(shown, bench.threads)
    given = {value.name for value in session.get_inputs()}
    wanted = list(dict.fromkeys(n.input[0] for n in nodes.values() if n.input[0] not in given))
    found: dict[str, Array] = {}
    count: Counter[str] = Counter()
    for row in np.random.default_rng(bench.seed).permutation(len(feeds))[:samples]:
        feed = {name: one for name, one in feeds.row(int(row)).items() if name in given}
        # Asked for nothing, a session gives everything.
        made = session.run(wanted, feed) if wanted else []
        values = dict(zip(wanted, made, strict=True)) | feed
        for name, node in nodes.items():
            seen = _patches(values[node.input[0]], node)
            found[name] = found.get(name, 0) + summed(seen)
            count[name] += len(seen)
    for left in bench.folder.glob("shown.onnx*"):
        left.unlink()
    return {name: total / max(count[name], 1) for name, total in found.items()}


def enough_rows(bench: Workbench) -> examples.Feeds:
    """The sample rows. Raises CalibrationTooSmall below eight."""
    rows = 0 if bench.calibration is None else len(examples.load_feeds(bench.calibration))
    if bench.calibration is None or rows < FEWEST_ROWS:
        raise CalibrationTooSmall(rows=rows, needed=FEWEST_ROWS)
    return examples.load_feeds(bench.calibration)


def _show(model: onnx.ModelProto, names: Sequence[str]) -> None:
    """Make inner values outputs, after the model's own."""
    import onnx

    made = {out for node in model.graph.node for out in node.output}
    there = {one.name for one in model.graph.output}
    for name in dict.fromkeys(names):
        if name in made and name not in there:
            model.graph.output.append(onnx.ValueInfoProto(name=name))


def _patches(value: Array, node: onnx.NodeProto) -> Array:
    """What each output is a weighted sum of, [positions, inputs]."""
    import numpy as np

    if node.op_type != "Conv":
        return np.asarray(value.reshape(-1, value.shape[-1]))
    pads, strides = (
        _graph.attribute(node, *one) for one in (("pads", [0] * 4), ("strides", [1, 1]))
    )
    size = _graph.attribute(node, "kernel_shape", None)
    filled = np.pad(value, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])))
    seen = np.lib.stride_tricks.sliding_window_view(filled, size, axis=(2, 3))
    seen = seen[:, :, :: strides[0], :: strides[1]].transpose(0, 2, 3, 1, 4, 5)
    return np.asarray(seen.reshape(-1, value.shape[1] * size[0] * size[1]))


def can_be_seen(node: onnx.NodeProto) -> bool:
    """Whether a patch of this layer's input is what one output is made of."""
    if node.op_type != "Conv":
        return node.op_type == "MatMul" or not _graph.attribute(node, "transA", 0)
    plain = _graph.attribute(node, "auto_pad", b"NOTSET") in {b"NOTSET", "NOTSET"}
    close = set(_graph.attribute(node, "dilations", [1, 1])) == {1}
    whole = _graph.attribute(node, "group", 1) == 1
    shaped = _graph.attribute(node, "kernel_shape", None)
    return bool(plain and close and whole and shaped is not None and len(shaped) == 2)
