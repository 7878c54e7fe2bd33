"""Small weights set to zero: a smaller zipped download, nothing else.

Covers: matrices, tables and filters; by size alone, or by size times how loud the input is (Wanda,
Sun et al. 2023, arXiv 2306.11695), row by row so that every output keeps as many numbers.
Does not cover: speed, memory and the file itself, which stay as they are: no runtime here skips
single zeros. Only for those who ask for it.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from wizard import nouns
from wizard.errors import NotSupported, PromiseBroken
from wizard.nouns import Artifact, Kind
from wizard.strategies import _expanded, _graph, _inputs
from wizard.strategies._contract import Strategy, Workbench
from wizard.strategies._expanded import Weight

if TYPE_CHECKING:
    import numpy as np
    import onnx

    Array = np.ndarray[Any, Any]

TITLE = "Zeros for zipping"
MOST = 0.95
LEVEL = 1  # of zlib: enough to see that zeros shrink


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`share` of each output's numbers becomes zero, those that matter least.

    `by`: "size" of the number, or "loudness": size times the input's, on up to `samples` rows.
    """

    share: float = 0.3
    by: Literal["size", "loudness"] = "size"
    samples: int = 128
    embeddings: bool = False


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses models without stored weights and shares that leave nothing; rows where needed."""
    if not 0 < settings.share <= MOST:
        because = f"the share of zeros must lie above 0 and up to {MOST}"
        raise NotSupported(strategy=TITLE, because=because)
    if not _chosen(_graph.load(artifact.path), settings):
        because = "it has no layer with stored weights in which zeros would tell"
        raise NotSupported(strategy=TITLE, because=because)
    if settings.by == "loudness":
        _inputs.enough_rows(bench)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """See how loud the inputs are where asked, then zero what matters least in each output."""
    from onnx import numpy_helper

    model = _graph.load(artifact.path)
    chosen = _chosen(model, settings)
    loud = _loudness(model, chosen, settings, bench)
    known = _graph.stored(model)
    for at, weight in enumerate(chosen):
        bench.report(0.3 + 0.6 * at / len(chosen), f"weight {at + 1} of {len(chosen)}")
        tensor = known[weight.name]
        values = numpy_helper.to_array(tensor)
        made = _thinned(weight, values, loud.get(weight.name), settings.share)
        tensor.CopyFrom(numpy_helper.from_array(made, weight.name))
    return _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")


def _chosen(model: onnx.ModelProto, settings: Settings) -> list[Weight]:
    return [one for one in _expanded.weights(model) if settings.embeddings or not one.table]


def _loudness(
    model: onnx.ModelProto, chosen: list[Weight], settings: Settings, bench: Workbench
) -> Mapping[str, Array]:
    """E[x^2] of what each number is multiplied with, where a layer's input says so."""
    if settings.by == "size":
        return {}
    seen = {one.name: one.node for one in chosen if one.alone and _inputs.can_be_seen(one.node)}
    return _inputs.powers(model, seen, settings.samples, bench) if seen else {}


def _thinned(weight: Weight, values: Array, power: Array | None, share: float) -> Array:
    """The stored weight with that share of each output's numbers at zero."""
    import numpy as np

    turned = values.T if weight.turned else values
    rows = turned.reshape(len(turned), -1).copy()
    matters = np.abs(rows) if power is None else np.abs(rows) * np.sqrt(power)
    count = int(share * rows.shape[1])
    if count:
        least = np.argpartition(matters, count - 1, axis=1)[:, :count]
        np.put_along_axis(rows, least, 0.0, axis=1)
    made = rows.reshape(turned.shape)
    return np.ascontiguousarray(made.T if weight.turned else made)


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """As many zeros as said, no larger, smaller once zipped, it opens."""
    del settings
    _graph.must_weigh(after.bytes, before.bytes, TITLE)
    was, now = _zipped(before.path), _zipped(after.path)
    if now >= was:
        promised, found = f"fewer than {was} bytes once zipped", str(now)
        raise PromiseBroken(strategy=TITLE, promised=promised, found=found)
    _graph.must_load(after.path, TITLE)


def _zipped(path: Path) -> int:
    """Bytes of the file (and what lies beside it) after quick compression, a piece at a time."""
    total = 0
    beside = path.with_name(path.name + ".data")
    for one in (path, beside) if beside.is_file() else (path,):
        packer = zlib.compressobj(LEVEL)
        with one.open("rb") as file:
            while piece := file.read(1 << 20):
                total += len(packer.compress(piece))
        total += len(packer.flush())
    return total


STRATEGY = Strategy(
    name="unstructured_sparsity",
    title=TITLE,
    summary="small weights become zeros: the zipped download shrinks, neither file nor time does",
    stage=3,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="model_zeros",
)
