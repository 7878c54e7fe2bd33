"""`wizard compare` as strangers use it: models, bundles, files and jobs, in a subprocess."""

import json
import shutil

import pytest

from tests.slow.test_command_line import wizard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def made(home, tmp_path_factory):
    """A bundle of the intents sample, and what its run said."""
    out = tmp_path_factory.mktemp("bundles") / "intents"
    done = wizard(
        "run", "sample:intents", "--only", "int8_dynamic", "--latency-ms", "50",
        "--out", str(out), "--json", home=home,
    )  # fmt: skip
    assert done.returncode in {0, 4}, done.stderr
    return out, json.loads(done.stdout)


def test_a_model_and_its_bundle_get_the_verdict_of_the_run(made, home):
    """The same clauses, the same loss and the same parts as when the bundle was made."""
    out, ran = made
    done = wizard("compare", "sample:intents", str(out), "--latency-ms", "50", "--json", home=home)
    told = json.loads(done.stdout)

    assert done.returncode in {0, 4}, done.stderr
    assert told["schema"] == "wizard.run/1"
    assert told["bundle"] is None
    first, second = (
        [(one["name"], one["before"], one["after"]) for one in each["verdict"]["clauses"]][-1]
        for each in (ran, told)
    )
    assert first == second
    assert told["who_pays"]["flips_total"] == ran["who_pays"]["flips_total"]


def test_a_file_against_itself_is_no_faster_and_loses_nothing(made, home):
    """Two equal files: no flip, no speed-up, and a limit below both is missed."""
    file = str(next((made[0] / "onnx").glob("*.onnx")))
    done = wizard("compare", file, file, "--size-mb", "1", "--json", home=home)
    told = json.loads(done.stdout)

    assert done.returncode == 3, done.stderr
    assert told["who_pays"]["flips_total"] == 0
    assert told["nearest"] == "after"
    assert "faster than the original" not in told["verdict"]["headline"]


def test_the_terminal_names_who_pays(made, home):
    """The sentence stands below the clauses."""
    job = the_run(home)
    done = wizard("compare", job, "--latency-ms", "50", home=home)

    assert done.returncode in {0, 4}, done.stderr
    assert "who pays: No part of the data lost more" in done.stdout
    assert "answers that changed:" in done.stdout


def test_a_job_s_candidates_meet_another_contract_at_once(made, home):
    """Nothing is measured again: a tenth of a millisecond is missed, exit 3."""
    job = the_run(home)
    done = wizard("compare", job, "--latency-ms", "0.001", "--json", home=home)
    told = json.loads(done.stdout)

    assert done.returncode == 3
    assert told["verdict"]["clauses"][0]["verdict"] == "MISS"
    assert told["contract"][0]["at_most"] == 0.001


def the_run(home):
    """The id of the job that made the bundle, among all that were compared."""
    listed = json.loads(wizard("jobs", "--json", home=home).stdout)["jobs"]
    return next(one["id"] for one in listed if one["command"].startswith("wizard run"))


def test_another_sample_is_another_question(made, home):
    """Commands and digits cannot be compared: one sentence, exit 2, no traceback."""
    done = wizard("compare", "sample:intents", "sample:digits", "--json", home=home)

    assert done.returncode == 2
    assert json.loads(done.stdout)["code"] == "not-comparable"
    assert "Traceback" not in done.stderr


def test_a_permuted_label_order_is_refused(made, home, tmp_path):
    """A bundle whose labels were shuffled would be judged wrong; it is not judged at all."""
    copy = tmp_path / "copy"
    shutil.copytree(made[0], copy)
    config = json.loads((copy / "config.json").read_text())
    names = list(config["id2label"].values())
    config["id2label"] = dict(zip(config["id2label"], names[1:] + names[:1], strict=True))
    (copy / "config.json").write_text(json.dumps(config))
    done = wizard("compare", "sample:intents", str(copy), home=home)

    assert done.returncode == 2
    assert "labels differ" in done.stderr


def test_a_file_that_is_none_is_refused(home, tmp_path):
    """A text file under the name of a model."""
    (tmp_path / "model.onnx").write_text("hello")
    done = wizard("compare", "sample:intents", str(tmp_path / "model.onnx"), home=home)

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
