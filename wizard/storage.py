"""How a recipe stores each kind of weight: bits, rows and shares that are left. Pure.

Covers: stored bits per weight by technique and settings, scales included; shortened word tables
and split matrices.
Does not cover: what a file weighs or how long it takes (estimate.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from wizard.nouns import Step

SMOOTH_GROWTH = 2.0  # a multiplication, a quantize and two dequantizes per layer or so
QDQ_GROWTH = 4.0  # static int8 writes a quantize and a dequantize around every tensor
# Of a word table: single characters, the user's own pieces and places; and what is in the user's
# scripts (a guess from XLM-R's pieces: about half are Latin).
ALWAYS_KEPT, OWN_SCRIPTS = 0.15, 0.55


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Stored bits per weight by the kind of layer, scales included; activations' bits.

    `growth`: how many times longer the graph itself becomes. `apart`: a table that the last layer
    shares is stored twice, once for each.
    """

    embedding: float = 32.0
    linear: float = 32.0
    conv: float = 32.0
    other: float = 32.0
    activations: int = 32
    growth: float = 1.0
    apart: bool = False


def storage_of(steps: Sequence[Step]) -> Storage:
    """How a recipe stores each kind of weight."""
    kept = Storage()
    for step in steps:
        settings = step.settings
        tables = 8.2 if settings.get("embeddings", True) else 32.0
        if step.strategy == "int8_dynamic":
            kept = Storage(embedding=tables, linear=8.1, activations=8, apart=tables < 32)
        elif step.strategy == "int8_static":
            kept = Storage(embedding=tables, linear=8.1, conv=8.2, activations=8, growth=QDQ_GROWTH)
        elif step.strategy == "int8_weights":
            bits = 8 + 32 / number(settings.get("block"), 32)
            kept = Storage(
                embedding=bits if tables < 32 else 32.0, linear=bits, conv=8.2, apart=tables < 32
            )
        elif step.strategy == "int4_weights":
            bits = 4 + 32 / number(settings.get("block"), 32)
            kept = Storage(embedding=bits if tables < 32 else 32.0, linear=bits, apart=tables < 32)
        elif step.strategy in FEW_BITS:
            kept = FEW_BITS[step.strategy](settings)
        elif step.strategy == "float16":
            kept = Storage(embedding=16, linear=16, conv=16, other=16, activations=16)
    return replace(
        kept,
        embedding=_rows_kept(steps) * kept.embedding,
        linear=_work_left(steps) * kept.linear,
    )


def _work_left(steps: Sequence[Step]) -> float:
    """The share of the matrices that is left after splitting them."""
    shares = [number(one.settings.get("macs"), 0.5) for one in steps if one.strategy == "low_rank"]
    return min(shares, default=1.0)


def _rows_kept(steps: Sequence[Step]) -> float:
    """The share of the word table's rows that are left."""
    shares = [
        ALWAYS_KEPT + OWN_SCRIPTS * number(step.settings.get("keep_share"), 0.5)
        for step in steps
        if step.strategy == "vocabulary_trimming"
    ]
    return min(shares, default=1.0)


def _fitted(settings: Mapping[str, object]) -> Storage:
    """Scales (of tables in half precision) and zero points of as many bits as the numbers."""
    block = number(settings.get("block"), 64)
    bits, tables = number(settings.get("bits"), 4), number(settings.get("embeddings"), 4)
    scaled = [
        one + (scale + one) / block if one < 32 else 32.0
        for one, scale in ((bits, 32), (tables, 16))
    ]
    return Storage(linear=scaled[0], embedding=scaled[1])


def _coded(settings: Mapping[str, object]) -> Storage:
    """A byte for one to four numbers, and scales of rows and columns in half precision."""
    asked = number(settings.get("bits"), 4)
    bits = (8 / 3 if asked == 3 else asked) + 0.1
    table = bits if settings.get("embeddings", True) else 32.0
    # Operators that expand a weight are as many again as those that use it.
    return Storage(linear=bits, embedding=table, conv=bits, growth=1.6)


def _mixed(settings: Mapping[str, object]) -> Storage:
    """Most layers end at the fewest bits allowed, the sensitive ones do not."""
    fewest, table = number(settings.get("fewest"), 2), number(settings.get("fewest_table"), 4)
    return Storage(linear=1.4 * fewest, embedding=1.1 * table)


def _smoothed(settings: Mapping[str, object]) -> Storage:
    """As learnt while running, with more operators around each layer."""
    tables = 8.2 if settings.get("embeddings", True) else 32.0
    return Storage(embedding=tables, linear=8.1, activations=8, growth=SMOOTH_GROWTH)


def _streamed(settings: Mapping[str, object]) -> Storage:
    """Scales in full and zero points; the word table has 8 bits whatever the rest has."""
    bits, block = number(settings.get("bits"), 4), number(settings.get("block"), 32)
    bits = (bits + number(settings.get("reading_bits"), bits)) / 2  # the parts are about as large
    return Storage(linear=bits + (32 + bits) / block, embedding=8 + 40 / 32)


FEW_BITS = {
    "streamed_weights": _streamed,
    "int8_static_smooth": _smoothed,
    "low_bit_weights": _fitted,
    "palettization": _coded,
    "mixed_precision": _mixed,
}


def number(value: object, default: float) -> float:
    """A setting as a number; the default where it is none."""
    return float(value) if isinstance(value, int | float) else default
