"""Free lunch: makes the file smaller without changing one bit of any answer.

Covers: duplicate and unused initializers, nodes whose inputs are all constant.
Does not cover: anything that could change a result; then it is refused.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard.errors import NotSupported, PromiseBroken
from wizard.examples.feeds import load_feeds
from wizard.nouns import Artifact, Kind, Settings
from wizard.strategies import _graph
from wizard.strategies._contract import Strategy, Workbench

ROWS_COMPARED = 8
LARGEST_FOLDED_BYTES = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LosslessSettings(Settings):
    """`fold` also computes constant parts of the graph beforehand."""

    fold: bool = True


def requires(artifact: Artifact, settings: LosslessSettings, bench: Workbench) -> None:
    """Rows to compare the answers on."""
    if bench.calibration is None:
        raise NotSupported(strategy=STRATEGY.title, because="there is no example to compare on")


def apply(artifact: Artifact, settings: LosslessSettings, bench: Workbench) -> Path:
    """The smaller file, if every compared answer is bit for bit the same."""
    model = _graph.load(artifact.path)
    merge_duplicates(model)
    if settings.fold:
        _fold_constants(model)
    _graph.drop_unused(model)
    path = _graph.save(model, bench.folder / f"{STRATEGY.file_stem}.onnx")
    assert bench.calibration is not None  # noqa: S101 - `requires` has checked it
    if not _same_answers(artifact.path, path, bench.calibration):
        path.unlink()
        raise NotSupported(strategy=STRATEGY.title, because="an answer would change")
    return path


def ensures(before: Artifact, after: Artifact, settings: LosslessSettings) -> None:
    """Never larger than before, but for a few bytes of bookkeeping."""
    if after.bytes > before.bytes + 4096:
        found = f"{after.bytes - before.bytes} bytes more"
        raise PromiseBroken(strategy=STRATEGY.title, promised="no growth", found=found)


def merge_duplicates(model: Any) -> int:
    """Let equal initializers be one; how many went."""
    kept: dict[bytes, str] = {}
    renamed: dict[str, str] = {}
    outputs = {one.name for one in model.graph.output}
    for weight in model.graph.initializer:
        name = weight.name
        weight.name = ""
        digest = hashlib.sha256(weight.SerializeToString(deterministic=True)).digest()
        weight.name = name
        if digest in kept and name not in outputs:
            renamed[name] = kept[digest]
        else:
            kept[digest] = name
    for node in model.graph.node:
        for place, name in enumerate(node.input):
            if name in renamed:
                node.input[place] = renamed[name]
    return len(renamed)


def _fold_constants(model: Any) -> int:
    """Compute small nodes that depend on constants only; how many went."""
    import numpy as np
    from onnx import numpy_helper
    from onnx.reference import ReferenceEvaluator

    stored = _graph.stored(model)
    small = {name for name, w in stored.items() if len(w.raw_data) <= LARGEST_FOLDED_BYTES}
    opsets = {one.domain: one.version for one in model.opset_import}
    folded = []
    for node in model.graph.node:
        foldable = (
            node.op_type in {"Cast", "Reshape", "Unsqueeze", "Squeeze", "Concat", "Neg", "Identity"}
            and node.input
            and all(name in small for name in node.input)
            and len(node.output) == 1
        )
        if not foldable:
            continue
        evaluator = ReferenceEvaluator(node, opsets=opsets)
        inputs = {name: numpy_helper.to_array(stored[name]) for name in node.input}
        value = np.asarray(evaluator.run(None, inputs)[0])
        weight = numpy_helper.from_array(value, node.output[0])
        model.graph.initializer.append(weight)
        stored[weight.name] = weight
        small.add(weight.name)
        folded.append(node)
    for node in folded:
        model.graph.node.remove(node)
    return len(folded)


def _same_answers(before: Path, after: Path, feeds_path: Path) -> bool:
    feeds = load_feeds(feeds_path)
    first, second = _graph.session(before), _graph.session(after)
    wanted = {one.name for one in first.get_inputs()}
    for index in range(min(ROWS_COMPARED, len(feeds))):
        row = {name: value for name, value in feeds.row(index).items() if name in wanted}
        if any(
            a.tobytes() != b.tobytes()
            for a, b in zip(first.run(None, row), second.run(None, row), strict=True)
        ):
            return False
    return True


STRATEGY = Strategy(
    name="lossless",
    title="Tidy file, same answers",
    summary="Merges duplicate weights and drops what nobody reads; answers stay bit-identical.",
    stage=1,
    accepts=Kind.ONNX,
    gives=Kind.ONNX,
    settings=LosslessSettings,
    file_stem="model",
    requires=requires,
    apply=apply,
    ensures=ensures,
)
