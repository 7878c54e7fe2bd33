"""Matrices and tables in 2, 4 or 8 bits for ONNX Runtime's n-bit operators, written by ourselves.

Covers: MatMulNBits and GatherBlockQuantized with fitted scales and whole zero points, loud columns
taken out into one multiplication of the layer's input, a table that is also the last layer stored
once for both. Scales of tables are stored in half precision and widened at load; those of matrices
are not: unless its scales are constants, MatMulNBits answers zeros at accuracy level 4, as it does
with graph optimization off (ONNX Runtime 1.32).
Does not cover: how scales are found (_fit.py, _even.py); convolutions.
Tried with ONNX Runtime 1.32: MatMulNBits takes 2, 4 and 8 bits; 3, 5 and 6 are refused at load.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.strategies import _carry, _even, _fit, _graph
from wizard.strategies._nbits import ACCURACY_LEVEL

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

FLOAT = 1  # onnx.TensorProto.FLOAT
BLOCKS = (128, 64, 32, 16)


@dataclass(frozen=True, slots=True, kw_only=True)
class Form:
    """How numbers are stored: bits each, numbers that share a scale, how scales are found."""

    bits: int
    block: int
    method: _fit.Method
    even: bool

    def bits_each(self, *, table: bool) -> float:
        """Bits of a number with its share of the scale and zero point."""
        return self.bits + ((16 if table else 32) + self.bits) / self.block


@dataclass(frozen=True, slots=True, kw_only=True)
class Tied:
    """A table that lookups read and, turned, the last multiplications."""

    table: str
    turn: onnx.NodeProto
    products: tuple[onnx.NodeProto, ...]


class Rewrite:
    """Collects what replaces the nodes of one model; `done` puts it in.

    `read` gives a stored weight's numbers where the graph holds only a placeholder for them.
    """

    def __init__(self, model: onnx.ModelProto, read: Callable[[str], Array] | None = None) -> None:
        self.model = model
        self.known = _graph.stored(model)
        self._read = read or self._stored
        self._first: list[onnx.NodeProto] = []
        self._swaps: dict[str, list[onnx.NodeProto]] = {}

    def matrices(
        self, nodes: Sequence[onnx.NodeProto], form: Form, moments: Array | None = None
    ) -> None:
        """MatMul nodes that share their input; loud columns are taken out of all of them.

        Codes are chosen by the input's second `moments` [inputs, inputs] where they are known.
        """
        values = {n.input[1]: self._read(n.input[1]).T for n in nodes}
        columns = _even.columns_of(list(values.values())) if form.even else None
        first = nodes[0]
        given = first.input[0]
        before: list[onnx.NodeProto] = []
        if columns is not None:
            given = f"{first.output[0]}_even"
            before = [self._times(first.input[0], columns, given)]
        if moments is not None and columns is not None:
            moments = moments * columns[:, None] * columns
        for name, one in values.items():
            even = one if columns is None else one / columns
            self._keep_blocks(name, _rounded(even, form, moments), form)
        for node in nodes:
            product = self._product(node, given, node.input[1], form, values[node.input[1]].shape)
            self._swaps[node.output[0]] = [*before, product]
            before = []

    def table(self, nodes: Sequence[onnx.NodeProto], form: Form, tied: Tied | None = None) -> None:
        """All lookups in one table, and the multiplications by it if it is tied."""
        from onnx.helper import make_node

        name = nodes[0].input[0]
        values = self._read(name)
        columns = _even.columns_of([values]) if form.even else None
        even = values if columns is None else values / columns
        self._keep_blocks(name, _rounded(even, form, None), form, flat=True, half=tied is None)
        for node in nodes:
            out = node.output[0] if columns is None else f"{node.output[0]}_few"
            after = [] if columns is None else [self._times(out, columns, node.output[0])]
            self._swaps[node.output[0]] = [self._lookup(node, out, form), *after]
        if tied is None:
            return
        shape = (values.shape[0], -(-values.shape[1] // form.block), form.block * form.bits // 8)
        size = self._keep(f"{name}_blocks", _whole(shape))
        source = f"{name}_Q{form.bits}"
        self._first.append(make_node("Reshape", [source, size], [f"{source}_turned"]))
        self._swaps[tied.turn.output[0]] = []
        for node in tied.products:
            given = node.input[0] if columns is None else f"{node.output[0]}_even"
            before = [] if columns is None else [self._times(node.input[0], columns, given)]
            product = self._product(node, given, name, form, values.shape)
            product.input[1] = f"{source}_turned"
            self._swaps[node.output[0]] = [*before, product]

    def _stored(self, name: str) -> Array:
        from onnx import numpy_helper

        values: Array = numpy_helper.to_array(self.known[name])
        return values

    def done(self) -> None:
        """Put everything in; weights that nobody reads any more are dropped."""
        first = self.model.graph.node[0]
        there = self._swaps.get(first.output[0], [first])
        self._swaps[first.output[0]] = [*self._first, *there]
        _graph.replace_nodes(self.model, self._swaps)
        _graph.contrib(self.model)
        _graph.drop_unused(self.model)

    def _times(self, value: str, columns: Array, out: str) -> onnx.NodeProto:
        import numpy as np
        from onnx.helper import make_node

        scales = self._keep(f"{out}_columns", columns.astype(np.float32))
        return make_node("Mul", [value, scales], [out], name=f"{out}_by_column")

    def _keep(self, name: str, values: Array) -> str:
        from onnx import numpy_helper

        self.model.graph.initializer.append(numpy_helper.from_array(values, name))
        return name

    def _keep_blocks(
        self, name: str, fit: _fit.Blocks, form: Form, *, flat: bool = False, half: bool = False
    ) -> None:
        """Codes, scales and zero points of one matrix [outputs, inputs] or table."""
        import numpy as np
        from onnx.helper import make_node

        codes = packed(fit.codes, form.bits)
        self._keep(f"{name}_Q{form.bits}", codes.reshape(len(codes), -1) if flat else codes)
        self._keep(f"{name}_zeros", packed(fit.zeros, form.bits))
        if half and _fit.fits_half(fit.scales).all():
            halved = self._keep(f"{name}_half", fit.scales.astype(np.float16))
            self._first.append(make_node("Cast", [halved], [f"{name}_scales"], to=FLOAT))
        else:
            self._keep(f"{name}_scales", fit.scales.astype(np.float32))

    def _product(
        self, node: onnx.NodeProto, given: str, weight: str, form: Form, shape: tuple[int, ...]
    ) -> onnx.NodeProto:
        from onnx.helper import make_node

        return make_node(
            "MatMulNBits",
            [given, f"{weight}_Q{form.bits}", f"{weight}_scales", f"{weight}_zeros"],
            [node.output[0]],
            name=f"{node.name or node.output[0]}_Q{form.bits}",
            domain="com.microsoft",
            K=shape[1],
            N=shape[0],
            bits=form.bits,
            block_size=form.block,
            accuracy_level=ACCURACY_LEVEL,
        )

    def _lookup(self, node: onnx.NodeProto, out: str, form: Form) -> onnx.NodeProto:
        from onnx.helper import make_node

        name = node.input[0]
        parts = [f"{name}_Q{form.bits}", node.input[1], f"{name}_scales", f"{name}_zeros"]
        return make_node(
            "GatherBlockQuantized",
            parts,
            [out],
            name=f"{node.name or node.output[0]}_Q{form.bits}",
            domain="com.microsoft",
            gather_axis=0,
            quantize_axis=1,
            block_size=form.block,
            bits=form.bits,
        )


def _rounded(values: Array, form: Form, moments: Array | None) -> _fit.Blocks:
    how = {"bits": form.bits, "block": form.block}
    if moments is None:
        return _fit.fitted(values, **how, method=form.method)
    return _carry.carried(values, moments, **how, method=form.method)


def packed(codes: Array, bits: int) -> Array:
    """Codes along the last axis, several to a byte, the first in the lowest bits; filled with 0."""
    import numpy as np

    each = 8 // bits
    filled = np.pad(codes, [(0, 0)] * (codes.ndim - 1) + [(0, -codes.shape[-1] % each)])
    whole = np.zeros((*filled.shape[:-1], filled.shape[-1] // each), np.uint8)
    for at in range(each):
        whole |= filled[..., at::each] << (bits * at)
    return whole


def _whole(values: Sequence[int]) -> Array:
    import numpy as np

    return np.array(values, np.int64)


def block_for(width: int, wanted: int) -> int | None:
    """The widest block up to `wanted` that a table of that width can have."""
    return next((one for one in BLOCKS if one <= wanted and width % one == 0), None)


def by_input(nodes: Sequence[onnx.NodeProto]) -> list[list[onnx.NodeProto]]:
    """MatMul nodes that read the same value; each weight in one group only."""
    groups: dict[str, list[onnx.NodeProto]] = defaultdict(list)
    seen: dict[str, str] = {}
    for node in nodes:
        if seen.setdefault(node.input[1], node.input[0]) == node.input[0]:
            groups[node.input[0]].append(node)
    return list(groups.values())


def tied_tables(model: onnx.ModelProto) -> dict[str, Tied]:
    """Tables read by lookups and, through one Transpose, by multiplications only."""
    known, reads = _graph.stored(model), _graph.users(model)
    lookups = _graph.embeddings(model)
    found = {}
    for turn in (node for node in model.graph.node if node.op_type == "Transpose"):
        table = turn.input[0]
        products = tuple(
            node
            for node in model.graph.node
            if node.op_type == "MatMul" and node.input[1] == turn.output[0]
        )
        looked_up = sum(node.input[0] == table for node in lookups)
        whole = reads[turn.output[0]] == len(products) > 0
        if table in known and looked_up and whole and reads[table] == looked_up + 1:
            found[table] = Tied(table=table, turn=turn, products=products)
    return found
