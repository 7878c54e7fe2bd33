"""What a walk knows and works with: the site, what was found so far, the phases' clock.

Covers: the site (where, with what), the walk's memory, events around a phase.
Does not cover: what is done in a phase (opening.py, walk.py).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from wizard import intake
from wizard.nouns import (
    Artifact,
    CandidateVerdict,
    Failed,
    HostFacts,
    LeftOut,
    Measurement,
    ModelRef,
    Noted,
    PhaseDone,
    PhaseStarted,
    Plan,
    Progress,
    Reused,
    RunEvent,
    Step,
    WhoPays,
)
from wizard.strategies import _contract as contract

ORIGINAL = "original"
OPEN, ROWS, EXPORT, WEIGH, PACK = "open", "rows", "export", "original", "pack"
# (phase, title, usual seconds on two cores); the seconds only shape the progress bar.
BEFORE_TRYING = (
    (OPEN, "Open the model", 1.0),
    (ROWS, "Prepare the examples", 2.0),
    (EXPORT, "Translate it for ONNX Runtime", 12.0),
    (WEIGH, "Measure the original", 8.0),
)
AFTER_TRYING = (PACK, "Pack the bundle", 3.0)
# A forecast of seconds is corrected by what was seen, within reason.
QUICKEST, SLOWEST = 0.2, 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where and with what the walk works. `clock` is wall time in seconds since the epoch.

    `apply` makes one step's artifact; a job does it in a process of its own. `open` finds the
    model's folder; `packs` is false where no bundle is wanted.
    """

    folder: Path
    cache: Path
    host: HostFacts
    threads: int
    clock: Callable[[], float]
    emit: Callable[[RunEvent], None]
    command: str = ""
    apply: Callable[[Step, Artifact, contract.Workbench], Artifact] = contract.apply_step
    open: Callable[[ModelRef, Callable[[float, str], None]], Path] = intake.folder_of
    packs: bool = True


@dataclass(slots=True)
class Walk:
    """What is known so far; the only mutable thing in the room."""

    plan: Plan
    site: Site
    began: float
    seconds: dict[str, float] = field(default_factory=dict)
    made: dict[tuple[str, ...], Artifact] = field(default_factory=dict)
    measurements: dict[str, Measurement] = field(default_factory=dict)
    verdicts: dict[str, CandidateVerdict] = field(default_factory=dict)
    payers: dict[str, WhoPays] = field(default_factory=dict)
    failed: list[Failed] = field(default_factory=list)
    left_out: dict[str, LeftOut] = field(default_factory=dict)
    stopped: str = ""
    notes: list[str] = field(default_factory=list)
    reused: list[Reused] = field(default_factory=list)
    ages: dict[str, float] = field(default_factory=dict)  # of files from the shelf, by hash

    def phase(self, name: str, detail: str = "") -> Phase:
        """A block of work with its events and its seconds."""
        return Phase(self, name, detail)

    def note(self, sentence: str) -> None:
        """Something the user should know."""
        self.notes.append(sentence)
        self.site.emit(Noted(at=self.site.clock(), sentence=sentence))

    def seconds_left(self) -> float:
        """What the allowed minutes leave for candidates; packing has its part already."""
        spent = self.site.clock() - self.began
        return 60 * self.plan.needs.minutes - spent - AFTER_TRYING[2]

    def is_over(self) -> bool:
        """Whether the minutes allowed are spent."""
        return self.site.clock() - self.began >= 60 * self.plan.needs.minutes

    def pace(self) -> float:
        """How many times longer than forecast the original and the candidates took so far.

        What was taken from earlier work tells nothing.
        """
        quick = {one.of for one in self.reused if one.what == "answers"}
        cast = {
            f"try:{one.id}": one.forecast for one in self.plan.candidates if one.id not in quick
        }
        cast |= {} if ORIGINAL in quick else {WEIGH: self.plan.baseline}
        tried = [(one.seconds.value, self.seconds.get(phase)) for phase, one in cast.items()]
        known = [(expected, took) for expected, took in tried if took is not None]
        expected = sum(cast for cast, _ in known)
        if expected <= 0:
            return 1.0
        return min(SLOWEST, max(QUICKEST, sum(took for _, took in known) / expected))


class Phase:
    """Emits PhaseStarted and PhaseDone around a block and keeps its seconds."""

    def __init__(self, walk: Walk, name: str, detail: str) -> None:
        self._walk, self._name, self._detail = walk, name, detail
        self._began = 0.0

    def __enter__(self) -> Callable[[float, str], None]:
        site = self._walk.site
        self._began = site.clock()
        site.emit(PhaseStarted(at=self._began, phase=self._name, detail=self._detail))

        def report(fraction: float, detail: str = "") -> None:
            share = min(1.0, max(0.0, fraction))
            site.emit(Progress(at=site.clock(), phase=self._name, fraction=share, detail=detail))

        return report

    def __exit__(self, kind: type[BaseException] | None, *rest: object) -> None:
        if kind is not None:
            return
        now = self._walk.site.clock()
        self._walk.seconds[self._name] = round(now - self._began, 3)
        self._walk.site.emit(PhaseDone(at=now, phase=self._name, seconds=now - self._began))
