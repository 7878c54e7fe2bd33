"""The time of each further token: its clause, its forecast, its receipt, its part in choosing."""

from dataclasses import replace

import pytest

from tests.factories import (
    a_device,
    a_forecast,
    a_latency,
    a_measurement,
    a_plan,
    a_profile,
    a_quantity,
    some_needs,
)
from wizard.advise.needs import check_needs, command, sentence_of
from wizard.bundle.receipt import Receipt, judged
from wizard.compare import compare, judge
from wizard.errors import BadNeeds
from wizard.estimate import forecast, one_token
from wizard.nouns import Basis, Budget, ModelRef, Source, Step, Task, Verdict


def a_writer(first, each, was=(4.0, 2.0)):
    """A measurement with both times, and the original's of the same session."""
    return a_measurement(
        latency=a_latency(first),
        against=a_latency(was[0]),
        token=a_latency(each),
        token_against=a_latency(was[1]),
    )


def an_original(first=4.0, each=2.0):
    return a_measurement(latency=a_latency(first), token=a_latency(each))


def needs_of(token, first=50.0):
    """Limits on both times."""
    limit = Budget(quantity="token", at_most=token, unit="ms", percentile=50)
    return some_needs(latency=first, budgets=(*some_needs(latency=first).budgets, limit))


def a_plan_to_write(token, **changes):
    profile = a_profile(task=Task.TEXT_GENERATION, labels=())
    return a_plan(profile=profile, needs=needs_of(token), **changes)


@pytest.mark.parametrize(("limit", "verdict"), [(3.0, Verdict.PASS), (0.5, Verdict.MISS)])
def test_each_further_token_has_a_clause_of_its_own(limit, verdict):
    """1 ms against 3 and a half; the first token's clause does not change with it."""
    found = judge(a_plan_to_write(limit), "x", an_original(), a_writer(3.0, 1.0))
    clauses = {one.name: one for one in found.clauses}

    assert clauses["per token, median"].verdict is verdict
    assert clauses["per token, median"].because.startswith("The median of 280 tokens is 1 ms")
    assert clauses["latency, median"].verdict is Verdict.PASS


def test_elsewhere_a_token_is_estimated():
    """A range, from reading every weight once."""
    plan = a_plan_to_write(1000.0, device=a_device(measured_here=False))
    found = judge(plan, "x", an_original(), a_writer(3.0, 1.0))
    clause = next(one for one in found.clauses if one.name == "per token, median")

    assert clause.basis is Basis.ESTIMATED
    assert clause.low < clause.after < clause.high


def test_a_limit_per_token_is_refused_for_models_that_answer_in_one_go():
    """One sentence; a writer takes it, says it and types it."""
    writer = a_profile(task=Task.TEXT_GENERATION, labels=())
    needs = needs_of(20.0)

    with pytest.raises(BadNeeds, match="one go"):
        check_needs(needs, a_profile())
    check_needs(needs, writer)
    assert "in at most 20 ms per further token" in sentence_of(writer, needs, a_device())
    assert "--token-ms 20" in command(needs, ModelRef(source=Source.SAMPLE, name="calls"))


def test_the_fastest_writer_is_fast_after_its_first_token_too():
    """Half the time to the first token does not make up for slower further ones."""
    plan = a_plan_to_write(50.0)
    hasty, steady = a_writer(2.0, 2.6), a_writer(3.6, 1.2)
    candidates = tuple(replace(plan.candidates[0], id=name) for name in ("hasty", "steady"))
    plan = replace(plan, candidates=candidates)
    tried = {"hasty": hasty, "steady": steady}
    verdicts = {name: judge(plan, name, an_original(), one) for name, one in tried.items()}
    found = compare(plan, an_original(), tried, verdicts)

    assert found.chosen == "steady"
    assert "for each further one" in found.headline


def test_fewer_bits_make_each_token_sooner_in_the_forecast():
    """A token reads the weights; a reader has no such time."""
    profile = a_profile(task=Task.TEXT_GENERATION, labels=())
    plain = forecast(profile, a_device(), (Step(strategy="to_onnx"),), {})
    small = forecast(profile, a_device(), (Step(strategy="int8_weights"),), {})

    assert small.token.value < plain.token.value
    assert one_token(profile).macs < profile.macs
    assert forecast(a_profile(), a_device(), (Step(strategy="to_onnx"),), {}).token is None
    assert a_forecast(token=a_quantity(1.0)).answer_ms > a_forecast().answer_ms


def test_a_receipt_judges_each_further_token_on_the_device():
    """2 ms there against a limit of 3; a receipt without it leaves the clause as it was."""
    clauses = judge(a_plan_to_write(3.0), "x", an_original(), a_writer(3.0, 1.0)).clauses
    told = Receipt(
        device="a board",
        onnxruntime="1.32",
        p50=a_quantity(9.0),
        p95=a_quantity(12.0),
        peak=None,
        rows=20,
        same_answers=20,
        largest_difference=0.0,
        token_p50=a_quantity(2.0, low=1.9, high=2.1),
    )
    there = {one.name: one for one in judged(clauses, told)}
    silent = {one.name: one for one in judged(clauses, replace(told, token_p50=None))}

    assert there["per token, median"].after == 2.0
    assert there["per token, median"].verdict is Verdict.PASS
    assert "a board" in there["per token, median"].because
    assert silent["per token, median"].basis is Basis.MEASURED
