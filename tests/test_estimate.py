"""Forecasts are ranges that follow the parameter counts and the device's rates."""

from dataclasses import replace

import pytest

from tests.factories import (
    a_candidate,
    a_device,
    a_forecast,
    a_profile,
    a_quantity,
    an_audit,
    an_image_profile,
    some_needs,
)
from tests.golden.plans import plan_of
from wizard import duration, estimate
from wizard.nouns import Ability, Basis, Grade, Pace, Scoring, Step, Task, Workload

HUNDRED = Scoring(requests=100)
TO_ONNX, EIGHT_BITS = Step(strategy="to_onnx"), Step(strategy="int8_dynamic")


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
     ("int4_weights", 0.13, 0.20), ("lossless", 0.99, 1.01), ("low_bit_weights", 0.13, 0.15),
     ("palettization", 0.12, 0.14)],
)  # fmt: skip
def test_sizes_follow_the_bits(technique, low, high):
    """The ratios measured on the intents sample lie inside."""
    ratio = cast(technique).size.value / cast().size.value

    assert low <= ratio <= high


@pytest.mark.parametrize(
    ("technique", "settings", "low", "high"),
    [("low_bit_weights", {"bits": 2}, 0.09, 0.105), ("palettization", {"bits": 3}, 0.085, 0.095),
     ("palettization", {"bits": 2}, 0.065, 0.075), ("palettization", {"bits": 8}, 0.25, 0.27)],
)  # fmt: skip
def test_sizes_follow_the_settings(technique, settings, low, high):
    """Measured on the intents sample: 0.097, 0.091, 0.070, 0.256."""
    step = Step(strategy=technique, settings=settings)
    ratio = estimate.forecast(a_profile(), a_device(), (TO_ONNX, step), {}).size.value

    assert low <= ratio / cast().size.value <= high


def test_codes_take_memory_while_the_file_is_opened():
    """The file is a fifth of the other's, its opening takes three times as much."""
    coded, whole = cast("palettization"), cast()

    assert coded.size.value < 0.2 * whole.size.value
    assert coded.memory.value > 1.5 * whole.memory.value


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


@pytest.mark.parametrize(
    ("task", "copies"), [(Task.TEXT_GENERATION, 2.03), (Task.TEXT_CLASSIFICATION, 3.26)]
)
def test_what_writes_goes_weight_by_weight_when_it_is_large(task, copies):
    """Two billion bytes: the original is open once or twice, an encoder's export holds it thrice.

    Its file has no second name on the disk, so room is counted for one copy more.
    """
    counts = replace(a_profile().parameters, embedding=136_000_000, linear=358_000_000)
    job = estimate.job(a_profile(task=task, parameters=counts), ())
    weights = 4 * counts.total / 1e6

    assert job.memory.value == pytest.approx(copies * weights, rel=0.02)
    assert job.disk.value > 4 * weights


def test_the_jobs_seconds_are_those_of_its_candidates():
    """A candidate that trains for minutes lengthens the job by its own forecast."""
    quick, slow = (
        a_candidate(forecast=a_forecast(seconds=a_quantity(seconds, "s"))) for seconds in (5, 300)
    )
    short, long = (estimate.job(a_profile(), (quick, other)) for other in (quick, slow))

    assert long.seconds.value - short.seconds.value == pytest.approx(295)
    assert long.first == short.first
    assert long.first.value == pytest.approx(long.seconds.value - 300)


def job_at(interpreter, arithmetic, profile=None, technique=EIGHT_BITS, reading=1.0):
    """The job's forecast on a machine of that pace, with one candidate."""
    pace = Pace(interpreter=interpreter, arithmetic=arithmetic, reading=reading)
    steps = (TO_ONNX, technique)
    profile = profile or a_profile()
    made = estimate.forecast(profile, a_device(), steps, {}, HUNDRED, pace)
    return estimate.job(profile, (a_candidate(forecast=made),), HUNDRED, pace)


def test_short_rows_are_answered_sooner_than_long_ones():
    """Beside the request that is timed; where nobody has looked, in between."""
    large = a_profile(macs=90_000_000_000, workload=Workload(tokens=64))
    short, unknown, long = (
        estimate.baseline(
            large,
            a_device(),
            duration.scoring_of(large, some_needs(requests=500, row_tokens=of, minutes=60.0)),
        ).seconds.value
        for of in (8.0, None, 64.0)
    )

    assert short < unknown < long
    assert long - short > 100


def test_a_machine_of_half_the_pace_needs_twice_the_seconds():
    """Of export, measuring and making; neither memory nor disk. Of a request of some milliseconds:
    quicker ones are timed for as long as there, whatever the machine."""
    some = a_profile(macs=250_000_000)
    here, slower = job_at(1.0, 1.0, profile=some), job_at(2.0, 2.0, reading=2.0, profile=some)

    assert slower.seconds.value == pytest.approx(2 * here.seconds.value)
    assert slower.first.value == pytest.approx(2 * here.first.value)
    assert (slower.memory, slower.disk) == (here.memory, here.disk)


def test_a_large_model_waits_for_arithmetic_a_small_one_for_the_interpreter():
    """What one of them costs shows in whose seconds grow."""
    large = a_profile(macs=90_000_000_000)

    for profile, slow in ((large, (1.0, 3.0)), (a_profile(), (3.0, 1.0))):
        grown = job_at(*slow, profile).seconds.value / job_at(1.0, 1.0, profile).seconds.value
        assert grown > 2


def answering(profile, **about):
    """Seconds of the original, measured with a thousand rows."""
    scoring = Scoring(**{"requests": 1000, "share": 0.1, **about})
    return estimate.baseline(profile, a_device(), scoring).seconds.value


def test_short_rows_of_a_large_model_wait_for_its_weights():
    """All of them are read for each row, however few tokens it has."""
    counts = replace(a_profile().parameters, linear=85_000_000)
    large = a_profile(parameters=counts, macs=5_500_000_000)
    slow, quick = (
        estimate.baseline(
            large, a_device(), Scoring(requests=1000, share=0.1), Pace(reading=of)
        ).seconds.value
        for of in (2.0, 1.0)
    )

    assert slow - quick > 1000 * 0.34 * duration.READ_SECONDS_PER_MB * 1000


def test_a_text_takes_as_long_as_it_is():
    """A model that writes reads its weights for every token; a source is about as long."""
    writer = a_profile(task=Task.TEXT_GENERATION)
    one, many = (answering(writer, written=of) for of in (1.0, 20.0))
    unknown, longest, cut = (answering(writer, written=of) for of in (None, 128.0, 500.0))
    of_two_parts = a_profile(task=Task.TEXT_TO_TEXT)
    short, long = (answering(of_two_parts, tokens=of) for of in (4.0, 30.0))

    assert one < many < unknown < longest == cut
    assert short < long


def test_rows_beyond_the_minutes_are_not_counted():
    """The original answers for a quarter of them, a hundred rows at least."""
    slow = a_profile(macs=90_000_000_000)
    few, more, all_of_them = (answering(slow, share=1.0, minutes=of) for of in (0.1, 2.0, None))

    each = 90_000_000_000 / duration.MACS_PER_SECOND
    timing = duration.TIMED_AT_LEAST * each
    assert few - timing == pytest.approx(100 * each * duration.ROWS_TOGETHER, rel=0.2)
    assert few < all_of_them
    assert few <= more < all_of_them


@pytest.mark.parametrize(
    ("task", "work", "bytes_a_row"),
    [
        (Task.IMAGE_CLASSIFICATION, Workload(image_size=224), 3 * 224 * 224),
        (Task.SPEECH_RECOGNITION, Workload(seconds=2.0, samples=32_000), 4 * 32_000),
        (Task.DICTATION, Workload(seconds=30.0), 2 * 80 * 3000),
        (Task.AUDIO_CLASSIFICATION, Workload(seconds=10.24), 4 * 128 * 1024),
    ],
)
def test_prepared_pictures_and_sounds_take_room(task, work, bytes_a_row):
    """As bytes, samples and frames, as they are stored; texts are next to nothing."""
    texts, others = (
        estimate.job(a_profile(task=task, workload=one), (), HUNDRED).disk.value
        for one in (Workload(), work)
    )

    assert others - texts == pytest.approx(128 * bytes_a_row / 1e6)


def test_training_ends_when_its_minutes_do():
    """However slow the machine is."""
    training = Step(strategy="recovery", settings={"steps": 10**6, "minutes": 1.0})
    here, slower = (job_at(pace, pace, None, training).seconds.value for pace in (1.0, 4.0))

    assert slower < here * 4 - 2 * 60


# Measured on two cores of an AVX512-VNNI server, ONNX Runtime 1.32, 2026-11-23:
# sample, technique, MB, ms (median), MB of the process at its peak, seconds for the candidate.
MEASURED = [
    ("intents", "int8_dynamic", 4.933, 1.088, 69.8, 4.6),
    ("intents", "int8_weights", 5.445, 1.657, 72.9, 5.5),
    ("intents", "lossless", 19.148, 1.892, 87.6, 6.0),
    ("digits", "int8_static", 0.195, 0.081, 64.5, 0.8),
    ("digits", "int8_weights", 0.174, 0.099, 66.2, 0.7),
    ("digits", "lossless", 0.632, 0.096, 65.4, 0.7),
]


@pytest.mark.parametrize(("sample", "technique", "size", "latency", "memory", "seconds"), MEASURED)
def test_what_was_measured_lies_in_the_forecast(
    sample, technique, size, latency, memory, seconds
):  # fmt: skip
    """Size, time, memory and the cost of trying, for two samples; by the rule, where one speaks."""
    plan = plan_of(sample, "this-machine")
    steps = tuple(Step(strategy=one) for one in ("to_onnx", technique))
    scoring = duration.scoring_of(plan.profile, plan.needs)
    plain = estimate.forecast(plan.profile, plan.device, steps, {}, scoring)
    ruled = {one.steps[1].strategy: one.forecast for one in plan.candidates if len(one.steps) == 2}
    made = ruled.get(technique, plain)

    for quantity, value in (
        (made.size, size), (made.latency, latency), (made.memory, memory), (made.seconds, seconds),
    ):  # fmt: skip
        assert quantity.low <= value <= quantity.high


@pytest.mark.parametrize(("sample", "seconds"), [("intents", 29.4), ("digits", 9.9)])
def test_the_whole_job_took_what_was_forecast(sample, seconds):
    """Translating, measuring the original, every candidate."""
    job = plan_of(sample, "this-machine").job

    assert job.seconds.low <= seconds <= job.seconds.high


def test_a_tiny_model_gains_little_speed():
    """What starting the operators costs stays, however fast the arithmetic becomes."""
    ratio = {"speed_ratio": (3.0, 3.0)}
    tiny, large = an_image_profile(macs=1_000_000), an_image_profile(macs=3_000_000_000)

    def gain(profile):
        faster = cast("int8_static", profile=profile, expect=ratio)
        return cast(profile=profile).latency.value / faster.latency.value

    assert gain(tiny) < 1.5 < 2.5 < gain(large)


@pytest.mark.parametrize("technique", ["lossless", "to_onnx"])
def test_what_changes_no_answer_is_forecast_to_lose_nothing(technique):
    """Even when no rule says so."""
    made = cast(technique) if technique != "to_onnx" else cast()

    assert (made.drop.low, made.drop.value, made.drop.high) == (0, 0, 0)


@pytest.mark.parametrize(
    ("grade", "low", "high"),
    [(Grade.FAST, 0.2, 0.9), (Grade.SMALL, 0.9, 1.3), (Grade.SLOWER, 1.2, 3.0),
     (Grade.UNKNOWN, 0.7, 2.0)],
)  # fmt: skip
def test_elsewhere_the_grade_decides(grade, low, high):
    """An 8-bit file: faster, about as fast, slower, or nobody knows; the range widens both ends."""
    card = {"int8_dynamic": Ability(grade=grade, source="x", read_on="2026-11-23")}
    device = a_device(measured_here=False, abilities=card)
    big = a_profile(macs=5_000_000_000)
    plain = estimate.latency_ms(big, device, estimate.Storage())
    audit = an_audit(operators={"DynamicQuantizeLinear": 9, "MatMulInteger": 9})
    found = estimate.latency_elsewhere(big, device, audit)

    assert low * plain <= found.value <= high * plain
    assert found.low < found.value < found.high


def test_elsewhere_dynamic_and_static_files_are_told_apart():
    """By their operators: one may be fast where the other has no kernel."""
    fast = Ability(grade=Grade.FAST, source="x", read_on="2026-11-23")
    device = a_device(measured_here=False, abilities={"int8_static": fast})
    static = estimate.latency_elsewhere(a_profile(), device, an_audit(operators={"QLinearConv": 3}))
    dynamic = estimate.latency_elsewhere(a_profile(), device, an_audit())

    assert static.value < dynamic.value


def test_a_shorter_word_table_makes_the_file_smaller():
    """XLM-R's table is two thirds of it; half of the pieces of one script leave less than 0.65."""
    whole = estimate.storage_of(())
    fewer = estimate.storage_of((Step(strategy="vocabulary_trimming"),))

    assert fewer.embedding < 0.5 * whole.embedding
    assert fewer.linear == whole.linear
