"""Verdicts: what a measurement means for a contract.

Covers: clauses, parts of the data, changed answers, comparisons, outcomes.
Does not cover: how they are computed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Literal

from wizard.nouns.advice import CounterOffer, Plan
from wizard.nouns.measured import Measurement
from wizard.nouns.model import Basis, HostFacts, Quantity

# --------------------------------------------------------------------------- verdicts


class Verdict(StrEnum):
    """The three answers. Computed from measurements, never from the request."""

    PASS = "PASS"  # noqa: S105 - a verdict, not a password
    MISS = "MISS"
    CANNOT_TELL = "CANNOT TELL"


@dataclass(frozen=True, slots=True, kw_only=True)
class Clause:
    """One clause of the contract, held against the measurements.

    `limit` in `unit`; `low` and `high` bound the compared value (`after`, or the drop for quality).
    `because` says why, `next` what to do about it. `metric` names a quality clause's score;
    `p_value` is the exact McNemar test's, where answers are right or wrong. A quality clause bounds
    what was lost, in points of the metric or, where `relative`, in per cent of the original's.
    """

    name: str
    verdict: Verdict
    limit: float
    before: float
    after: float
    unit: str
    low: float | None
    high: float | None
    basis: Basis
    because: str
    next: str = ""
    hard: bool = True
    more_examples: int | None = None
    metric: str = ""
    p_value: float | None = None
    higher_is_better: bool = False
    relative: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateVerdict:
    """How one candidate did: every clause, and the sum of them."""

    candidate_id: str
    overall: Verdict
    clauses: tuple[Clause, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class DryCandidate:
    """What a recipe gave on random weights: figures and the clauses they decide, or why it failed.

    `latency` is the median of one request; `original_latency` the original's, taken in turns.
    """

    candidate_id: str
    title: str
    size: Quantity | None = None
    latency: Quantity | None = None
    original_latency: Quantity | None = None
    memory: Quantity | None = None
    label: str = ""
    clauses: tuple[Clause, ...] = ()
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class DryRun:
    """Size and speed of every candidate before any weight was downloaded; quality is not known.

    `seconds` is how long all of it took.
    """

    size: Quantity
    latency: Quantity
    memory: Quantity
    candidates: tuple[DryCandidate, ...]
    host: HostFacts
    seconds: float
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Flip:
    """A row whose answer changed. `kind`: "right to wrong", "wrong to right", "changed answer".

    `example` is the text (or the picture's row) as the user knows it; answers are label names, or
    scores for embeddings; confidences are 0..1.
    """

    row: int
    kind: str
    example: str
    before: str
    after: str
    truth: str = ""
    confidence_before: float | None = None
    confidence_after: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class SliceLoss:
    """What one part of the data lost: rows where `column` is `value`.

    `drop` in points with a 95 % interval; `p` (of losing that much, and more than the rest, by
    chance) is corrected for the number of looks (Holm); `clear` when it says so.
    """

    column: str
    value: str
    rows: int
    before: float
    after: float
    drop: Quantity
    p: float
    clear: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class WhoPays:
    """Who pays for the compression: changed answers, slices, one sentence.

    `flips_total` counts all changed answers, of which `flips` holds the first few hundred;
    `too_small` counts slices left out for having too few rows.
    """

    sentence: str
    slices: tuple[SliceLoss, ...] = ()
    flips: tuple[Flip, ...] = ()
    flips_total: int = 0
    too_small: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All candidates held against the contract. `chosen` keeps it; else `nearest` came closest."""

    overall: Verdict
    verdicts: tuple[CandidateVerdict, ...]
    chosen: str | None
    nearest: str | None
    headline: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Failed:
    """A candidate that gave no artifact to measure."""

    candidate_id: str
    code: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Glance:
    """A short look at a candidate: `changed` of `rows` top answers, or the mean cosine.

    `not_numbers`: some value was NaN or infinite.
    """

    rows: int
    changed: int | None = None
    cosine: float | None = None
    not_numbers: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeftOut:
    """A recipe of the ladder that was not measured in full, and why."""

    candidate_id: str
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reused:
    """Earlier work on the same model that a job took instead of doing it again.

    `of` is a candidate's id or "original"; `what` was done `seconds_ago`: "file" (it was made),
    "answers" (with memory and the look into the file) or "timing".
    """

    of: str
    what: Literal["file", "answers", "timing"]
    seconds_ago: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """A job's whole result: what was planned, measured and concluded.

    `measurements` holds every measured candidate by id, `payers` who pays for it; `seconds` the
    wall time of each phase. `counter_offers` were judged; `asked` is the contract as first stated
    where another was accepted since. `left_out` are rungs passed over, `stopped` why the climb
    ended; `reused` names what was taken from earlier work.
    """

    plan: Plan
    original: Measurement
    measurements: Mapping[str, Measurement]
    failed: tuple[Failed, ...]
    comparison: Comparison
    seconds: Mapping[str, float]
    notes: tuple[str, ...] = ()
    data_origin: str = ""
    payers: Mapping[str, WhoPays] = field(default_factory=dict)
    counter_offers: tuple[CounterOffer, ...] = ()
    asked: str = ""
    left_out: tuple[LeftOut, ...] = ()
    stopped: str = ""
    reused: tuple[Reused, ...] = ()
