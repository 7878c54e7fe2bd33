"""Batch norms of a changed network, measured anew on sample rows; seconds, no training.

Covers: networks with batch norms (ResNet, MobileNet, ...) after channels were cut or before weights
are rounded: then the statistics are those of the rounded weights. Kept only where rows held out are
nearer to the original afterwards.
Does not cover: networks without batch norms (text models), training (recovery.py does this first).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wizard import nouns
from wizard.errors import NotSupported
from wizard.nouns import Artifact, Kind
from wizard.strategies import _checkpoint, _distill, _norms, _practice, _recover, _rounding
from wizard.strategies._contract import Strategy, Workbench

TITLE = "Batch-norm recalibration"
PARTS = ("running_mean", "running_var", "num_batches_tracked")


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`samples` rows are looked at, a fifth of them held out.

    `bits`: the weights are seen rounded so (one scale per output), 32 as they are.
    """

    samples: int = 1024
    bits: Literal[3, 4, 7, 8, 32] = 32


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses what cannot be opened, too few rows, and networks without batch norms."""
    _recover.can_train(artifact, bench, TITLE, _lesson(settings))
    if not any(name.endswith(PARTS[0]) for name in _names(artifact.path)):
        because = "the network has no batch norms: its layers measure every row themselves"
        raise NotSupported(strategy=TITLE, because=because)


def _lesson(settings: Settings) -> _recover.Lesson:
    """Not one step: norms are measured, nothing is trained."""
    return _recover.Lesson(steps=0, minutes=5.0, rate=1.0, hidden=0.0, samples=settings.samples)


def _names(folder: Path) -> list[str]:
    from safetensors import safe_open

    found = []
    for path in sorted(folder.glob("*.safetensors")):
        with safe_open(path, "np") as file:
            found += list(file.keys())
    return found


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Open both, measure the statistics anew, keep them where they help."""
    bench.report(0.1, "opening the original and the changed network")
    room, shape = _recover.opened(artifact, settings.samples, bench)
    forms = {} if settings.bits == 32 else _rounded(room, settings.bits)
    bench.report(0.4, "measuring the norms anew")
    lesson = _recover.lesson_of(_lesson(settings), bench)
    learnt = _distill.learn(room, lesson, _rounding.Rounded(forms), _norms.measure_anew)
    bench.report(0.9, "writing the weights")
    target = bench.folder / STRATEGY.file_stem
    _checkpoint.save(room.student, shape, artifact.path, target)
    _recover.write_note(target, TITLE, learnt, room.rows, _recover.measure_of(bench))
    return target


def _rounded(room: _distill.Room, bits: int) -> dict[str, _rounding.Form]:
    batch = _practice.held_out(room.rows, 2)[0]
    return _rounding.forms_of(room.student, batch, _rounding.Wanted(bits=bits))


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """Only statistics moved, and only where that brought the answers nearer."""
    del settings
    _recover.kept_its_word(before, after, TITLE)
    _recover.moved_only(before, after, PARTS, TITLE)


STRATEGY = Strategy(
    name="batch_norm_recalibration",
    title=TITLE,
    summary="statistics of batch norms measured anew after a cut: seconds, no training, CNNs only",
    stage=1,
    accepts=Kind.CHECKPOINT,
    gives=Kind.CHECKPOINT,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="recalibrated",
)
