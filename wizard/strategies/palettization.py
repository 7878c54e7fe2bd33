"""Weights as codes into a table of entries: a smaller download, expanded when the file is opened.

Covers: matrices, convolutions and embeddings (tied ones stay tied), one byte for one to four
neighbouring numbers: 8, 4, 2.7 or 2 bits a weight. With sample rows, each code makes good what the
ones before it lost. Does not cover: speed and memory, which stay the original's; activations.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wizard import nouns
from wizard.errors import NotSupported
from wizard.nouns import Artifact, Kind
from wizard.strategies import _codebook, _even, _expanded, _graph, _inputs
from wizard.strategies._contract import Strategy, Workbench
from wizard.strategies._expanded import Coded, Weight

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

TITLE = "Codebook weights"
# Neighbouring numbers that one byte stands for, by bits a weight; 3 is 2.7 in truth.
TOGETHER = {8: 1, 4: 2, 3: 3, 2: 4}
SMALL_SHARE = 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`bits` per weight (3 is 2.7 in truth). `books`: one table of entries, or one a layer.

    `informed`: choose codes by what the layers see on up to `samples` sample rows.
    `spare`: 8 bits for what reads the input or gives the answer, twice the bits for small filters.
    """

    bits: Literal[2, 3, 4, 8] = 4
    books: Literal["layer", "model"] = "model"
    informed: bool = False
    samples: int = 128
    embeddings: bool = True
    spare: bool = True


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses a model without stored weights; asks for sample rows where they are to be used."""
    found = _expanded.weights(_graph.load(artifact.path))
    if not any(not one.table for one in found):
        because = "it has no layer with stored weights: there is nothing to put into a table"
        raise NotSupported(strategy=TITLE, because=because)
    if settings.informed:
        _inputs.enough_rows(bench)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Even out rows and columns, learn the tables, choose the codes, write them."""
    model = _graph.load(artifact.path)
    chosen = _chosen(model, settings)
    known = _graph.stored(model)
    bench.report(0.05, "evening out the weights")
    parts = {one.name: _Part.of(one, together, known) for one, together in chosen}
    seen = _seen(parts) if settings.informed else {}
    powers = _inputs.powers(model, seen, settings.samples, bench) if seen else {}
    bench.report(0.2, "learning the tables of entries")
    books = _books(parts, powers, settings, bench)
    coded = {}
    for moments in _rounds(model, parts, seen, settings, bench):
        for name, known_moments in moments.items():
            book = parts[name].book(settings)
            coded[name] = parts[name].coded(book, books[book], known_moments)
            share = 0.3 + 0.6 * len(coded) / len(parts)
            bench.report(share, f"weight {len(coded)} of {len(parts)}")
    _expanded.write(model, [coded[name] for name in parts], books)
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def _chosen(model: onnx.ModelProto, settings: Settings) -> list[tuple[Weight, int]]:
    """The weights to code, and how many numbers a byte stands for in each."""
    found = [one for one in _expanded.weights(model) if settings.embeddings or not one.table]
    most = TOGETHER[settings.bits]
    together = {one.name: 1 if one.grouped else most for one in found}
    if settings.spare:
        together |= dict.fromkeys(_small_filters(model, found), -(-most // 2))
        together |= dict.fromkeys(_ends(model, found), 1)
    return [(one, together[one.name]) for one in found]


def _ends(model: onnx.ModelProto, found: list[Weight]) -> list[str]:
    """Layers that read the input or give the answer."""
    given, heads = {value.name for value in model.graph.input}, _graph.heads(model)
    layers = [one for one in found if not one.table]
    return [one.name for one in layers if one.node.input[0] in given or one.node.output[0] in heads]


def _small_filters(model: onnx.ModelProto, found: list[Weight]) -> list[str]:
    """The smallest filter banks, a tenth of all numbers in filters: they hurt most, weigh least."""
    known = _graph.stored(model)
    sizes = {
        one.name: math.prod(known[one.name].dims)
        for one in found
        if one.node.op_type == "Conv" and not one.grouped
    }
    room, small = SMALL_SHARE * sum(sizes.values()), []
    for name, size in sorted(sizes.items(), key=lambda one: one[1]):
        room -= size
        if room < 0:
            break
        small.append(name)
    return small


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """One weight [outputs, inputs], its scales by row and by column and by input, numbers a code.

    The inputs are filled up with zeros to whole codes.
    """

    weight: Weight
    values: Array
    rows: Array
    columns: Array
    inputs: Array
    together: int

    @classmethod
    def of(cls, weight: Weight, together: int, known: Mapping[str, onnx.TensorProto]) -> _Part:
        import numpy as np
        from onnx import numpy_helper

        values = _expanded.rows_first(weight, numpy_helper.to_array(known[weight.name]))
        rows, columns = _even.balanced(values)
        inputs = np.repeat(columns, values.shape[2])
        more = -len(inputs) % together
        return cls(
            weight=weight,
            values=np.pad(values.reshape(len(values), -1), ((0, 0), (0, more))),
            rows=rows,
            columns=columns,
            inputs=np.pad(inputs, (0, more), constant_values=1),
            together=together,
        )

    def vectors(self) -> Array:
        """The evened numbers, [codes, numbers a code]."""
        import numpy as np

        even = self.values / self.rows[:, None]
        return np.divide(even, self.inputs, out=even).reshape(-1, self.together)

    def drawn(self, share: float, power: Array | None, seed: int) -> tuple[Array, Array]:
        """A share of the vectors, and how much an error of each number matters (about one).

        `power` is E[x^2] of the layer's inputs where it is known.
        """
        import numpy as np

        vectors = self.vectors()
        count = math.ceil(share * len(vectors))
        at = np.random.default_rng(seed).permutation(len(vectors))[:count]
        if power is None:
            return vectors[at], np.ones((count, self.together), np.float32)
        power = np.pad(power, (0, len(self.inputs) - len(power))) * np.square(self.inputs)
        each = (power / max(float(power.mean()), 1e-30)).reshape(-1, self.together)
        return vectors[at], each[at % len(each)].astype(np.float32)

    def book(self, settings: Settings) -> str:
        """The name of the table that this weight's codes point into."""
        shared = f"book_{self.together}"
        return shared if settings.books == "model" else f"{shared}_{self.weight.name}"

    def coded(self, name: str, book: Array, moments: Array | None) -> Coded:
        """Codes into `book`, chosen by what the layer sees where that is known."""
        import numpy as np

        if moments is None:
            codes = _codebook.nearest(self.vectors(), book).reshape(len(self.values), -1)
        else:
            moments = np.pad(moments, (0, len(self.inputs) - len(moments)))
            codes = _codebook.carried(self.values, self.rows, self.inputs, moments, book)
        made = book[codes].reshape(self.values.shape) * self.inputs * self.rows[:, None]
        rows = self.rows * _codebook.row_scales(self.values, made, moments)
        return Coded(
            weight=self.weight,
            codes=codes,
            rows=rows,
            columns=self.columns,
            book=name,
            filled=len(self.inputs),
        )


def _seen(parts: Mapping[str, _Part]) -> dict[str, onnx.NodeProto]:
    """The layers whose inputs say what the numbers of their weight matter."""
    return {
        name: part.weight.node
        for name, part in parts.items()
        if part.weight.alone and _inputs.can_be_seen(part.weight.node)
    }


def _rounds(
    model: onnx.ModelProto,
    parts: Mapping[str, _Part],
    seen: Mapping[str, onnx.NodeProto],
    settings: Settings,
    bench: Workbench,
) -> Iterator[Mapping[str, Array | None]]:
    """The weights a few at a time, each with the moments of its layer's inputs or None."""
    yield dict.fromkeys(name for name in parts if name not in seen)
    yield from _inputs.moments(model, seen, settings.samples, bench)


def _books(
    parts: Mapping[str, _Part], powers: Mapping[str, Array], settings: Settings, bench: Workbench
) -> dict[str, Array]:
    """Learnt tables by name."""
    import numpy as np

    members: dict[str, list[str]] = defaultdict(list)
    for name, part in parts.items():
        members[part.book(settings)].append(name)
    books = {}
    for book, names in members.items():
        total = sum(parts[name].values.size // parts[name].together for name in names)
        share = min(1.0, _codebook.LEARNT_FROM / total)
        drawn = [parts[name].drawn(share, powers.get(name), bench.seed) for name in names]
        vectors, matters = (np.concatenate(one) for one in zip(*drawn, strict=True))
        books[book] = _codebook.learnt(vectors, matters if powers else None, bench.seed)
    return books


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """Codes are in the file, it is as small as arithmetic says, it opens."""
    model = _graph.load(after.path)
    _graph.must_hold(_expanded.coded_weights(model), "weight stored as codes", TITLE)
    _graph.must_weigh(after.bytes, _predicted(before, settings), TITLE)
    # Not expanded, which takes five times the weights; measuring does that in its own process.
    _graph.must_load(after.path, TITLE, optimized=False)


def _predicted(before: Artifact, settings: Settings) -> float:
    """Bytes: a byte for each code, half precision for tables and scales."""
    model = _graph.load(before.path)
    known = _graph.stored(model)
    total = float(before.bytes)
    for one, together in _chosen(model, settings):
        dims = [int(size) for size in known[one.name].dims]
        size = 1
        for length in dims:
            size *= length
        table = 2 * together * _codebook.ENTRIES
        total -= 4 * size - size / together - table - 2 * (dims[0] + dims[1])
    return total


STRATEGY = Strategy(
    name="palettization",
    title=TITLE,
    summary="weights as codes into a table: the smallest download, also for CNNs; not faster",
    stage=4,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_codebook",
)
