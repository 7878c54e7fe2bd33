"""Where the damage is, in words: one sentence, the overflows, what was left alone."""

import json

import pytest

from tests.factories import a_candidate, a_measurement, a_plan, a_quantity, an_audit, some_answers
from tests.test_charts import SVG, drawing, texts
from wizard.bundle import card, damage
from wizard.compare import compare, judge
from wizard.nouns import LayerDamage, Outcome, Quality, Step
from wizard.run.result import result_object


def a_layer(name="encoder.0.dense", **changes):
    made = {"operator": "MatMulInteger", "relative_error": 0.2, "own_error": 0.15}
    return LayerDamage(layer=name, **{**made, **changes})


def an_outcome(after, **settings):
    step = Step(strategy="int8_dynamic", settings=settings)
    candidate = a_candidate(steps=(step,))
    plan = a_plan(candidates=(candidate,))
    original, name = a_measurement(), candidate.id
    verdicts = {name: judge(plan, name, original, after)}
    return Outcome(
        plan=plan,
        original=original,
        measurements={name: after},
        failed=(),
        comparison=compare(plan, original, {name: after}, verdicts),
        seconds={},
    )


def readme(after, **settings):
    outcome = an_outcome(after, **settings)
    return card.card(outcome, outcome.plan.candidates[0], "wizard run", "onnx/model_quantized.onnx")


def test_the_worst_layer_is_named_with_what_it_adds():
    """Its own share, not what it inherits."""
    after = a_measurement(layers=(a_layer(), a_layer("head", own_error=0.01)))

    assert damage.sentence(after) == (
        "Most of the damage is made in encoder.0.dense: on its own it puts its output off by "
        "15.0\u00a0%."
    )


def test_hardly_any_damage_is_said_to_be_so():
    """Below one per cent there is no culprit."""
    assert "No layer adds" in damage.sentence(a_measurement(layers=(a_layer(own_error=0.002),)))


def test_without_layers_the_reason_is_given():
    """Nothing is drawn, and nothing is claimed."""
    assert damage.section(a_measurement()) == f"<p>{damage.NOT_COMPARED}</p>"
    assert damage.sentence(a_measurement()) == ""


def test_the_section_shows_every_figure_and_escapes_names():
    """Out of range, would overflow, left in full precision; a dash where there is none."""
    layer = a_layer("<b>head</b>", clipped=0.01, saturated=0.034)
    after = a_measurement(
        layers=(layer, a_layer()), audit=an_audit(fallbacks=("pooler", "a", "b", "c", "d"))
    )
    shown = damage.section(after)

    assert "<b>head" not in shown
    assert "3.40\u00a0% of the 8-bit sums" in shown
    assert "Left in full precision: pooler, a, b and 2 more." in shown
    assert "<td data-l='Would overflow'>\u2013</td>" in shown


def test_a_long_list_is_cut_and_says_so():
    """Forty rows, then how many more."""
    after = a_measurement(layers=tuple(a_layer(f"layer.{at}") for at in range(50)))

    assert "10 more layers add less." in damage.section(after)


def test_the_result_object_tells_layers_and_the_emulated_quality():
    """Plain JSON, for whoever reads it with a program."""
    there = Quality(metric="accuracy", value=a_quantity(0.7, "share"), answers=some_answers(50))
    after = a_measurement(layers=(a_layer(saturated=0.1),), saturating=there)
    found = json.loads(json.dumps(result_object(an_outcome(after), None)))
    measured = found["candidates"][0]["measured"]

    assert measured["layers"][0]["layer"] == "encoder.0.dense"
    assert measured["saturating"]["value"]["value"] == 0.7
    assert measured["saturating"]["rows"] == 50
    assert measured["damage"].startswith("Most of the damage")


def test_the_readme_explains_the_session_option_where_sums_can_overflow():
    """What happens, how often it was seen, what the option does and costs."""
    there = Quality(metric="accuracy", value=a_quantity(0.7, "share"), answers=some_answers(50))
    after = a_measurement(layers=(a_layer(saturated=0.034),), saturating=there)
    text = readme(after)

    assert 'add_session_config_entry("session.x64quantprecision", "1")' in text
    assert "3.40 % of the sums in `encoder.0.dense` would overflow" in text
    assert "accuracy is 0.700; here it is 1.000" in text


@pytest.mark.parametrize("settings", [{"reduce_range": True}, {"weight_type": "uint8"}])
def test_the_readme_says_when_no_option_is_needed(settings):
    """Seven-bit or unsigned weights answer alike everywhere."""
    text = readme(a_measurement(layers=(a_layer(),)), **settings)

    assert "no 8-bit sum can overflow" in text
    assert "x64quantprecision" not in text


def test_the_readme_of_other_files_does_not_mention_it():
    """Activations in full precision cannot overflow."""
    after = a_measurement(audit=an_audit(activation_bits=32))

    assert "x64quantprecision" not in readme(after)


def test_bars_are_drawn_and_told_worst_first():
    """What a layer adds in front of all it has; the end of a long name; what is no number."""
    long = "bert.encoder." + 12 * "layer.1." + "dense"
    layers = [
        a_layer(long, relative_error=0.4, own_error=0.2),
        a_layer("<head>", relative_error=1000.0, own_error=None),
    ]
    svg = damage.chart(layers)
    widths = [float(one.get("width")) for one in drawing(svg).iter(f"{SVG}rect")]

    assert widths[2] == widths[3] > widths[0] > 0
    assert texts(svg)[0].startswith("\u2026")
    assert texts(svg)[0].endswith("dense")
    assert "no number" in texts(svg)
    assert "adds 20.0\u00a0%, 40.0\u00a0% in all" in drawing(svg).find(f"{SVG}desc").text
