"""Data sets of the Hub as examples, through the real datasets client against a hub on loopback."""

import io

import pytest

from tests.factories import a_profile
from tests.hub_sets import answers_of, described, parquet, table
from wizard import examples, library
from wizard.errors import DatasetUnusable, DataUnreadable
from wizard.examples import hub_data

pytestmark = pytest.mark.slow  # each asks a fresh process that loads the real client

CODE = """
import json, sys, tempfile
from dataclasses import replace
from pathlib import Path
from wizard import examples, library
from wizard.errors import WizardError
from wizard.nouns import Task
asked = json.loads(sys.stdin.read())
from tests.factories import a_profile
text = a_profile(labels=("lights_on", "lights_off", "play_music", "weather"))
digits = a_profile(labels=("three", "seven"), task=Task.IMAGE_CLASSIFICATION, image_size=16)
bare = replace(text, labels=("LABEL_0", "LABEL_1"))
told = {}
for name, kind, seed in asked:
    profile = {"text": text, "digits": digits, "bare": bare}[kind]
    with tempfile.TemporaryDirectory() as scratch:
        try:
            rows = examples.read(profile, name, seed=seed, limit=30, scratch=Path(scratch))
            told[f"{name} {kind} {seed}"] = {
                "labels": sorted(set(rows.test.labels)), "origin": rows.test.origin,
                "notes": list(rows.notes), "rows": len(rows.test),
                "first": list(rows.test.inputs[:3]),
            }
        except WizardError as error:
            said = library.explain(error)
            told[f"{name} {kind} {seed}"] = {"code": said.code, "message": said.message}
print(json.dumps(told))
"""
NAMES = ("lights_on", "lights_off", "play_music")


CLASSES = (
    "features:\n- name: utterance\n  dtype: string\n"
    "- name: number\n  dtype:\n    class_label:\n      names:\n"
    + "".join(f"        '{index}': {name}\n" for index, name in enumerate(NAMES))
)


def a_picture(shade):
    from PIL import Image

    file = io.BytesIO()
    Image.new("RGB", (16, 16), (shade, 0, 255 - shade)).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def put(hub):
    """A few data sets as people publish them."""
    texts = [f"please number {index}" for index in range(400)]
    numbers = [index % 3 for index in range(400)]
    hub.datasets["me/commands"] = {
        "README.md": described(CLASSES, {"train": "a.parquet", "test": "b.parquet"}),
        "a.parquet": parquet({"utterance": texts, "number": numbers}),
        "b.parquet": parquet({"utterance": texts[::-1], "number": numbers}),
    }
    hub.datasets["me/two"] = {
        "README.md": b"---\nconfigs:\n- config_name: en\n  data_files: en.csv\n"
        b"- config_name: de\n  data_files: de.csv\n---\n",
        "en.csv": table([("text", "label"), *((f"hi {i}", "weather") for i in range(60))]),
        "de.csv": table([("text", "label"), *((f"tag {i}", "weather") for i in range(60))]),
    }
    hub.datasets["me/odd"] = {"rows.csv": table([("a", "b", "c"), *((i, i, i) for i in range(60))])}
    hub.datasets["me/pictures"] = {
        "README.md": described(
            "features:\n- name: scan\n  dtype: image\n- name: digit\n  dtype:\n    class_label:\n"
            "      names:\n        '0': three\n        '1': seven\n",
            {"test": "p.parquet"},
        ),
        "p.parquet": parquet(
            {"scan": [a_picture(i) for i in range(60)], "digit": [i % 2 for i in range(60)]}
        ),
    }
    hub.datasets["me/broken"] = {"rows.parquet": b"PAR1 no"}
    hub.datasets["me/closed"] = {"rows.csv": b"text\nx\n"}
    hub.faults["me/closed"] = "gated"


ASKED = [
    ("hub:me/commands", "text", 0),
    ("hub:me/commands", "text", 1),
    ("hub:me/commands:default:train", "text", 0),
    ("hub:me/commands", "bare", 0),
    ("hub:me/commands:test", "text", 0),
    ("hub:me/commands:dev", "text", 0),
    ("hub:me/two", "text", 0),
    ("hub:me/two:de", "text", 0),
    ("hub:me/odd", "text", 0),
    ("hub:me/pictures", "digits", 0),
    ("hub:me/commands", "digits", 0),
    ("hub:me/broken", "text", 0),
    ("hub:me/closed", "text", 0),
    ("hub:me/nothing", "text", 0),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What one process of the real client found, by name, kind of model and seed."""
    return answers_of(CODE, ASKED, tmp_path_factory.mktemp("client"), put)


def test_columns_are_guessed_by_their_kind_and_said(told):
    """Neither 'utterance' nor 'number' need be called text and label; class numbers get names."""
    found = told["hub:me/commands text 0"]

    assert found["labels"] == sorted(NAMES)
    assert found["rows"] == 30
    assert any("'number' is taken for the label" in note for note in found["notes"])
    assert any("'utterance' is read as the text" in note for note in found["notes"])


def test_the_split_held_back_is_used_and_the_commit_named(told):
    """Test before train where nobody said; the record says at which commit."""
    found = told["hub:me/commands text 0"]

    assert found["origin"].startswith("hub:me/commands:default:test@")
    assert told["hub:me/commands:default:train text 0"]["origin"].split("@")[0].endswith("train")
    assert told["hub:me/commands:test text 0"]["origin"] == found["origin"]


def test_rows_are_sampled_with_the_seed(told):
    """The same seed gives the same rows, another one others."""
    again = told["hub:me/commands:test text 0"]["first"]

    assert told["hub:me/commands text 0"]["first"] == again
    assert told["hub:me/commands text 1"]["first"] != again


def test_a_model_without_names_takes_the_numbers(told):
    """LABEL_0 is 0; a number it does not have is told."""
    assert told["hub:me/commands bare 0"]["code"] in {"labels-are-numbers", "labels-unknown"}


def test_several_configurations_are_listed(told):
    """And with one of them it works."""
    assert "en, de" in told["hub:me/two text 0"]["message"]
    assert told["hub:me/two:de text 0"]["labels"] == ["weather"]


def test_pictures_come_with_their_labels(told):
    """Whatever the column is called."""
    found = told["hub:me/pictures digits 0"]

    assert found["labels"] == ["seven", "three"]
    assert any("'scan' is read as the picture" in note for note in found["notes"])


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("hub:me/commands:dev text 0", "dataset-unusable", "no split 'dev'"),
        ("hub:me/odd text 0", "column-missing", "a, b, c"),
        ("hub:me/commands digits 0", "dataset-unusable", "no pictures"),
        ("hub:me/broken text 0", "dataset-unusable", "me/broken"),
        ("hub:me/closed text 0", "repo-gated", "gated"),
        ("hub:me/nothing text 0", "dataset-unusable", "no data set"),
    ],
)
def test_what_cannot_be_used_is_a_sentence(told, name, code, words):
    """Another split, other columns, another kind, damaged, closed, not there."""
    assert told[name]["code"] == code
    assert words in told[name]["message"]


@pytest.mark.parametrize(
    ("typed", "parts"),
    [
        ("hub:me/a", ("me/a", "", "")),
        ("hub:me/a:test", ("me/a", "", "test")),
        ("hub:me/a:en", ("me/a", "en", "")),
        ("hub:me/a:en:train", ("me/a", "en", "train")),
        ("hub:me/a::train", ("me/a", "", "train")),
    ],
)
def test_a_name_has_up_to_three_parts(typed, parts):
    """The second is a split if it is called like one."""
    named = hub_data.parse(typed)

    assert (named.name, named.config, named.split) == parts


@pytest.mark.parametrize("typed", ["hub:", "hub:a:b:c:d"])
def test_a_name_with_other_parts_is_told(typed):
    """How it is written."""
    with pytest.raises(DatasetUnusable):
        hub_data.parse(typed)


def test_a_parquet_file_is_a_table(tmp_path):
    """Like a CSV with the same columns."""
    path = tmp_path / "rows.parquet"
    texts = [f"row {index}" for index in range(50)]
    path.write_bytes(parquet({"text": texts, "label": ["no", "yes"] * 25}))
    rows = examples.read(a_profile(labels=("no", "yes")), str(path), seed=0)

    assert len(rows.test) + len(rows.calibration) == 50
    assert set(rows.test.labels) == {"no", "yes"}


def test_a_damaged_parquet_file_is_told(tmp_path):
    """Half of one."""
    path = tmp_path / "rows.parquet"
    path.write_bytes(parquet({"text": ["a"] * 50})[:200])
    with pytest.raises(DataUnreadable) as caught:
        examples.read(a_profile(labels=("no", "yes")), str(path), seed=0)

    assert "Parquet" in library.explain(caught.value).message
