"""Short training after a cut: the changed network learns to answer as the original again.

Covers: any checkpoint whose shape was changed before (fewer heads, neurons, channels, layers):
logits or vectors and hidden states of the original on the sample rows and variations of them, no
labels; batch norms measured anew first, an early stop, a budget of minutes, the CPU or CUDA. What
comes out is never further from the original on rows held out than what came in.
Does not cover: what was cut (structured_pruning.py), training with rounded weights
(quantization_aware_training.py), networks that are too large to train in minutes.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wizard import nouns
from wizard.errors import NotSupported
from wizard.nouns import Artifact, Kind
from wizard.strategies import _checkpoint, _distill, _norms, _recover
from wizard.strategies._contract import Strategy, Workbench

TITLE = "Recovery"


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings(nouns.Settings):
    """`steps` of 32 rows and `minutes` at most; `rate`: the highest of AdamW.

    `hidden`: how much hidden states count beside the answers, 0 leaves them out. `samples` rows at
    most are learnt from, a fifth of them held out.
    """

    steps: int = 400
    minutes: float = 5.0
    rate: float = 3e-4
    hidden: float = 1.0
    samples: int = 1024


def requires(artifact: Artifact, settings: Settings, bench: Workbench) -> None:
    """Refuses what cannot be trained here, and a network that nothing was done to."""
    _recover.can_train(artifact, bench, TITLE, _lesson(settings))
    if artifact.path == bench.model_folder:
        because = "nothing was changed before it: the model answers as the original, being it"
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
    """Open both, measure the norms anew, train, save the best."""
    bench.report(0.01, "opening the original and the changed network")
    room, shape = _recover.opened(artifact, settings.samples, bench)
    lesson = _recover.lesson_of(_lesson(settings), bench)
    learnt = _distill.learn(room, lesson, norms=_norms.measure_anew)
    bench.report(0.96, "writing the weights")
    target = bench.folder / STRATEGY.file_stem
    _checkpoint.save(room.student, shape, artifact.path, target)
    _recover.write_note(target, TITLE, learnt, room.rows, _recover.measure_of(bench))
    return target


def ensures(before: Artifact, after: Artifact, settings: Settings) -> None:
    """Same shapes, finite numbers, weights that moved only towards the original."""
    del settings
    _recover.kept_its_word(before, after, TITLE)


STRATEGY = Strategy(
    name="recovery",
    title=TITLE,
    summary="minutes of training on your rows: a cut network answers as the original again",
    stage=1,
    accepts=Kind.CHECKPOINT,
    gives=Kind.CHECKPOINT,
    settings=Settings,
    requires=requires,
    apply=apply,
    ensures=ensures,
    file_stem="recovered",
)
