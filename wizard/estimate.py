"""Forecasts by arithmetic: size, latency, quality, memory, minutes; always as ranges. Pure.

Covers: what a recipe will weigh (from parameter counts), how long a request will take (roofline
over a device's rates), what the job itself needs.
Does not cover: which recipe to try (advise).
Sources: parameter counts from the card; roofline and efficiencies from practice; job memory and
minutes measured on two cores (peak = loaded model + 3.4 x fp32 weights).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from wizard.nouns import (
    Audit,
    Basis,
    Candidate,
    Device,
    Forecast,
    Grade,
    JobForecast,
    ModelProfile,
    Quantity,
    Step,
)

# Share of the peak that real kernels reach (practice.md 3.12; estimates).
FP32_EFFICIENCY, CONV_EFFICIENCY, DEPTHWISE_EFFICIENCY = 0.5, 0.4, 0.1
INT8_EFFICIENCY, WASM_EFFICIENCY = 0.35, 0.25
BANDWIDTH_SHARE = 0.7
NODES_PER_LAYER, NODES_BESIDE = 18, 12
GRAPH_BYTES_PER_LAYER, GRAPH_BYTES = 12_000, 40_000
# A forecast for another device is right within this factor either way, more or less.
ELSEWHERE, HERE = 1.6, 1.8
PROCESS_MB = 62.0
EXPORT_SECONDS, QUANTIZE_SECONDS_PER_MB, MEASURE_SECONDS = 9.0, 0.03, 6.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Storage:
    """Stored bits per weight by the kind of layer, scales included; activations' bits."""

    embedding: float = 32.0
    linear: float = 32.0
    conv: float = 32.0
    other: float = 32.0
    activations: int = 32


def storage_of(steps: Iterable[Step]) -> Storage:
    """How a recipe stores each kind of weight."""
    kept = Storage()
    for step in steps:
        settings = step.settings
        tables = 8.2 if settings.get("embeddings", True) else 32.0
        if step.strategy == "int8_dynamic":
            kept = Storage(embedding=tables, linear=8.1, activations=8)
        elif step.strategy == "int8_static":
            kept = Storage(linear=8.1, conv=8.2, activations=8)
        elif step.strategy == "int8_weights":
            scales = 32 / float(_number(settings.get("block"), 64))
            kept = Storage(embedding=tables, linear=8 + scales, conv=8.2)
        elif step.strategy == "int4_weights":
            bits = 4 + 32 / float(_number(settings.get("block"), 32))
            table = bits + 1 if settings.get("embeddings", True) else 32.0
            kept = Storage(embedding=table, linear=bits)
        elif step.strategy == "float16":
            kept = Storage(embedding=16, linear=16, conv=16, other=16)
    return kept


def _number(value: object, default: float) -> float:
    return float(value) if isinstance(value, int | float) else default


def size_bytes(profile: ModelProfile, storage: Storage) -> float:
    """Bytes of the file: weights by kind, and the graph itself."""
    counts = profile.parameters
    bits = (
        counts.embedding * storage.embedding
        + counts.linear * storage.linear
        + counts.conv * storage.conv
        + counts.other * storage.other
    )
    return bits / 8 + GRAPH_BYTES + GRAPH_BYTES_PER_LAYER * (profile.layers or 6)


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
) -> Forecast:
    """What a recipe is expected to give.

    Size comes from arithmetic. Time is the original's roofline on the device divided by the
    rule's speed range, when the rule states one and the device is graded FAST for it.
    """
    storage = storage_of(steps)
    bytes_now = size_bytes(profile, storage)
    technique = steps[-1].strategy if steps else "to_onnx"
    plain = latency_ms(profile, device, Storage())
    low, high = _speed_range(device, technique, expect)
    spread = HERE if device.measured_here else ELSEWHERE
    middle = plain / ((low + high) / 2)
    drop_low, drop_high = expect.get("drop_points", (0.0, 0.0 if len(steps) < 2 else 2.0))
    megabytes = bytes_now / 1e6
    return Forecast(
        size=estimated(megabytes, "MB", megabytes * 0.93, megabytes * 1.08),
        latency=estimated(middle, "ms", plain / high / spread, plain / low * spread),
        drop=estimated((drop_low + drop_high) / 2, "points", drop_low, drop_high),
        memory=_process_memory(megabytes),
        seconds=_seconds(profile, megabytes),
    )


def baseline(profile: ModelProfile, device: Device) -> Forecast:
    """What the original is expected to give on the device."""
    return forecast(profile, device, (), {"speed_ratio": (1.0, 1.0), "drop_points": (0.0, 0.0)})


def _speed_range(
    device: Device, technique: str, expect: Mapping[str, tuple[float, float]]
) -> tuple[float, float]:
    """How many times faster, from the rule's claim and the device's grade."""
    grade = device.grade(technique)
    if grade is Grade.SLOWER:
        return 0.33, 0.85
    if grade in {Grade.UNSUPPORTED, Grade.UNKNOWN}:
        return 0.5, 1.5
    low, high = expect.get("speed_ratio", (0.8, 1.1) if technique != "to_onnx" else (1.0, 1.0))
    if grade is Grade.SMALL:
        return min(low, 0.85), min(high, 1.3)
    return low, high


def latency_ms(profile: ModelProfile, device: Device, storage: Storage) -> float:
    """Roofline: arithmetic or bytes, whichever takes longer, and a cost per operator."""
    eight = storage.activations == 8 and device.int8_gops is not None
    peak = device.int8_gops if eight and device.int8_gops else device.fp32_gops
    work = 2 * profile.macs / 1e9
    arithmetic = work / (peak * _efficiency(profile, device, eight=eight))
    table = profile.parameters.embedding * storage.embedding / 8
    read = max(0.0, size_bytes(profile, storage) - table)
    reading = read / (device.bandwidth_gbs * 1e9 * BANDWIDTH_SHARE)
    return 1000 * max(arithmetic, reading) + overhead_ms(profile, device)


def overhead_ms(profile: ModelProfile, device: Device) -> float:
    """What starting the operators costs, however small the model is."""
    nodes = NODES_BESIDE + NODES_PER_LAYER * (profile.layers or 8)
    return nodes * device.overhead_us_per_op / 1000


def _efficiency(profile: ModelProfile, device: Device, *, eight: bool) -> float:
    if device.arch in {"wasm", "webgpu"}:
        return WASM_EFFICIENCY
    if eight:
        return INT8_EFFICIENCY
    if profile.parameters.conv > profile.parameters.linear:
        slow = profile.depthwise_share
        return CONV_EFFICIENCY * (1 - slow) + DEPTHWISE_EFFICIENCY * slow
    return FP32_EFFICIENCY


def latency_elsewhere(profile: ModelProfile, device: Device, audit: Audit) -> Quantity:
    """The range for an audited file on a device that is not this machine."""
    technique = _technique(audit)
    if technique == "int8":
        share = audit.low_bit_mac_share
        fast = latency_ms(profile, device, Storage(linear=8, conv=8, embedding=8, activations=8))
        slow = latency_ms(profile, device, Storage())
        value = share * fast + (1 - share) * slow
        grade = max(
            (device.grade("int8_dynamic"), device.grade("int8_static")),
            key=lambda one: one is Grade.FAST,
        )
    else:
        value = latency_ms(profile, device, Storage())
        grade = device.grade(technique)
    low, high = value / ELSEWHERE, value * ELSEWHERE
    if grade in {Grade.SLOWER, Grade.UNSUPPORTED, Grade.UNKNOWN}:
        high *= 2
    if grade is Grade.SMALL and technique == "int8":
        high = max(high, latency_ms(profile, device, Storage()) * ELSEWHERE)
    return estimated(value, "ms", low, high)


def _technique(audit: Audit) -> str:
    if audit.activation_bits == 8:
        return "int8"
    return {4: "int4_weights", 8: "int8_weights", 16: "float16"}.get(audit.weight_bits, "to_onnx")


def _process_memory(megabytes: float) -> Quantity:
    """The model's process at its peak: the runtime, and the file while it is being read."""
    middle = PROCESS_MB + 1.6 * megabytes
    return estimated(middle, "MB", PROCESS_MB * 0.8 + 1.2 * megabytes, PROCESS_MB + 2.3 * megabytes)


def _seconds(profile: ModelProfile, megabytes: float) -> Quantity:
    """Making and measuring one candidate."""
    per_row = profile.macs / 2e10
    middle = MEASURE_SECONDS + QUANTIZE_SECONDS_PER_MB * 4 * megabytes + 1500 * per_row
    return estimated(middle, "s", middle * 0.6, middle * 2.0)


def job(profile: ModelProfile, candidates: Sequence[Candidate]) -> JobForecast:
    """What the whole job needs on this machine: peak memory, disk, seconds."""
    weights = 4 * profile.parameters.total / 1e6
    memory = 520 + 3.6 * weights
    disk = 40 + weights * (3 + len(candidates))
    seconds = EXPORT_SECONDS + 0.12 * weights + MEASURE_SECONDS
    seconds += sum(one.forecast.seconds.value for one in candidates)
    return JobForecast(
        memory=estimated(memory, "MB", memory * 0.7, memory * 1.4),
        disk=estimated(disk, "MB", disk * 0.6, disk * 1.4),
        seconds=estimated(seconds, "s", seconds * 0.6, seconds * 2.0),
    )
