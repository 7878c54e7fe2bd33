"""What the rules on disk make of well-known models: the ladder, seen from a plan."""

import pytest

from wizard import library
from wizard.advise import advise
from wizard.nouns import (
    Budget,
    ModelProfile,
    ModelRef,
    Needs,
    ParameterCount,
    Priority,
    Source,
    Support,
    SupportLevel,
    Task,
    Tolerance,
    Workload,
)
from wizard.strategies._contract import discover

COUNTS = {  # family -> embedding, linear, conv, other, share of depthwise
    "bert": (23_800_000, 85_000_000, 0, 700_000, 0.0),
    "xlm-roberta": (192_000_000, 85_000_000, 0, 700_000, 0.0),
    "vit": (150_000, 85_000_000, 590_000, 60_000, 0.0),
    "resnet": (0, 2_000_000, 23_500_000, 50_000, 0.0),
    "mobilenet_v2": (0, 1_280_000, 2_190_000, 34_000, 0.03),
}


def a_profile(family):
    embedding, linear, conv, other, depthwise = COUNTS[family]
    shape = library.families()[family].shape
    text = shape == "encoder"
    return ModelProfile(
        ref=ModelRef(source=Source.FOLDER, name=family),
        title=family,
        family=family,
        task=Task.TEXT_CLASSIFICATION if text else Task.IMAGE_CLASSIFICATION,
        architecture=family,
        parameters=ParameterCount(embedding=embedding, linear=linear, conv=conv, other=other),
        weights_bytes=4 * (embedding + linear + conv + other),
        dtype="float32",
        macs=11_000_000_000 if text else 4_000_000_000,
        workload=Workload(tokens=128) if text else Workload(image_size=224),
        support=Support(level=SupportLevel.SHOULD_WORK, because="its export was tried"),
        image_size=None if text else 224,
        layers=12,
        depthwise_share=depthwise,
        vocabulary={"bert": 30_522, "xlm-roberta": 250_002}.get(family),
    )


def a_plan(family, device, *, priority=Priority.FASTEST, latency_ms=None, size_mb=None, points=2.0):
    budgets = []
    if latency_ms:
        budget = Budget(quantity="latency", at_most=latency_ms, unit="ms", percentile=95)
        budgets.append(budget)
    if size_mb:
        budgets.append(Budget(quantity="size", at_most=size_mb, unit="MB"))
    needs = Needs(
        device_id=device,
        budgets=tuple(budgets),
        tolerance=Tolerance(points=points),
        priority=priority,
    )
    return advise(
        a_profile(family),
        needs,
        device=library.devices()[device],
        rules=library.rules(),
        strategies=discover(),
        family=library.families()[family],
    )


def recipes(plan):
    return [candidate.steps[-1].strategy for candidate in plan.candidates]


@pytest.mark.parametrize(
    ("family", "device", "leader"),
    [
        ("bert", "cloud-avx512-vnni", "int8_dynamic"),
        ("bert", "cloud-amx", "int8_dynamic"),
        ("bert", "cloud-graviton3", "int8_dynamic"),
        ("bert", "raspberry-pi-5", "int8_dynamic"),
        ("bert", "laptop-avx2", "int8_dynamic"),
        ("bert", "browser-wasm", "int8_dynamic"),
        ("bert", "browser-webgpu", "float16"),
        ("bert", "jetson-orin-nano", "float16"),
        ("bert", "iphone-15-pro-neural-engine", "float16"),
        ("vit", "laptop-vnni", "int8_dynamic"),
        ("resnet", "cloud-avx512-vnni", "int8_static"),
        ("resnet", "android-high-npu", "int8_static"),
        ("resnet", "browser-webgpu", "float16"),
    ],
)
def test_the_fastest_recipe_fits_the_place(family, device, leader):
    """Each rung of the ladder leads where it should."""
    assert recipes(a_plan(family, device))[0] == leader


def test_seven_bits_are_used_where_eight_would_overflow():
    """AVX2 without VNNI halves the range of the weights; VNNI does not."""
    old = a_plan("bert", "laptop-avx2").candidates[0].steps[-1]
    new = a_plan("bert", "laptop-vnni").candidates[0].steps[-1]

    assert old.settings["reduce_range"] is True
    assert new.settings["reduce_range"] is False


def test_an_old_board_is_not_promised_speed():
    """On a Raspberry Pi 4, 8-bit arithmetic does not lead, and warns."""
    plan = a_plan("bert", "raspberry-pi-4")
    eight = next(c for c in plan.candidates if c.steps[-1].strategy == "int8_dynamic")

    assert recipes(plan)[0] != "int8_dynamic"
    assert "raspberry-pi-4-may-be-slower" in {reason.rule_id for reason in eight.warnings}


def test_a_microcontroller_is_refused_with_a_reason():
    """Nothing to try, and a sentence that says why."""
    plan = a_plan("bert", "microcontroller")

    assert plan.candidates == ()
    assert "not-for-microcontrollers" in {refusal.rule_id for refusal in plan.refusals}


def test_four_bits_come_only_when_size_asks_for_them():
    """Not by default, but for a limit that 8 bits cannot reach."""
    usual = a_plan("bert", "cloud-avx512-vnni")
    tight = a_plan("bert", "cloud-avx512-vnni", size_mb=90, points=5.0)

    assert "int4_weights" not in recipes(usual)
    assert "no-4-bits-for-small-models" in {one.rule_id for one in usual.refusals}
    assert recipes(tight)[0] == "low_bit_weights"


def test_a_model_that_fits_is_told_so():
    """R1: the recommendation says that nothing needs fixing; safety leaves only safe recipes."""
    plan = a_plan("bert", "cloud-avx512-vnni", latency_ms=10_000)
    safe = a_plan("bert", "cloud-avx512-vnni", latency_ms=10_000, priority=Priority.SAFEST)

    assert "already-fits" in {reason.rule_id for reason in plan.candidates[0].warnings}
    assert "int8_dynamic" not in recipes(safe)


def test_a_large_word_table_is_pointed_out():
    """R2: XLM-R's table is two thirds of it; what is given up is said."""
    plan = a_plan("xlm-roberta", "cloud-avx512-vnni", priority=Priority.SMALLEST)
    trimmed = [c for c in plan.candidates if "vocabulary_trimming" in {s.strategy for s in c.steps}]

    assert trimmed
    assert "lost-words-read-as-others" in {reason.rule_id for reason in trimmed[0].warnings}


def test_an_impossible_speed_is_called_beyond_the_ladder():
    """R15: ten times faster needs training or another model."""
    plan = a_plan("bert", "laptop-celeron", latency_ms=20)

    assert "beyond-the-ladder" in {reason.rule_id for reason in plan.candidates[0].warnings}


def test_convolutions_never_get_ranges_on_the_fly():
    """Ten times slower: refused, with the measurement as its source."""
    for family in ("resnet", "mobilenet_v2"):
        plan = a_plan(family, "cloud-avx512-vnni")
        assert "int8_dynamic" not in recipes(plan)
        assert "no-dynamic-int8-for-convolutions" in {one.rule_id for one in plan.refusals}


@pytest.mark.parametrize("family", sorted(COUNTS))
@pytest.mark.parametrize("device", sorted(set(library.devices()) - {"microcontroller"}))
def test_every_place_gets_a_choice(family, device):
    """At least two candidates everywhere, the unchanged answers among them or left out aloud."""
    plan = a_plan(family, device)

    assert 2 <= len(plan.candidates) <= 5
    assert all(candidate.reasons for candidate in plan.candidates)
