"""Events of a job and the bundle it ends with.

Covers: one record per thing that happened, the files a user takes home.
Does not cover: how they are written or shown.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

from wizard.nouns.measured import Artifact
from wizard.nouns.verdicts import Verdict

# --------------------------------------------------------------------------- events


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStarted:
    """First event: the phases to expect with their forecast seconds."""

    at: float
    phases: tuple[tuple[str, str, float], ...]
    event: Literal["job_started"] = "job_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseStarted:
    """A phase begins; `phase` is an id of JobStarted.phases."""

    at: float
    phase: str
    detail: str = ""
    event: Literal["phase_started"] = "phase_started"


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """Measured progress inside a phase: `fraction` 0..1 of its work items are done."""

    at: float
    phase: str
    fraction: float
    detail: str = ""
    event: Literal["progress"] = "progress"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhaseDone:
    """A phase ended after `seconds`."""

    at: float
    phase: str
    seconds: float
    detail: str = ""
    event: Literal["phase_done"] = "phase_done"


@dataclass(frozen=True, slots=True, kw_only=True)
class StepDone:
    """A strategy kept its promise and made an artifact."""

    at: float
    candidate_id: str
    strategy: str
    artifact: Artifact
    seconds: float
    event: Literal["step_done"] = "step_done"


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """A candidate was weighed; `candidate_id` "original" is the baseline.

    The full measurement lies in the job folder at `file`; the summary is enough for a live view.
    `score` by `metric`.
    """

    at: float
    candidate_id: str
    file: str
    size_mb: float
    latency_ms: float
    score: float
    label: str
    metric: str = ""
    event: Literal["measured"] = "measured"


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateFailed:
    """A candidate could not be made or broke its promise; the job goes on."""

    at: float
    candidate_id: str
    code: str
    because: str
    event: Literal["candidate_failed"] = "candidate_failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class PhasesAdded:
    """The ladder goes on: phases to expect before packing, as in JobStarted."""

    at: float
    phases: tuple[tuple[str, str, float], ...]
    event: Literal["phases_added"] = "phases_added"


@dataclass(frozen=True, slots=True, kw_only=True)
class Discarded:
    """A rung that a short look or the minutes left ruled out; the job goes on."""

    at: float
    candidate_id: str
    because: str
    event: Literal["discarded"] = "discarded"


@dataclass(frozen=True, slots=True, kw_only=True)
class BestSoFar:
    """The best candidate until now and the verdict it would get."""

    at: float
    candidate_id: str
    overall: Verdict
    sentence: str
    event: Literal["best_so_far"] = "best_so_far"


@dataclass(frozen=True, slots=True, kw_only=True)
class Noted:
    """Something the user should know (rows sampled, machine busy, synthetic calibration)."""

    at: float
    sentence: str
    event: Literal["noted"] = "noted"


class Ending(StrEnum):
    """How a job ended."""

    FINISHED = "finished"
    CANCELLED = "cancelled"
    FAILED = "failed"
    TIMED_OUT = "timed out"


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """Last event. `result` is the file with the wizard.run/1 object, if there is one."""

    at: float
    ending: Ending
    overall: Verdict | None = None
    code: str | None = None
    sentence: str = ""
    next: str = ""
    result: str | None = None
    event: Literal["finished"] = "finished"


RunEvent: TypeAlias = (
    JobStarted
    | PhaseStarted
    | Progress
    | PhaseDone
    | StepDone
    | Measured
    | CandidateFailed
    | PhasesAdded
    | Discarded
    | BestSoFar
    | Noted
    | Finished
)


# --------------------------------------------------------------------------- the bundle


@dataclass(frozen=True, slots=True, kw_only=True)
class BundleFile:
    """One file of a bundle: path relative to the bundle's folder."""

    path: str
    bytes: int
    sha256: str


@dataclass(frozen=True, slots=True, kw_only=True)
class ArtifactBundle:
    """What the user takes home. The manifest is written last: its presence means complete."""

    folder: Path
    files: tuple[BundleFile, ...]
    zip: Path | None = None
