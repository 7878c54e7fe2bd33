"""The nodes that stand in for an 8-bit product whose sums can overflow, in float32.

Covers: which pair sums of a layer some bytes could push beyond 16 bits (the weights tell), the
nodes that calculate the whole product and take away exactly what is cut off, a counter of them.
Does not cover: finding the products in a file (saturation.py, with the sources).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

LOWEST, HIGHEST, LARGEST_BYTE = -32768, 32767, 255
FLOAT, INT32, BOOL = 1, 6, 9  # onnx.TensorProto's types


@dataclass(frozen=True, slots=True, kw_only=True)
class Product:
    """A node that multiplies raw bytes by stored int8 weights.

    `weight` is [K, columns] as the kernel reads it. `scale` [columns] turns whole sums into the
    node's output; None where the node gives whole numbers itself (MatMulInteger). `step` is the
    scale of the activations. `stored` names the weight in the file; `shift` and `stretch`, where
    given, turn it into the numbers it stands for. `filters` is the shape of a convolution's weight.
    """

    node: onnx.NodeProto
    raw: str
    zero: str
    weight: Array
    stored: str
    shift: Array | None
    stretch: Array | None
    scale: Array | None
    step: float = 1.0
    filters: tuple[int, ...] = ()
    group: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The pairs that some bytes could make overflow, column by column.

    `first` and `second` are rows of the activations, `ours` and `theirs` their weights. Columns are
    sorted into `groups` of (columns, pairs a column), each filled up with weights of 0 where a
    column has fewer; `order` puts the columns back. `of_all` is the number of pair sums behind
    one output.
    """

    first: Array
    second: Array
    ours: Array
    theirs: Array
    groups: tuple[tuple[int, int], ...]
    order: Array
    of_all: int

    @classmethod
    def of(cls, product: Product) -> Pairs | None:
        """None when the weights are too small for any sum to overflow."""
        import numpy as np

        weight = product.weight.astype(np.int32)
        length, columns = weight.shape
        if length % 2:
            weight = np.concatenate([weight, np.zeros((1, columns), np.int32)])
        couples = weight.reshape(-1, 2, columns)
        risky = _risky(couples)
        if not risky.any():
            return None
        read = _rows_read(product, length)
        by_size = _by_size(risky.sum(axis=0))
        parts = [_of_group(risky, couples, read, group) for group in by_size]
        first, second, ours, theirs = (np.concatenate(one) for one in zip(*parts, strict=True))
        return cls(
            first=first,
            second=second,
            ours=ours,
            theirs=theirs,
            groups=tuple((len(group), width) for group, width in by_size),
            order=np.argsort(np.concatenate([group for group, _ in by_size])),
            of_all=len(couples),
        )


def _risky(couples: Array) -> Array:
    """[pairs, columns]: whether the largest or the smallest sum leaves 16 bits."""
    import numpy as np

    up = np.maximum(couples, 0).sum(axis=1) * LARGEST_BYTE
    down = np.minimum(couples, 0).sum(axis=1) * LARGEST_BYTE
    return np.asarray((up > HIGHEST) | (down < LOWEST))


def _by_size(counts: Array) -> list[tuple[Array, int]]:
    """Columns of similar counts together, with the largest count (at least 1) of each group."""
    import numpy as np

    classes = np.ceil(np.log2(np.maximum(counts, 1))).astype(int)
    groups = [np.flatnonzero(classes == one) for one in np.unique(classes)]
    return [(group, max(1, int(counts[group].max()))) for group in groups]


def _of_group(
    risky: Array, couples: Array, read: Array, group: tuple[Array, int]
) -> tuple[Array, Array, Array, Array]:
    """Rows and weights of a group's pairs, [columns * width] each, the risky ones first."""
    import numpy as np

    columns, width = group
    order = np.argsort(~risky[:, columns], axis=0, kind="stable")[:width].T
    column = columns[:, None]
    last = len(read) - 1
    rows = [read[np.minimum(2 * order + one, last), column].reshape(-1) for one in (0, 1)]
    there = risky[order, column]
    weights = [
        np.where(there, couples[order, one, column], 0).reshape(-1).astype(np.float32)
        for one in (0, 1)
    ]
    return rows[0], rows[1], weights[0], weights[1]


def _rows_read(product: Product, length: int) -> Array:
    """[K, columns]: which row of the flattened activations each weight meets.

    Filters of a group see their own channels only.
    """
    import numpy as np

    columns = product.weight.shape[1]
    rows = np.repeat(np.arange(length)[:, None], columns, axis=1)
    if product.group == 1:
        return rows
    inner = product.filters[1]
    groups = np.arange(columns) // (columns // product.group)
    return np.asarray(rows // inner * (inner * product.group) + groups * inner + rows % inner)


class Builder:
    """Writes the nodes that stand in for one product."""

    def __init__(self, model: onnx.ModelProto, name: str) -> None:
        self._model, self._name, self._count = model, name, 0
        self._nodes: list[Any] = []
        self.counter = f"{name}__overflowing"

    def _constant(self, value: Array) -> str:
        from onnx import numpy_helper

        self._count += 1
        name = f"{self._name}__constant_{self._count}"
        self._model.graph.initializer.append(numpy_helper.from_array(value, name))
        return name

    def _ints(self, *values: int) -> str:
        import numpy as np

        return self._constant(np.array(values, np.int64))

    def _node(self, operator: str, *inputs: str, out: str = "", **attributes: Any) -> str:
        from onnx.helper import make_node

        self._count += 1
        name = out or f"{self._name}__{operator}_{self._count}"
        self._nodes.append(make_node(operator, list(inputs), [name], name=name, **attributes))
        return name

    def replacement(self, product: Product, pairs: Pairs | None) -> list[Any]:
        """Nodes that give the product's output: the whole sums, less what `pairs` cut off."""
        import numpy as np

        raw = self._node("Cast", product.raw, to=FLOAT)
        zero = self._node("Cast", product.zero, to=FLOAT) if product.zero else ""
        real = self._node("Sub", raw, zero) if zero else raw
        if product.scale is not None:
            real = self._node("Mul", real, self._constant(np.array([product.step], np.float32)))
        exact = self._again(product, real)
        if pairs is not None:
            lost = self._lost(self._unfolded(product, raw, zero), pairs, exact, product)
            exact = self._node("Sub", exact, lost)
        whole = product.scale is None
        last = "Cast" if whole else "Identity"
        self._node(last, exact, out=self._name, **({"to": INT32} if whole else {}))
        return self._nodes

    def _again(self, product: Product, real: str) -> str:
        """The node itself, in float32."""
        from onnx.helper import get_attribute_value

        node = product.node
        weight = self._weight(product)
        if node.op_type == "MatMulInteger":
            return self._node("MatMul", real, weight)
        same = {one.name: get_attribute_value(one) for one in node.attribute}
        return self._node(node.op_type, real, weight, *node.input[2:], **same)

    def _weight(self, product: Product) -> str:
        """The weight in float32, made from the stored bytes when the file is opened.

        Not by DequantizeLinear, which ONNX Runtime repeats for every request.
        """
        import numpy as np

        real = self._node("Cast", product.stored, to=FLOAT)
        if product.shift is not None:
            real = self._node("Sub", real, self._constant(product.shift.astype(np.float32)))
        if product.stretch is not None:
            real = self._node("Mul", real, self._constant(product.stretch.astype(np.float32)))
        return real

    def _unfolded(self, product: Product, raw: str, zero: str) -> str:
        """Raw activations as [K, positions]."""
        if not product.filters:
            flat = self._node("Reshape", raw, self._ints(-1, product.weight.shape[0]))
            return self._node("Transpose", flat, perm=[1, 0])
        attributes = {one.name: list(one.ints) for one in product.node.attribute}
        pads = attributes.get("pads", [0, 0, 0, 0])
        around = self._ints(0, 0, *pads[:2], 0, 0, *pads[2:])
        edge = self._node("Reshape", zero, self._constant(_empty())) if zero else ""
        padded = self._node("Pad", raw, around, edge) if any(pads) else raw
        parts = [
            self._shifted(padded, place, product.filters[2:], attributes)
            for place in _places(product.filters[2:])
        ]
        stacked = self._node("Concat", *parts, axis=1)
        turned = self._node("Transpose", stacked, perm=[1, 0, 2, 3])
        rows = product.filters[1] * product.group * len(parts)
        return self._node("Reshape", turned, self._ints(rows, -1))

    def _shifted(
        self, padded: str, place: tuple[int, int], sides: tuple[int, ...], attributes: Any
    ) -> str:
        """What one position of the filter sees, over the whole picture."""
        strides = attributes.get("strides", [1, 1])
        apart = attributes.get("dilations", [1, 1])
        starts = [at * gap for at, gap in zip(place, apart, strict=True)]
        left = [(side - 1 - at) * gap for side, at, gap in zip(sides, place, apart, strict=True)]
        ends = [-one if one else 2**31 for one in left]
        return self._node(
            "Slice", padded, self._ints(*starts), self._ints(*ends), self._ints(2, 3),
            self._ints(*strides),
        )  # fmt: skip

    def _lost(self, rows: str, pairs: Pairs, exact: str, product: Product) -> str:
        """What the cut takes from each output, in the shape and scale of `exact`."""
        import numpy as np

        ours = self._node("Gather", rows, self._constant(pairs.first), axis=0)
        theirs = self._node("Gather", rows, self._constant(pairs.second), axis=0)
        left = self._node("Mul", ours, self._constant(pairs.ours[:, None]))
        right = self._node("Mul", theirs, self._constant(pairs.theirs[:, None]))
        whole = self._node("Add", left, right)
        ends = [self._constant(np.array(end, np.float32)) for end in (LOWEST, HIGHEST)]
        over = self._node("Sub", whole, self._node("Clip", whole, *ends))
        self._count_overflows(over, pairs)
        summed = self._summed(over, pairs)
        if product.scale is not None:
            scale = np.broadcast_to(product.scale, (len(pairs.order),)).astype(np.float32)
            summed = self._node("Mul", summed, self._constant(scale[:, None].copy()))
        if not product.filters:
            turned = self._node("Transpose", summed, perm=[1, 0])
            return self._node("Reshape", turned, self._node("Shape", exact))
        like = self._node("Shape", self._node("Transpose", exact, perm=[1, 0, 2, 3]))
        return self._node("Transpose", self._node("Reshape", summed, like), perm=[1, 0, 2, 3])

    def _summed(self, over: str, pairs: Pairs) -> str:
        """[columns, positions]: the sums of each column's pairs."""
        parts, start = [], 0
        for columns, width in pairs.groups:
            end = start + columns * width
            part = self._node("Slice", over, self._ints(start), self._ints(end), self._ints(0))
            shaped = self._node("Reshape", part, self._ints(columns, width, -1))
            parts.append(self._node("ReduceSum", shaped, self._ints(1), keepdims=0))
            start = end
        together = self._node("Concat", *parts, axis=0)
        return self._node("Gather", together, self._constant(pairs.order), axis=0)

    def _count_overflows(self, over: str, pairs: Pairs) -> None:
        import numpy as np

        there = self._node("Cast", self._node("Cast", over, to=BOOL), to=FLOAT)
        mean = self._node("ReduceMean", there, keepdims=0)
        per_output = len(pairs.first) / (len(pairs.order) * pairs.of_all)
        share = self._constant(np.array(per_output, np.float32))
        self._node("Mul", mean, share, out=self.counter)


def _empty() -> Array:
    """The shape of a single number."""
    import numpy as np

    return np.array([], np.int64)


def _places(sides: tuple[int, ...]) -> list[tuple[int, int]]:
    """Every position in a filter, row by row."""
    return [(row, column) for row in range(sides[0]) for column in range(sides[1])]
