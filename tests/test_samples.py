"""The bundled models: whole, ours, small enough for git, with disjoint rows."""

import csv
import json
import subprocess
from collections import Counter
from pathlib import Path

import pytest

from wizard import intake, library, tasks
from wizard.examples import pictures
from wizard.nouns import Task

SAMPLES = library.assets_folder() / "samples"
NAMES = sorted(library.samples())
# Held to what transformers says instead (tests/slow/test_labels_and_numbers_run.py).
WITHOUT_A_MODEL = {Task.SEVERAL_LABELS, Task.ONE_NUMBER}
ROOT = Path(__file__).resolve().parents[1]


def rows(name, part):
    with (SAMPLES / name / "data" / f"{part}.csv").open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


def test_there_is_a_sample_for_every_task():
    """Or for one that is the same work, but for two ways of classifying that share its export."""
    there = {sample.task for sample in library.samples().values()}

    without = {task for task in tasks.cards() if not any(tasks.alike(task, one) for one in there)}
    assert without <= WITHOUT_A_MODEL


@pytest.mark.parametrize("name", NAMES)
def test_a_sample_has_its_maker_card_and_licence(name):
    """Nothing fell from the sky."""
    folder = SAMPLES / name
    assert (folder / "make.py").is_file()
    assert "license: apache-2.0" in (folder / "model" / "README.md").read_text("utf-8")
    assert "breaks" in (folder / "card.md").read_text("utf-8")


@pytest.mark.parametrize("name", NAMES)
def test_the_weights_are_whole(name):
    """safetensors only, headers and lengths right."""
    model = SAMPLES / name / "model"
    intake.check_weights(model)
    assert [path.suffix for path in model.glob("*model*")] == [".safetensors"]


@pytest.mark.parametrize("name", NAMES)
def test_the_baseline_leaves_room_for_damage(name):
    """An accuracy between 0.88 and 0.98; above 0.75 where a row is more than one answer."""
    sample = library.samples()[name]
    if sample.metric == "WER":
        assert 0.02 <= sample.baseline <= 0.15
        return
    lowest = 0.88 if sample.metric in {"accuracy", "macro-F1"} else 0.75

    assert lowest <= sample.baseline <= 0.98


def test_intents_is_as_large_as_it_says():
    """At least 12 intents, 3 languages, 1,500 test rows, 3 to 12 M parameters."""
    test = rows("intents", "test")
    config = json.loads((SAMPLES / "intents" / "model" / "config.json").read_text("utf-8"))
    size = (SAMPLES / "intents" / "model" / "model.safetensors").stat().st_size / 4e6

    assert len({row["label"] for row in test}) >= 12
    assert len({row["language"] for row in test}) >= 3
    assert {"language", "length"} <= set(test[0])
    assert len(test) >= 1500
    assert 3 <= size <= 12
    assert {row["label"] for row in test} == set(config["id2label"].values())


def test_intents_is_balanced():
    """No intent has more than three times the rows of another."""
    counts = Counter(row["label"] for row in rows("intents", "test")).values()

    assert max(counts) <= 3 * min(counts)


@pytest.mark.parametrize("name", ["intents", "slots", "calls", "topics", "gaps"])
def test_no_text_is_in_calibration_and_test(name):
    """Disjoint whatever the case of the letters."""
    learnt = {row["text"].casefold() for row in rows(name, "calibration")}
    judged = {row["text"].casefold() for row in rows(name, "test")}

    assert learnt
    assert not learnt & judged


def test_no_sentence_is_in_calibration_and_test():
    """Neither side of any pair."""
    learnt = {row["text"].casefold() for row in rows("sentences", "calibration")}
    pairs = rows("sentences", "test")
    judged = {pair[side].casefold() for pair in pairs for side in ("sentence1", "sentence2")}

    assert not learnt & judged


@pytest.mark.parametrize("name", ["digits", "scenes", "shapes", "pairs"])
def test_no_picture_is_in_calibration_and_test(name):
    """Neither the original row nor the pixels."""
    parts = {}
    for part in ("calibration", "test"):
        images = pictures.Stored(SAMPLES / name / "data" / f"{part}-images.npz")
        assert len(rows(name, part)) > 50
        images = [images[at] for at in range(len(rows(name, part)))]
        parts[part] = {image.tobytes() for image in images}

    assert not parts["calibration"] & parts["test"]


def test_the_samples_fit_into_git():
    """All together at most 60 MB."""
    listed = subprocess.run(
        ["git", "ls-files", "assets/samples"], cwd=ROOT, capture_output=True, text=True
    ).stdout.split()

    assert sum((ROOT / name).stat().st_size for name in listed) <= 60e6
