"""Rules become a ranked plan with reasons; a refusal beats any proposal."""

import dataclasses
import shlex

import pytest

from tests.factories import a_device, a_profile, a_refusal, a_rule, some_needs
from wizard.advise import advise, check_needs, command, facts_of, fires, look_elsewhere
from wizard.cli.commands import needs_of
from wizard.cli.parser import parse
from wizard.errors import BadNeeds, PresetBroken
from wizard.nouns import (
    Ability,
    Budget,
    Confidence,
    Effect,
    Grade,
    ModelRef,
    Priority,
    Source,
    Task,
    Tolerance,
    Workload,
)
from wizard.run.offers import relaxed
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


def test_a_last_resort_waits_at_the_end_of_the_ladder():
    """Though there is room among the first; what speaks against it is said and does not stop it."""
    half = {"id": "half", "title": "Half", "steps": ("to_onnx", "float16"), "last_resort": True}
    against = a_refusal(id="no", effect=Effect.AVOID, targets=("float16",), why="No faster.")
    plan = plan_with(a_rule(**half), against, a_rule())

    assert [one.title for one in plan.candidates] == [a_rule().title]
    assert [one.title for one in plan.ladder] == ["Half"]
    assert [one.sentence for one in plan.ladder[0].warnings] == ["No faster."]
    assert "gains anything" in plan.also_considered[0].because


def test_a_last_resort_is_tried_first_where_there_is_nothing_else():
    """Better than no plan at all; another reason for the same recipe makes it a first choice."""
    half = {"id": "half", "title": "Half", "steps": ("to_onnx", "float16"), "last_resort": True}
    better = {**half, "id": "better", "why": "It has units for that.", "last_resort": False}

    assert [one.title for one in plan_with(a_rule(**half)).candidates] == ["Half"]
    both = plan_with(a_rule(**half), a_rule(**better)).candidates
    assert [reason.sentence for reason in both[0].reasons] == ["It has units for that."]


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


def test_minutes_that_end_before_the_first_verdict_are_told():
    """How long it takes, how long is allowed, and what to allow instead; else nothing is said."""
    short = plan_with(a_rule(), needs=some_needs(latency=5.0, minutes=0.1))
    enough = plan_with(a_rule(), needs=some_needs(latency=5.0, minutes=10))

    assert short.job.first.value > 6
    assert "you allow 0.1" in short.hurry
    assert enough.hurry == ""


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
        check_needs(some_needs(**changes), a_profile())


@pytest.mark.parametrize(
    ("task", "metric"), [(Task.TEXT_CLASSIFICATION, "wer"), (Task.FEATURE_EXTRACTION, "accuracy")]
)
def test_a_metric_the_task_does_not_have_is_refused_with_those_it_has(task, metric):
    """Whoever asks for the wrong one learns the right names."""
    needs = some_needs(tolerance=Tolerance(points=1, metric=metric))

    with pytest.raises(BadNeeds) as refused:
        check_needs(needs, a_profile(task=task))
    assert " or agreement" in refused.value.facts["because"]


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


def test_a_refusal_holds_even_when_the_technique_was_asked_for():
    """`--only` overrides an opinion, never a refusal."""
    asked = some_needs(latency=5.0, only="int8_dynamic")
    avoided = plan_with(a_rule(), a_refusal(effect=Effect.AVOID), needs=asked)
    refused = plan_with(a_rule(), a_refusal(), needs=asked)

    assert [one.steps[-1].strategy for one in avoided.candidates] == ["int8_dynamic"]
    assert refused.candidates == ()


@pytest.mark.parametrize(
    ("when", "said"),
    [
        ({"arch": "x86_64"}, "On another device"),
        ({"tolerance_points_below": 2.0}, "With other limits"),
        ({"calibration_rows_at_least": 1}, "With more examples"),
        ({"family": "bert"}, "With another model"),
    ],
)
def test_a_refusal_says_what_would_lift_it(when, said):
    """Read off the facts that the rule looked at."""
    plan = plan_with(a_rule(), a_refusal(when=when))

    assert plan.refusals[0].relax.startswith(said)


def test_what_a_device_cannot_run_is_refused_with_its_note():
    """The card's word counts even when no rule thought of it."""
    none = Ability(grade=Grade.UNSUPPORTED, source="a card", read_on="2026-11-23", note="no kernel")
    plan = plan_with(a_rule(), device=a_device(abilities={"int8_dynamic": none}))

    assert plan.candidates == ()
    assert plan.refusals[0].because == "This machine cannot run Dynamic int8: no kernel."
    assert plan.refusals[0].source == "a card"


def test_what_a_device_cannot_hold_comes_last_and_says_so():
    """Less memory than the process needs is a warning with both numbers."""
    tight = a_device(memory_bytes=80_000_000)
    plan = plan_with(a_rule(), a_rule(**LOSSLESS), device=tight, needs=some_needs(
        latency=5.0, priority=Priority.SAFEST
    ))  # fmt: skip

    assert [one.title for one in plan.candidates][-1] == "Same answers"
    assert "80 MB" in plan.candidates[-1].warnings[-1].sentence


def test_what_nobody_knows_ranks_after_what_is_known():
    """A technique on which the card is silent never leads one that it grades."""
    silent = a_rule(id="silent", title="Unknown here", steps=("to_onnx", "float16"))
    plan = plan_with(silent, a_rule(expect={"speed_ratio": (1.0, 1.0)}))

    assert [one.title for one in plan.candidates] == [
        "8-bit weights and activations",
        "Unknown here",
    ]


def test_a_rule_whose_steps_do_not_fit_is_a_broken_preset():
    """Quantizing before translating: caught when the rule speaks, with the rule's name."""
    with pytest.raises(PresetBroken, match=r"a-proposal\.toml"):
        plan_with(a_rule(steps=("int8_dynamic", "to_onnx")))


def test_an_unknown_setting_is_a_broken_preset():
    """With the setting that was probably meant."""
    with pytest.raises(PresetBroken, match="per_channel"):
        plan_with(a_rule(settings={"int8_dynamic": {"per_chanel": True}}))


def test_other_settings_are_another_candidate():
    """The id is a digest of the whole recipe: same settings same id, others another."""
    halved = a_rule(id="halved", settings={"int8_dynamic": {"reduce_range": True}})
    first, second = plan_with(a_rule(), halved).candidates

    assert first.id != second.id
    assert {first.id, second.id} == {one.id for one in plan_with(halved, a_rule()).candidates}


def test_a_looser_tolerance_can_change_the_leader():
    """Computed: with three points to lose, the faster recipe leads."""
    lossy = a_rule(expect={"speed_ratio": (2.0, 3.0), "drop_points": (1.0, 3.0)})
    plan = plan_with(lossy, a_rule(**LOSSLESS), needs=some_needs(latency=5.0, drop=0.4))

    assert plan.candidates[0].title == "Same answers"
    assert ("If 3 points could be lost", "8-bit weights and activations would lead.") in [
        (one.fact, one.then) for one in plan.would_change
    ]


def test_another_device_can_change_the_leader():
    """Told once for each technique that would lead elsewhere, with the device's name."""
    here = a_rule(when={"arch": "x86_64"})
    there = a_rule(id="there", title="Half", steps=("to_onnx", "float16"), when={"arch": "webgpu"})
    known = {"rules": (here, there), "strategies": discover()}
    browser = a_device(id="b", name="A browser", group="Browser", arch="webgpu")
    plan = advise(a_profile(), some_needs(latency=5.0), device=a_device(), **known)
    plan = look_elsewhere(plan, [a_device(), browser, browser], **known)

    told = [one.fact for one in plan.would_change if "another device" in one.fact]
    assert told == ["If it ran on another device (A browser)"]


def test_an_offer_of_quality_is_in_half_points():
    """When only the loss is too large, the tolerance is the clause to relax."""
    lossy = a_rule(expect={"speed_ratio": (2.0, 3.0), "drop_points": (0.0, 1.3)})
    plan = plan_with(lossy, needs=some_needs(latency=5.0, drop=0.2))

    assert [(one.clause, one.relax_to) for one in plan.counter_offers] == [("quality", 1.5)]


def test_without_a_single_clause_to_relax_the_fewest_are_relaxed_together():
    """One offer, and with it accepted the plan is expected to do."""
    needs = some_needs(latency=0.001, size=0.5)
    (offer,) = plan_with(a_rule(), needs=needs).counter_offers

    assert {offer.clause, *(one.clause for one in offer.also)} == {"latency", "size"}
    assert " and " in offer.sentence
    assert plan_with(a_rule(), needs=relaxed(needs, offer)).counter_offers == ()


def test_elsewhere_the_whole_range_must_be_allowed():
    """A time that cannot be measured here passes only as a whole range, so that is offered."""
    far = a_device(measured_here=False)
    plan = plan_with(a_rule(), device=far, needs=some_needs(latency=0.1))

    assert plan.counter_offers[0].relax_to >= plan.candidates[0].forecast.latency.high


def test_without_limits_nothing_is_said_to_fit():
    """`original_fits` is about limits; there are none."""
    assert facts_of(a_profile(), some_needs(), a_device())["original_fits"] is False
    assert facts_of(a_profile(), some_needs(latency=500), a_device())["original_fits"] is True


@pytest.mark.parametrize("tokens", [0, -5, 100_001])
def test_absurd_requests_are_refused(tokens):
    """So are a negative seed and a batch of none."""
    for changes in ({"workload": Workload(tokens=tokens)}, {"seed": -1}):
        with pytest.raises(BadNeeds):
            check_needs(some_needs(**changes), a_profile())


def test_the_command_reads_back_as_the_same_contract():
    """Digit for digit, whatever the numbers."""
    data = "/my rows/'new'.csv#columns=text=what%2C is said,label=meant"
    needs = some_needs(latency=0.123456789, size=1234567.25, memory=300, drop=0.75, minutes=2.5,
                       priority=Priority.SAFEST, data=data, seed=7,
                       only="float16")  # fmt: skip
    needs = dataclasses.replace(needs, tolerance=Tolerance(points=0.75, metric="macro-F1"))
    line = shlex.split(command(needs, ModelRef(source=Source.HUB, name="a/b", revision="0" * 40)))
    read = needs_of(parse(line[1:]), a_profile())

    assert line[2] == "a/b@" + "0" * 40
    assert read == needs
