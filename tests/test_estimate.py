"""Forecasts are ranges that follow the parameter counts and the device's rates."""

import pytest

from tests.factories import a_device, a_profile, an_audit, an_image_profile
from wizard import estimate
from wizard.nouns import Ability, Basis, Grade, Step

TO_ONNX = Step(strategy="to_onnx")


def cast(*names, profile=None, device=None, expect=None):
    steps = (TO_ONNX, *(Step(strategy=name) for name in names))
    return estimate.forecast(profile or a_profile(), device or a_device(), steps, expect or {})


def test_every_forecast_is_a_range_and_says_so():
    """low <= value <= high, basis estimated."""
    made = cast("int8_dynamic")
    for quantity in (made.size, made.latency, made.drop, made.memory, made.seconds):
        assert quantity.low <= quantity.value <= quantity.high
        assert quantity.basis is Basis.ESTIMATED


@pytest.mark.parametrize(
    ("technique", "low", "high"),
    [("int8_dynamic", 0.24, 0.29), ("int8_weights", 0.26, 0.30), ("float16", 0.48, 0.53),
     ("int4_weights", 0.13, 0.20), ("lossless", 0.99, 1.01)],
)  # fmt: skip
def test_sizes_follow_the_bits(technique, low, high):
    """The ratios measured on the intents sample lie inside."""
    ratio = cast(technique).size.value / cast().size.value

    assert low <= ratio <= high


def test_a_faster_device_is_faster():
    """Twice the rates, less time."""
    slow = cast(device=a_device(fp32_gops=30.0, bandwidth_gbs=5.0)).latency.value
    fast = cast(device=a_device(fp32_gops=300.0, bandwidth_gbs=50.0)).latency.value

    assert fast < slow


def test_a_technique_graded_slower_is_forecast_slower():
    """The device's card overrules the rule's claim."""
    card = {"int8_dynamic": Ability(grade=Grade.SLOWER, source="x", read_on="2026-11-23")}
    slower = cast(
        "int8_dynamic", device=a_device(abilities=card), expect={"speed_ratio": (2.0, 3.0)}
    )

    assert slower.latency.value > cast().latency.value


def test_depthwise_convolutions_are_slow():
    """A tenth of the peak is all they reach."""
    plain = cast(profile=an_image_profile(macs=3_000_000_000)).latency.value
    deep = cast(profile=an_image_profile(macs=3_000_000_000, depthwise_share=1.0)).latency.value

    assert deep > 2 * plain


def test_elsewhere_the_audited_file_is_forecast_not_the_request():
    """A file that holds 32-bit weights gets no 8-bit speed."""
    device = a_device(measured_here=False)
    big = a_profile(macs=5_000_000_000)
    eight = estimate.latency_elsewhere(big, device, an_audit())
    plain = estimate.latency_elsewhere(
        big, device, an_audit(weight_bits=32, activation_bits=32, low_bit_mac_share=0.0)
    )

    assert eight.value < plain.value


def test_the_job_needs_more_for_a_larger_model():
    """Memory grows with the weights, seconds with the candidates."""
    small = estimate.job(a_profile(), ())
    large = estimate.job(a_profile(parameters=an_image_profile().parameters), ())

    assert small.memory.value > large.memory.value
