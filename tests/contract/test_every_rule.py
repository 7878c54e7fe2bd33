"""Every rule proves itself: readable, sourced, true to its examples, and of use somewhere."""

import dataclasses
import datetime
import itertools
import re
import warnings

import pytest

from wizard import library
from wizard.advise import fires
from wizard.nouns import Confidence, Effect, Kind, Step
from wizard.strategies._contract import check_order, discover, validate

RULES = {rule.id: rule for rule in library.rules()}
EXPECTED = {"size_ratio", "speed_ratio", "drop_points"}

# family, shape, task, embedding, linear, conv, depthwise share, millions of parameters, words
PROFILES = [
    ("bert", "encoder", "text-classification", 0.33, 0.66, 0.0, 0.0, 4.8, 6000),  # sample:intents
    ("resnet", "cnn", "image-classification", 0.0, 0.01, 0.98, 0.0, 0.3, None),  # sample:digits
    ("bert", "encoder", "feature-extraction", 0.52, 0.47, 0.0, 0.0, 22.7, 30522),
    ("bert", "encoder", "text-classification", 0.21, 0.78, 0.0, 0.0, 109.5, 30522),
    ("xlm-roberta", "encoder", "text-classification", 0.69, 0.31, 0.0, 0.0, 278.0, 250002),
    ("xlm-roberta", "encoder", "feature-extraction", 0.46, 0.54, 0.0, 0.0, 560.0, 250002),
    ("deberta-v2", "encoder", "text-classification", 0.53, 0.47, 0.0, 0.0, 184.0, 128100),
    ("vit", "vision transformer", "image-classification", 0.0, 0.98, 0.01, 0.0, 86.0, None),
    ("mobilenet_v2", "cnn", "image-classification", 0.0, 0.36, 0.62, 0.03, 3.5, None),
    ("convnext", "cnn", "image-classification", 0.0, 0.93, 0.06, 0.25, 28.6, None),
    ("gpt2", "decoder", "text-generation", 0.31, 0.69, 0.0, 0.0, 124.0, 50257),
    ("llama", "decoder", "text-generation", 0.04, 0.96, 0.0, 0.0, 7000.0, 128256),
    (
        "clip",
        "vision transformer",
        "zero-shot-image-classification",
        0.17,
        0.82,
        0.0,
        0.0,
        151.3,
        49408,
    ),
    ("t5", "encoder-decoder", "text2text-generation", 0.27, 0.73, 0.0, 0.0, 60.0, 32128),
    (
        "whisper",
        "encoder-decoder",
        "automatic-speech-recognition-with-past",
        0.04,
        0.95,
        0.01,
        0.0,
        1543.0,
        51866,
    ),
]


def reference_facts():
    """The facts of well-known models on every device, for needs tight and easy.

    A processor without VNNI may also be the one that measures.
    """
    names = [
        *("family", "shape", "task", "embedding_share", "linear_share", "conv_share"),
        *("depthwise_share", "parameters_m", "vocabulary"),
    ]
    needs = itertools.product((0.1, 10.0), (0.1, 0.2, 10.0), (0.5, 1.0), (4, 40, 300))
    wishes = [
        {
            "latency_ratio_needed": latency,
            "size_ratio_needed": size,
            "tolerance_points": points,
            "calibration_rows": rows,
            "original_fits": latency > 1 and size > 1,
            "priority": priority,
            "languages_named": 1 if points < 1 else 12,
        }
        for (latency, size, points, rows) in needs
        for priority in ("fastest", "smallest", "safest")
    ]
    known = library.devices()
    measuring = dataclasses.replace(known["laptop-avx2"], id="this-machine")
    for profile, device in itertools.product(PROFILES, (*known.values(), measuring)):
        model = dict(zip(names, profile, strict=True))
        place = {
            "isa": sorted(device.isa),
            "arch": device.arch,
            "device_id": device.id,
            "device_group": device.group,
            "runtimes": list(device.runtimes),
            "weights_mb": 4 * model["parameters_m"],
        }
        for wish in wishes:
            yield model | place | wish


def test_the_ladder_is_in():
    """At least 25 rules, and every rung from R0 to R15 has one."""
    assert len(RULES) >= 25
    assert {rule.rung for rule in RULES.values()} == {f"R{n}" for n in range(16)}


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_can_be_read_by_anybody(name):
    """One plain sentence of at most 160 characters, no jargon, a title that fits a card."""
    rule = RULES[name]
    said = rule.why.lower()
    jargon = [word for word in library.words().jargon if re.search(rf"\b{word}", said)]

    assert jargon == []
    assert len(rule.why) <= 160
    assert re.fullmatch(r"[A-Z][^!?]*[^.!?]\.", rule.why)
    assert not re.search(r"\. [A-Z]", rule.why), "one sentence"
    assert 0 < len(rule.title) <= 40


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_names_its_sources(name):
    """At least one, each saying what it supports, none twice; opinion alone is never sure."""
    rule = RULES[name]

    assert rule.sources
    assert len(set(rule.sources)) == len(rule.sources)
    assert all(source.cite and source.supports for source in rule.sources)
    if {source.kind for source in rule.sources} == {"judgement"}:
        assert rule.confidence is not Confidence.HIGH


@pytest.mark.parametrize("name", sorted(RULES))
def test_a_rule_keeps_its_examples(name):
    """Both kinds of example, each complete, each really so."""
    rule = RULES[name]
    asked = {library.condition(key)[0] for key in rule.when}

    assert {example.fires for example in rule.examples} == {True, False}
    for example in rule.examples:
        assert asked <= set(example.facts), f"{example.because}: a fact is missing"
        assert example.because
        assert fires(rule, example.facts).fired is example.fires, example.because


@pytest.mark.parametrize("name", sorted(RULES))
def test_an_unknown_fact_never_fires(name):
    """Without any fact, a rule with conditions is silent and says what it would need."""
    firing = fires(RULES[name], {})

    assert not firing.fired
    assert firing.unknown


@pytest.mark.parametrize("name", [n for n in sorted(RULES) if RULES[n].effect is Effect.PROPOSE])
def test_a_proposal_can_be_carried_out(name):
    """Its steps exist, translate the model, are in legal order, and their settings validate."""
    rule = RULES[name]
    steps = [Step(strategy=one, settings=rule.settings.get(one, {})) for one in rule.steps]

    translating = [discover()[one] for one in rule.steps if discover()[one].gives is Kind.ONNX]
    assert translating[0].accepts is Kind.CHECKPOINT
    assert set(rule.settings) <= set(rule.steps)
    assert not rule.targets
    check_order(steps)
    for step in steps:
        assert validate(step).settings.items() >= step.settings.items()


@pytest.mark.parametrize("name", [n for n in sorted(RULES) if RULES[n].effect is Effect.PROPOSE])
def test_a_proposal_says_what_to_expect(name):
    """Ranges of size, speed and drop, low before high; nothing grows the file or the score."""
    expect = RULES[name].expect

    assert set(expect) == EXPECTED
    assert all(low <= high for low, high in expect.values())
    assert expect["size_ratio"][0] > 0
    assert expect["size_ratio"][1] <= 1.05
    assert expect["speed_ratio"][0] > 0
    assert expect["drop_points"][0] >= 0


@pytest.mark.parametrize(
    "name", [n for n in sorted(RULES) if RULES[n].effect is not Effect.PROPOSE]
)
def test_a_warning_says_what_it_is_about(name):
    """No steps of its own; what it targets exists. A refusal or an avoidance has a target."""
    rule = RULES[name]
    known = {*discover(), *library.words().techniques}

    assert not rule.steps
    assert not rule.expect
    assert rule.targets or rule.effect is Effect.WARN
    for target in rule.targets:
        assert target in known, f"did you mean {library.closest(target, known)}?"


def test_no_rule_is_older_than_a_year():
    """An old rule is said aloud, not failed: advice ages, builds should not."""
    today = datetime.date.today()
    old = [
        rule.id
        for rule in RULES.values()
        if (today - datetime.date.fromisoformat(rule.reviewed)).days > 365
    ]
    if old:
        with warnings.catch_warnings():
            warnings.simplefilter("default")
            warnings.warn(f"reviewed over a year ago: {', '.join(old)}", stacklevel=1)


def test_no_two_rules_are_equal():
    """Same conditions, effect, steps, settings and targets: one of them is too many."""
    said = {}
    for rule in RULES.values():
        key = repr((rule.effect, rule.when, rule.steps, rule.settings, rule.targets))
        assert said.setdefault(key, rule.id) == rule.id


def test_every_rule_fires_somewhere():
    """Each rule speaks for at least one well-known model on one device."""
    silent = set(RULES)
    for facts in reference_facts():
        silent -= {name for name in silent if fires(RULES[name], facts).fired}
        if not silent:
            break

    assert silent == set()


def test_no_recipe_is_both_proposed_and_refused_on_purpose():
    """A proposal that a refusal always silences would be dead advice."""
    alive, proposals = set(), [r for r in RULES.values() if r.effect is Effect.PROPOSE]
    refusals = [r for r in RULES.values() if r.effect in {Effect.REFUSE, Effect.AVOID}]
    for facts in reference_facts():
        waiting = [r for r in proposals if r.id not in alive and fires(r, facts).fired]
        if waiting:
            against = {t for r in refusals if fires(r, facts).fired for t in r.targets}
            alive |= {r.id for r in waiting if not against & set(r.steps)}
        if len(alive) == len(proposals):
            break

    assert {rule.id for rule in proposals} - alive == set()
