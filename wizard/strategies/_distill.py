"""Short training in which a changed network learns to answer as the original does.

Covers: the distance of answers (any output of numbers) and of hidden states, AdamW with warm-up
and decay, judging by rows held out, the best state kept, stopping early, a budget of seconds, the
CPU or CUDA. Weights and inputs may be rounded on the way (_rounding.py); gradients pass through.
Does not cover: which rows (_practice.py), saving, what the network was changed by.

Answers: Hinton et al. 2015 (arXiv 1503.02531); hidden states: TinyBERT, Jiao et al. 2020
(arXiv 1909.10351). The same seed gives the same weights on the same machine, unless the seconds
end the training; how many steps fit is rounded down to a power of two of the whole.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from wizard.strategies import _practice
from wizard.strategies._apart import agreed, apart, distance
from wizard.strategies._practice import Practice

if TYPE_CHECKING:
    import torch

    Batch = dict[str, torch.Tensor]
    Weights = Mapping[str, torch.Tensor]

BATCH = 32
WARM_UP = 0.05
JUDGED, JUDGED_AFTER = 20, 4  # times over the whole training; steps between two at least
PATIENCE = 6  # judgements without a better one
TIMED = 4  # steps timed before the rest is planned
BETTER = 1e-3  # relative; less is chance
CLIP = 1.0
SLOWER = 5.0  # the second try, where the first brought nothing
NOTHING_BETTER = "nothing better"
NOTHING = 1e-6  # a distance that float32 makes by itself


@dataclass(frozen=True, slots=True, kw_only=True)
class Lesson:
    """How to train: steps at most, the highest rate of AdamW, seconds at most."""

    steps: int
    rate: float
    hidden: float
    seconds: float
    seed: int
    report: Callable[[float, str], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """Teacher, student, rows, and the hidden states to bring together by their numbers in both."""

    teacher: Any
    student: Any
    rows: Practice
    pairs: tuple[tuple[int, int], ...]
    outputs: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Judged:
    """Rows held out: mean distance of the answers, share of equal answers (or mean cosine)."""

    distance: float
    agreement: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Learnt:
    """What training came to; without `improved` the student is as it was given.

    `best_at` is the step of the best state, 0 if measuring norms anew was the best there was.
    """

    before: Judged
    after: Judged
    improved: bool
    steps: int
    planned: int
    best_at: int
    seconds: float
    ended: str
    device: str


class Rounding:
    """How the student's weights are seen while it answers; here: as they are."""

    def weights(self, named: Weights) -> dict[str, torch.Tensor]:
        """The weights to answer with."""
        return dict(named)


def place() -> str:
    """Where to train: CUDA where there is one."""
    import torch

    return "cuda" if torch.cuda.is_available() else "cpu"


def learn(
    room: Room,
    lesson: Lesson,
    rounding: Rounding | None = None,
    norms: Callable[[Any, Practice, Rounding], None] | None = None,
) -> Learnt:
    """Train the student in place; it ends as the best that the rows held out have seen.

    `norms` measures batch norms anew before the first step.
    """
    import torch

    device = place()
    teacher, student, rows = room.teacher.to(device), room.student.to(device), room.rows
    school = _School(teacher, student, room, rounding or Rounding())
    try:
        began = time.monotonic()
        school.take_exam([_on(one, device) for one in _practice.held_out(rows, BATCH)])
        report = _Report(school, lesson.report)
        if norms is not None:
            norms(student, rows, school.rounding)
            report.judge(0)
        torch.manual_seed(lesson.seed)
        ended, planned = "nothing to learn", 0
        if report.before.distance > NOTHING and lesson.steps:
            ended, planned = _train(school, report, rows, lesson, began)
            if ended == NOTHING_BETTER and not report.best_at:  # the rate may be too high
                school.restore(report.kept)
                slower = replace(lesson, rate=lesson.rate / SLOWER, seed=lesson.seed + 1)
                ended, planned = _train(school, report, rows, slower, began)
        school.restore(report.kept)
    finally:
        teacher.to("cpu")
        student.to("cpu").requires_grad_(False)
    seconds = round(time.monotonic() - began, 1)
    return report.learnt(planned=planned, seconds=seconds, ended=ended, device=device)


class _Report:
    """The best state so far, and how it was judged."""

    def __init__(self, school: _School, report: Callable[[float, str], None]) -> None:
        self._school, self._report, self._highest = school, report, 0.0
        self.before = self.best = school.judge()
        self.kept = school.state()
        self.best_at, self.improved, self.done = 0, False, 0

    def judge(self, done: int) -> Judged:
        """Judge the student after `done` steps and keep it if it is the best."""
        now = self._school.judge()
        self.done = done
        if _is_better(now, self.best, self.before):
            self.best, self.best_at, self.improved = now, done, True
            self.kept = self._school.state()
        return now

    def tell(self, done: int, planned: int, now: Judged) -> None:
        """Progress; a second try is no step back."""
        self._highest = max(self._highest, min(1.0, done / planned))
        said = f"step {done} of {planned}, {now.agreement:.1%} as the original"
        self._report(self._highest, said)

    def learnt(self, *, planned: int, seconds: float, ended: str, device: str) -> Learnt:
        """What it came to."""
        return Learnt(
            before=self.before,
            after=self.best,
            improved=self.improved,
            steps=self.done,
            planned=planned,
            best_at=self.best_at,
            seconds=seconds,
            ended=ended,
            device=device,
        )


def _train(
    school: _School, report: _Report, rows: Practice, lesson: Lesson, began: float
) -> tuple[str, int]:
    """Why it ended, and the steps that were planned."""
    import numpy as np
    import torch

    random = np.random.default_rng(lesson.seed)
    taught = school.start()
    optimizer = torch.optim.AdamW(taught, lr=lesson.rate, weight_decay=0.0)
    planned, done, ended, timed = lesson.steps, 0, "", time.monotonic()
    while done < planned and not ended:
        if done == TIMED:
            planned = _that_fit(lesson, began, timed, time.monotonic())
        _set_rate(optimizer, lesson.rate, done, planned)
        loss = school.loss(_practice.varied(rows, BATCH, random), lesson.hidden)
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(taught, CLIP)
        optimizer.step()
        done += 1
        every = max(JUDGED_AFTER, planned // JUDGED)
        if done % every == 0 or done == planned:
            report.tell(done, planned, report.judge(done))
            late = time.monotonic() - began >= lesson.seconds
            idle = done - report.best_at >= PATIENCE * every
            ended = "time" if late else NOTHING_BETTER if idle else ""
    return ended or ("time" if planned < lesson.steps else "all steps"), planned


def _that_fit(lesson: Lesson, began: float, timed: float, now: float) -> int:
    """The steps that the seconds allow: all, half, a quarter, ..."""
    each = (now - timed) / TIMED
    fit = max(1.0, (lesson.seconds - (now - began)) / max(each, 1e-9) * 0.9)
    halvings = max(0, math.ceil(math.log2(lesson.steps / fit)))
    return max(TIMED + 1, lesson.steps >> halvings)


def _set_rate(optimizer: Any, highest: float, done: int, planned: int) -> None:
    """Up in a straight line, down along half a cosine."""
    rising = (done + 1) / max(1.0, WARM_UP * planned)
    falling = 0.5 * (1 + math.cos(math.pi * done / planned))
    for group in optimizer.param_groups:
        group["lr"] = highest * min(1.0, rising) * max(0.01, falling)


def _is_better(now: Judged, best: Judged, before: Judged) -> bool:
    """Nearer to the original, and no answer lost against the beginning."""
    nearer = now.distance < best.distance * (1 - BETTER)
    return math.isfinite(now.distance) and nearer and now.agreement >= before.agreement


def _on(batch: Batch, device: Any) -> Batch:
    return {name: value.to(device) for name, value in batch.items()}


class _School:
    """Teacher and student in one room."""

    def __init__(self, teacher: Any, student: Any, room: Room, rounding: Rounding) -> None:
        self._teacher, self._student = teacher, student
        self._pairs, self._outputs, self.rounding = room.pairs, room.outputs, rounding
        self._device = next(student.parameters()).device
        self._exam: list[tuple[Batch, dict[str, torch.Tensor]]] = []

    def take_exam(self, batches: Sequence[Batch]) -> None:
        """Remember the teacher's answers to the rows held out."""
        self._exam = [(one, self._asked(one)[0]) for one in batches]

    def start(self) -> list[Any]:
        """The weights that learn."""
        self._student.requires_grad_(True)
        return [one for one in self._student.parameters() if one.requires_grad]

    def state(self) -> dict[str, torch.Tensor]:
        """A copy of all numbers of the student."""
        return {name: one.detach().clone() for name, one in self._student.state_dict().items()}

    def restore(self, state: Weights) -> None:
        """The student as it was then."""
        self._student.load_state_dict(state)

    def _asked(self, batch: Batch) -> tuple[dict[str, torch.Tensor], Any]:
        import torch

        with torch.no_grad():
            return said(self._teacher, batch, self._outputs)

    def _answered(self, batch: Batch) -> tuple[dict[str, torch.Tensor], Any]:
        weights = self.rounding.weights(dict(self._student.named_parameters()))
        return said(self._student, batch, self._outputs, weights)

    def loss(self, batch: Batch, hidden: float) -> torch.Tensor:
        """Distance of the answers, and of the hidden states beside it."""
        batch = _on(batch, self._device)
        wanted, theirs = self._asked(batch)
        found, ours = self._answered(batch)
        total: Any = sum(distance(name, found[name], wanted[name], batch) for name in wanted)
        for there, here in self._pairs:
            total = total + hidden / len(self._pairs) * apart(ours[here], theirs[there], batch)
        return total

    def judge(self) -> Judged:
        """The student on the rows held out."""
        import torch

        far, same, rows = 0.0, 0.0, 0
        with torch.no_grad():
            for batch, wanted in self._exam:
                found, _ = self._answered(batch)
                count = len(next(iter(batch.values())))
                far += count * sum(
                    float(distance(name, found[name], wanted[name], batch)) for name in wanted
                )
                same += sum(
                    float(agreed(name, found[name], wanted[name], batch).sum()) for name in wanted
                ) / len(wanted)
                rows += count
        return Judged(distance=far / rows, agreement=same / rows)


def said(
    model: Any, batch: Batch, outputs: Sequence[str], weights: Weights | None = None
) -> tuple[dict[str, torch.Tensor], Any]:
    """A model's answers by name, and its hidden states; with other weights where some are given."""
    import torch

    asked = {**batch, "output_hidden_states": True, "return_dict": True}
    out = (
        model(**asked)
        if weights is None
        else torch.func.functional_call(model, dict(weights), args=(), kwargs=asked)
    )
    return {name: out[name] for name in outputs}, out.get("hidden_states") or ()
