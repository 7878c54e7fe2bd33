"""Examples that do not fit, as a user meets them: one sentence, exit 2, or a note with a count."""

import csv
import json

import pytest

from tests.slow.test_command_line import ROOT, wizard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
TEST = ROOT / "assets" / "samples" / "intents" / "data" / "test.csv"
CONFIG = ROOT / "assets" / "samples" / "intents" / "model" / "config.json"


def some_rows(count=150):
    with TEST.open(encoding="utf-8", newline="") as file:
        return [(row["text"], row["label"]) for row in csv.DictReader(file)][:count]


def a_table(path, rows, header=("text", "label")):
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([header, *rows])
    return str(path)


def positions():
    names = json.loads(CONFIG.read_text())["id2label"]
    return {label: int(place) for place, label in names.items()}


def run(home, tmp_path, *options):
    out = ("--out", str(tmp_path / "out"), "--json")
    return wizard("run", "sample:intents", "--only", "lossless", *options, *out, home=home)


def test_positions_doubles_and_other_spellings_are_told_in_the_result(home, tmp_path):
    """Stated positions are taken, rows that repeat are counted; both stand in the notes."""
    place = positions()
    rows = [(text, place[label]) for text, label in some_rows()]
    data = a_table(tmp_path / "rows.csv", [*rows, *rows[:7]])
    done = run(home, tmp_path, "--data", data, "--labels", "index")
    told = json.loads(done.stdout)

    assert done.returncode in {0, 3, 4}, done.stderr
    assert any("positions in the model's list" in note for note in told["notes"])
    assert any(note.startswith("7 rows repeat") for note in told["notes"])
    assert told["original"]["quality"]["value"]["value"] > 0.8


def test_labels_in_another_spelling_are_the_same_labels(home, tmp_path):
    """Add Event is add_event: the model is as right as it was."""
    rows = [(text, label.replace("_", " ").title()) for text, label in some_rows()]
    done = run(home, tmp_path, "--data", a_table(tmp_path / "rows.csv", rows))

    assert done.returncode in {0, 3, 4}, done.stderr
    assert json.loads(done.stdout)["original"]["quality"]["value"]["value"] > 0.8


def refused(done):
    assert done.returncode == 2, done.stderr
    assert "Traceback" not in done.stderr
    return json.loads(done.stdout)


def test_bare_numbers_are_refused_with_the_way_out(home, tmp_path):
    """Numbers nobody explained: refused, and the message names the option."""
    rows = [(text, positions()[label]) for text, label in some_rows()]
    told = refused(run(home, tmp_path, "--data", a_table(tmp_path / "rows.csv", rows)))

    assert told["code"] == "labels-are-numbers"
    assert "--labels index" in told["next"]


def test_labels_of_another_model_are_refused(home, tmp_path):
    """The strangers and the model's own are named."""
    rows = [(text, "spam") for text, _ in some_rows()]
    told = refused(run(home, tmp_path, "--data", a_table(tmp_path / "rows.csv", rows)))

    assert told["code"] == "labels-unknown"
    assert "spam" in told["message"]
    assert "add_event" in told["next"]


def test_calibrating_on_the_test_is_refused(home, tmp_path):
    """The same rows for both: refused, with how many."""
    data = a_table(tmp_path / "rows.csv", some_rows())
    own = a_table(tmp_path / "own.csv", some_rows(40))
    told = refused(run(home, tmp_path, "--data", data, "--calibration", own))

    assert told["code"] == "data-overlap"
    assert "40 test rows" in told["message"]
