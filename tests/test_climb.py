"""Up the ladder or not: a pure decision over what was forecast and measured."""

from dataclasses import replace

import pytest

from tests.factories import (
    a_candidate,
    a_forecast,
    a_latency,
    a_measurement,
    a_plan,
    a_quantity,
    some_needs,
)
from wizard.compare import climb, compare, judge
from wizard.nouns import Basis, Glance, Priority


def cast(size=4.9, latency=1.2, drop=0.2, seconds=9.0):
    """A forecast with ranges of a tenth to either side."""
    given = {"size": (size, "MB"), "latency": (latency, "ms"), "drop": (drop, "points")}
    made = {
        name: a_quantity(value, unit, low=0.9 * value, high=1.1 * value, basis=Basis.ESTIMATED)
        for name, (value, unit) in given.items()
    }
    return a_forecast(**made, seconds=a_quantity(seconds, "s"))


def rung(name, **forecast):
    return a_candidate(id=name, title=name, forecast=cast(**forecast))


def asked(plan, measured, *, left=600.0, tried=(), pace=1.0):
    """The decision after candidate `int8-dynamic-000000` was measured."""
    name = plan.candidates[0].id
    original = a_measurement(p50=2.0, megabytes=20)
    verdicts = {name: judge(plan, name, original, measured)}
    known = compare(plan, original, {name: measured}, verdicts)
    return climb.next_rung(
        plan, original, known, {name: measured}, {name, *tried}, seconds_left=left, pace=pace
    )


def a_ladder(*rungs, improve=False, **needs):
    return a_plan(needs=some_needs(improve=improve, **needs), ladder=rungs)


SIX_MB = a_measurement(p50=1.0, megabytes=6, against=a_latency(2.0))


def test_a_kept_contract_ends_the_climb():
    """The verdict comes as soon as it can, unless more was asked for."""
    found = asked(a_ladder(rung("smaller", size=1.0), size=10), SIX_MB)

    assert found.rung is None
    assert found.because == climb.KEPT


@pytest.mark.parametrize(("size", "ended"), [(25.0, True), (4.0, False)])
def test_a_contract_that_is_kept_in_vain_does_not_end_the_climb(size, ended):
    """The tidied original keeps everything and gains nothing; what may gain something is tried."""
    as_it_was = a_measurement(p50=2.0, megabytes=20, against=a_latency(2.0))
    plan = a_plan(
        needs=some_needs(latency=5.0),
        ladder=(rung("next", size=size, latency=3.0),),
        baseline=a_forecast(size=a_quantity(20.0, "MB")),
    )
    found = asked(plan, as_it_was)

    assert (found.rung is None) is ended
    assert found.because == (climb.NOTHING_BETTER if ended else "")


def test_the_safest_file_may_be_the_original_itself():
    """Nothing smaller is delivered before it, so nothing more is tried."""
    as_it_was = a_measurement(p50=2.0, megabytes=20, against=a_latency(2.0))
    plan = a_plan(
        needs=some_needs(latency=5.0, priority=Priority.SAFEST, improve=False),
        ladder=(rung("next", size=4.0),),
        baseline=a_forecast(size=a_quantity(20.0, "MB")),
    )

    assert asked(plan, as_it_was).because == climb.KEPT


@pytest.mark.parametrize(("size", "taken"), [(5, True), (3, False)])
def test_a_last_resort_is_climbed_to_where_it_is_expected_to_keep_the_contract(size, taken):
    """It is no faster than the original, so coming nearer to a time is not what it is for."""
    last = replace(rung("half", size=4.0), last_resort=True)
    found = asked(a_ladder(last, size=size), SIX_MB)

    assert (found.rung is not None) is taken


def test_a_missed_contract_goes_to_the_first_rung_that_may_keep_it():
    """Rungs that cannot keep the missed clause even at their best are passed over."""
    plan = a_ladder(rung("too large", size=9.0), rung("small", size=4.0), size=5)

    assert asked(plan, SIX_MB).rung.id == "small"


def test_a_rung_that_comes_nearer_is_worth_its_time():
    """Nothing keeps two megabytes, but a smaller miss is a better one."""
    plan = a_ladder(rung("nearer", size=4.0), size=2)

    assert asked(plan, SIX_MB).rung.id == "nearer"


def test_a_rung_that_promises_nothing_ends_the_climb():
    """It says that nothing left is expected to help."""
    found = asked(a_ladder(rung("larger", size=9.0), size=5), SIX_MB)

    assert found.rung is None
    assert found.because == climb.NOTHING_HELPS


def test_a_rung_that_does_not_fit_into_the_minutes_is_left_out_with_its_time():
    """The pace of this machine counts, and a later rung that fits is taken."""
    plan = a_ladder(rung("long", size=1.0, seconds=100), rung("short", size=1.0), size=5)
    found = asked(plan, SIX_MB, left=150.0, pace=2.0)

    assert found.rung.id == "short"
    assert [one.candidate_id for one in found.left_out] == ["long"]
    assert "3.3 min" in found.left_out[0].because


def test_what_was_tried_is_not_tried_again():
    """Made, failed or left out: once is enough."""
    plan = a_ladder(rung("small", size=4.0), size=5)

    assert asked(plan, SIX_MB, tried=("small",)).because == climb.NO_MORE


@pytest.mark.parametrize(
    ("priority", "better", "worse"),
    [
        (Priority.SMALLEST, {"size": 3.0}, {"size": 6.6}),
        (Priority.FASTEST, {"latency": 0.5}, {"latency": 1.15}),
    ],
)
def test_asked_to_improve_it_goes_on_only_for_more_than_the_noise(priority, better, worse):
    """At its best a rung must beat the best candidate by more than measuring scatters."""
    plan = a_ladder(rung("worse", **worse), size=10, improve=True, priority=priority)
    # The forecast's baseline takes 1.2 ms and the measured original 2.0: ratios are compared.
    assert asked(plan, SIX_MB).because == climb.NOTHING_BETTER

    plan = replace(plan, ladder=(rung("better", **better),))
    assert asked(plan, SIX_MB).rung.id == "better"


def test_asked_to_improve_it_never_tries_what_would_break_the_contract():
    """A smaller model that loses too much is no improvement."""
    plan = a_ladder(
        rung("broken", size=1.0, drop=9.0), size=10, improve=True, priority=Priority.SMALLEST
    )

    assert asked(plan, SIX_MB).because == climb.NOTHING_BETTER


def test_a_file_that_is_too_large_is_not_run():
    """Its size is known to the byte; a smaller miss than the nearest is still worth knowing."""
    plan = a_ladder(size=5)

    assert "5 are allowed" in climb.hopeless_by_size(plan, 7.0, nearest_mb=6.0)
    assert climb.hopeless_by_size(plan, 5.5, nearest_mb=6.0) == ""
    assert climb.hopeless_by_size(plan, 4.9, nearest_mb=6.0) == ""


@pytest.mark.parametrize(("changed", "ended"), [(0, False), (20, False), (40, True), (64, True)])
def test_a_short_look_ends_only_what_is_surely_lost(changed, ended):
    """With 90 % right, a fifth of the answers may change for the better."""
    answers = a_measurement().quality.answers
    right = replace(a_measurement().quality, value=a_quantity(0.9, "share"), answers=answers)
    original = a_measurement(quality=right)
    said = climb.hopeless_at_a_glance(a_plan(), original, Glance(rows=64, changed=changed))

    assert bool(said) is ended


def test_answers_that_are_not_numbers_end_a_rung():
    """Whatever the task."""
    seen = Glance(rows=64, not_numbers=True)

    assert "not numbers" in climb.hopeless_at_a_glance(a_plan(), a_measurement(), seen)


def test_vectors_that_point_elsewhere_end_a_rung():
    """A mean cosine of 0.2 is no neighbour of anything."""
    said = climb.hopeless_at_a_glance(a_plan(), a_measurement(), Glance(rows=64, cosine=0.2))

    assert "0.20" in said
    assert not climb.hopeless_at_a_glance(a_plan(), a_measurement(), Glance(rows=64, cosine=0.97))


# --------------------------------------------------------------------------- first candidates


def order(plan, **needs):
    """Ids as they are tried."""
    return [one.id for one in climb.in_order(plan, some_needs(**needs))]


def test_what_is_expected_to_keep_the_contract_comes_before_what_may_miss_it():
    """Thin layers that may lose 1.5 points wait for plain 8 bits, if those take no longer."""
    risky, plain = rung("risky", seconds=7.0, drop=1.4), rung("plain", seconds=5.0, drop=0.9)
    slower = rung("slower", seconds=8.0, drop=0.5)

    assert order([risky, plain, slower], drop=1.0) == ["plain", "risky", "slower"]
    assert order([risky, slower], drop=1.0) == ["risky", "slower"]
    assert order([risky, plain], drop=2.0) == ["risky", "plain"]
    assert order([risky, plain], drop=1.0, size=0.001) == ["risky", "plain"]


def test_what_is_quick_comes_first_if_it_is_much_quicker():
    """A minute of training waits for ten seconds of rounding, and not for fifty."""
    plan = [rung(str(at), seconds=took) for at, took in enumerate((60.0, 50.0, 10.0))]

    assert order(plan) == ["2", "0", "1"]
    assert order(plan[:2]) == ["0", "1"]
    assert order([]) == []


def first(*seconds, left=100.0, pace=1.0, **so_far):
    """Which of candidates that are forecast to take so long is tried next, by its place."""
    plan = [rung(str(at), seconds=took) for at, took in enumerate(seconds)]
    so_far = {"measured": False, **so_far}
    return int(climb.next_candidate(plan, some_needs(), seconds_left=left, pace=pace, **so_far).id)


def test_the_plans_order_holds_while_there_is_time():
    """The first of those left is tried, the next one where there is no time for it."""
    assert first(90.0, 10.0) == 0


def test_a_candidate_that_does_not_fit_waits_for_one_that_does():
    """Four minutes of pruning do not cost the verdict of the three that fit."""
    assert first(240.0, 93.0, 50.0) == 1
    assert first(240.0, 93.0, 50.0, pace=1.5) == 2


def test_with_no_time_for_any_the_quickest_is_begun():
    """Without one measured there is no verdict; afterwards the order does not matter."""
    assert first(240.0, 150.0, 160.0) == 1
    assert first(240.0, 150.0, 160.0, measured=True) == 0


def test_until_the_contract_is_kept_what_is_much_quicker_goes_first():
    """A verdict to stop at comes before half a minute of training, if there is time for both."""
    assert first(30.0, 5.0, measured=True, kept=False) == 1
    assert first(30.0, 5.0, measured=True, kept=True) == 0
    assert first(30.0, 25.0, measured=True, kept=False) == 0
    assert first(30.0, 5.0, measured=True, kept=False, left=34.0) == 0
    assert first(30.0, 5.0, measured=True, kept=False, pace=3.0) == 0
