"""Numbers, models and machines: what came to the door and where it shall run.

Covers: quantities with their basis, model references and profiles, host facts, devices.
Does not cover: what a user wants of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum

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


@dataclass(frozen=True, slots=True, kw_only=True)
class HubModel:
    """One hit of a search on the Hub. `task` is the Hub's name for it, "" where it has none."""

    name: str
    task: str = ""
    downloads: int = 0
    gated: bool = False


WITH_PAST, SEVERAL, NUMBER = "-with-past", "-several-labels", "-one-number"


class Task(StrEnum):
    """What a model answers. The values are the Hub's own task names.

    Where models of one such task work in two ways, those that keep what they have read bear the
    ending that Optimum gives them; those that do not choose one label, an ending of ours.
    """

    TEXT_CLASSIFICATION = "text-classification"
    SEVERAL_LABELS = f"text-classification{SEVERAL}"
    ONE_NUMBER = f"text-classification{NUMBER}"
    IMAGE_CLASSIFICATION = "image-classification"
    FEATURE_EXTRACTION = "feature-extraction"
    AUDIO_CLASSIFICATION = "audio-classification"
    SPEECH_RECOGNITION = "automatic-speech-recognition"
    DICTATION = f"automatic-speech-recognition{WITH_PAST}"
    TEXT_GENERATION = "text-generation"
    TEXT_TO_TEXT = "text2text-generation"
    TRANSLATION = "translation"
    SUMMARIZATION = "summarization"
    SENTENCE_SIMILARITY = "sentence-similarity"
    TOKEN_CLASSIFICATION = "token-classification"  # noqa: S105 - no password
    QUESTION_ANSWERING = "question-answering"
    FILL_MASK = "fill-mask"
    ZERO_SHOT_CLASSIFICATION = "zero-shot-classification"
    ZERO_SHOT_IMAGES = "zero-shot-image-classification"
    IMAGE_SEGMENTATION = "image-segmentation"
    OBJECT_DETECTION = "object-detection"

    @property
    def on_hub(self) -> str:
        """What the Hub calls it."""
        name = self.value
        for ending in (WITH_PAST, SEVERAL, NUMBER):
            name = name.removesuffix(ending)
        return name


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
    """One request: `batch` inputs of `tokens` tokens (text) or `image_size` pixels a side.

    Of sound: recordings of `seconds`, which are `samples` numbers where the model hears the wave
    itself (None where it sees a spectrogram of one size). `labels`: how many are read beside each
    picture, where the user names what to choose among.
    """

    batch: int = 1
    tokens: int | None = None
    image_size: int | None = None
    seconds: float | None = None
    samples: int | None = None
    labels: int | None = None

    @property
    def length(self) -> int | None:
        """How long one input is, where inputs are sequences."""
        return self.tokens or self.samples

    def __str__(self) -> str:
        """One input, in words: `32 tokens`, `one picture`, `1.5 s of sound`."""
        if self.tokens is not None:
            return f"{self.tokens} tokens"
        if self.labels is not None:
            return f"one picture and {self.labels} labels"
        return "one picture" if self.seconds is None else f"{self.seconds:g} s of sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelProfile:
    """What is known of a model from its config and file list alone; no weights were read.

    `macs` are multiply-accumulates of one request at `workload`. `depthwise_share` is the share
    of conv parameters that sit in depthwise convolutions (fragile under 8 bits). `weights_bytes`
    is what the weight files hold; `downloads` the bytes a job would fetch, by file.
    `given`: it came as an ONNX file, and there is no checkpoint.
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
    downloads: tuple[tuple[str, int], ...] = ()
    given: bool = False

    @property
    def download_bytes(self) -> int:
        return sum(size for _, size in self.downloads)

    @property
    def embedding_share(self) -> float:
        return self.parameters.embedding / max(1, self.parameters.total)


@dataclass(frozen=True, slots=True, kw_only=True)
class Sibling:
    """A published checkpoint that does the same work with fewer parameters.

    It stands in for the models whose Hub ids are in `stands_for`, and for every model of `task`
    with `label_count` labels of which the first is `first_label` (0: for no others).
    `distilled_from` is "" where nobody taught it; `said` is what its own card says of its score.
    """

    model: str
    title: str
    task: Task
    parameters: int
    licence: str
    source: str
    read_on: str
    stands_for: tuple[str, ...] = ()
    first_label: str = ""
    label_count: int = 0
    distilled_from: str = ""
    said: str = ""


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

    @property
    def threads(self) -> int:
        """As many as can work at once: cores that exist and that we may use."""
        return max(1, min(self.physical_cores, self.usable_cores))


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

    def slower(self, times: float) -> Device:
        """The same device where everything takes so many times as long."""
        fp16, int8 = self.fp16_gops, self.int8_gops
        return replace(
            self,
            fp32_gops=self.fp32_gops / times,
            fp16_gops=None if fp16 is None else fp16 / times,
            int8_gops=None if int8 is None else int8 / times,
            bandwidth_gbs=self.bandwidth_gbs / times,
            overhead_us_per_op=self.overhead_us_per_op * times,
        )

    def grade(self, technique: str) -> Grade:
        """UNKNOWN when the card is silent."""
        ability = self.abilities.get(technique)
        return ability.grade if ability else Grade.UNKNOWN
