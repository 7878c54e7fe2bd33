"""The contract and the advice on it: needs, rules, steps, candidates, plans.

Covers: what the user asked, what the rules said, what shall be tried.
Does not cover: what was measured.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal

from wizard.nouns.model import Device, ModelProfile, Quantity, Sibling, Task, Workload
from wizard.plain import Value

# --------------------------------------------------------------------------- the contract


class Priority(StrEnum):
    """What matters most among candidates that keep the contract."""

    FASTEST = "fastest"
    SMALLEST = "smallest"
    SAFEST = "safest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit the user set. `hard` budgets decide the verdict; the others only colour it.

    `quantity` is "latency" (of a whole answer, or of the first token), "token" (each further one),
    "size" or "memory"; units are "ms" or "MB" (10**6 bytes). `percentile` is set for times only.
    """

    quantity: Literal["latency", "token", "size", "memory"]
    at_most: float
    unit: str
    percentile: int | None = None
    hard: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How wrong the compressed model may be: at most `points` worse than the original.

    For accuracy a point is 0.01 (92.0 % -> 91.0 %), and so it is for every measure, in absolute
    terms; only of perplexity, which has no such scale, a point is one per cent of the original's
    (measure/metrics.py). `metric` is "" for the one that the task and the examples suggest.
    """

    points: float
    metric: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The contract as the user stated it. `data` is "sample", a path, or "hub:ID".

    `improve`: go on once the contract is kept, while a recipe left may do better by more than the
    noise; else stop there.
    `afresh`: make and measure everything again, whatever earlier jobs have kept. `sibling`: a
    smaller published model, as a user types it, to be measured by the same contract.
    `calibration_rows`: how many of the user's own rows there are to learn from, once counted;
    `requests`: how many a model answers when it is scored; `row_tokens`: how many tokens such a one
    has on average, about, of texts; `written_tokens`: how many a right answer has that is a text.
    """

    device_id: str
    budgets: tuple[Budget, ...]
    tolerance: Tolerance
    priority: Priority = Priority.FASTEST
    minutes: float = 10.0
    data: str = "sample"
    workload: Workload = field(default_factory=Workload)
    seed: int = 0
    only: str | None = None
    improve: bool = True
    afresh: bool = False
    sibling: str = ""
    calibration_rows: int | None = None
    requests: int | None = None
    row_tokens: float | None = None
    written_tokens: float | None = None


# --------------------------------------------------------------------------- advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The base of every strategy's settings: a frozen dataclass with JSON-friendly fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A model family, read from presets/families/<id>.toml.

    `model_types` are config.json's `model_type` values; `shape` is "encoder", "cnn", "vision
    transformer", "decoder" or "encoder-decoder"; `tested` names what it was tested with;
    `needs` are sets of files, one of which must be there for a model of it to be read, and
    `needs_because` says why;
    `siblings` are small checkpoints of this family that stand in for larger models.
    """

    id: str
    model_types: tuple[str, ...]
    shape: str
    tasks: tuple[str, ...] = ()
    tested: tuple[str, ...] = ()
    supported: bool = True
    because: str = ""
    nearest: str | None = None
    needs: tuple[tuple[str, ...], ...] = ()
    needs_because: str = ""
    sources: tuple[str, ...] = ()
    siblings: tuple[Sibling, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Sample:
    """A bundled model, read from assets/samples/<name>/sample.toml."""

    name: str
    title: str
    sentence: str
    task: Task
    metric: str
    baseline: float
    folder: Path
    workload: Workload
    latency_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Explained:
    """A failure in words: what happened and why, and what to do next."""

    code: str
    message: str
    next: str


class Effect(StrEnum):
    """What a rule does. Order of precedence: refuse, avoid, warn, propose."""

    REFUSE = "refuse"
    AVOID = "avoid"
    WARN = "warn"
    PROPOSE = "propose"


class Confidence(StrEnum):
    """How sure a rule's author is; it only breaks ties."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"


@dataclass(frozen=True, slots=True, kw_only=True)
class Citation:
    """Who says so: kind is paper, docs, issue, measured or judgement."""

    kind: str
    cite: str
    supports: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleExample:
    """A worked case of a rule: with these facts it fires, or does not, because ..."""

    facts: Mapping[str, Value]
    fires: bool
    because: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    """One piece of expert advice, read from presets/rules/<id>.toml.

    `when` maps a condition name (`family_in`, `isa_has_any`, ...) to its value. `expect` maps
    "size_ratio", "speed_ratio" and "drop_points" to (low, high). `last_resort`: its recipe is tried
    only when no other keeps the contract and gains something.
    """

    id: str
    rung: str
    title: str
    effect: Effect
    steps: tuple[str, ...]
    confidence: Confidence
    reviewed: str
    why: str
    when: Mapping[str, Value]
    settings: Mapping[str, Mapping[str, Value]]
    expect: Mapping[str, tuple[float, float]]
    sources: tuple[Citation, ...]
    examples: tuple[RuleExample, ...]
    targets: tuple[str, ...] = ()
    last_resort: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A strategy's name and its settings: complete, validated, plain values."""

    strategy: str
    settings: Mapping[str, Value] = field(default_factory=dict)


EXPORT = "to_onnx"
SIBLING = "smaller_sibling"  # the strategy that goes on with a smaller published model
WEIGHTS_ONLY = ("recovery", "quantization_aware_training", "batch_norm_recalibration")
LEARNT = "learnt.json"  # beside a checkpoint: what training or measuring it anew came to


def named_after(strategies: Sequence[str]) -> str:
    """The technique that a recipe goes by: the last one, the export only if there is no other.

    What only sets weights anew changes nothing that a device would notice.
    """
    left = (one for one in reversed(strategies) if one not in {EXPORT, *WEIGHTS_ONLY})
    return next(left, EXPORT)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A sentence a user can read, the rule that said it and that rule's source."""

    sentence: str
    rule_id: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Pace:
    """How many times as long the machine that does the work takes as the forecasts' own machine.

    `interpreter`: Python, and what is like it; `arithmetic`: products of matrices in 32 bits;
    `reading`: weights that come from memory.
    """

    interpreter: float = 1.0
    arithmetic: float = 1.0
    reading: float = 1.0


AS_MEASURED = Pace()


@dataclass(frozen=True, slots=True, kw_only=True)
class Scoring:
    """How many requests score a model, and how long each is beside the one that is timed.

    `tokens`: of one; `written`: of a right answer that is a text; `minutes`: of the whole job.
    None where nobody has counted.
    """

    requests: int | None = None
    share: float | None = None
    tokens: float | None = None
    written: float | None = None
    minutes: float | None = None


UNCOUNTED = Scoring()


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a candidate is expected to do, as ranges, before anything ran.

    `token` is the time of each further token, of a model that writes.
    """

    size: Quantity
    latency: Quantity
    drop: Quantity
    memory: Quantity
    seconds: Quantity
    token: Quantity | None = None

    @property
    def answer_ms(self) -> float:
        """Of one answer; a model that writes gives 32 further tokens, a sentence or two."""
        return self.latency.value + 32 * (self.token.value if self.token is not None else 0.0)

    def reached(self) -> Mapping[str, Quantity]:
        """What a budget may limit, by the budget's name."""
        known = {"latency": self.latency, "size": self.size, "memory": self.memory}
        return known | ({"token": self.token} if self.token is not None else {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recipe the plan proposes to try. `id` is stable: strategy names and a settings digest.

    A `last_resort` waits at the ladder's end for the case that nothing else gains anything.
    """

    id: str
    title: str
    steps: tuple[Step, ...]
    forecast: Forecast
    reasons: tuple[Reason, ...]
    warnings: tuple[Reason, ...] = ()
    last_resort: bool = False

    @property
    def technique(self) -> str:
        """The strategy it goes by, as `--only` takes it."""
        return named_after([step.strategy for step in self.steps])

    @property
    def of_sibling(self) -> bool:
        """Whether another, smaller published model is what it starts from."""
        return any(step.strategy == SIBLING for step in self.steps)


@dataclass(frozen=True, slots=True, kw_only=True)
class Refusal:
    """A recipe the plan will not try, and why. `relax` says what would allow it."""

    what: str
    because: str
    rule_id: str | None = None
    source: str | None = None
    relax: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class WouldChange:
    """If this one fact were different, that candidate would lead."""

    fact: str
    then: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CounterOffer:
    """When the contract is out of reach: the clause to relax, to what, and what keeps it then.

    `also` are further clauses that must be relaxed with it, where no single one is enough.
    """

    clause: str
    relax_to: float
    unit: str
    candidate_id: str
    sentence: str
    also: tuple[CounterOffer, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class SiblingOffer:
    """A smaller published model that the user may have measured too, and why it is worth it."""

    sibling: Sibling
    sentence: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleTrace:
    """A rule's part in a plan: "fired", "blocked" (a condition does not hold) or "lost".

    `because` says what it advises, what blocked it or what beat it; `record` how it has done on
    the bundled samples ("" where it was never run there).
    """

    rule_id: str
    title: str
    effect: Effect
    outcome: Literal["fired", "blocked", "lost"]
    because: str
    source: str
    record: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class JobForecast:
    """What the job itself will cost on this machine.

    `first`: seconds until the first candidate has a verdict.
    """

    memory: Quantity
    disk: Quantity
    seconds: Quantity
    first: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Ranked candidates (first = recommended) and everything that explains the ranking.

    `ladder`: what is tried after them while the contract is not kept, from cheap to costly.
    `siblings` are offered and not yet accepted; `sibling` is the one that was. `dry_run`: try the
    candidates on random weights, for size and speed only. `hurry`: what to know when the minutes
    allowed may be spent before the first verdict.
    """

    profile: ModelProfile
    needs: Needs
    device: Device
    baseline: Forecast
    candidates: tuple[Candidate, ...]
    refusals: tuple[Refusal, ...]
    also_considered: tuple[Refusal, ...]
    would_change: tuple[WouldChange, ...]
    counter_offers: tuple[CounterOffer, ...]
    job: JobForecast
    sentence: str
    rules: tuple[RuleTrace, ...] = ()
    ladder: tuple[Candidate, ...] = ()
    siblings: tuple[SiblingOffer, ...] = ()
    sibling: ModelProfile | None = None
    dry_run: bool = False
    hurry: str = ""

    def profile_of(self, candidate_id: str) -> ModelProfile:
        """The model that a candidate was made from: the sibling's card, or the original's."""
        known = (*self.candidates, *self.ladder)
        of_sibling = any(one.id == candidate_id and one.of_sibling for one in known)
        return self.sibling if of_sibling and self.sibling is not None else self.profile
