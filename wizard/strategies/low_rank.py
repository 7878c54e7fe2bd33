"""Each large matrix as the product of two thin ones, chosen by what the layer sees: less work.

Covers: matrix multiplications with stored weights, as two in a row with few numbers between; how
few is chosen layer by layer under one budget of multiplications, and a layer that would not get
cheaper stays whole. The directions kept are those in which the layer's own outputs vary most on
the sample rows. Small models trained for one task bear it well, large pretrained ones do not.
Does not cover: convolutions, tables, retraining.
Sources: the best split for given inputs, Chen et al. 2021 (DRONE, NeurIPS); whitened by the inputs'
second moments, Wang et al. 2024 (SVD-LLM, arXiv 2403.07378). W V V^T with the leading eigenvectors
V of W^T E[x x^T] W is the same optimum without an inverse.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import nouns
from wizard.errors import NotSupported, PromiseBroken
from wizard.nouns import Artifact, Kind
from wizard.strategies import _graph, _inputs
from wizard.strategies._contract import Strategy, Workbench

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

TITLE = "Thinner layers"
STEP = 8  # ranks are multiples of it: kernels work in such widths
FEWEST = 4096  # numbers in a matrix worth splitting
HALVINGS = 60  # of the price of a multiplication, until the budget is met
SLACK = 0.02  # of the budget


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`macs`: share of the matrices' multiplications that is left. `samples` rows are looked at.

    `heads`: split the last layers too.
    """

    macs: float = 0.5
    samples: int = 128
    heads: bool = False


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses without rows (8 at least), and what has few matrices that could get cheaper."""
    model = _graph.load(artifact.path)
    _prepare(model)
    layers = _layers(model, settings)
    found = _graph.footprint(artifact.path)
    if not layers or found.conv > found.matmul:
        because = "its work is not in large matrices that two thin ones could replace"
        raise NotSupported(strategy=TITLE, because=because)
    least = sum(STEP * (one.inputs + one.outputs) for one in layers)
    if not least / sum(one.work for one in layers) < settings.macs < 1:
        because = f"{settings.macs:.0%} of the work is no share that splitting can leave"
        raise NotSupported(strategy=TITLE, because=because)
    _inputs.enough_rows(bench)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """See what each layer sees, find its directions, share the budget out, write the products."""
    model = _graph.load(artifact.path)
    _prepare(model)
    layers = {one.node.output[0]: one for one in _layers(model, settings)}
    nodes = {name: one.node for name, one in layers.items()}
    axes: dict[str, _Axes] = {}
    for moments in _inputs.moments(model, nodes, settings.samples, bench):
        for name, seen in moments.items():
            share = 0.1 + 0.7 * len(axes) / len(layers)
            bench.report(share, f"layer {len(axes) + 1} of {len(layers)}")
            axes[name] = _Axes.of(_weight(model, layers[name]), seen)
    ranks = _shared_out(layers, axes, settings.macs)
    bench.report(0.9, "writing the file")
    _write(model, layers, axes, ranks)
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def _prepare(model: onnx.ModelProto) -> None:
    _graph.gemm_to_matmul(model)
    _graph.fold_transposed_weights(model)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Layer:
    """A multiplication by a stored matrix [inputs, outputs] that nothing else reads."""

    node: onnx.NodeProto
    inputs: int
    outputs: int

    @property
    def work(self) -> int:
        return self.inputs * self.outputs

    @property
    def most(self) -> int:
        """The largest rank that is still cheaper than the whole."""
        below = (self.work - 1) // (self.inputs + self.outputs)
        return below // STEP * STEP


def _layers(model: onnx.ModelProto, settings: Settings) -> list[_Layer]:
    known, reads, heads = _graph.stored(model), _graph.users(model), _graph.heads(model)
    found = []
    for node in _graph.weight_matmuls(model):
        inputs, outputs = (int(one) for one in known[node.input[1]].dims)
        layer = _Layer(node=node, inputs=inputs, outputs=outputs)
        last = node.output[0] in heads and not settings.heads
        if reads[node.input[1]] == 1 and not last and layer.work >= FEWEST and layer.most:
            found.append(layer)
    return found


def _weight(model: onnx.ModelProto, layer: _Layer) -> Array:
    from onnx import numpy_helper

    found: Array = numpy_helper.to_array(_graph.stored(model)[layer.node.input[1]])
    return found


@dataclass(frozen=True, slots=True, kw_only=True)
class _Axes:
    """Directions of a layer's outputs, strongest first.

    `vectors` [outputs, directions]; `lost` [directions + 1]: the share of the outputs' power that
    is gone when so many directions are kept.
    """

    vectors: Array
    lost: Array

    @classmethod
    def of(cls, weight: Array, seen: Array) -> _Axes:
        """For a weight [inputs, outputs] and the second moments of its inputs."""
        import numpy as np

        values, vectors = np.linalg.eigh(seen)
        root = (vectors * np.sqrt(np.maximum(values, 0))).T @ weight.astype(np.float64)
        if root.shape[0] < root.shape[1]:  # the smaller of the two squares has the same powers
            power, left = np.linalg.eigh(root @ root.T)
            found = root.T @ left / np.sqrt(np.maximum(power, power[-1] * 1e-12))
        else:
            power, found = np.linalg.eigh(root.T @ root)
        power, found = np.maximum(power[::-1], 0), found[:, ::-1]
        total = max(float(power.sum()), 1e-30)
        lost = np.concatenate([[1.0], 1.0 - np.cumsum(power) / total])
        return cls(vectors=found, lost=np.maximum(lost, 0.0))


def _shared_out(
    layers: Mapping[str, _Layer], axes: Mapping[str, _Axes], macs: float
) -> dict[str, int]:
    """A rank for each layer, 0 for whole: the least loss at that share of the work."""
    total = sum(one.work for one in layers.values())
    low, high = -60.0, 20.0  # logarithms of what a multiplication costs
    for _ in range(HALVINGS):
        middle = (low + high) / 2
        ranks = _at_price(layers, axes, 2.0**middle)
        work = sum(_work(layers[name], rank) for name, rank in ranks.items())
        low, high = (low, middle) if work <= macs * total else (middle, high)
    return _at_price(layers, axes, 2.0**high)


def _at_price(
    layers: Mapping[str, _Layer], axes: Mapping[str, _Axes], price: float
) -> dict[str, int]:
    import numpy as np

    found = {}
    for name, one in layers.items():
        ranks = np.arange(STEP, min(one.most, len(axes[name].lost) - 1) + 1, STEP)
        bill = axes[name].lost[ranks] + price * ranks * (one.inputs + one.outputs)
        best = int(np.argmin(bill)) if len(ranks) else 0
        cheaper = len(ranks) and bill[best] < price * one.work
        found[name] = int(ranks[best]) if cheaper else 0
    return found


def _work(layer: _Layer, rank: int) -> int:
    return rank * (layer.inputs + layer.outputs) if rank else layer.work


def _write(
    model: onnx.ModelProto,
    layers: Mapping[str, _Layer],
    axes: Mapping[str, _Axes],
    ranks: Mapping[str, int],
) -> None:
    swaps = {
        name: _two(model, layers[name], axes[name].vectors[:, :rank])
        for name, rank in ranks.items()
        if rank
    }
    _graph.replace_nodes(model, swaps)
    _graph.drop_unused(model)


def _two(model: onnx.ModelProto, layer: _Layer, kept: Array) -> Sequence[onnx.NodeProto]:
    """The product with W as two: with W V, then with V^T."""
    import numpy as np
    from onnx import numpy_helper
    from onnx.helper import make_node

    weight, out = layer.node.input[1], layer.node.output[0]
    narrow = (_weight(model, layer) @ kept).astype(np.float32)
    wide = np.ascontiguousarray(kept.T, dtype=np.float32)
    name = layer.node.name or out
    model.graph.initializer.extend(
        [
            numpy_helper.from_array(narrow, f"{weight}_narrow"),
            numpy_helper.from_array(wide, f"{weight}_wide"),
        ]
    )
    return [
        make_node("MatMul", [layer.node.input[0], f"{weight}_narrow"], [f"{out}_narrow"],
                  name=f"{name}_narrow"),
        make_node("MatMul", [f"{out}_narrow", f"{weight}_wide"], [out], name=layer.node.name),
    ]  # fmt: skip


def work_of(model: onnx.ModelProto) -> int:
    """Multiplications by stored matrices for one position."""
    known = _graph.stored(model)
    dims = [known[node.input[1]].dims for node in _graph.weight_matmuls(model)]
    return sum(int(rows) * int(columns) for rows, columns in dims)


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """The work is the share that was asked for, the file is as small as said, it opens."""
    was, now = _graph.load(before.path), _graph.load(after.path)
    _prepare(was)
    layers = sum(one.work for one in _layers(was, settings))
    allowed = work_of(was) - layers * (1 - settings.macs - SLACK)
    found = work_of(now)
    if found > allowed:
        promised = f"at most {allowed / work_of(was):.0%} of the multiplications"
        raise PromiseBroken(strategy=TITLE, promised=promised, found=f"{found / work_of(was):.0%}")
    _graph.must_weigh(after.bytes, before.bytes - 4 * (work_of(was) - found), TITLE)
    _graph.must_load(after.path, TITLE)


STRATEGY = Strategy(
    name="low_rank",
    title=TITLE,
    summary="large matrices as two thin ones: fewer multiplications, fitted to your rows",
    stage=3,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_thin",
)
