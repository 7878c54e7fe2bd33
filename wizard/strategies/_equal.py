"""Even channels between two convolutions, so that one 8-bit range fits them all. Exact.

Covers: a convolution, perhaps a Relu, and the convolution that alone reads it: each channel is
divided by a factor before and multiplied by it after. Factors from what the channels were seen to
hold, or from the weights alone. A Clip from 0 on becomes a Relu where no row reaches its top.
Does not cover: rounding (int8_static.py); channels with several readers (residual sums).
Sources: Nagel et al. 2019, data-free quantization (arXiv 1906.04721); shares between activations
and weights as in Xiao et al. 2022 (arXiv 2211.10438).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.strategies import _feeds, _graph
from wizard.strategies._contract import Workbench

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

HALF = 0.5  # of a loud channel is moved into weights that share one range
SMALLEST = 1e-6
FARTHEST = 1e3  # between factors: more is noise


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two convolutions and the Relu or Clip between them, None for nothing."""

    first: onnx.NodeProto
    between: onnx.NodeProto | None
    second: onnx.NodeProto

    @property
    def seen(self) -> str:
        """The value that the second convolution reads."""
        return str(self.second.input[0])

    @property
    def depthwise(self) -> bool:
        """Whether each filter of the second sees one channel and has a range of its own."""
        return bool(_graph.attribute(self.second, "group", 1) > 1)


def equalize(model: onnx.ModelProto, samples: int, bench: Workbench, *, per_channel: bool) -> int:
    """Even out every pair in place; returns how many. Answers stay the same but for rounding.

    `per_channel`: the weights will have a scale each, so activations decide; else the weights do.
    Raises nothing of its own; `bench` must have sample rows.
    """
    found = pairs(model)
    if not found:
        return 0
    seen = _seen(model, found, samples, bench)
    done = 0
    for pair in found:
        loud, reached = seen[pair.seen]
        if pair.between is not None and pair.between.op_type == "Clip":
            # Even a thousandth at the top doubled the error of a small MobileNetV2: what a Relu
            # lets through widens the range of everybody.
            if reached > 0:
                continue
            _relu(pair.between)
        _move(_graph.stored(model), pair, loud, per_channel=per_channel)
        done += 1
    _graph.drop_unused(model)
    return done


def pairs(model: onnx.ModelProto) -> list[Pair]:
    """Convolutions in a row whose channels nothing else reads and whose weights are their own."""
    reads = _graph.users(model)
    makers = {out: node for node in model.graph.node for out in node.output}
    convs = _graph.weight_convs(model)
    own = {node.output[0] for node in convs if _own(node, reads)}
    found = []
    for second in convs:
        maker = makers.get(second.input[0])
        between = maker if maker is not None and _homogeneous(model, maker) else None
        first = makers.get(between.input[0]) if between is not None else maker
        if first is None or not {first.output[0], second.output[0]} <= own:
            continue
        alone = reads[first.output[0]] == 1 and reads[second.input[0]] == 1
        if alone and _grouped_by_one(model, second):
            found.append(Pair(first=first, between=between, second=second))
    return found


def _own(node: onnx.NodeProto, reads: Mapping[str, int]) -> bool:
    """Whether nothing else reads the weight and the bias."""
    return all(reads[name] == 1 for name in node.input[1:] if name)


def _homogeneous(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    """Relu, or a Clip that starts at a stored zero."""
    from onnx import numpy_helper

    if node.op_type == "Relu":
        return True
    low = _graph.stored(model).get(node.input[1]) if len(node.input) > 1 else None
    return bool(node.op_type == "Clip" and low is not None and not numpy_helper.to_array(low).any())


def _grouped_by_one(model: onnx.ModelProto, node: onnx.NodeProto) -> bool:
    """One group, or as many as there are channels."""
    group = _graph.attribute(node, "group", 1)
    return bool(group == 1 or _graph.stored(model)[node.input[1]].dims[1] == 1)


def _seen(
    model: onnx.ModelProto, found: Sequence[Pair], samples: int, bench: Workbench
) -> dict[str, tuple[Array, float]]:
    """The loudest value of each channel between a pair, and the share at a Clip's top."""
    import numpy as np
    import onnx

    names = list(dict.fromkeys(pair.seen for pair in found))
    tops = {pair.seen: _top(model, pair.between) for pair in found}
    shown, own = bench.folder / "shown.onnx", len(model.graph.output)
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    _graph.save(model, shown)
    del model.graph.output[own:]
    session = _graph.session(shown, bench.threads)
    given = frozenset(value.name for value in session.get_inputs())
    loud: dict[str, Array] = {}
    reached: dict[str, list[float]] = {name: [] for name in names}
    assert bench.calibration is not None  # noqa: S101 - the caller looked
    for feed in _feeds.padded_batches(bench.calibration, given, samples, bench.seed):
        for name, value in zip(names, session.run(names, feed), strict=True):
            now = np.abs(value).max(axis=(0, 2, 3))
            loud[name] = np.maximum(loud.get(name, now), now)
            reached[name].append(float((value >= tops[name]).mean()))
    for left in bench.folder.glob("shown.onnx*"):
        left.unlink()
    return {name: (loud[name], float(np.mean(reached[name]))) for name in names}


def _top(model: onnx.ModelProto, between: onnx.NodeProto | None) -> float:
    from onnx import numpy_helper

    if between is None or between.op_type != "Clip" or len(between.input) < 3:
        return float("inf")
    stored = _graph.stored(model).get(between.input[2])
    return float(numpy_helper.to_array(stored).max()) if stored is not None else 0.0


def _relu(node: onnx.NodeProto) -> None:
    del node.input[1:]
    node.op_type = "Relu"


def _move(
    known: Mapping[str, onnx.TensorProto], pair: Pair, loud: Array, *, per_channel: bool
) -> None:
    """Divide the first one's outputs by the factors, multiply the second one's inputs by them."""
    import numpy as np
    from onnx import numpy_helper

    first = numpy_helper.to_array(known[pair.first.input[1]])
    second = numpy_helper.to_array(known[pair.second.input[1]])
    other = np.abs(second).max(axis=(1, 2, 3) if pair.depthwise else (0, 2, 3))
    own = loud if per_channel else np.abs(first).max(axis=(1, 2, 3))
    share = 1.0 if per_channel and pair.depthwise else HALF
    factors = _factors(own, other, share)
    _scale(known[pair.first.input[1]], first / factors[:, None, None, None])
    if len(pair.first.input) > 2 and pair.first.input[2]:
        bias = known[pair.first.input[2]]
        _scale(bias, numpy_helper.to_array(bias) / factors)
    shape = (-1, 1, 1, 1) if pair.depthwise else (1, -1, 1, 1)
    _scale(known[pair.second.input[1]], second * factors.reshape(shape))


def _factors(own: Array, other: Array, share: float) -> Array:
    """own^share / other^(1 - share) with a middle of one; silent channels keep theirs."""
    import numpy as np

    heard = (own > SMALLEST) & (other > SMALLEST)
    if not heard.any():
        return np.ones_like(own)
    logs = share * np.log(np.where(heard, own, 1)) - (1 - share) * np.log(np.where(heard, other, 1))
    logs = np.where(heard, logs - logs[heard].mean(), 0.0)
    return np.asarray(np.exp(np.clip(logs, -np.log(FARTHEST), np.log(FARTHEST))), np.float32)


def _scale(tensor: onnx.TensorProto, values: Array) -> None:
    import numpy as np
    from onnx import numpy_helper

    tensor.CopyFrom(numpy_helper.from_array(values.astype(np.float32), tensor.name))
