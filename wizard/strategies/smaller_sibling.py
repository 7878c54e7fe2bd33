"""Goes on with a smaller published model that does the same work, instead of shrinking this one.

Covers: whether its labels are the same ones in the same order and its weights fewer; taking over
its files as they are, so that every later step works on it. It reads its inputs its own way: its
tokenizer or image processor goes with it.
Does not cover: finding, naming and downloading it (advise/siblings.py, run/sibling.py), training.
"""

from __future__ import annotations

import json
import math
import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from wizard import nouns
from wizard.errors import NotSupported, PickleOnly, PromiseBroken
from wizard.nouns import SIBLING, Artifact, Kind
from wizard.strategies._contract import Strategy, Workbench

TITLE = "A smaller published model"
# Weights and files of other formats; of the weights, safetensors are taken.
LEFT = {".bin", ".pt", ".pth", ".ckpt", ".onnx", ".h5", ".msgpack", ".ot", ".tflite"}
LENGTH_BYTES = 8  # of a safetensors header's own length


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`model`: its Hub id, a bundled sample or a folder. `revision`: its commit on the Hub."""

    model: str = ""
    revision: str = ""


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses without a sibling, with other labels, and one that is only a pickle."""
    del settings
    if bench.sibling is None:
        because = "no smaller published model was named; name one with --sibling"
        raise NotSupported(strategy=TITLE, because=because)
    if not list(bench.sibling.glob("*.safetensors")):
        raise PickleOnly(model=bench.sibling.name)
    if _labels(artifact.path) != _labels(bench.sibling):
        because = "its labels are not those of the original, in the same order"
        raise NotSupported(strategy=TITLE, because=because)


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Its files in a folder of ours, by a second name where the file system allows it."""
    del artifact, settings
    assert bench.sibling is not None  # noqa: S101 - `requires` looked
    target = bench.folder / STRATEGY.file_stem
    target.mkdir()
    for one in sorted(bench.sibling.iterdir()):
        if one.is_file() and one.suffix not in LEFT:
            _place(one.resolve(), target / one.name)
    bench.report(1.0, "")
    return target


def _place(source: Path, target: Path) -> None:
    try:
        os.link(source, target)
    except OSError:
        shutil.copyfile(source, target)


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """It stores fewer numbers than the original, in whatever precision."""
    del settings
    was, now = _numbers(before.path), _numbers(after.path)
    if now >= was:
        raise PromiseBroken(
            strategy=TITLE, promised=f"fewer than {was} weights", found=f"{now} of them"
        )


def _labels(folder: Path) -> tuple[str, ...]:
    """The labels by position, in small letters; none where the config names none."""
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    names = config.get("id2label") or {}
    return tuple(str(names[key]).lower() for key in sorted(names, key=int))


def _numbers(folder: Path) -> int:
    """How many numbers the weight files hold, from their headers."""
    total = 0
    for path in folder.glob("*.safetensors"):
        with path.open("rb") as file:
            length = int.from_bytes(file.read(LENGTH_BYTES), "little")
            header = json.loads(file.read(length))
        total += sum(
            math.prod(one["shape"]) for name, one in header.items() if name != "__metadata__"
        )
    return total


STRATEGY = Strategy(
    name=SIBLING,
    title=TITLE,
    summary="a published model with fewer weights that does the same work",
    stage=0,
    accepts=Kind.CHECKPOINT,
    gives=Kind.CHECKPOINT,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="checkpoint_sibling",
)
