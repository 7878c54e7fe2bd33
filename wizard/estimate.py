"""Forecasts by arithmetic: size, latency, quality, memory, minutes; always as ranges. Pure.

Covers: what a recipe will weigh (from parameter counts), how long a request will take (roofline
over a device's rates), what the job itself needs.
Does not cover: which recipe to try (advise).
Sources: parameter counts from the card; roofline and efficiencies from practice; file overhead,
process memory, seconds and job memory measured on two cores of an AVX512-VNNI server with the
samples.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from wizard import duration, limits, tasks
from wizard.nouns import (
    AS_MEASURED,
    UNCOUNTED,
    Audit,
    Basis,
    Candidate,
    Device,
    Forecast,
    Grade,
    JobForecast,
    ModelProfile,
    Pace,
    Quantity,
    Scoring,
    Step,
)
from wizard.storage import Storage, number, storage_of

# Share of the peak that real kernels reach (practice.md 3.12; estimates).
FP32_EFFICIENCY, CONV_EFFICIENCY, DEPTHWISE_EFFICIENCY = 0.5, 0.4, 0.1
INT8_EFFICIENCY, WASM_EFFICIENCY = 0.35, 0.25
BANDWIDTH_SHARE = 0.7
BYTES_PER_NODE = 250
# A forecast for another device is right within this factor either way, more or less.
ELSEWHERE, HERE = 1.6, 1.8
PROCESS_MB, PROCESS_SPREAD_MB = 64.0, 7.0
# The job's peak and its files, of ten models (tests/benchmarks/forecasts.py): an export holds the
# weights three times, filters once and a half more; a bundle is the chosen file, plain and zipped.
JOB_MB, EXPORT_COPIES, FILTER_COPIES = 720.0, 2.9, 1.5
DISK_MB, BUNDLE_COPIES = 0.6, 2.0
# Models that write and are too large for one file go weight by weight; the peak is the original,
# open as it is, without what ONNX Runtime makes of its graph (Qwen2 0.5B: 3,990 MB of 1,976).
LARGE_JOB_MB, LARGE_COPIES = 250.0, 1.9
# Rows as the model is fed with them: a picture is kept as bytes, a sample of sound as a float, a
# second of a window that is heard and written down as a hundred frames of eighty numbers in half
# precision, of other spectrograms as 128 floats each, texts as nothing beside; rows to learn from,
# beside those of the test.
SAMPLE_BYTES, WINDOW_BYTES, SPECTRUM_BYTES = 4, 16_000, 51_200
LEARNT_SHARE, LEARNT_AT_MOST = 0.28, 256
# In memory beside the export's own: gradients, two moments, the best state, the original.
TRAINED_COPIES = 5.0
# What a technique costs in points when no rule says so; low and high.
DROPS: Mapping[str, tuple[float, float]] = {
    "to_onnx": (0.0, 0.0),
    "lossless": (0.0, 0.0),
    "vocabulary_trimming": (0.0, 1.0),
    "low_rank": (0.0, 3.0),
    "unstructured_sparsity": (0.0, 3.0),
    "float16": (0.0, 0.3),
    "int8_weights": (0.0, 0.5),
    "int8_dynamic": (0.0, 1.5),
    "int8_static": (0.0, 2.0),
    "int8_static_smooth": (0.0, 1.0),
    "int4_weights": (0.3, 4.0),
    "streamed_weights": (0.0, 4.0),
    "low_bit_weights": (0.0, 2.0),
    "mixed_precision": (0.0, 2.0),
    "palettization": (0.0, 2.0),
    "structured_pruning": (0.0, 2.0),
    "recovery": (0.0, 0.0),
    "quantization_aware_training": (0.0, 0.0),
    "batch_norm_recalibration": (0.0, 0.0),
}
DROP_UNKNOWN = (0.0, 4.0)
DYNAMIC_OPERATORS = {"DynamicQuantizeLinear", "MatMulInteger", "ConvInteger"}
# Bytes in memory while a file of codes is opened, per byte of the float32 weights: ONNX Runtime
# keeps every step of expanding them until all are done (intents, 2 to 8 bits: 5.5 to 6.5).
EXPANDING = (4.0, 5.5, 7.0)
# Channels leave where many meet few positions, so weights fall faster than the arithmetic
# (digits: 0.84, 0.75, 0.59 of the one are 0.57, 0.40, 0.26 of the other).
CONV_WEIGHTS_FALL = 2.8
# What a share of the arithmetic gives in speed: operators that hold no weights stay.
PRUNED_SPEED = (0.75, 1.1)
TOP_SMALL = 1.3  # times faster at most where a technique only saves space
# Time as a multiple of the original's, by the device's grade, where no arithmetic says more.
TIMES: Mapping[Grade, tuple[float, float]] = {
    Grade.SMALL: (0.9, 1.3),
    Grade.SLOWER: (1.2, 3.0),
    Grade.UNSUPPORTED: (0.7, 2.0),
    Grade.UNKNOWN: (0.7, 2.0),
}


def share_kept(steps: Iterable[Step]) -> float:
    """The share of the arithmetic that a recipe leaves; 1 where the network stays as it is."""
    kept = 1.0
    for step in steps:
        if step.strategy == "structured_pruning":
            kept *= number(step.settings.get("macs"), 0.75)
    return kept


def smaller(profile: ModelProfile, share: float) -> ModelProfile:
    """The profile of a network pruned to `share` of its arithmetic."""
    if share >= 1:
        return profile
    counts = profile.parameters
    left = replace(
        counts,
        linear=round(counts.linear * share),
        conv=round(counts.conv * share**CONV_WEIGHTS_FALL),
    )
    return replace(profile, parameters=left, macs=round(profile.macs * share))


def size_bytes(profile: ModelProfile, storage: Storage) -> float:
    """Bytes of the file: weights by kind, and the graph itself."""
    counts = profile.parameters
    tables = 2 if profile.tied_embeddings and storage.apart else 1
    bits = (
        counts.embedding * storage.embedding * tables
        + counts.linear * storage.linear
        + counts.conv * storage.conv
        + counts.other * storage.other
    )
    return bits / 8 + BYTES_PER_NODE * duration.nodes_of(profile) * storage.growth


def estimated(value: float, unit: str, low: float, high: float) -> Quantity:
    """A forecast with its range."""
    return Quantity(
        value=value, unit=unit, basis=Basis.ESTIMATED, low=min(low, value), high=max(high, value)
    )


def forecast(
    profile: ModelProfile,
    device: Device,
    steps: Sequence[Step],
    expect: Mapping[str, tuple[float, float]],
    scoring: Scoring = UNCOUNTED,
    pace: Pace = AS_MEASURED,
) -> Forecast:
    """What a recipe is expected to give; `pace` is that of the machine which makes and measures it.

    Size comes from arithmetic. Time is the original's: what starting the operators costs, which no
    technique makes less, and the rest divided by the rule's speed range as far as the device's
    grade bears it out. A drop that no rule states comes from DROPS.
    """
    storage, share = storage_of(steps), share_kept(steps)
    bytes_now = size_bytes(smaller(profile, share), storage)
    technique = steps[-1].strategy if steps else "to_onnx"
    low, high = _speed_range(device, technique, expect, share)
    spread = HERE if device.measured_here else ELSEWHERE
    starting = overhead_ms(profile, device)
    work = latency_ms(profile, device, Storage()) - starting
    middle = starting + work / ((low + high) / 2)
    drop_low, drop_high = expect.get("drop_points", _drop(steps))
    megabytes = bytes_now / 1e6
    return Forecast(
        size=estimated(megabytes, "MB", megabytes * 0.9, megabytes * 1.1),
        latency=estimated(
            middle, "ms", (starting + work / high) / spread, (starting + work / low) * spread
        ),
        drop=estimated((drop_low + drop_high) / 2, "points", drop_low, drop_high),
        memory=_expanding(smaller(profile, share))
        if technique == "palettization"
        else _process_memory(megabytes),
        seconds=duration.to_measure(profile, share, steps, scoring, pace),
        token=_each_token(profile, device, storage, spread) if tasks.writes(profile.task) else None,
    )


def _each_token(profile: ModelProfile, device: Device, storage: Storage, spread: float) -> Quantity:
    """One more token reads every weight once, so fewer bytes are less time."""
    middle = latency_ms(one_token(profile), device, storage)
    return estimated(middle, "ms", middle / spread, middle * spread)


def _drop(steps: Sequence[Step]) -> tuple[float, float]:
    """Points lost when no rule says: what each step may cost, added up."""
    each = [DROPS.get(step.strategy, DROP_UNKNOWN) for step in steps]
    return sum(low for low, _ in each), sum(high for _, high in each)


def baseline(
    profile: ModelProfile,
    device: Device,
    scoring: Scoring = UNCOUNTED,
    pace: Pace = AS_MEASURED,
) -> Forecast:
    """What the original is expected to give on the device."""
    as_it_is = {"speed_ratio": (1.0, 1.0), "drop_points": (0.0, 0.0)}
    return forecast(profile, device, (), as_it_is, scoring, pace)


def _speed_range(
    device: Device, technique: str, expect: Mapping[str, tuple[float, float]], share: float
) -> tuple[float, float]:
    """How many times faster, from the rule's claim, the device's grade and the share kept."""
    worst, best = (times / share for times in PRUNED_SPEED) if share < 1 else (1.0, 1.0)
    if technique == "to_onnx":
        return expect.get("speed_ratio", (worst, best)) if share < 1 else (1.0, 1.0)
    grade = device.grade(technique)
    fewest, most = TIMES.get(grade, (0.9, 1.2))
    if grade in {Grade.SLOWER, Grade.UNSUPPORTED, Grade.UNKNOWN}:
        return worst / most, best / fewest
    low, high = expect.get("speed_ratio", (worst / most, best / fewest))
    return (low, min(high, TOP_SMALL * best)) if grade is Grade.SMALL else (low, high)


def latency_ms(profile: ModelProfile, device: Device, storage: Storage) -> float:
    """Roofline: arithmetic or bytes, whichever takes longer, and a cost per operator."""
    eight = storage.activations == 8 and device.int8_gops is not None
    peak = _peak(device, storage)
    work = 2 * profile.macs / 1e9
    arithmetic = work / (peak * _efficiency(profile, device, eight=eight))
    table = profile.parameters.embedding * storage.embedding / 8
    read = max(0.0, size_bytes(profile, storage) - table)
    reading = read / (device.bandwidth_gbs * 1e9 * BANDWIDTH_SHARE)
    return 1000 * max(arithmetic, reading) + overhead_ms(profile, device)


def one_token(profile: ModelProfile) -> ModelProfile:
    """The work of one more token: everything but the table is read, each weight used once."""
    counts = profile.parameters
    head = counts.embedding if profile.tied_embeddings else 0
    return replace(profile, macs=counts.linear + head, workload=replace(profile.workload, tokens=1))


def overhead_ms(profile: ModelProfile, device: Device) -> float:
    """What starting the operators costs, however small the model is."""
    return duration.nodes_of(profile) * device.overhead_us_per_op / 1000


def _peak(device: Device, storage: Storage) -> float:
    """Giga-operations per second at these activations; 32 bits where the card is silent."""
    peaks = {8: device.int8_gops, 16: device.fp16_gops}
    return peaks.get(storage.activations) or device.fp32_gops


def _efficiency(profile: ModelProfile, device: Device, *, eight: bool) -> float:
    if device.arch in {"wasm", "webgpu"}:
        return WASM_EFFICIENCY
    if eight:
        return INT8_EFFICIENCY
    if duration.convolutional(profile):
        slow = profile.depthwise_share
        return CONV_EFFICIENCY * (1 - slow) + DEPTHWISE_EFFICIENCY * slow
    return FP32_EFFICIENCY


def latency_elsewhere(profile: ModelProfile, device: Device, audit: Audit) -> Quantity:
    """The range for an audited file on a device that is not this machine.

    Where the device is graded FAST: the share of the arithmetic in few bits at that rate, the rest
    at the original's. Otherwise the original's time and the multiples of TIMES. ELSEWHERE widens
    both.
    """
    technique = _technique(audit)
    profile = smaller(profile, audit.work_share)
    plain = latency_ms(profile, device, Storage())
    if technique == "to_onnx":
        return estimated(plain, "ms", plain / ELSEWHERE, plain * ELSEWHERE)
    grade = device.grade(technique)
    if grade is not Grade.FAST:
        low, high = (plain * times for times in TIMES[grade])
        return estimated((low + high) / 2, "ms", low / ELSEWHERE, high * ELSEWHERE)
    quick = latency_ms(profile, device, _stored(audit))
    share = audit.low_bit_mac_share
    value = share * quick + (1 - share) * plain
    return estimated(value, "ms", value / ELSEWHERE, value * ELSEWHERE)


def _stored(audit: Audit) -> Storage:
    bits = float(audit.weight_bits)
    return Storage(embedding=bits, linear=bits, conv=bits, activations=audit.activation_bits)


def _technique(audit: Audit) -> str:
    if audit.activation_bits == 8:
        learnt_while_running = DYNAMIC_OPERATORS & set(audit.operators)
        return "int8_dynamic" if learnt_while_running else "int8_static"
    if audit.weight_bits < 8:
        few = "int4_weights" if audit.weight_bits == 4 else "low_bit_weights"
        return few if "MatMulNBits" in audit.operators else "palettization"
    return {8: "int8_weights", 16: "float16"}.get(audit.weight_bits, "to_onnx")


def _process_memory(megabytes: float) -> Quantity:
    """The model's process at its peak: the runtime, and the file while it is being read."""
    middle = PROCESS_MB + 1.5 * megabytes
    low = PROCESS_MB - PROCESS_SPREAD_MB + megabytes
    return estimated(middle, "MB", low, PROCESS_MB + PROCESS_SPREAD_MB + 2.3 * megabytes)


def _expanding(profile: ModelProfile) -> Quantity:
    """The same for a file of codes, which is expanded while it is opened."""
    weights = 4 * profile.parameters.total / 1e6
    low, middle, high = (PROCESS_MB + times * weights for times in EXPANDING)
    return estimated(middle, "MB", low - PROCESS_SPREAD_MB, high + PROCESS_SPREAD_MB)


def job(
    profile: ModelProfile,
    candidates: Sequence[Candidate],
    scoring: Scoring = UNCOUNTED,
    pace: Pace = AS_MEASURED,
) -> JobForecast:
    """What the whole job needs on this machine: peak memory, disk, seconds.

    Seconds: the original made and measured, and what each candidate is forecast to take; the
    first verdict comes with the quickest of them.
    """
    weights = 4 * profile.parameters.total / 1e6
    memory = _peak_mb(profile, candidates)
    files = [one.forecast.size.value for one in candidates]
    disk = DISK_MB + weights + sum(files) + BUNDLE_COPIES * max(files, default=weights)
    disk += _rows_mb(profile, scoring)
    disk += weights if _in_parts(profile) else 0.0  # data beside a graph has no second name
    original = duration.to_export(profile, pace)
    original += duration.to_measure(profile, scoring=scoring, pace=pace).value
    each = [one.forecast.seconds.value for one in candidates]
    seconds, first = original + sum(each), original + min(each, default=0.0)
    return JobForecast(
        memory=estimated(memory, "MB", memory * 0.7, memory * 1.4),
        disk=estimated(disk, "MB", disk * 0.6, disk * 1.4),
        seconds=estimated(seconds, "s", seconds * 0.5, seconds * 2.0),
        first=estimated(first, "s", first * 0.5, first * 2.0),
    )


def _in_parts(profile: ModelProfile) -> bool:
    """Whether weights lie beside the graph, as they are too large for one file."""
    return 4 * profile.parameters.total > limits.ONE_FILE_BYTES


def _peak_mb(profile: ModelProfile, candidates: Sequence[Candidate]) -> float:
    """Memory of the job at its peak: the export, training, or large files that are open."""
    weights = 4 * profile.parameters.total / 1e6
    trained = any(step.strategy in duration.TRAINING for one in candidates for step in one.steps)
    if _in_parts(profile) and tasks.writes(profile.task) and not trained:
        return LARGE_JOB_MB + LARGE_COPIES * weights
    copies = TRAINED_COPIES + 1 if trained else EXPORT_COPIES
    return JOB_MB + copies * weights + FILTER_COPIES * 4 * profile.parameters.conv / 1e6


def _rows_mb(profile: ModelProfile, scoring: Scoring) -> float:
    """Megabytes of the rows, prepared."""
    rows = float(duration.ROWS if scoring.requests is None else scoring.requests)
    rows += min(LEARNT_AT_MOST, LEARNT_SHARE * rows)
    work = profile.workload
    second = WINDOW_BYTES if tasks.writes(profile.task) else SPECTRUM_BYTES
    sound = SAMPLE_BYTES * work.samples if work.samples else second * (work.seconds or 0.0)
    return rows * (profile.channels * (work.image_size or 0) ** 2 + sound) / 1e6
