"""Mixed precision: each layer gets as few bits as the final answers bear, 8, 4 or 2.

Covers: matrix multiplications (by the input they share) and embedding tables; how much each one
matters is measured on sample rows, one at a time, then bits are taken where a byte costs least,
until the answers' error reaches the limit. The last layer keeps 8 bits, tables at least 4.
Does not cover: convolutions (ONNX Runtime has no such kernel), activations, tied tables.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wizard import nouns
from wizard.errors import NotSupported
from wizard.nouns import Artifact, Kind, LayerDamage
from wizard.strategies import _activations, _even, _fit, _graph, _lowbit, _sensitivity
from wizard.strategies._contract import Strategy, Workbench

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

TITLE = "Mixed precision"
LADDER = ((8, 64), (4, 64), (2, 32), (2, 128))  # bits, numbers that share a scale
HELD_BYTES = 500_000_000  # rounded weights kept between tries


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`error`: how far the answers may move on sample rows, as a share of their norm.

    `fewest`, `fewest_table`: the fewest bits of a matrix and of a table. `spare_last`: the last
    layer keeps 8 bits. `samples` rows are looked at.
    """

    error: float = 0.1
    fewest: Literal[2, 4, 8] = 2
    fewest_table: Literal[2, 4, 8] = 4
    spare_last: bool = True
    samples: int = 48


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """Layers that share their input, or the lookups in one table; its forms, many bits first."""

    nodes: tuple[onnx.NodeProto, ...]
    table: bool
    forms: tuple[_lowbit.Form, ...]
    weights: int

    @property
    def names(self) -> list[str]:
        """The stored weights, each once."""
        at = 0 if self.table else 1
        return list(dict.fromkeys(node.input[at] for node in self.nodes))

    def size(self, form: int) -> float:
        """Bytes at that form."""
        return self.weights * self.forms[form].bits_each(table=self.table) / 8


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses without rows (8 at least), without matrices, and what is mostly convolutions."""
    _activations.rows_of(bench, settings.samples)
    found = _graph.footprint(artifact.path)
    if found.conv > found.matmul + found.embedding:
        because = "its weights are mostly convolutions, which the low-bit kernels do not take"
        raise NotSupported(strategy=TITLE, because=because)
    if found.matmul == 0:
        because = "no matrix multiplication with stored weights: there is nothing to quantize"
        raise NotSupported(strategy=TITLE, because=because)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Measure every part alone, take bits where they cost least, write what keeps the limit."""
    model = _graph.load(artifact.path)
    _graph.gemm_to_matmul(model)
    _graph.fold_transposed_weights(model)
    parts = _parts(model, settings)
    answers = _sensitivity.Answers(
        model, [name for part in parts for name in part.names], settings.samples, bench
    )
    rounded = _Rounded(model)
    damage = _damage(parts, answers, rounded, bench)
    steps = _sensitivity.order(
        damage, [[part.size(at) for at in range(len(part.forms))] for part in parts]
    )
    bench.report(0.7, "taking bits where they cost least")

    def keeps(forms: Sequence[int]) -> bool:
        weights: dict[str, Array] = {}
        for part, form in zip(parts, forms, strict=True):
            weights |= rounded.of(part, part.forms[form])
        return answers.error(weights) <= settings.error

    chosen = _sensitivity.longest(steps, len(parts), keeps)
    bench.report(0.9, "writing the file")
    rewrite = _lowbit.Rewrite(model)
    for part, form in zip(parts, chosen, strict=True):
        write = rewrite.table if part.table else rewrite.matrices
        write(part.nodes, part.forms[form])
    rewrite.done()
    _sensitivity.write(bench.folder, _found(parts, damage, chosen))
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def _parts(model: onnx.ModelProto, settings: Settings) -> list[_Part]:
    known, reads = _graph.stored(model), _graph.users(model)
    heads = _graph.heads(model) if settings.spare_last else set()
    multiplied = _graph.weight_matmuls(model)
    weights = [node.input[1] for node in multiplied]
    own = [node for node in multiplied if reads[node.input[1]] == weights.count(node.input[1])]
    parts = []
    for nodes in _lowbit.by_input(own):
        last = any(node.output[0] in heads for node in nodes)
        count = sum(_count(known[name]) for name in {node.input[1] for node in nodes})
        fewest = 8 if last else settings.fewest
        parts.append(_Part(nodes=tuple(nodes), table=False, forms=_ladder(fewest), weights=count))
    lookups = _graph.free_tables(model)
    for name in dict.fromkeys(node.input[0] for node in lookups):
        forms = _ladder(settings.fewest_table, known[name].dims[1])
        if forms:
            nodes = [node for node in lookups if node.input[0] == name]
            count = _count(known[name])
            parts.append(_Part(nodes=tuple(nodes), table=True, forms=forms, weights=count))
    return parts


def _ladder(fewest: int, width: int | None = None) -> tuple[_lowbit.Form, ...]:
    """The forms down to `fewest` bits; a table's blocks must divide its width."""
    fits = {wanted: _lowbit.block_for(width, wanted) if width else wanted for _, wanted in LADDER}
    forms = [
        _lowbit.Form(bits=bits, block=block, method="clipping", even=True)
        for bits, wanted in LADDER
        if bits >= fewest and (block := fits[wanted]) is not None
    ]
    return tuple(dict.fromkeys(forms))


def _count(tensor: onnx.TensorProto) -> int:
    return int(tensor.dims[0] * tensor.dims[1])


def _damage(
    parts: Sequence[_Part], answers: _sensitivity.Answers, rounded: _Rounded, bench: Workbench
) -> list[list[float]]:
    """The answers' error with one part alone at one form, [part][form]."""
    found = []
    for at, part in enumerate(parts):
        detail = f"rounding one layer at a time, {at + 1} of {len(parts)}"
        bench.report(0.05 + 0.65 * at / len(parts), detail)
        found.append([answers.error(rounded.of(part, form)) for form in part.forms])
    return found


class _Rounded:
    """A part's weights after a trip through a form, by name; kept while there is room."""

    def __init__(self, model: onnx.ModelProto) -> None:
        self._known = _graph.stored(model)
        self._kept: dict[tuple[str, _lowbit.Form], dict[str, Array]] = {}
        self._held = 0

    def of(self, part: _Part, form: _lowbit.Form) -> dict[str, Array]:
        key = (part.names[0], form)
        if key in self._kept:
            return self._kept[key]
        made = self._made(part, form)
        if self._held + 4 * part.weights <= HELD_BYTES:
            self._kept[key] = made
            self._held += 4 * part.weights
        return made

    def _made(self, part: _Part, form: _lowbit.Form) -> dict[str, Array]:
        import numpy as np
        from onnx import numpy_helper

        stored = {name: numpy_helper.to_array(self._known[name]) for name in part.names}
        turned = {name: one if part.table else one.T for name, one in stored.items()}
        columns = _even.columns_of(list(turned.values())) if form.even else None
        by = np.float32(1) if columns is None else columns.astype(np.float32)
        made = {}
        for name, one in turned.items():
            fit = _fit.fitted(one / by, bits=form.bits, block=form.block, method=form.method)
            back = fit.values()[:, : one.shape[1]] * by
            made[name] = np.ascontiguousarray(back if part.table else back.T, dtype=np.float32)
        return made


def _found(
    parts: Sequence[_Part], damage: Sequence[Sequence[float]], chosen: Sequence[int]
) -> list[LayerDamage]:
    """Every part by name with its error at the fewest bits, worst first, and the bits it got."""
    found = [
        LayerDamage(
            layer=part.nodes[0].name or part.names[0],
            operator=f"{'Gather' if part.table else 'MatMul'}, {part.forms[form].bits} bits",
            relative_error=errors[-1],
        )
        for part, errors, form in zip(parts, damage, chosen, strict=True)
    ]
    return sorted(found, key=lambda one: -one.relative_error)


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """Low-bit weights are in the file, no larger than 8 bits make it, it opens."""
    del settings
    was, now = _graph.footprint(before.path), _graph.load(after.path)
    _graph.must_hold(_graph.operators(now)["MatMulNBits"], "layer with low-bit weights", TITLE)
    widest = _lowbit.Form(bits=8, block=16, method="clipping", even=True)
    most = widest.bits_each(table=False) / 32
    saved = (was.matmul + was.embedding) * (1 - most)
    _graph.must_weigh(after.bytes, before.bytes - saved, TITLE)
    _graph.must_load(after.path, TITLE)


STRATEGY = Strategy(
    name="mixed_precision",
    title=TITLE,
    summary="8, 4 or 2 bits by layer, as few as the answers bear: smallest text and ViT models",
    stage=4,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_q_mixed",
)
