"""What a file says of itself: bits per weight, share of the arithmetic that is low-bit, duplicates.

Covers: integer operators (MatMulInteger, QLinearConv and their kin), QDQ, MatMulNBits,
GatherBlockQuantized, codes into a table of entries, fp16 and fp32 weights, tables split into rows
and scales; the label shown to users is made here, from the file, never from a request; what else
shrank a file is found by shrunk.py.
Does not cover: running the model (worker.py does, with optimization off and on).
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.measure import shrunk
from wizard.measure.codebooks import codes_of
from wizard.measure.leftovers import APART, unread, untied
from wizard.nouns import Audit

if TYPE_CHECKING:
    import onnx

BITS_OF_TYPE = {1: 32, 10: 16, 16: 16, 2: 8, 3: 8, 21: 4, 22: 4, 11: 64, 25: 2, 26: 2}
SMALL = 512
EXTERNAL = 1  # onnx.TensorProto.EXTERNAL
SHARE_WORTH_TELLING = 0.05
# Operators that multiply 8-bit activations by their weight, which is input 1 unless told below.
INTEGER = {
    "MatMulInteger",
    "ConvInteger",
    "QLinearMatMul",
    "QLinearConv",
    "QGemm",
    "DynamicQuantizeMatMul",
    "MatMulIntegerToFloat",
    "QAttention",
}
PRODUCTS = INTEGER | {"MatMul", "FusedMatMul", "Gemm", "Conv", "FusedConv", "Attention"}
CONVOLUTIONS = {"Conv", "FusedConv", "ConvInteger", "QLinearConv"}
WEIGHT_INPUT = {"Gather": 0, "QLinearMatMul": 3, "QLinearConv": 3, "QGemm": 3}
LARGE_BYTES = 100_000
NOT_COMPRESSED = ", not compressed"
THROUGH = {"DequantizeLinear", "Cast", "Transpose", "Reshape", "Identity", "Mul"}


@dataclass(frozen=True, slots=True, kw_only=True)
class _Weight:
    """A stored weight as one node uses it. `work` is its elements times its positions.

    `coded`: its numbers are entries of a table.
    """

    name: str
    operator: str
    elements: int
    bits: float
    work: float
    activation_bits: int
    coded: bool


def audit(path: Path) -> Audit:
    """The facts of one .onnx file."""
    import onnx

    model = onnx.load(str(path), load_external_data=False)
    weights = _weights(model)
    counted = Counter(node.op_type for node in model.graph.node)
    complete, findings = _external(model, path.parent)
    duplicated = _duplicated(model, path) if complete else 0
    if duplicated > 0.02 * path.stat().st_size and duplicated > LARGE_BYTES:
        findings.append(f"{duplicated / 1e6:.1f} MB of weights are stored twice.")
    if complete:
        findings += untied(model, path) + unread(model, path)
    products = [w for w in weights if w.operator != "Gather"]
    low = [w for w in weights if w.bits < 16]
    work = sum(w.work for w in products) or 1.0
    low_work = sum(w.work for w in products if w.bits < 16) / work
    total = sum(w.elements for w in weights) or 1
    besides = shrunk.notes(model, partial(_content, folder=path.parent) if complete else None)
    share = sum(w.elements for w in low) / total
    weight_bits = _main_bits(products or weights)
    activation_bits = _activation_bits(products)
    return Audit(
        label=_label(products or weights, activation_bits, low_work, share, besides),
        bits=_mean_bits(weights),
        weight_bits=weight_bits,
        activation_bits=activation_bits,
        low_bit_weight_share=share,
        low_bit_mac_share=low_work,
        duplicated_bytes=duplicated,
        operators=dict(counted),
        opset=max(
            (o.version for o in model.opset_import if o.domain in {"", "ai.onnx"}), default=0
        ),
        domains=tuple(sorted(o.domain or "ai.onnx" for o in model.opset_import)),
        external_data_complete=complete,
        findings=tuple(findings),
        fallbacks=_fallbacks(weights, weight_bits),
        weights=sum(w.elements for w in weights),
        work=sum(w.work for w in products),
    )


def _fallbacks(weights: list[_Weight], weight_bits: int) -> tuple[str, ...]:
    """Layers left in floating point where most of the weights are in fewer bits."""
    if weight_bits >= 16:
        return ()
    return tuple(one.name for one in weights if one.bits >= 16)


def _weights(model: onnx.ModelProto) -> list[_Weight]:
    stored = {one.name: one for one in model.graph.initializer}
    constants = [node for node in model.graph.node if node.op_type == "Constant"]
    stored |= {n.output[0]: a.t for n in constants for a in n.attribute if a.name == "value"}
    makers = {out: node for node in model.graph.node for out in node.output}
    positions = _positions(model)
    found = []
    for node in model.graph.node:
        weight = _weight_of(node, stored, makers)
        if weight is None:
            continue
        elements, bits, coded = weight
        if elements < SMALL:
            continue
        found.append(
            _Weight(
                name=(node.name or node.output[0]).rsplit("/", 1)[0],
                operator="Gather" if "Gather" in node.op_type else node.op_type,
                elements=elements,
                bits=bits,
                work=elements * positions.get(node.output[0], 1),
                activation_bits=_activation(node, makers),
                coded=coded,
            )
        )
    return found


def _weight_of(
    node: onnx.NodeProto, stored: dict[str, Any], makers: dict[str, Any]
) -> tuple[int, float, bool] | None:
    """Elements and stored bits of the weight this node multiplies by or looks up in; if coded."""
    attributes = {one.name: one.i for one in node.attribute}
    if node.op_type == "MatMulNBits":
        return attributes["K"] * attributes["N"], float(attributes.get("bits", 4)), False
    if node.op_type == "GatherBlockQuantized":
        return *_packed(stored[node.input[0]], attributes.get("bits", 4)), False
    place = WEIGHT_INPUT.get(node.op_type, 1)
    if node.op_type not in PRODUCTS | {"Gather"} or len(node.input) <= place:
        return None
    if codes_of(node.output[0], stored, makers) is not None:
        return None  # part of expanding a weight; whoever multiplies by it is counted
    codes = codes_of(node.input[place], stored, makers)
    if codes is not None:
        return codes.elements, codes.bits, True
    tensor = _behind(node.input[place], stored, makers)
    if tensor is None or (node.op_type == "Gather" and not _is_table(tensor)):
        return None
    return _elements(tensor), float(BITS_OF_TYPE.get(tensor.data_type, 32)), False


def _is_table(tensor: Any) -> bool:
    """A row of several numbers for each word; one number a word is a scale."""
    return len(tensor.dims) == 2 and bool(tensor.dims[1] > 1)


def _packed(tensor: Any, bits: int) -> tuple[int, float]:
    stored_bits = BITS_OF_TYPE.get(tensor.data_type, 8)
    return _elements(tensor) * (stored_bits // bits if stored_bits > bits else 1), float(bits)


def _behind(name: str, stored: dict[str, Any], makers: dict[str, Any]) -> Any | None:
    """The stored tensor that a value comes from, through dequantizing and reshaping."""
    for _ in range(6):
        if name in stored:
            return stored[name]
        maker = makers.get(name)
        if maker is None or maker.op_type not in THROUGH or not maker.input:
            return None
        name = maker.input[0]
    return None


def _elements(tensor: Any) -> int:
    total = 1
    for one in tensor.dims:
        total *= one
    return total


def _activation(node: onnx.NodeProto, makers: dict[str, Any]) -> int:
    """Bits of what the weight is multiplied with: 8 behind a quantizer, else floating point."""
    if node.op_type in INTEGER:
        return 8
    maker = makers.get(node.input[0])
    return 8 if maker is not None and maker.op_type == "DequantizeLinear" else 32


def _positions(model: onnx.ModelProto) -> dict[str, int]:
    """How often each weight is used for one picture, where shape inference knows it.

    Texts have as many positions as tokens, everywhere; only pictures have fixed ones.
    """
    import onnx

    if not any(node.op_type in CONVOLUTIONS for node in model.graph.node):
        return {}
    inferred = onnx.shape_inference.infer_shapes(_inferable(model))
    shapes = {
        value.name: [one.dim_value for one in value.type.tensor_type.shape.dim]
        for value in (*inferred.graph.value_info, *inferred.graph.output)
    }
    found = {}
    for node in model.graph.node:
        dims = shapes.get(node.output[0], [])
        inner = dims[2:] if node.op_type in CONVOLUTIONS else dims[1:-1]
        if node.op_type in PRODUCTS | {"MatMulNBits"} and inner and all(inner):
            found[node.output[0]] = math.prod(inner)
    return found


def _inferable(model: onnx.ModelProto) -> onnx.ModelProto:
    """A copy in order in which n-bit products and tables are plain ones, without large contents.

    Whole, shape inference would hold the weights four times.
    """
    import onnx
    from onnx.helper import make_tensor_value_info
    from onnxruntime.transformers.onnx_model import OnnxModel

    whole = model.graph
    copy = onnx.helper.make_model(
        onnx.helper.make_graph(whole.node, whole.name, whole.input, whole.output),
        ir_version=model.ir_version,
        opset_imports=model.opset_import,
        functions=model.functions,
    )
    given = {one.name for one in whole.input}
    for one in whole.initializer:
        if _elements(one) < SMALL:  # a shape, perhaps
            copy.graph.initializer.append(one)
        elif one.name not in given:
            copy.graph.input.append(make_tensor_value_info(one.name, one.data_type, one.dims))
    OnnxModel.graph_topological_sort(copy.graph)  # ONNX Runtime's 16-bit files are in none
    tables = {one.name: one for one in whole.initializer}
    for at, node in enumerate(copy.graph.node):
        sizes = {one.name: one.i for one in node.attribute}
        weight = f"weight_{at}_of_a_plain_node"
        if node.op_type == "MatMulNBits":
            shape, plain = [sizes["K"], sizes["N"]], ("MatMul", [node.input[0], weight])
        elif node.op_type == "GatherBlockQuantized" and node.input[0] in tables:
            rows, width = tables[node.input[0]].dims
            in_bytes = tables[node.input[0]].data_type == onnx.TensorProto.UINT8
            width *= 8 // sizes["bits"] if in_bytes else 1
            shape, plain = [rows, width], ("Gather", [weight, node.input[1]])
        else:
            continue
        copy.graph.input.append(make_tensor_value_info(weight, 1, shape))
        node.CopyFrom(onnx.helper.make_node(*plain, [node.output[0]]))
    return copy


def _external(model: onnx.ModelProto, folder: Path) -> tuple[bool, list[str]]:
    """Whether every external file lies in the folder and is long enough."""
    findings = []
    for tensor in model.graph.initializer:
        if tensor.data_location != EXTERNAL:
            continue
        facts = {entry.key: entry.value for entry in tensor.external_data}
        place = folder / facts.get("location", "")
        end = int(facts.get("offset", 0)) + int(facts.get("length", 0))
        if not place.resolve().is_relative_to(folder.resolve()):
            findings.append("It asks for a file outside its folder.")
        elif not place.is_file() or place.stat().st_size < end:
            findings.append(f"Its external data {place.name} is missing or cut short.")
    return not findings, sorted(set(findings))


def _duplicated(model: onnx.ModelProto, path: Path) -> int:
    """Bytes of weights whose content is stored more than once, as they are or transposed."""
    seen: set[tuple[str, int, tuple[int, ...]]] = set()
    stored = [(one, tuple(one.dims)) for one in model.graph.initializer]
    shapes = Counter(shape for _, shape in stored if len(shape) == 2)
    twice = 0
    for tensor, shape in stored:
        content = _content(tensor, path.parent)
        if len(content) < 4 * SMALL or APART in tensor.name:
            continue
        keys = {(_digest(content), tensor.data_type, shape)}
        turned = shape[::-1]
        if len(shape) == 2 and shape != turned and shapes[turned] and len(content) > LARGE_BYTES:
            keys.add((_digest(_transposed(content, shape)), tensor.data_type, turned))
        if keys & seen:
            twice += len(content)
        seen |= keys
    return twice


def _content(tensor: Any, folder: Path) -> bytes:
    """A tensor's bytes, from the file itself or from beside it."""
    if tensor.data_location != EXTERNAL:
        return bytes(tensor.raw_data)
    facts = {entry.key: entry.value for entry in tensor.external_data}
    place: Path = folder / facts["location"]
    with place.open("rb") as file:
        file.seek(int(facts.get("offset", 0)))
        return file.read(int(facts["length"]) if "length" in facts else -1)


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def _transposed(content: bytes, shape: tuple[int, ...]) -> bytes:
    """The bytes of a matrix stored column by column; packed (sub-byte) ones stay as they are."""
    import numpy as np

    size, rest = divmod(len(content), shape[0] * shape[1])
    if rest or not size:
        return content
    return bytes(np.frombuffer(content, f"V{size}").reshape(shape).T.tobytes())


def _mean_bits(weights: list[_Weight]) -> dict[str, float]:
    totals: dict[str, list[float]] = defaultdict(lambda: [0.0, 0.0])
    for weight in weights:
        totals[weight.operator][0] += weight.bits * weight.elements
        totals[weight.operator][1] += weight.elements
    return {name: round(bits / count, 2) for name, (bits, count) in sorted(totals.items())}


def _main_bits(weights: list[_Weight]) -> int:
    """The bits that most of the weights have."""
    by_bits: Counter[float] = Counter()
    for weight in weights:
        by_bits[weight.bits] += weight.elements
    return round(by_bits.most_common(1)[0][0]) if by_bits else 32


def _activation_bits(weights: list[_Weight]) -> int:
    work = sum(weight.work for weight in weights) or 1.0
    eight = sum(weight.work for weight in weights if weight.activation_bits == 8)
    return 8 if eight > 0.5 * work else 32


def _label(
    weights: list[_Weight],
    activation_bits: int,
    low_work: float,
    share: float,
    besides: tuple[str, ...],
) -> str:
    bits = _bits(weights, activation_bits, low_work, share)
    less = any("zeros" not in one for one in besides)  # which take as much room as other numbers
    plain = bits.removesuffix(NOT_COMPRESSED) if less else bits
    return ", ".join((plain, *besides))


def _bits(weights: list[_Weight], activation_bits: int, low_work: float, share: float) -> str:
    weight_bits = _main_bits(weights)
    if weight_bits >= 32 and share >= SHARE_WORTH_TELLING:
        return f"32-bit weights, {share:.0%} of them in fewer bits"
    if weight_bits >= 32:
        return f"32-bit weights{NOT_COMPRESSED}"
    if weight_bits >= 16:
        return "16-bit weights"
    acts = "8-bit activations" if activation_bits == 8 else "full activations"
    main = [one for one in weights if round(one.bits) == weight_bits]
    kind = "codebook weights" if all(one.coded for one in main) else "weights"
    return f"{main[0].bits:.2g}-bit {kind}, {acts}, {low_work:.0%} of the arithmetic"
