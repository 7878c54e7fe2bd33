"""The nouns of the house: every value that travels from one room to another.

Covers: models, machines, needs, advice, artifacts, measurements, events, verdicts.
Does not cover: behaviour. Nouns are frozen; a change is `dataclasses.replace`.
Standard library only, so that any room can be imported without any dependency.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Literal, TypeAlias

from wizard.plain import Json as Json
from wizard.plain import Scalar as Scalar
from wizard.plain import jsonable as jsonable

Value: TypeAlias = Scalar | list[Scalar]  # what a setting, a fact or a condition may be


# --------------------------------------------------------------------------- numbers


class Basis(StrEnum):
    """Where a number comes from. Every number shown to a user carries one."""

    MEASURED = "measured here"
    ESTIMATED = "estimated"
    REPORTED = "measured on your device"
    CONFIG = "read from the files"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quantity:
    """A number with its unit, its range and where it comes from.

    `low` and `high` are the ends of a 95 % interval (measured) or of a forecast range
    (estimated); None means no interval was computed. `n` counts the observations behind it.
    """

    value: float
    unit: str
    basis: Basis
    low: float | None = None
    high: float | None = None
    n: int = 1


# --------------------------------------------------------------------------- the model


class Source(StrEnum):
    """The three doors through which a model comes in."""

    SAMPLE = "sample"
    HUB = "hub"
    FOLDER = "folder"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelRef:
    """A model as the user named it. `revision` is a commit SHA once `intake` has resolved it.

    `name` is the sample's name, the Hub id, or the folder as typed.
    """

    source: Source
    name: str
    revision: str | None = None

    def __str__(self) -> str:
        """The way a user types it: `sample:intents`, `owner/name@revision`, or a folder."""
        if self.source is Source.SAMPLE:
            return f"sample:{self.name}"
        return f"{self.name}@{self.revision}" if self.revision else self.name


class Task(StrEnum):
    """What a model answers. The values are the Hub's own task names."""

    TEXT_CLASSIFICATION = "text-classification"
    IMAGE_CLASSIFICATION = "image-classification"
    FEATURE_EXTRACTION = "feature-extraction"


class SupportLevel(StrEnum):
    """What intake says about a model before any weight was read."""

    TESTED = "tested family"
    SHOULD_WORK = "should work"
    NOT_HERE = "not here"


@dataclass(frozen=True, slots=True, kw_only=True)
class Support:
    """Can we do it, why, and if not, what is the nearest thing that works."""

    level: SupportLevel
    because: str
    nearest: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterCount:
    """Parameters by the kind of layer that holds them. `other`: norms, biases, positions."""

    embedding: int
    linear: int
    conv: int
    other: int

    @property
    def total(self) -> int:
        return self.embedding + self.linear + self.conv + self.other


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """One request: `batch` inputs of `tokens` tokens (text) or `image_size` pixels a side."""

    batch: int = 1
    tokens: int | None = None
    image_size: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """What is known of a model from its config and file list alone; no weights were read.

    `macs` are multiply-accumulates of one request at `workload`. `depthwise_share` is the share
    of conv parameters that sit in depthwise convolutions (fragile under 8 bits). `weights_bytes`
    is what the weight files hold (and what a download would cost).
    """

    ref: ModelRef
    title: str
    family: str
    task: Task | None
    architecture: str
    parameters: ParameterCount
    weights_bytes: int
    dtype: str
    macs: int
    workload: Workload
    support: Support
    licence: str | None = None
    base_model: str | None = None
    labels: tuple[str, ...] = ()
    max_tokens: int | None = None
    image_size: int | None = None
    channels: int = 3
    hidden_size: int | None = None
    layers: int | None = None
    vocabulary: int | None = None
    depthwise_share: float = 0.0
    tied_embeddings: bool = False
    files: tuple[str, ...] = ()

    @property
    def embedding_share(self) -> float:
        return self.parameters.embedding / max(1, self.parameters.total)


# --------------------------------------------------------------------------- machines


@dataclass(frozen=True, slots=True, kw_only=True)
class HostFacts:
    """The machine a number was measured on. Stands beside every measured number."""

    cpu: str
    machine: str
    isa: frozenset[str]
    physical_cores: int
    usable_cores: int
    ram_bytes: int
    disk_free_bytes: int
    system: str
    python: str
    versions: Mapping[str, str] = field(default_factory=dict)


class Grade(StrEnum):
    """What a technique gives on a device. UNKNOWN is not UNSUPPORTED."""

    FAST = "fast"
    SMALL = "small"
    SLOWER = "slower"
    UNSUPPORTED = "unsupported"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ability:
    """One line of a device card: how a technique fares there, who says so, when it was read."""

    grade: Grade
    source: str
    read_on: str
    note: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Device:
    """A place where a model can run.

    Rates are estimates of the usable peak for the whole device in giga-operations per second
    (one multiply-accumulate = 2 operations); `bandwidth_gbs` in GB/s; `memory_bytes` is the
    budget for the model process. `measured_here` is true for the machine we run on.
    """

    id: str
    name: str
    group: str
    subtitle: str
    arch: str
    isa: frozenset[str]
    runtimes: tuple[str, ...]
    cores: int
    fp32_gops: float
    fp16_gops: float | None
    int8_gops: float | None
    bandwidth_gbs: float
    overhead_us_per_op: float
    memory_bytes: int
    max_file_bytes: int | None
    abilities: Mapping[str, Ability]
    sources: tuple[str, ...]
    measured_here: bool = False

    def grade(self, technique: str) -> Grade:
        """UNKNOWN when the card is silent."""
        ability = self.abilities.get(technique)
        return ability.grade if ability else Grade.UNKNOWN


# --------------------------------------------------------------------------- the contract


class Priority(StrEnum):
    """What matters most among candidates that keep the contract."""

    FASTEST = "fastest"
    SMALLEST = "smallest"
    SAFEST = "safest"


@dataclass(frozen=True, slots=True, kw_only=True)
class Budget:
    """A limit the user set. `hard` budgets decide the verdict; the others only colour it.

    `quantity` is "latency", "size" or "memory"; units are "ms" or "MB" (10**6 bytes).
    `percentile` is set for latency only.
    """

    quantity: Literal["latency", "size", "memory"]
    at_most: float
    unit: str
    percentile: int | None = None
    hard: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class Tolerance:
    """How wrong the compressed model may be: at most `points` below the original.

    For accuracy a point is 0.01 (92.0 % -> 91.0 %); for a rank correlation or an agreement a
    point is 0.01 as well. Always absolute, never relative. `metric` is "" for the one that the
    task and the examples suggest.
    """

    points: float
    metric: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Needs:
    """The contract as the user stated it. `data` is "sample", a path, or "hub:ID"."""

    device_id: str
    budgets: tuple[Budget, ...]
    tolerance: Tolerance
    priority: Priority = Priority.FASTEST
    minutes: float = 10.0
    data: str = "sample"
    workload: Workload = field(default_factory=Workload)
    seed: int = 0
    only: str | None = None


# --------------------------------------------------------------------------- advice


@dataclass(frozen=True, slots=True, kw_only=True)
class Settings:
    """The base of every strategy's settings: a frozen dataclass with JSON-friendly fields."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Family:
    """A model family, read from presets/families/<id>.toml.

    `model_types` are config.json's `model_type` values; `shape` is "encoder", "cnn", "vision
    transformer", "decoder" or "encoder-decoder"; `tested` names what it was tested with.
    """

    id: str
    model_types: tuple[str, ...]
    shape: str
    tasks: tuple[str, ...] = ()
    tested: tuple[str, ...] = ()
    supported: bool = True
    because: str = ""
    nearest: str | None = None
    sources: tuple[str, ...] = ()


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
    "size_ratio", "speed_ratio" and "drop_points" to (low, high).
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """A strategy's name and its settings: complete, validated, plain values."""

    strategy: str
    settings: Mapping[str, Value] = field(default_factory=dict)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reason:
    """A sentence a user can read, the rule that said it and that rule's source."""

    sentence: str
    rule_id: str | None = None
    source: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Forecast:
    """What a candidate is expected to do, as ranges, before anything ran."""

    size: Quantity
    latency: Quantity
    drop: Quantity
    memory: Quantity
    seconds: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidate:
    """A recipe the plan proposes to try. `id` is stable: strategy names and a settings digest."""

    id: str
    title: str
    steps: tuple[Step, ...]
    forecast: Forecast
    reasons: tuple[Reason, ...]
    warnings: tuple[Reason, ...] = ()


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
    """What the job itself will cost on this machine."""

    memory: Quantity
    disk: Quantity
    seconds: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """Ranked candidates (first = recommended) and everything that explains the ranking."""

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


# --------------------------------------------------------------------------- artifacts


class Kind(StrEnum):
    """What an artifact is, read from the file."""

    CHECKPOINT = "checkpoint"
    ONNX = "onnx"


@dataclass(frozen=True, slots=True, kw_only=True)
class Artifact:
    """A model on disk. `path` is a folder (checkpoint) or an .onnx file.

    `bytes` counts the file and its external data; `sha256` covers both. `parent` is the hash of
    what it was made from, `made_by` the strategy's name.
    """

    path: Path
    kind: Kind
    sha256: str
    bytes: int
    parent: str | None = None
    made_by: str | None = None


# --------------------------------------------------------------------------- measurements


@dataclass(frozen=True, slots=True, kw_only=True)
class Audit:
    """What the file itself says. Shares are 0..1.

    `bits` maps an operator type to the mean stored bits per weight; `low_bit_weight_share` is by
    bytes of the fp32 original, `low_bit_mac_share` by arithmetic of MatMul/Gemm/Conv; `label`
    is the human name computed from the file, never from the request. `fallbacks` names the layers
    left in floating point by a file of fewer bits.
    """

    label: str
    bits: Mapping[str, float]
    weight_bits: int
    activation_bits: int
    low_bit_weight_share: float
    low_bit_mac_share: float
    duplicated_bytes: int
    operators: Mapping[str, int]
    opset: int
    domains: tuple[str, ...]
    external_data_complete: bool
    optimization_max_difference: float | None = None
    findings: tuple[str, ...] = ()
    fallbacks: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Per-request milliseconds. `noise` is the A/A spread as a ratio (1.03 = 3 %)."""

    p50: Quantity
    p95: Quantity
    samples_ms: tuple[float, ...]
    blocks: tuple[int, ...]
    noise: float
    busy: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Memory:
    """Of a fresh process holding only numpy and onnxruntime: MB and milliseconds."""

    peak: Quantity
    steady: Quantity
    load_ms: Quantity
    first_ms: Quantity


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What a model said, row by row, in the order of `rows`.

    Classification: `predicted` label indices, `confidence` of the predicted class, `truth` (or
    empty without labels). Embeddings with pairs: `scores` (cosine of each pair) and `target`;
    without: `scores` are the cosines of each row with the next.
    `agreement` is, per row, agreement with the original: 1/0 for the same top answer, or the
    cosine between the two embeddings; empty for the original itself.
    """

    rows: tuple[int, ...]
    predicted: tuple[int, ...] = ()
    confidence: tuple[float, ...] = ()
    truth: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    target: tuple[float, ...] = ()
    agreement: tuple[float, ...] = ()
    collapse: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A score with its metric's name. `doubts` say why it may mean nothing (wrong tokenizer)."""

    metric: str
    value: Quantity
    answers: Answers
    agreement: Quantity | None = None
    higher_is_better: bool = True
    doubts: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class LayerDamage:
    """How far one layer's output moved from the original's, on calibration rows. Shares are 0..1.

    `layer` is the module's name in the original, `operator` the file's; `relative_error` is the
    norm of the difference over the norm of the original's output, `own_error` the same when this
    layer alone gets the original's inputs; `clipped` the share of activations beyond their learnt
    8-bit range; `saturated` the share of 16-bit pair sums that a CPU without VNNI would cut off.
    None where that cannot be or was not found.
    """

    layer: str
    operator: str
    relative_error: float
    clipped: float | None = None
    saturated: float | None = None
    own_error: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """Everything measured of one artifact, from its file, in fresh processes.

    `against` is the original's latency taken in turns with this one's, in the same session; it is
    None for the original itself. Speed ratios use it and nothing else. `saturating` is the quality
    under emulated 16-bit saturation, where the target's CPU may saturate and ours does not.
    `sensitivity`: what each layer alone costs the final answers, where the technique looked.
    """

    artifact: Artifact
    size: Quantity
    zipped: Quantity
    latency: Latency
    memory: Memory
    quality: Quality
    audit: Audit
    host: HostFacts
    against: Latency | None = None
    layers: tuple[LayerDamage, ...] = ()
    saturating: Quality | None = None
    sensitivity: tuple[LayerDamage, ...] = ()


# --------------------------------------------------------------------------- data


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleSet:
    """Rows for calibration or for scoring.

    Text: `inputs` are strings (or pairs in `pairs`). Images: `images` is an .npy file of uint8
    [n, height, width, channels], or a file of pictures of any size (examples/pictures.py says
    how it is read). `labels` are label names; `columns` hold every other column, for
    slices. `origin` says where the rows came from; `notes` are sentences for the user.
    """

    origin: str
    inputs: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    images: Path | None = None
    labels: tuple[str, ...] = ()
    target: tuple[float, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)


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
    `p_value` is the exact McNemar test's, where answers are right or wrong.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class CandidateVerdict:
    """How one candidate did: every clause, and the sum of them."""

    candidate_id: str
    overall: Verdict
    clauses: tuple[Clause, ...]


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
class Outcome:
    """A job's whole result: what was planned, measured and concluded.

    `measurements` holds every measured candidate by id, `payers` who pays for it; `seconds` the
    wall time of each phase. `counter_offers` were judged; `asked` is the contract as first stated
    where another was accepted since.
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
    """

    at: float
    candidate_id: str
    file: str
    size_mb: float
    latency_ms: float
    score: float
    label: str
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
