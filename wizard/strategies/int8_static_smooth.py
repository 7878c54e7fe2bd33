"""Static int8 for transformers: outliers moved into the weights before ranges are learnt.

Covers: matrix multiplications with stored weights; their inputs smoothed channel by channel
(folded into the normalization where nothing else reads it, a multiplication elsewhere), ranges
fitted by output error, biases corrected; embeddings row by row. Layers whose own error stays large
keep float32 arithmetic.
Does not cover: convolutions (int8_static), products of two activations and everything around the
attention mask and softmax, which keep float32 on purpose.
"""

from __future__ import annotations

import fnmatch
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import nouns
from wizard.errors import NotSupported
from wizard.nouns import Artifact, Kind
from wizard.strategies import _activations, _graph, _short, _smoothing
from wizard.strategies._contract import Strategy, Workbench
from wizard.strategies._rows import embeddings_to_int8

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

TITLE = "Smoothed static int8"
WHOLE, SEVEN_BITS = 127, 63  # largest codes of a weight


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`samples` rows are looked at; `smooth` moves outliers into the weights.

    `percentile`: the lowest that a range may be cut to. `correct_bias`: take average errors off
    biases. `worst`: layers whose own relative error stays above it keep float32, as do those whose
    node names match a pattern of `exclude`.
    """

    samples: int = 128
    smooth: bool = True
    percentile: float = 99.9
    correct_bias: bool = True
    worst: float = 0.2
    reduce_range: bool = False
    embeddings: bool = True
    exclude: tuple[str, ...] = ()


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses without rows (8 at least), without matrices, and what is mostly convolutions."""
    _activations.rows_of(bench, settings.samples)
    found = _graph.footprint(artifact.path)
    if found.conv > found.matmul + found.embedding:
        because = "its weights are mostly convolutions, which plain static int8 handles"
        raise NotSupported(strategy=TITLE, because=because)
    if found.matmul == 0:
        because = "no matrix multiplication with stored weights: there is nothing to quantize"
        raise NotSupported(strategy=TITLE, because=because)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """See what flows into the layers, fit each shared input, rewrite, then the tables."""
    model = _graph.load(artifact.path)
    _graph.gemm_to_matmul(model)
    _graph.fold_transposed_weights(model)
    groups = _by_input(model, settings.exclude)
    seen = _activations.seen(
        model, list(groups), settings.samples, bench,
        lambda share: bench.report(0.05 + 0.4 * share, "learning the ranges of activations"),
    )  # fmt: skip
    known = _short.names(model)
    rewrite = _Rewrite(model, settings)
    for at, (name, nodes) in enumerate(groups.items()):
        bench.report(0.45 + 0.4 * at / len(groups), f"fitting input {at + 1} of {len(groups)}")
        rewrite.group(nodes, seen[name])
    rewrite.done()
    bench.report(0.9, "rounding the embeddings")
    if settings.embeddings:
        embeddings_to_int8(model)
    _short.shorten(model, known)
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def _by_input(model: onnx.ModelProto, exclude: Sequence[str]) -> Mapping[str, list[onnx.NodeProto]]:
    """Multiplications by a stored matrix of their own, by the input they share."""
    reads = _graph.users(model)
    groups: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    for node in _graph.weight_matmuls(model):
        left = any(fnmatch.fnmatch(node.name, one) for one in exclude)
        if not left and reads[node.input[1]] == 1:
            groups[node.input[0]].append(node)
    return groups


class _Rewrite:
    """Replaces layers group by group; the model changes once, in `done`."""

    def __init__(self, model: onnx.ModelProto, settings: Settings) -> None:
        self._model, self._settings = model, settings
        self._largest = SEVEN_BITS if settings.reduce_range else WHOLE
        self._known = _graph.stored(model)
        self._reads = _graph.users(model)
        self._makers = {node.output[0]: node for node in model.graph.node}
        self._biased = {
            name: node for node in model.graph.node if node.op_type == "Add" for name in node.input
        }
        self._swaps: dict[str, list[onnx.NodeProto]] = {}

    def group(self, nodes: Sequence[onnx.NodeProto], seen: _activations.Seen) -> None:
        """One shared input: fit its code, round the weights, correct the biases."""
        weights = [self._array(node.input[1]) for node in nodes]
        code = _smoothing.fitted(
            seen, weights, self._largest,
            _smoothing.SHARES if self._settings.smooth else (), self._settings.percentile,
        )  # fmt: skip
        if code.error > self._settings.worst:
            return
        source = nodes[0].input[0]
        before = self._smooth(source, code, len(nodes))
        before += self._quantizing(before[-1].output[0] if before else source, source, code)
        for node, weight in zip(nodes, weights, strict=True):
            self._swaps[node.output[0]] = [*before, *self._layer(node, weight, code, source)]
            before = []
            if self._settings.correct_bias:
                self._correct(node, _smoothing.bias_error(seen, weight, code, self._largest))

    def done(self) -> None:
        """Write the new nodes and forget what nothing reads."""
        _graph.replace_nodes(self._model, self._swaps)
        _graph.drop_unused(self._model)

    def _array(self, name: str) -> Array:
        from onnx import numpy_helper

        value: Array = numpy_helper.to_array(self._known[name])
        return value

    def _store(self, name: str, value: Array) -> str:
        from onnx import numpy_helper

        self._model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def _smooth(self, source: str, code: _smoothing.Rounding, readers: int) -> list[onnx.NodeProto]:
        from onnx.helper import make_node

        if code.smooth is None:
            return []
        maker = self._makers.get(source)
        norm = maker is not None and maker.op_type == "LayerNormalization"
        if maker is not None and norm and self._reads[source] == readers:
            self._fold(maker, code.smooth)
            return []
        by = self._store(f"{source}_smoothing", (1 / code.smooth).astype(code.smooth.dtype))
        return [make_node("Mul", [source, by], [f"{source}_smooth"], name=f"{source}_smooth")]

    def _fold(self, norm: onnx.NodeProto, smooth: Array) -> None:
        for at in range(1, len(norm.input)):
            value = self._array(norm.input[at]) / smooth
            norm.input[at] = self._store(f"{norm.output[0]}_smooth_{at}", value)

    def _quantizing(
        self, value: str, source: str, code: _smoothing.Rounding
    ) -> list[onnx.NodeProto]:
        import numpy as np
        from onnx.helper import make_node

        scale = self._store(f"{source}_scale", np.array(code.scale, np.float32))
        zero = self._store(f"{source}_zero_point", np.array(code.zero, np.uint8))
        return [
            make_node("QuantizeLinear", [value, scale, zero], [f"{source}_codes"],
                      name=f"{source}_quantize"),
            make_node("DequantizeLinear", [f"{source}_codes", scale, zero],
                      [f"{source}_rounded"], name=f"{source}_dequantize"),
        ]  # fmt: skip

    def _layer(
        self, node: onnx.NodeProto, weight: Array, code: _smoothing.Rounding, source: str
    ) -> list[onnx.NodeProto]:
        from onnx.helper import make_node

        name = node.input[1]
        codes, scale = _smoothing.codes_of(_smoothing.smoothed(weight, code.smooth), self._largest)
        stored = self._store(f"{name}_int8", codes)
        scales = self._store(f"{name}_scale", scale)
        zeros = self._store(f"{name}_zero_point", (0 * scale).astype(codes.dtype))
        return [
            make_node("DequantizeLinear", [stored, scales, zeros], [f"{name}_rounded"],
                      name=f"{name}_dequantize", axis=1),
            make_node("MatMul", [f"{source}_rounded", f"{name}_rounded"], [node.output[0]],
                      name=node.name),
        ]  # fmt: skip

    def _correct(self, node: onnx.NodeProto, error: Array) -> None:
        """Take the average error off the bias that is added next, where it is stored."""
        add = self._biased.get(node.output[0])
        if add is None or self._reads[node.output[0]] != 1:
            return
        at = 1 if add.input[0] == node.output[0] else 0
        bias = self._known.get(add.input[at])
        if bias is not None and list(bias.dims) == [len(error)]:
            value = self._array(add.input[at]) - error
            add.input[at] = self._store(f"{node.output[0]}_bias_corrected", value)


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """8-bit layers are in the file, no range is infinite, it is as small as arithmetic says."""
    was, model = _graph.footprint(before.path), _graph.load(after.path)
    now = _graph.footprint(after.path)
    _graph.must_hold(
        _graph.operators(model)["QuantizeLinear"], "layer with 8-bit activations", TITLE
    )
    _graph.must_be_finite(model, TITLE)
    saved = (was.matmul - now.matmul) * 3 / 4 - 5 * was.columns
    if settings.embeddings:
        saved += was.embedding * 3 / 4 - 4 * was.rows
    _graph.must_weigh(after.bytes, before.bytes - saved, TITLE)
    _graph.must_load(after.path, TITLE)


STRATEGY = Strategy(
    name="int8_static_smooth",
    title=TITLE,
    summary="8-bit weights and activations for transformers: outliers smoothed, ranges fitted",
    stage=4,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_quantized",
)
