"""Artifacts, measurements and data: what was made and what was read off it.

Covers: files, audits, latency, memory, quality, layers, example sets.
Does not cover: what it means for the contract.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path

from wizard.nouns.model import HostFacts, Quantity

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
    left in floating point by a file of fewer bits. `weights` counts the stored numbers of layers
    and tables, `work` the multiplications with them; `work_share` is the latter's share of the
    original's, where the network itself is smaller.
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
    weights: int = 0
    work: float = 0.0
    work_share: float = 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency:
    """Per-request milliseconds. `noise` is the A/A spread as a ratio (1.03 = 3 %).

    `apart` is the ratio between two fresh processes of this file, beyond their blocks' scatter;
    known of an original, and of two files that were timed in two pairs of processes; else 1.
    """

    p50: Quantity
    p95: Quantity
    samples_ms: tuple[float, ...]
    blocks: tuple[int, ...]
    noise: float
    busy: bool = False
    apart: float = 1.0


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
    without: `scores` are the cosines of each row with the next. Any other task: `features`, what
    its measure counts in each row (measure/metrics.py), and `said` and `expected`, the answer and
    the right one in words, where there are words.
    `agreement` is, per row, agreement with the original: 1/0 for the same top answer, the
    cosine between the two embeddings, or the share of the answer that is the same (of tokens,
    say); empty for the original itself.
    """

    rows: tuple[int, ...]
    predicted: tuple[int, ...] = ()
    confidence: tuple[float, ...] = ()
    truth: tuple[int, ...] = ()
    scores: tuple[float, ...] = ()
    target: tuple[float, ...] = ()
    agreement: tuple[float, ...] = ()
    collapse: tuple[str, ...] = ()
    features: tuple[tuple[float, ...], ...] = ()
    said: tuple[str, ...] = ()
    expected: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Quality:
    """A score with its metric's name; `also` are other measures of the same answers, by name.

    `doubts` say why it may mean nothing (wrong tokenizer).
    """

    metric: str
    value: Quantity
    answers: Answers
    agreement: Quantity | None = None
    also: Mapping[str, Quantity] = field(default_factory=dict)
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
    `token` and `token_against` are the latencies of one more token, of models that write; then
    `latency` is that of the first one. `threads`: the fewest that answer as soon as more would,
    with which all times were taken (the original's with its own).
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
    layers: tuple[LayerDamage, ...] | None = None
    saturating: Quality | None = None
    sensitivity: tuple[LayerDamage, ...] = ()
    token: Latency | None = None
    token_against: Latency | None = None
    threads: int | None = None


# --------------------------------------------------------------------------- data


@dataclass(frozen=True, slots=True, kw_only=True)
class ExampleSet:
    """Rows for calibration or for scoring.

    Text: `inputs` are strings (or pairs in `pairs`). Images: `images` is an .npy file of uint8
    [n, height, width, channels], or a file of pictures of any size (examples/pictures.py says
    how it is read), and `masks` the like with the right label of every pixel. Sounds: `sounds` is
    an .npz file (examples/sounds.py). `labels` are label names, `answers` right answers that are
    none: for each row the texts of which any is right, or one for each place; `candidates` are
    what all rows choose among where the model itself has no list. `columns` hold every other
    column, for slices. `origin` says where the rows came from; `notes` are sentences for the user.
    """

    origin: str
    inputs: tuple[str, ...] = ()
    pairs: tuple[tuple[str, str], ...] = ()
    images: Path | None = None
    masks: Path | None = None
    sounds: Path | None = None
    labels: tuple[str, ...] = ()
    target: tuple[float, ...] = ()
    answers: tuple[tuple[str, ...], ...] = ()
    candidates: tuple[str, ...] = ()
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    rows: tuple[int, ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)
