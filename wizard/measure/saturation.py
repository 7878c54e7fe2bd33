"""What a file would answer on an x86 processor without VNNI, whose 8-bit sums can overflow.

There, ONNX Runtime multiplies unsigned activations by signed weights with `vpmaddubsw`: two
products of neighbours along K (0 and 1, 2 and 3, ...) are summed in 16 bits and cut off at -32768
and 32767; everything after that is exact. Zero points are subtracted from the sums later, so the
raw bytes count. Convolutions are the same after im2col, K running over (height, width, channel).
Sources: ONNX Runtime, core/mlas/lib/x86_64/QgemmU8X8KernelAvx2.S (MultiplyAccumulateRowU8S8Avx2),
QgemvU8S8KernelAvx2.S, ConvSymKernelAvx2.S, platform.cpp (which kernel where), and
core/providers/cpu/quantization/qlinearconv.cc (the order of K). Checked against ONNX Runtime 1.32
on a Haswell (in QEMU 7.2): the samples' 8-bit files answer 40 rows alike to the last bit, but for
roundings of a static encoder.

Covers: MatMulInteger, also fused with scales and bias, and MatMul, Gemm, Conv between
QuantizeLinear pairs, with stored int8 weights; a copy of the file in float32 arithmetic in which
exactly those sums are cut off, the same on every host; a proof from the weights alone where no
sum can overflow (reduced range).
Does not cover: QLinear* operators (named in `unread`); MatMulNBits (its AVX2 kernels split each
sum: sqnbitgemm_kernel_avx2_int8_blklen64.h) and depthwise convolutions (32-bit sums), which
cannot overflow; activations in int8.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.measure import skeleton
from wizard.measure.fused import opened
from wizard.measure.overflows import Builder, Pairs, Product

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

# Any of these sums in 32 bits. AVX2 alone cuts off; so does SSE4.1 in Windows builds.
WIDE_SUMS = {"avx512_vnni", "avx_vnni", "amx_int8"}
# The copy works on its weights in float32: about eight times the bytes once it is open.
EMULATED_UP_TO = 150_000_000
FLOAT, UINT8, INT8 = 1, 2, 3  # onnx.TensorProto's types
UNREAD = {"QLinearMatMul", "QLinearConv", "QGemm", "QAttention"}
NOT_EMULATED = "How it answers where 8-bit sums can overflow could not be emulated."


def saturates(arch: str, isa: Collection[str]) -> bool:
    """Whether 8-bit sums can overflow on such a processor."""
    return arch.lower() in {"x86_64", "amd64"} and not WIDE_SUMS & set(isa)


@dataclass(frozen=True, slots=True, kw_only=True)
class Emulated:
    """A copy of a file with its overflows, at `path`.

    There is none when no sum of the file can overflow, or when it is `too_large` for it (150 MB).
    `counters` maps the output of each product that may overflow to the extra graph output that
    holds the share of its pair sums cut off, for one request; `safe` are the outputs of products
    that cannot overflow whatever the input; `unread` names operators that were not looked into;
    `pairs` is the most pair sums that one layer needs looked at for each position.
    """

    path: Path | None
    counters: Mapping[str, str]
    safe: frozenset[str]
    unread: tuple[str, ...]
    pairs: int = 0
    too_large: bool = False


def emulate(path: Path, out: Path, *, cut: bool = True, count: bool = True) -> Emulated:
    """Write to `out` the file at `path` as such a processor calculates it.

    With `cut` False the sums stay whole: the same arithmetic as a processor with VNNI, for checks.
    Without `count` there are no counters, which saves a third of the time.
    """
    model = skeleton.load(path)
    unread = tuple(sorted({node.op_type for node in model.graph.node} & UNREAD))
    large = path.stat().st_size > EMULATED_UP_TO
    fused = opened(model)
    safe, counters, most = set(), {}, 0
    swaps: dict[str, list[Any]] = {}
    for product in _products(model, path.parent):
        name, pairs = product.node.output[0], Pairs.of(product)
        if pairs is None:
            safe.add(fused.get(name, name))
            continue
        most = max(most, len(pairs.first))
        builder = Builder(model, name)
        swaps[name] = [] if large else builder.replacement(product, pairs if cut else None)
        if cut and count and not large:
            counters[fused.get(name, name)] = builder.counter
    if swaps and not large:
        _finish(model, swaps, counters.values())
        skeleton.beside(path, out.parent)
        out.write_bytes(model.SerializeToString())
    return Emulated(
        path=out if swaps and not large else None,
        counters=counters,
        safe=frozenset(safe),
        unread=unread,
        pairs=most,
        too_large=large and bool(swaps),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weights:
    """The stored values of a model by name; their numbers are read when asked for."""

    tensors: Mapping[str, Any]
    folder: Path

    def type_of(self, name: str) -> int | None:
        """One of onnx.TensorProto's types; None for what is not stored."""
        return self.tensors[name].data_type if name in self.tensors else None

    def numbers(self, name: str) -> Array:
        """The values as they are stored."""
        return skeleton.numbers(self.tensors[name], self.folder)


def _products(model: onnx.ModelProto, folder: Path) -> Iterator[Product]:
    stored = _Weights(tensors=_stored(model), folder=folder)
    makers = {out: node for node in model.graph.node for out in node.output}
    for node in model.graph.node:
        if node.op_type == "MatMulInteger":
            found = _whole(node, stored, makers)
        elif node.op_type in {"MatMul", "Gemm", "Conv"}:
            found = _between_quantizers(node, stored, makers)
        else:
            continue
        if found is not None:
            yield found


def _stored(model: onnx.ModelProto) -> dict[str, Any]:
    """Initializers and constants by name, as protobuf tensors."""
    stored = {one.name: one for one in model.graph.initializer}
    constants = [node for node in model.graph.node if node.op_type == "Constant"]
    return stored | {n.output[0]: a.t for n in constants for a in n.attribute if a.name == "value"}


def _is_byte(name: str, stored: _Weights, makers: Mapping[str, Any]) -> bool:
    """Whether a value is uint8, by the node that made it."""
    maker = makers.get(name)
    if maker is None or maker.op_type == "DynamicQuantizeLinear":
        return maker is not None
    if maker.op_type != "QuantizeLinear":
        return False
    zero = maker.input[2] if len(maker.input) > 2 else ""
    return not zero or (stored.type_of(zero) == UINT8)


def _whole(node: onnx.NodeProto, stored: _Weights, makers: dict[str, Any]) -> Product | None:
    raw, weight = node.input[:2]
    if stored.type_of(weight) != INT8 or not _is_byte(raw, stored, makers):
        return None
    codes = stored.numbers(weight)
    if codes.ndim != 2:
        return None
    shift = stored.numbers(node.input[3]) if len(node.input) > 3 and node.input[3] else None
    return Product(
        node=node,
        raw=raw,
        zero=node.input[2] if len(node.input) > 2 else "",
        weight=codes,
        stored=weight,
        shift=shift,
        stretch=None,
        scale=None,
    )


def _between_quantizers(
    node: onnx.NodeProto, stored: _Weights, makers: dict[str, Any]
) -> Product | None:
    first, second = makers.get(node.input[0]), makers.get(node.input[1])
    if first is None or second is None or {first.op_type, second.op_type} != {"DequantizeLinear"}:
        return None
    weight = second.input[0]
    known = stored.type_of(weight) == INT8 and stored.type_of(first.input[1]) is not None
    if not known or not _is_byte(first.input[0], stored, makers):
        return None
    codes, attributes = stored.numbers(weight), {one.name: one for one in node.attribute}
    group = attributes["group"].i if "group" in attributes else 1
    if not _emulable(node.op_type, codes.shape, attributes, group):
        return None
    shift, stretch = _dequantizing(codes, second, stored)
    step = float(stored.numbers(first.input[1]).reshape(-1)[0])
    turned = node.op_type == "Gemm" and "transB" in attributes and attributes["transB"].i
    return Product(
        node=node,
        raw=first.input[0],
        zero=first.input[2] if len(first.input) > 2 else "",
        weight=_as_columns(codes, turned=bool(turned)),
        stored=weight,
        shift=shift,
        stretch=stretch,
        scale=step * stretch.reshape(-1),
        step=step,
        filters=codes.shape if node.op_type == "Conv" else (),
        group=group,
    )


def _emulable(
    operator: str, shape: tuple[int, ...], attributes: Mapping[str, Any], group: int
) -> bool:
    """Two-dimensional weights; pictures' convolutions, unless depthwise (summed in 32 bits)."""
    if operator != "Conv":
        plain = all(attributes[name].f == 1 for name in ("alpha",) if name in attributes)
        return len(shape) == 2 and plain and not ("transA" in attributes and attributes["transA"].i)
    padded = "auto_pad" not in attributes or attributes["auto_pad"].s in {b"", b"NOTSET"}
    depthwise = shape[1] == 1 and shape[0] == group
    return len(shape) == 4 and padded and not depthwise


def _dequantizing(
    codes: Array, node: onnx.NodeProto, stored: _Weights
) -> tuple[Array | None, Array]:
    """Zero point and scale of a weight (one, or one for each column or filter), to broadcast."""
    scale = stored.numbers(node.input[1]).reshape(-1)
    axis = next((one.i for one in node.attribute if one.name == "axis"), 1)
    shape = [1] * codes.ndim
    shape[axis] = -1 if scale.size > 1 else 1
    zero = stored.numbers(node.input[2]).reshape(shape) if len(node.input) > 2 else None
    return zero if zero is not None and zero.any() else None, scale.reshape(shape)


def _as_columns(codes: Array, *, turned: bool) -> Array:
    """[K, columns]: filters [out, in, height, width] flattened over (height, width, in)."""
    if codes.ndim == 4:
        return codes.transpose(2, 3, 1, 0).reshape(-1, codes.shape[0])
    return codes.T if turned else codes


def _finish(
    model: onnx.ModelProto, swaps: Mapping[str, list[Any]], counters: Iterable[str]
) -> None:
    """Put the new nodes where the old ones stood, order kept; counters become outputs."""
    import onnx

    nodes = []
    for node in model.graph.node:
        for one in swaps.get(node.output[0], [node]):
            copy = onnx.NodeProto()
            copy.CopyFrom(one)
            nodes.append(copy)
    del model.graph.node[:]
    model.graph.node.extend(nodes)
    info = onnx.helper.make_tensor_value_info
    model.graph.output.extend(info(name, FLOAT, []) for name in counters)
