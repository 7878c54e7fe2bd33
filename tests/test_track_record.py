"""The track record of rules: what a run says, how runs add up, the lines on disk."""

import dataclasses
import json

import pytest

from tests.factories import (
    a_candidate,
    a_host,
    a_measurement,
    a_plan,
    a_rule,
    an_outcome,
    some_answers,
)
from tests.golden import plans
from wizard import engine, library
from wizard.advise.record import Trial, about, overall, ranges, record, unreliable
from wizard.errors import PresetBroken
from wizard.intake.machine import this_machine
from wizard.nouns import Effect, Failed, Step, Verdict
from wizard.run import evidence

EXPECT = {"size_ratio": (0.2, 0.3), "speed_ratio": (1.5, 3.0), "drop_points": (0.2, 1.0)}
RULE = a_rule(expect=EXPECT)
STEPS = (Step(strategy="to_onnx"), Step(strategy="int8_dynamic"))


def a_trial(**changes):
    made = {
        "rule": RULE.id,
        "sample": "intents",
        "at": "2026-11-23T10:00:00+00:00",
        "wizard": "0.1.0",
        "cpu": "Test CPU",
        "isa": ("avx2",),
        "cores": 2,
        "system": "Linux 6",
        "versions": {"onnxruntime": "1.32.0"},
        "steps": STEPS,
        "size_ratio": 0.25,
        "speed_ratio": 2.0,
        "speed_between": (1.8, 2.2),
        "drop_points": 0.5,
        "drop_between": (0.1, 0.9),
        "rows": 1000,
        "metric": "accuracy",
    }
    return Trial(**{**made, **changes})


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, Verdict.PASS),
        ({"size_ratio": 0.31}, Verdict.MISS),
        ({"speed_ratio": 1.3, "speed_between": (1.2, 1.4)}, Verdict.MISS),
        ({"speed_ratio": 4.0, "speed_between": (3.5, 4.5)}, Verdict.MISS),
        ({"speed_ratio": 1.3, "speed_between": (0.9, 1.7)}, Verdict.CANNOT_TELL),
        ({"drop_points": -1.0, "drop_between": (-2.0, -0.5)}, Verdict.PASS),
        ({"drop_points": 1.2, "drop_between": (0.8, 1.6)}, Verdict.CANNOT_TELL),
        ({"drop_points": 2.0, "drop_between": (1.5, 2.5)}, Verdict.MISS),
        ({"failed": "no such operator", "size_ratio": None, "speed_ratio": None}, Verdict.MISS),
    ],
)
def test_a_run_holds_misses_or_cannot_tell(changes, said):
    """Value inside: held. Whole interval outside: missed. Losing less than expected is no miss."""
    assert overall(RULE, a_trial(**changes)) is said


def test_a_run_without_a_model_misses_every_range():
    """A recipe that gave nothing kept no promise."""
    broken = a_trial(size_ratio=None, speed_ratio=None, drop_points=None, failed="it broke")

    assert set(ranges(RULE, broken).values()) == {Verdict.MISS}


def test_runs_add_up_to_a_sentence():
    """Held, missed and unclear runs are told apart; the last date is said."""
    later = a_trial(at="2026-11-24T09:00:00+00:00", size_ratio=0.5)
    unclear = a_trial(speed_ratio=1.3, speed_between=(0.9, 1.7))
    found = record(RULE, [later, a_trial(), unclear])

    assert (found.runs, found.held, found.missed) == (3, 1, 1)
    assert found.words() == "held on 1 of 3 runs (1 could not tell), last checked on 2026-11-24"
    assert record(RULE, []).words() == ""


def test_a_rule_whose_recipe_changed_starts_anew():
    """A run of other steps or settings says nothing about the rule as it is today."""
    changed = a_rule(expect=EXPECT, settings={"int8_dynamic": {"per_channel": True}})
    fitting = (STEPS[0], Step(strategy="int8_dynamic", settings={"per_channel": True}))

    assert about(changed, [a_trial()]) == ()
    assert len(about(changed, [a_trial(steps=fitting)])) == 1
    assert about(a_rule(steps=("to_onnx",)), [a_trial()]) == ()


def test_three_misses_in_a_row_make_a_rule_unreliable():
    """Overall or on one sample; a run that could not tell neither counts nor absolves."""
    misses = [a_trial(at=f"2026-11-2{day}T10:00:00+00:00", size_ratio=0.5) for day in (1, 2, 3)]
    unclear = a_trial(at="2026-11-24T10:00:00+00:00", speed_ratio=1.3, speed_between=(0.9, 1.7))
    good = a_trial(at="2026-11-25T10:00:00+00:00")
    elsewhere = a_trial(at="2026-11-26T10:00:00+00:00", sample="sentences")

    assert "size_ratio" in unreliable(RULE, [*misses, unclear])
    assert "sample:intents" in unreliable(RULE, [*misses, elsewhere])
    assert unreliable(RULE, [*misses, good]) == ""
    assert unreliable(RULE, misses[:2]) == ""


def test_an_outcome_becomes_one_run_for_every_rule_behind_a_recipe():
    """Two rules that propose one recipe share its measurement; the ratios are the measured ones."""
    twin = a_rule(id="its-twin", expect=EXPECT)
    plan = a_plan()
    check = evidence.Check(sample="intents", plan=plan, rules={plan.candidates[0].id: (RULE, twin)})
    original = a_measurement(p50=4.0, megabytes=20.0, answers=some_answers(right=900))
    after = a_measurement(
        p50=2.0, megabytes=5.0, answers=some_answers(right=895), against=original.latency
    )
    outcome = an_outcome(plan, original, {plan.candidates[0].id: after})
    found = evidence.trials_of(check, outcome, "2026-11-23T10:00:00+00:00", "0.1.0")

    assert [one.rule for one in found] == [RULE.id, "its-twin"]
    assert found[0].size_ratio == pytest.approx(0.25)
    assert found[0].speed_ratio == pytest.approx(2.0)
    assert found[0].speed_between[0] < 2.0 < found[0].speed_between[1]
    assert found[0].drop_points == pytest.approx(0.5)
    assert found[0].cpu == original.host.cpu


def test_a_recipe_not_reached_in_time_is_no_run():
    """Only a recipe that was tried and gave nothing counts against its rule."""
    plan = a_plan(candidates=(a_candidate(), a_candidate(id="other")))
    rules = {"int8-dynamic-000000": (RULE,), "other": (RULE,)}
    check = evidence.Check(sample="intents", plan=plan, rules=rules)
    outcome = an_outcome(
        plan,
        a_measurement(),
        {},
        failed=(
            Failed(candidate_id="other", code="time-up", because="no minutes left"),
            Failed(candidate_id="int8-dynamic-000000", code="promise-broken", because="it grew"),
        ),
    )
    found = evidence.trials_of(check, outcome, "2026-11-23T10:00:00+00:00", "0.1.0")

    assert [one.failed for one in found] == ["it grew"]


def test_lines_read_back_and_half_a_line_is_cut(tmp_path):
    """Each run is one whole line; what a kill left behind never spoils the next."""
    first, second = a_trial(), a_trial(at="2026-11-24T10:00:00+00:00")
    path = evidence.append(tmp_path, first)
    path.write_bytes(path.read_bytes() + b'{"rule": "a-pro')
    assert evidence.read([tmp_path]) == {RULE.id: (first,)}
    evidence.append(tmp_path, second)

    assert evidence.read([tmp_path]) == {RULE.id: (first, second)}
    assert [json.loads(line)["sample"] for line in path.read_text().splitlines()] == ["intents"] * 2


def test_a_line_that_is_no_run_is_named(tmp_path):
    """File and line, not a traceback."""
    (tmp_path / "a-proposal.jsonl").write_text('{"rule": 1}\n')

    with pytest.raises(PresetBroken) as caught:
        evidence.read([tmp_path])
    assert caught.value.facts["file"] == "a-proposal.jsonl"


def test_an_installed_copy_keeps_runs_with_the_user(tmp_path, monkeypatch):
    """Rules inside a package are read-only; a checkout's are written to."""
    monkeypatch.setenv("WIZARD_HOME", str(tmp_path))
    assert engine.evidence_folder() == library.evidence_folder()
    monkeypatch.setattr(library, "presets_folder", lambda: tmp_path / "wizard" / "_presets")

    assert engine.evidence_folder() == tmp_path / "evidence"


def test_runs_of_both_places_count(tmp_path, monkeypatch):
    """The user's own runs stand beside the ones that came with the rules."""
    monkeypatch.setenv("WIZARD_HOME", str(tmp_path))
    evidence.append(tmp_path / "evidence", a_trial(rule="free-lunch"))

    assert (
        len(engine.evidence()["free-lunch"])
        == len(evidence.read([library.evidence_folder()]).get("free-lunch", ())) + 1
    )


def test_a_check_shares_recipes_between_rules():
    """Two rules that want the same 4-bit file make one candidate, with both behind it."""
    profile = plans.profile_of("intents")
    family = library.families()[profile.family]
    check = evidence.check_of(profile, this_machine(a_host()), library.rules(), family)
    behind = {rule.id: name for name, rules in check.rules.items() for rule in rules}

    assert behind["4-bits-when-size-demands"] == behind["4-bits-for-the-smallest-file"]
    assert "int8-dynamic-for-encoders" in behind
    assert {one.id for one in check.plan.candidates} == set(check.rules)
    assert len(check.plan.candidates) < len(behind)


def test_a_busy_machine_misses_no_speed():
    """What it measured is too slow for the range by its whole interval, and others were at work."""
    rule = a_rule(expect={"speed_ratio": (1.2, 1.8)})
    calm = a_trial(speed_ratio=0.8, speed_between=(0.7, 0.9))

    assert overall(rule, calm) is Verdict.MISS
    assert overall(rule, dataclasses.replace(calm, busy=True)) is Verdict.CANNOT_TELL


def test_what_a_rule_forbids_is_not_checked():
    """No plan holds such a recipe, so its failure would say nothing of the rule behind it."""
    profile, device = plans.profile_of("intents"), this_machine(a_host())
    speaks = next(one for one in library.rules() if one.id == "weights-in-8-bits")
    forbids = dataclasses.replace(
        speaks, id="forbids", effect=Effect.REFUSE, steps=(), targets=("int8_weights",)
    )
    family = library.families()[profile.family]

    assert evidence.check_of(profile, device, [speaks], family) is not None
    assert evidence.check_of(profile, device, [speaks], family, [forbids]) is None
