"""Rules become a ranked plan with reasons; a refusal beats any proposal."""

import pytest

from tests.factories import a_device, a_profile, a_refusal, a_rule, some_needs
from wizard.advise import advise, check_needs, command, fires
from wizard.errors import BadNeeds
from wizard.nouns import Budget, Confidence, Effect, ModelRef, Priority, Source, Tolerance
from wizard.strategies._contract import discover

LOSSLESS = {
    "id": "tidy",
    "title": "Same answers",
    "steps": ("to_onnx", "lossless"),
    "expect": {"speed_ratio": (1.0, 1.0), "drop_points": (0.0, 0.0)},
}


def plan_with(*rules, needs=None, device=None, profile=None):
    return advise(
        profile or a_profile(),
        needs or some_needs(latency=5.0),
        device=device or a_device(),
        rules=rules,
        strategies=discover(),
    )


def test_a_rule_that_refuses_beats_one_that_proposes():
    """However confident a proposal is, a refusal wins and its reason is shown."""
    plan = plan_with(a_rule(), a_refusal(why="There is no kernel."))

    assert plan.candidates == ()
    assert plan.refusals[0].because == "There is no kernel."


def test_an_avoided_recipe_is_kept_under_also_considered():
    """The loser is shown with the reason, and how to try it all the same."""
    plan = plan_with(a_rule(), a_refusal(effect=Effect.AVOID), a_rule(**LOSSLESS))

    assert [one.title for one in plan.candidates] == ["Same answers"]
    assert "--only int8_dynamic" in plan.also_considered[0].relax


def test_equal_recipes_become_one_with_both_reasons():
    """Two rules that propose the same thing make one candidate."""
    plan = plan_with(a_rule(), a_rule(id="another", why="So says another."))

    assert len(plan.candidates) == 1
    assert len(plan.candidates[0].reasons) == 2


def test_the_priority_ranks():
    """Fastest and smallest lead with 8 bits, safest with what loses nothing."""
    rules = (a_rule(), a_rule(**LOSSLESS))
    for priority, title in (
        (Priority.FASTEST, "8-bit weights and activations"),
        (Priority.SMALLEST, "8-bit weights and activations"),
        (Priority.SAFEST, "Same answers"),
    ):
        plan = plan_with(*rules, needs=some_needs(latency=5.0, priority=priority))
        assert plan.candidates[0].title == title


def test_what_would_change_is_computed():
    """Only a flip that really gives another leader is told."""
    plan = plan_with(a_rule(), a_rule(**LOSSLESS))

    assert any("safety" in one.fact and "Same answers" in one.then for one in plan.would_change)
    assert not any("size" in one.fact for one in plan.would_change)


def test_an_impossible_contract_gets_a_counter_offer():
    """The clause to relax and by how much, by the same forecast."""
    plan = plan_with(a_rule(), needs=some_needs(latency=0.002))

    offer = plan.counter_offers[0]
    assert offer.clause == "latency"
    assert offer.relax_to > 0.002
    assert plan_with(a_rule(), needs=some_needs(latency=offer.relax_to)).counter_offers == ()


def test_only_gives_exactly_that_technique():
    """Asked for a technique that no rule proposes: its defaults, with the reason said."""
    plan = plan_with(a_rule(), needs=some_needs(only="float16"))

    assert [one.steps[-1].strategy for one in plan.candidates] == ["float16"]


def test_settings_are_complete():
    """A candidate carries every setting of its techniques, defaults included."""
    step = plan_with(a_rule()).candidates[0].steps[-1]

    assert step.settings["per_channel"] is True


def test_a_plan_is_the_same_every_time():
    """Pure: same input, equal plan, equal ids."""
    assert plan_with(a_rule()) == plan_with(a_rule())


def test_an_unknown_fact_does_not_fire_and_says_so():
    """Nobody knows the languages, so a rule about them keeps silent."""
    firing = fires(a_rule(when={"languages_named_below": 3}), {"languages_named": None})

    assert not firing.fired
    assert firing.unknown == ("languages_named",)


@pytest.mark.parametrize(
    ("when", "facts", "fired"),
    [
        ({"family": "bert"}, {"family": "bert"}, True),
        ({"family_in": ["bert", "vit"]}, {"family": "vit"}, True),
        ({"weights_mb_at_least": 10}, {"weights_mb": 10.0}, True),
        ({"weights_mb_below": 10}, {"weights_mb": 10.0}, False),
        ({"isa_has_any": ["avx2"]}, {"isa": ["avx2", "avx"]}, True),
        ({"isa_has_none": ["avx2"]}, {"isa": ["avx2", "avx"]}, False),
    ],
)
def test_the_whole_condition_language(when, facts, fired):
    """Equality, _in, _at_least, _below, _has_any, _has_none."""
    assert fires(a_rule(when=when), facts).fired is fired


@pytest.mark.parametrize(
    "changes",
    [
        {"latency": -1.0},
        {"latency": 0.0},
        {"latency": float("nan")},
        {"latency": float("inf")},
        {"latency": 1e9},
        {"size": 0.0},
        {"memory": -3.0},
        {"drop": -0.1},
        {"drop": 101.0},
        {"minutes": 0.0},
        {"minutes": 1e9},
    ],
)
def test_an_absurd_budget_is_refused(changes):
    """Negative, zero, NaN, infinite, beyond all sense."""
    with pytest.raises(BadNeeds):
        check_needs(some_needs(**changes), {})


def test_the_command_says_the_same():
    """Options at their default are left out; the rest is quoted for a shell."""
    needs = some_needs(
        tolerance=Tolerance(points=0.5),
        budgets=(Budget(quantity="latency", at_most=5.0, unit="ms", percentile=95),),
        data="my rows.csv",
        priority=Priority.SMALLEST,
    )
    line = command(needs, ModelRef(source=Source.SAMPLE, name="intents"))

    assert line == (
        "wizard run sample:intents --device this-machine --latency-ms 5 --percentile 95 "
        "--max-drop 0.5 --priority smallest --data 'my rows.csv' --tokens 32 --out out/"
    )


def test_sureness_breaks_ties():
    """Of two rules against the same technique, the surer one is quoted."""
    plan = plan_with(
        a_rule(),
        a_refusal(id="b-unsure", confidence=Confidence.LOW, why="Perhaps."),
        a_refusal(id="z-sure", confidence=Confidence.HIGH, why="Surely."),
    )

    assert plan.refusals[0].because == "Surely."
