"""Training with weights rounded as a later step will round them, so that they bear it.

Covers: small text, image and embedding models before int8_dynamic or int8_static (7 or 8 bits, one
scale per output, 8-bit inputs) and before int4_weights or low_bit_weights (2 or 4 bits, a scale per
block, loud columns apart, tables, the last layer in 8 bits). The original is the teacher, so no
labels are needed; the rounded weights are written, and the ordinary step then finds them.
Does not cover: the rounding of the file (those steps), codebooks, large models.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from wizard import nouns
from wizard.errors import NotSupported
from wizard.nouns import Artifact, Kind
from wizard.strategies import _checkpoint, _distill, _practice, _recover, _rounding
from wizard.strategies._contract import Strategy, Workbench

TITLE = "Quantization-aware training"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`bits` of matrices and filters; `block`: inputs that share a scale, 0 one scale per output.

    `tables`: bits of embeddings, 32 leaves them. `even`: loud columns apart (with blocks).
    `spare_last`: the last layer in 8 bits (with blocks). `inputs`: 8-bit inputs too. The rest is as
    in recovery.
    """

    bits: Literal[2, 4, 7, 8] = 8
    block: Literal[0, 16, 32, 64, 128] = 0
    tables: Literal[2, 4, 8, 32] = 8
    even: bool = True
    spare_last: bool = True
    inputs: bool = True
    steps: int = 400
    minutes: float = 5.0
    rate: float = 3e-4
    hidden: float = 1.0
    samples: int = 1024


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses what cannot be trained here, and few bits with one scale for a whole output."""
    _recover.can_train(artifact, bench, TITLE, _lesson(settings))
    if settings.bits < 7 and not settings.block:
        because = f"{settings.bits} bits need a scale for each block of inputs; name the block"
        raise NotSupported(strategy=TITLE, because=because)


def _lesson(settings: Settings) -> _recover.Lesson:
    return _recover.Lesson(
        steps=settings.steps,
        minutes=settings.minutes,
        rate=settings.rate,
        hidden=settings.hidden,
        samples=settings.samples,
    )


def apply(artifact: Artifact, settings: Settings, bench: Workbench) -> Path:
    """Open both, train with rounded weights, write them rounded."""
    bench.report(0.01, "opening the original and the network to be rounded")
    room, shape = _recover.opened(artifact, settings.samples, bench)
    wanted = _rounding.Wanted(
        bits=settings.bits,
        block=settings.block,
        tables=settings.tables,
        even=settings.even,
        spare_last=settings.spare_last,
    )
    forms = _rounding.forms_of(room.student, _practice.held_out(room.rows, 2)[0], wanted)
    rounding = _rounding.Rounded(forms)
    lesson = _recover.lesson_of(_lesson(settings), bench)
    with _rounding.rounded_inputs(room.student, wanted=settings.inputs):
        learnt = _distill.learn(room, lesson, rounding)
    bench.report(0.96, "writing the weights")
    if learnt.improved:
        rounding.bake(room.student)
    target = bench.folder / STRATEGY.file_stem
    _checkpoint.save(room.student, shape, artifact.path, target)
    measure = f"{_recover.measure_of(bench)} with {settings.bits}-bit weights"
    _recover.write_note(target, TITLE, learnt, room.rows, measure)
    return target


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """Same shapes, finite numbers, weights that moved only towards the original."""
    del settings
    _recover.kept_its_word(before, after, TITLE)


STRATEGY = Strategy(
    name="quantization_aware_training",
    title=TITLE,
    summary="minutes of training on your rows so that few bits, given out afterwards, cost less",
    stage=1,
    accepts=Kind.CHECKPOINT,
    gives=Kind.CHECKPOINT,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="rounded",
)
