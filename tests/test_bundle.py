"""The bundle: whole or absent, verifiable, without a trace of the machine that made it."""

import hashlib
import json
import platform
import re
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.factories import a_candidate, a_host, a_plan, a_profile, some_needs
from tests.test_measure import ROWS, a_model, a_weight
from wizard import bundle, measure
from wizard.bundle import report
from wizard.bundle.pack import manifest_of
from wizard.bundle.privacy import public_command, without_folders
from wizard.compare import compare, judge
from wizard.errors import BundleDamaged, DataUnreadable, OutputNotEmpty
from wizard.examples import feeds
from wizard.nouns import (
    Basis,
    Effect,
    ExampleSet,
    Outcome,
    RuleTrace,
    Verdict,
    Workload,
    jsonable,
)
from wizard.run import result_object

TOKENIZER = {
    "version": "1.0",
    "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1}, "unk_token": "a"},
    "pre_tokenizer": {"type": "Whitespace"},
}


@pytest.fixture(scope="module")
def packed(tmp_path_factory):
    """One small model measured and packed."""
    place = tmp_path_factory.mktemp("job")
    model_folder = place / "model"
    model_folder.mkdir()
    names = {"0": "no", "1": "yes", "2": "maybe"}
    config = {"id2label": names, "max_position_embeddings": 64, "model_type": "bert"}
    config["_name_or_path"] = str(model_folder)
    (model_folder / "config.json").write_text(json.dumps(config))
    (model_folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    rng = np.random.default_rng(0)
    ids = rng.integers(0, 50, ROWS * 5).astype(np.int32)
    texts = np.split(ids, ROWS)
    np.savez(place / "feeds.npz", **feeds.texts(texts, [0 * one for one in texts], pad=0))
    bench = measure.Bench(
        profile=a_profile(),
        feeds=place / "feeds.npz",
        examples=ExampleSet(origin="t", labels=("no",) * ROWS, rows=tuple(range(ROWS))),
        workload=Workload(tokens=8),
        threads=1,
        folder=place,
        host=a_host(),
        report=lambda fraction, detail: None,
        seconds=0.2,
    )
    original = measure.weigh_original(a_model(place / "one.onnx", a_weight()), bench)
    after = measure.weigh_candidate(a_model(place / "two.onnx", a_weight()), original, bench)
    outcome = an_outcome(original, after)
    made = bundle.pack(
        place / "bundle",
        outcome=outcome,
        candidate_id="x",
        model_folder=model_folder,
        feeds=bench.feeds,
        command=f"wizard run {model_folder} --out out/",
        result=result_object(outcome, None),
    )
    return made.folder


def an_outcome(original, after):
    plan = a_plan(candidates=(a_candidate(id="x"),), needs=some_needs(latency=50.0, drop=20.0))
    verdicts = {"x": judge(plan, "x", original, after)}
    return Outcome(
        plan=plan,
        original=original,
        measurements={"x": after},
        failed=(),
        comparison=compare(plan, original, {"x": after}, verdicts),
        seconds={},
        data_origin="t",
    )


def copy_of(packed, tmp_path):
    target = tmp_path / "copy"
    shutil.copytree(packed, target)
    return target


def test_the_bundle_holds_what_was_promised(packed):
    """Every file of the layout, the model under the name that transformers.js expects."""
    names = {path.relative_to(packed).as_posix() for path in packed.rglob("*") if path.is_file()}

    assert names >= {
        "README.md", "config.json", "tokenizer.json", "onnx/model_quantized.onnx", "run.py",
        "check.py", "recipe.json", "report.html", "measurements.json", "MANIFEST.json",
    }  # fmt: skip


def test_a_whole_bundle_verifies(packed):
    """Hashes match, the model opens, the label is read from the file."""
    found = bundle.verify(packed)

    assert "32-bit" in found.label
    assert found.verdict is None


@pytest.mark.parametrize("damage", ["change", "remove", "add", "receipt", "manifest", "model"])
def test_any_damage_is_found(packed, tmp_path, damage):
    """A changed, missing, added file; a missing manifest; a changed model."""
    copy = copy_of(packed, tmp_path)
    if damage == "change":
        (copy / "README.md").write_text("another")
    elif damage == "remove":
        (copy / "config.json").unlink()
    elif damage == "add":
        (copy / "extra.py").write_text("print()")
    elif damage == "receipt":
        (copy / "receipt.py").write_text("print()")
    elif damage == "manifest":
        (copy / "MANIFEST.json").unlink()
    else:
        (copy / "onnx" / "model_quantized.onnx").write_bytes(b"x")

    with pytest.raises(BundleDamaged):
        bundle.verify(copy)


def test_nothing_of_this_machine_is_in_it(packed):
    """No home, no temporary folder, no token in any text."""
    home = str(Path.home())
    for path in packed.rglob("*"):
        if path.suffix in {".json", ".md", ".html", ".py"}:
            text = path.read_text("utf-8")
            assert "/tmp/" not in text, path  # noqa: S108 - looked for, not used
            assert f"{home}/" not in text, path


def test_a_used_folder_is_left_alone(packed):
    """Packing twice into one folder is refused."""
    with pytest.raises(OutputNotEmpty):
        bundle.pack(
            packed,
            outcome=None,
            candidate_id="x",
            model_folder=packed,
            feeds=packed,
            command="",
            result={},
        )


def test_the_zip_is_the_same_every_time(packed, tmp_path):
    """Same files, same bytes."""
    first = bundle.zip_of(copy_of(packed, tmp_path / "a")).zip.read_bytes()
    second = bundle.zip_of(copy_of(packed, tmp_path / "b")).zip.read_bytes()

    assert first == second


def checked(packed, tmp_path):
    copy = copy_of(packed, tmp_path)
    done = subprocess.run([sys.executable, "check.py"], cwd=copy, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return copy


def test_check_prints_a_receipt_that_judges_the_device(packed, tmp_path):
    """The receipt turns the latency clause into a measurement on that device."""
    copy = checked(packed, tmp_path)
    found = bundle.verify(copy, copy / "receipt.json")

    assert found.verdict is Verdict.PASS
    assert "measured on your device" in found.sentences[2]


def receipt_of(copy, **changes):
    """The receipt in the folder with other facts and a fresh digest."""
    receipt = {**json.loads((copy / "receipt.json").read_text()), **changes}
    receipt.pop("digest")
    digest = hashlib.sha256(json.dumps(receipt, sort_keys=True).encode()).hexdigest()
    (copy / "receipt.json").write_text(json.dumps({**receipt, "digest": digest}))
    return copy / "receipt.json"


def test_the_device_times_the_request_that_was_agreed(packed, tmp_path):
    """32 tokens, batch 1, as in the contract; not whatever the first row happens to hold."""
    receipt = json.loads((checked(packed, tmp_path) / "receipt.json").read_text())

    assert receipt["request"] == [1, 32]
    assert receipt["p50_ms"]["low"] <= receipt["p50_ms"]["value"] <= receipt["p50_ms"]["high"]


def test_a_receipt_names_the_processor_and_nobody(packed, tmp_path):
    """No host name, no user, no folder in what a stranger is asked to send."""
    text = (checked(packed, tmp_path) / "receipt.json").read_text()

    assert f'"{platform.node()}' not in text
    assert str(tmp_path) not in text


@pytest.mark.parametrize(
    ("changes", "verdict"),
    [
        ({"p50_ms": {"value": 90, "low": 80, "high": 99, "n": 36}}, Verdict.MISS),
        ({"p50_ms": {"value": 49, "low": 45, "high": 55, "n": 36}}, Verdict.CANNOT_TELL),
        ({"same_answers": 19}, Verdict.MISS),
    ],
)
def test_a_device_that_disagrees_decides(packed, tmp_path, changes, verdict):
    """Too slow there, on the limit there, other answers there."""
    copy = checked(packed, tmp_path)
    found = bundle.verify(copy, receipt_of(copy, **changes))

    assert found.verdict is verdict
    assert Basis.REPORTED in {clause.basis for clause in found.clauses}


def test_a_fast_device_does_not_excuse_lost_quality(packed, tmp_path):
    """The clauses that no device changes keep their verdict."""
    from wizard.bundle.receipt import judged, overall, read_receipt, recorded_clauses

    copy = checked(packed, tmp_path)
    recorded = [
        replace(one, verdict=Verdict.MISS) if one.name == "quality" else one
        for one in recorded_clauses(copy / "measurements.json")
    ]
    receipt = read_receipt(copy / "receipt.json", copy / "onnx" / "model_quantized.onnx")

    assert overall(judged(recorded, receipt)) is Verdict.MISS


@pytest.mark.parametrize("lack", ["p50_ms", "rows", "peak_mb", "device"])
def test_half_a_receipt_is_refused(packed, tmp_path, lack):
    """A receipt of the right digest that lacks a fact is a sentence, not a traceback."""
    copy = checked(packed, tmp_path)
    receipt = json.loads((copy / "receipt.json").read_text())
    del receipt[lack], receipt["digest"]
    digest = hashlib.sha256(json.dumps(receipt, sort_keys=True).encode()).hexdigest()
    (copy / "receipt.json").write_text(json.dumps({**receipt, "digest": digest}))

    with pytest.raises(DataUnreadable):
        bundle.verify(copy, copy / "receipt.json")


def test_a_model_that_does_not_open_is_damage(packed, tmp_path):
    """Even when somebody made the manifest fit."""
    copy = copy_of(packed, tmp_path)
    (copy / "onnx" / "model_quantized.onnx").write_bytes(b"not a model")
    files = [jsonable(one) for one in manifest_of(copy)]
    (copy / "MANIFEST.json").write_text(json.dumps({"files": files}))

    with pytest.raises(BundleDamaged):
        bundle.verify(copy)


def test_a_config_forgets_where_it_was_saved(packed):
    """`_name_or_path` with a folder is left out, everything else stays."""
    config = json.loads((packed / "config.json").read_text())

    assert "_name_or_path" not in config
    assert config["id2label"]["1"] == "yes"


@pytest.mark.parametrize("forgery", ["changed", "nonsense", "other model"])
def test_a_forged_receipt_is_refused(packed, tmp_path, forgery):
    """The digest binds its numbers, the hash its model."""
    copy = checked(packed, tmp_path)
    receipt = json.loads((copy / "receipt.json").read_text())
    if forgery == "changed":
        receipt["p50_ms"]["value"] = 0.001
    elif forgery == "other model":
        receipt["model_sha256"] = "0" * 64
    text = "nonsense" if forgery == "nonsense" else json.dumps(receipt)
    (copy / "receipt.json").write_text(text)

    with pytest.raises(DataUnreadable):
        bundle.verify(copy, copy / "receipt.json")


def test_run_answers_offline(packed, tmp_path):
    """The smallest example runs without arguments."""
    copy = copy_of(packed, tmp_path)
    done = subprocess.run(
        [sys.executable, "run.py", "a b a"], cwd=copy, capture_output=True, text=True
    )

    assert done.returncode == 0, done.stderr
    assert "%" in done.stdout


def test_the_recipe_is_enough_to_do_it_again(packed):
    """Model, data, seed, versions, steps with every setting."""
    recipe = json.loads((packed / "recipe.json").read_text())

    assert recipe["steps"][-1]["strategy"] == "int8_dynamic"
    assert {"model", "data", "seed", "versions", "command", "workload"} <= set(recipe)


def test_the_report_needs_nothing_from_outside(packed):
    """Self-contained: no script, no link to any host."""
    page = (packed / "report.html").read_text("utf-8")

    assert "http" not in page.replace("http-equiv", "")
    assert "<script" not in page
    assert "PASS" in page


def test_strangers_words_are_escaped(packed):
    """A title with markup stays text."""
    from wizard.bundle.report import reasons
    from wizard.nouns import Reason

    evil = a_candidate(reasons=(Reason(sentence="<img src=x onerror=alert(1)>"),))

    assert "<img" not in reasons(evil)


@pytest.mark.parametrize(
    ("command", "public"),
    [
        ("wizard run /home/me/model --out out/", "wizard run model --out out/"),
        ("wizard run 'C:\\Users\\me\\my model'", "wizard run 'my model'"),
        ("wizard run a/b --data '/home/a b/rows.csv'", "wizard run a/b --data rows.csv"),
        ("wizard run ./model --data ../me/rows.csv", "wizard run model --data rows.csv"),
    ],
)  # fmt: skip
def test_the_command_in_the_bundle_names_no_folder(command, public):
    """Local paths become names; sample names and Hub ids stay."""
    assert public_command(command) == public


def test_a_failure_in_the_report_names_no_folder():
    """The last words of a process that died may quote a path; addresses on the web stay."""
    told = without_folders(
        'File "/home/me/x/speed.py" failed at C:\\me\\m.onnx, see https://a.b/c/d'
    )

    assert told == 'File "speed.py" failed at m.onnx, see https://a.b/c/d'


def test_every_number_in_the_report_says_where_it_comes_from(packed):
    """Before and after carry their interval and their basis."""
    page = (packed / "report.html").read_text("utf-8")

    assert "data-l='Basis'>measured here" in page
    assert re.search(r"Latency, median</td><td[^>]*>[\d.]+ ms \([\d.]+ to [\d.]+\)", page)


def test_charts_draw_what_they_are_given():
    """Every point and bar is in the drawing, labels escaped."""
    from tests.factories import a_latency
    from wizard import charts

    strip = charts.latency_strip(a_latency(3.0), a_latency(1.0), 2.0)
    points = [
        charts.Point(name="<b>", cost=5, score=90, score_low=89, score_high=91, chosen=True),
        charts.Point(name="old", cost=20, score=91, score_low=90, score_high=92, original=True),
    ]
    plot = charts.trade_off(points, cost_limit=10, score_limit=90)

    assert "limit 2<" in strip
    assert strip.count("<circle") > 100
    assert "&lt;b&gt;" in plot
    assert 'class="zone"' in plot


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (0.004, "0.004"), (1.234, "1.23"), (56.7, "56.7"), (1234, "1\u202f234")],
)
def test_numbers_read_like_numbers(value, text):
    """Three significant digits and no exponent."""
    from wizard.charts import show_number

    assert show_number(value) == text


def test_a_measurement_without_paths(packed):
    """measurements.json names no file of ours."""
    measured = json.loads((packed / "measurements.json").read_text())

    assert "path" not in measured["after"]["artifact"]


def an_outcome_that_pays():
    """Half of the texts called 'yes' broke; strangers' words in the data."""
    from tests.factories import a_measurement, some_answers
    from wizard.compare import who_pays

    rows, labels = 400, ("no", "yes", "maybe")
    truth = tuple(row % 2 for row in range(rows))
    after = tuple(2 if row % 4 == 1 else row % 2 for row in range(rows))
    said = {"truth": truth, "confidence": (0.9,) * rows}
    first, second = (
        a_measurement(answers=some_answers(rows, predicted=predicted, **said))
        for predicted in (truth, after)
    )
    texts = tuple(f"<b>text</b> {row}" for row in range(rows))
    held = ExampleSet(origin="t", inputs=texts, rows=tuple(range(rows)))
    plan = a_plan()
    verdict = judge(plan, plan.candidates[0].id, first, second)
    name = plan.candidates[0].id
    return Outcome(
        plan=plan,
        original=first,
        measurements={name: second},
        failed=(),
        comparison=compare(plan, first, {name: second}, {name: verdict}),
        seconds={},
        payers={name: who_pays(first, second, held, labels, 0)},
    )


def test_the_report_says_who_pays_with_parts_and_examples():
    """The sentence, the chart with its table, the first broken answers; all of it escaped."""
    from wizard.bundle.report import report

    outcome = an_outcome_that_pays()
    page = report(outcome, outcome.plan.candidates[0], "wizard run sample:intents")

    assert "Texts of &#x27;yes&#x27; lost 50 points, all others together under 1." in page
    assert "Points lost by each part of the data" in page
    assert "100 of 400 answers changed: 100 right to wrong." in page
    assert "&lt;b&gt;text&lt;/b&gt; 1" in page
    assert "<b>text</b>" not in page


def test_the_result_names_who_pays_and_keeps_every_flip_once():
    """Flips belong to the candidate that is delivered; each candidate has its sentence."""
    outcome = an_outcome_that_pays()
    told = json.loads(json.dumps(result_object(outcome, None)))

    assert told["who_pays"]["flips_total"] == len(told["who_pays"]["flips"]) == 100
    assert told["who_pays"]["slices"][0]["clear"] is True
    assert "flips" not in told["candidates"][0]["who_pays"]
    assert told["candidates"][0]["who_pays"]["sentence"] == told["who_pays"]["sentence"]


def test_the_terminal_shows_the_parts_that_pay_first(capsys):
    """The part that pays is marked, with its interval and its probability by chance."""
    from wizard.cli import show

    show.result(result_object(an_outcome_that_pays(), None), as_json=False)
    said = capsys.readouterr().out

    assert "who pays: Texts of 'yes' lost 50 points" in said
    assert re.search(r"! +label yes +200 +100\.0 +50\.0 +50\.0 \(\d+\.\d to \d+\.\d\)", said)
    assert "answers that changed: 100" in said


def test_the_report_tells_which_rules_spoke_with_their_sources():
    """Those that fired or lost by title, reason and source; the silent ones are counted."""
    first = RuleTrace(
        rule_id="free-lunch",
        title="Free lunch",
        effect=Effect.PROPOSE,
        outcome="fired",
        because="It costs nothing.",
        source="a paper (paper)",
    )
    others = (replace(first, title="Second", outcome="lost"), replace(first, outcome="blocked"))
    outcome = an_outcome_that_pays()
    plan = replace(outcome.plan, rules=(first, *others))
    made = report.rules(replace(outcome, plan=plan))

    assert re.search("Free lunch</td>.*spoke.*It costs nothing.*a paper", made)
    assert re.search("Second</td>.*was beaten", made)
    assert "1 other rules stayed silent" in made
