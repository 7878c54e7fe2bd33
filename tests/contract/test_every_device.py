"""Every device card keeps the manners of a card: complete, sourced, plausible."""

import datetime

import pytest

from wizard import library
from wizard.nouns import Grade
from wizard.strategies._contract import discover

DEVICES = library.devices()
TABLES = library.machine_rates().abilities
CARDS = {name: device.abilities for name, device in DEVICES.items()} | {
    f"this-machine, {name}": table for name, table in TABLES.items()
}
WANTED = {
    "browser-wasm",
    "browser-webgpu",
    "raspberry-pi-4",
    "raspberry-pi-5",
    "android-mid",
    "iphone-15-pro",
    "laptop-avx2",
    "laptop-vnni",
    "cloud-graviton3",
    "cloud-avx512-vnni",
    "microcontroller",
}


def test_the_devices_people_ask_for_are_there():
    """At least sixteen, this machine included, and the ones that most askers name."""
    assert len(DEVICES) + 1 >= 16
    assert WANTED - set(DEVICES) == set()


@pytest.mark.parametrize("name", sorted(CARDS))
def test_an_ability_says_who_when_and_what_is_partial(name):
    """Each line has a source and a date; any grade but fast has a note."""
    techniques = {*discover(), *library.words().techniques}
    for technique, ability in CARDS[name].items():
        assert technique in techniques, library.closest(technique, techniques)
        assert ability.source
        assert datetime.date.fromisoformat(ability.read_on)
        assert ability.note or ability.grade is Grade.FAST, f"{technique} is partial without a note"


@pytest.mark.parametrize("name", sorted(DEVICES))
def test_a_device_is_plausible(name):
    """Rates, memory and words that a person would recognise."""
    device = DEVICES[name]

    assert device.name
    assert len(device.name) <= 40
    assert device.subtitle
    assert device.sources
    assert device.cores >= 1
    assert 0 < device.fp32_gops <= (device.fp16_gops or device.fp32_gops)
    assert device.bandwidth_gbs > 0
    assert device.overhead_us_per_op > 0
    assert device.memory_bytes > 0
    assert not device.measured_here


@pytest.mark.parametrize("name", sorted(DEVICES))
def test_instructions_fit_the_architecture(name):
    """No ARM flag on an x86 card, and the other way round."""
    arm = {"neon", "fp16", "dotprod", "i8mm", "sve"}
    x86 = {"sse4_2", "avx", "avx2", "f16c", "avx512f", "avx512_vnni", "avx_vnni", "amx_int8"}
    device = DEVICES[name]

    assert not (device.arch == "x86_64" and device.isa & arm)
    assert not (device.arch == "arm64" and device.isa & x86)


def test_eight_bits_are_fast_only_where_the_processor_multiplies_them():
    """A card may call int8 fast on x86 and ARM only with AVX2 or a dot product."""
    for device in DEVICES.values():
        if device.arch in {"x86_64", "arm64"} and "onnxruntime-cpu" in device.runtimes:
            able = bool(device.isa & {"avx2", "avx_vnni", "avx512_vnni", "dotprod"})
            assert (device.grade("int8_dynamic") is Grade.FAST) == able, device.id


def test_no_card_sells_half_precision_or_four_bits_as_speed_on_a_processor():
    """Product rule: fp16 and int4 are never sold as speed on a CPU."""
    for device in DEVICES.values():
        if device.arch in {"x86_64", "arm64", "wasm"} and "onnxruntime-cuda" not in device.runtimes:
            assert device.grade("float16") is not Grade.FAST
            assert device.grade("int4_weights") is not Grade.FAST


def test_this_machine_always_finds_a_row():
    """The last row takes any processor; stronger instructions stand before weaker ones."""
    rows = [row.isa for row in library.machine_rates().rates]

    assert rows[-1] == "any"
    assert rows.index("avx512_vnni") < rows.index("avx512f") < rows.index("avx2")
    assert rows.index("i8mm") < rows.index("dotprod") < rows.index("neon")
