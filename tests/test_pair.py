"""Two given models: what was named, whose labels hold, and which pairs are refused."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.factories import (
    a_candidate,
    a_device,
    a_measurement,
    a_plan,
    a_profile,
    an_image_profile,
    some_answers,
    some_needs,
)
from wizard.cli.parser import parse
from wizard.compare import compare, judge
from wizard.errors import BundleDamaged, ModelNotFound, NotComparable, WeightsDamaged
from wizard.nouns import Outcome, Source, Verdict
from wizard.run import Site, offers, pair, result_object
from wizard.strategies import _contract as contract

LABELS = {"0": "no", "1": "yes", "2": "maybe"}


def an_onnx_file(path, *, input_name="input_ids", classes=3):
    """A model with one input and one score a class."""
    weight = numpy_helper.from_array(np.ones((4, classes), np.float32), "weight")
    graph = helper.make_graph(
        [
            helper.make_node("Cast", [input_name], ["floats"], to=TensorProto.FLOAT),
            helper.make_node("MatMul", ["floats", "weight"], ["logits"]),
        ],
        "g",
        [helper.make_tensor_value_info(input_name, TensorProto.INT64, ["n", 4])],
        [helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["n", classes])],
        [weight],
    )
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(helper.make_model(graph), path)
    return path


def a_model_folder(path, *, labels=LABELS, vocabulary="a"):
    path.mkdir(parents=True, exist_ok=True)
    (path / "config.json").write_text(json.dumps({"model_type": "bert", "id2label": labels}))
    (path / "tokenizer.json").write_text(json.dumps({"vocabulary": vocabulary}))
    return path


def a_bundle(path, **changes):
    """What of a bundle a comparison looks at."""
    folder = a_model_folder(path, **changes)
    an_onnx_file(folder / "onnx" / "model_quantized.onnx")
    (folder / "MANIFEST.json").write_text("{}")
    recipe = {
        "model": {"name": "sample:intents", "source": "sample"},
        "workload": {"batch": 1, "tokens": 32, "image_size": None},
    }
    (folder / "recipe.json").write_text(json.dumps(recipe))
    return folder


def opened(plan, folder, tmp_path):
    """Open the model of a comparison, with every check on the way."""
    site = Site(
        folder=tmp_path,
        cache=tmp_path,
        host=None,
        threads=1,
        clock=lambda: 0.0,
        emit=lambda event: None,
        open=lambda ref, report: folder,
    )
    there = replace(plan.profile.ref, source=Source.FOLDER, name=str(folder))
    return pair.site_for(plan, site).open(there, lambda fraction, detail: None)


def a_comparison(before, after, **plan):
    return pair.plan_of(a_plan(**plan), pair.pair_of(str(before), str(after), "sample:intents"))


def test_a_bundle_is_its_file_and_the_sample_it_was_made_from(tmp_path):
    """The labels, the tokenizer and the request come from what the bundle records."""
    named = pair.pair_of(str(a_bundle(tmp_path / "out")), str(tmp_path / "out"), None)

    assert str(named.model) == "sample:intents"
    assert named.workload.tokens == 32
    assert named.after.file.name == "model_quantized.onnx"


def test_a_model_s_own_labels_hold_when_one_side_is_a_model(tmp_path):
    """A model and a file: the model says how inputs are prepared."""
    file = an_onnx_file(tmp_path / "model.onnx")
    named = pair.pair_of(str(file), "sample:digits", None)

    assert str(named.model) == "sample:digits"


def test_bare_files_need_to_be_told_their_model(tmp_path):
    """Two .onnx files alone have no labels and no tokenizer; the sentence names the option."""
    file = an_onnx_file(tmp_path / "bare" / "deep" / "model.onnx")

    with pytest.raises(NotComparable) as raised:
        pair.pair_of(str(file), str(file), None)
    assert "--model" in str(raised.value.facts["because"])
    assert str(pair.pair_of(str(file), str(file), "sample:intents").model) == "sample:intents"


@pytest.mark.parametrize("named", ["nowhere.onnx", "sample:nothing"])
def test_what_is_not_there_is_named(named):
    """A misspelt file or sample is refused before any work."""
    with pytest.raises(ModelNotFound):
        pair.pair_of(named, "sample:intents", None)


def test_a_bundle_without_its_model_is_damaged(tmp_path):
    """A bundle holds exactly one model."""
    folder = a_bundle(tmp_path / "out")
    (folder / "onnx" / "model_quantized.onnx").unlink()

    with pytest.raises(BundleDamaged):
        pair.pair_of("sample:intents", str(folder), None)


def test_labels_in_another_order_are_refused(tmp_path):
    """The same names at other positions would count right answers as wrong."""
    folder = a_model_folder(tmp_path / "model")
    other = a_bundle(tmp_path / "out", labels={"0": "yes", "1": "no", "2": "maybe"})

    with pytest.raises(NotComparable, match="labels"):
        opened(a_comparison(an_onnx_file(tmp_path / "b.onnx"), other), folder, tmp_path)


def test_another_tokenizer_is_refused(tmp_path):
    """Other tokens would be fed to one of the two."""
    folder = a_model_folder(tmp_path / "model")
    other = a_bundle(tmp_path / "out", vocabulary="b")

    with pytest.raises(NotComparable, match=r"tokenizer\.json"):
        opened(a_comparison(an_onnx_file(tmp_path / "b.onnx"), other), folder, tmp_path)


@pytest.mark.parametrize(
    ("made", "said"),
    [({"input_name": "waveform"}, "waveform"), ({"classes": 7}, "7 scores")],
)
def test_a_file_that_answers_another_question_is_refused(tmp_path, made, said):
    """Unknown inputs, or another number of answers."""
    folder = a_model_folder(tmp_path / "model")
    first, second = an_onnx_file(tmp_path / "a.onnx"), an_onnx_file(tmp_path / "b.onnx", **made)

    with pytest.raises(NotComparable, match=said):
        opened(a_comparison(first, second), folder, tmp_path)


def test_a_text_model_is_no_image_model(tmp_path):
    """A file that wants tokens cannot stand in for one that wants pixels."""
    folder = a_model_folder(tmp_path / "model")
    file = an_onnx_file(tmp_path / "a.onnx")

    with pytest.raises(NotComparable, match="input_ids"):
        opened(a_comparison(file, file, profile=an_image_profile()), folder, tmp_path)


def test_a_file_that_is_no_model_is_refused(tmp_path):
    """A renamed text file is told apart before anything runs."""
    folder = a_model_folder(tmp_path / "model")
    file = an_onnx_file(tmp_path / "a.onnx")
    (tmp_path / "b.onnx").write_text("not a model")

    with pytest.raises(WeightsDamaged):
        opened(a_comparison(file, tmp_path / "b.onnx"), folder, tmp_path)


def test_a_file_cut_short_is_refused(tmp_path):
    """Half a download opens as nothing."""
    folder = a_model_folder(tmp_path / "model")
    file = an_onnx_file(tmp_path / "a.onnx")
    (tmp_path / "b.onnx").write_bytes(file.read_bytes()[:-30])

    with pytest.raises(NotComparable, match="damaged"):
        opened(a_comparison(file, tmp_path / "b.onnx"), folder, tmp_path)


def test_two_good_files_are_taken_as_they_are(tmp_path):
    """Nothing is made: each side's artifact is the very file."""
    folder = a_model_folder(tmp_path / "model")
    first, second = an_onnx_file(tmp_path / "a.onnx"), an_onnx_file(tmp_path / "b.onnx")
    plan = a_comparison(first, second)
    site = Site(
        folder=tmp_path, cache=tmp_path, host=None, threads=1, clock=float, emit=lambda event: None
    )
    taken = pair.site_for(plan, site)
    made = [taken.apply(step, None, None) for step in plan.candidates[0].steps]

    assert opened(plan, folder, tmp_path) == folder
    assert [one.path for one in made] == [first, second]
    assert made[0] == contract.artifact_of(first)
    assert not taken.packs


def test_an_ordinary_plan_keeps_its_site():
    """Only a comparison is worked differently."""
    site = object()

    assert pair.site_for(a_plan(), site) is site


def test_the_command_of_a_comparison_reads_back(tmp_path):
    """What is recorded can be typed again and says the same."""
    file = an_onnx_file(tmp_path / "it's.onnx")
    plan = a_comparison(file, file, needs=some_needs(latency=5.0))
    import shlex

    from wizard.advise import command

    words = shlex.split(pair.command_of(plan, command(plan.needs, plan.profile.ref)))
    options = parse(words[1:])

    assert (options.before, options.after) == (str(file), str(file))
    assert (options.model, options.latency_ms) == ("sample:intents", 5.0)


def an_outcome(latency):
    """One candidate measured at 2 ms against a limit."""
    plan = a_plan(needs=some_needs(latency=latency))
    original, after = a_measurement(answers=some_answers(), p50=4.0), a_measurement()
    name = plan.candidates[0].id
    verdict = judge(plan, name, original, after)
    return Outcome(
        plan=plan,
        original=original,
        measurements={name: after},
        failed=(),
        comparison=compare(plan, original, {name: after}, {name: verdict}),
        seconds={},
    )


def test_a_job_is_judged_again_without_measuring():
    """The same 2 ms keep a limit of 5 and miss one of 1; the measurements are untouched."""
    outcome = an_outcome(5.0)
    tight = a_plan(needs=some_needs(latency=1.0), device=a_device())
    again = offers.judged_again(outcome, tight)

    assert outcome.comparison.overall is Verdict.PASS
    assert again.comparison.overall is Verdict.MISS
    assert again.measurements == outcome.measurements
    assert result_object(again, None)["contract"][0]["at_most"] == 1.0


def test_nobody_forecast_a_model_that_was_brought(tmp_path):
    """In the result a given candidate has no forecast, rather than an invented one."""
    file = an_onnx_file(tmp_path / "a.onnx")
    plan = a_comparison(file, file, profile=a_profile())
    outcome = replace(an_outcome(5.0), plan=plan)

    assert result_object(outcome, None)["candidates"][0]["forecast"] is None
    assert Path(plan.candidates[0].steps[0].settings["file"]).name == "a.onnx"


def test_two_given_models_are_compared_and_nothing_else_is_tried(tmp_path):
    """A missed limit sends no recipe up the ladder."""
    file = an_onnx_file(tmp_path / "a.onnx")
    plan = a_comparison(file, file, profile=a_profile(), ladder=(a_candidate(),))

    assert plan.ladder == ()
    assert [one.id for one in plan.candidates] == ["after"]
