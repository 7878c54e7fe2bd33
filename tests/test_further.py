"""Once measured times are longer than forecast, the ladder goes on to what they call for."""

from dataclasses import replace

import pytest

from tests.factories import a_latency, a_measurement
from tests.golden import plans
from wizard.compare import compare, judge
from wizard.run.further import further

A_THIRD = "A third of the arithmetic, in 8 bits"
ALLOWED_MS = (
    0.66  # of the 1.5 ms that were forecast nearly half, of the 2.2 measured less than a third
)


def after(original_ms, candidate_ms, *, device="this-machine"):
    """The plan for `intents` after its first candidate was measured."""
    plan = plans.plan_of("intents", device, latency_ms=ALLOWED_MS)
    name = plan.candidates[0].id
    original = a_measurement(p50=original_ms, megabytes=19)
    found = {name: a_measurement(p50=candidate_ms, against=a_latency(original_ms))}
    verdicts = {name: judge(plan, name, original, found[name])}
    known = compare(plan, original, found, verdicts)
    return plan, further(plan, original, known, found)


def titles(plan):
    return [one.title for one in plan.ladder]


@pytest.mark.parametrize(("original_ms", "candidate_ms"), [(2.2, 0.9), (1.5, 0.9)])
def test_a_slower_original_or_a_smaller_gain_calls_for_stronger_recipes(original_ms, candidate_ms):
    """Rules ask what share of the time is allowed, and now it is known."""
    plan, more = after(original_ms, candidate_ms)

    assert A_THIRD not in titles(plan)
    assert A_THIRD in titles(more)
    assert titles(more)[: len(plan.ladder)] == titles(plan)


def test_stronger_recipes_are_forecast_by_the_measured_times():
    """Their forecasts are of a machine as slow as this one."""
    _, more = after(2.2, 0.9)
    _, again = after(4.4, 1.8)

    def third(found):
        return next(one.forecast for one in found.ladder if one.title == A_THIRD)

    assert third(again).latency.value == pytest.approx(2 * third(more).latency.value)
    assert third(again).size == third(more).size


def test_where_the_forecast_held_or_the_time_was_kept_nothing_is_added():
    """The rules have spoken already."""
    plan = plans.plan_of("intents", "this-machine", latency_ms=ALLOWED_MS)
    forecast = plan.candidates[0].forecast.latency.value

    assert after(plan.baseline.latency.value, 0.99 * forecast)[1] is None
    assert after(4.0, 0.5)[1] is None


def test_no_device_but_this_one_is_measured():
    """Elsewhere both the limit and the time are estimates."""
    assert after(4.0, 1.8, device="laptop-vnni")[1] is None


def test_what_was_tried_before_is_not_added_again():
    """A second time there is nothing more."""
    _, more = after(2.2, 0.9)
    name = more.candidates[0].id
    original = a_measurement(p50=2.2, megabytes=19)
    found = {name: a_measurement(p50=0.9, against=a_latency(2.2))}
    known = compare(more, original, found, {name: judge(more, name, original, found[name])})

    assert further(replace(more), original, known, found) is None
