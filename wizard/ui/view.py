"""What a run looks like, folded from its events. Pure: no clock, no files.

Covers: the state of each phase, overall progress, time left, what was found, how it ended.
Does not cover: HTML (step_run.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from wizard.nouns import (
    BestSoFar,
    CandidateFailed,
    Discarded,
    Finished,
    JobStarted,
    Measured,
    Noted,
    PhaseDone,
    PhasesAdded,
    PhaseStarted,
    Progress,
    RunEvent,
)

# A run twice as slow as forecast stays twice as slow, within reason.
SLOWEST, QUICKEST = 6.0, 0.2


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseView:
    """One phase. `state` is done, now, todo, failed or stopped; `seconds` once it is done."""

    id: str
    title: str
    state: str
    forecast: float
    fraction: float = 0.0
    detail: str = ""
    seconds: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunView:
    """A run at one moment. `left` is None when nobody can know; seconds otherwise."""

    phases: tuple[PhaseView, ...] = ()
    fraction: float = 0.0
    elapsed: float = 0.0
    left: float | None = None
    measured: tuple[Measured, ...] = ()
    failed: tuple[CandidateFailed, ...] = ()
    discarded: tuple[Discarded, ...] = ()
    best: BestSoFar | None = None
    notes: tuple[str, ...] = ()
    ending: Finished | None = None

    @property
    def now(self) -> PhaseView | None:
        return next((one for one in self.phases if one.state == "now"), None)

    def title_of(self, candidate_id: str) -> str:
        """The name of the phase that tries a candidate."""
        named = (one.title for one in self.phases if one.id.endswith(f":{candidate_id}"))
        return next(named, candidate_id.capitalize())


@dataclass(slots=True)
class _Fold:
    expected: tuple[tuple[str, str, float], ...] = ()
    began: dict[str, float] = field(default_factory=dict)
    done: dict[str, float] = field(default_factory=dict)
    fractions: dict[str, float] = field(default_factory=dict)
    details: dict[str, str] = field(default_factory=dict)
    start: float | None = None


def view_of(events: Sequence[RunEvent], now: float | None = None) -> RunView:
    """The run after these events; `now` (epoch seconds) lets time pass between two events."""
    fold = _Fold()
    for event in events:
        _add(fold, event)
    ending = next((one for one in events if isinstance(one, Finished)), None)
    failed = tuple(one for one in events if isinstance(one, CandidateFailed))
    phases = _phases(fold, {one.candidate_id for one in failed}, ending)
    last = events[-1].at if events else 0.0
    moment = last if now is None or ending is not None else max(now, last)
    best = [one for one in events if isinstance(one, BestSoFar)]
    return RunView(
        phases=phases,
        fraction=_fraction(phases, ending),
        elapsed=max(0.0, moment - fold.start) if fold.start is not None else 0.0,
        left=None if ending else _left(fold, phases, moment),
        measured=tuple(one for one in events if isinstance(one, Measured)),
        failed=failed,
        discarded=tuple(one for one in events if isinstance(one, Discarded)),
        best=best[-1] if best else None,
        notes=tuple(one.sentence for one in events if isinstance(one, Noted)),
        ending=ending,
    )


def _add(fold: _Fold, event: RunEvent) -> None:
    match event:
        case JobStarted():
            fold.expected, fold.start = event.phases, event.at
        case PhasesAdded():  # what is done last stays last
            fold.expected = (*fold.expected[:-1], *event.phases, *fold.expected[-1:])
        case PhaseStarted():
            fold.began[event.phase] = event.at
            fold.details[event.phase] = event.detail
        case Progress():
            fold.fractions[event.phase] = event.fraction
            fold.details[event.phase] = event.detail or fold.details.get(event.phase, "")
        case PhaseDone():
            fold.done[event.phase] = event.seconds
        case _:
            pass


def _phases(fold: _Fold, failed: set[str], ending: Finished | None) -> tuple[PhaseView, ...]:
    running = [name for name in fold.began if name not in fold.done]
    current = running[-1] if running else None
    made = []
    for name, title, forecast in fold.expected:
        made.append(
            PhaseView(
                id=name,
                title=title,
                state=_state(fold, name, current, failed, ending),
                forecast=max(forecast, 0.1),
                fraction=1.0 if name in fold.done else fold.fractions.get(name, 0.0),
                detail=fold.details.get(name, ""),
                seconds=fold.done.get(name),
            )
        )
    return tuple(made)


def _state(
    fold: _Fold, name: str, current: str | None, failed: set[str], ending: Finished | None
) -> str:
    if name.partition(":")[2] in failed:
        return "failed"
    if name in fold.done:
        return "done"
    if ending is not None:
        return "stopped"
    return "now" if name == current else "todo"


def _fraction(phases: Sequence[PhaseView], ending: Finished | None) -> float:
    whole = sum(one.forecast for one in phases)
    if not whole:
        return 0.0
    if ending is not None and ending.overall is not None:
        return 1.0
    return sum(one.forecast * _share(one) for one in phases) / whole


def _share(phase: PhaseView) -> float:
    return 1.0 if phase.state in {"done", "failed"} else phase.fraction


def _left(fold: _Fold, phases: Sequence[PhaseView], moment: float) -> float | None:
    """Forecast seconds of what remains, at the pace of what is done."""
    if not phases:
        return None
    pace = _pace(fold, phases, moment)
    return sum(one.forecast * (1 - _share(one)) for one in phases) * pace


def _pace(fold: _Fold, phases: Sequence[PhaseView], moment: float) -> float:
    spent = sum(one.forecast * _share(one) for one in phases)
    if fold.start is None or spent < 1.0:
        return 1.0
    return min(SLOWEST, max(QUICKEST, (moment - fold.start) / spent))
