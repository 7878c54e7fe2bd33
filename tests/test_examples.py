"""Rows: read from anywhere with a sentence for whatever is wrong, split without overlap."""

import json
import zipfile

import numpy as np
import pytest

from tests.factories import a_profile, an_image_profile
from wizard import examples, library
from wizard.errors import (
    ColumnMissing,
    DataEmpty,
    DataNotForTask,
    DataNotFound,
    DataUnreadable,
    LabelsUnknown,
    TooFewRows,
)
from wizard.nouns import ExampleSet, ModelRef, Source, Task, Workload

FOLDER_MODEL = ModelRef(source=Source.FOLDER, name="somewhere")


def a_table(tmp_path, text, name="rows.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def many(count=100, header="text,label", label=lambda i: ("yes", "no")[i % 2]):
    return header + "\n" + "".join(f"row number {i},{label(i)}\n" for i in range(count))


def read(path, **changes):
    return examples.read(a_profile(**changes), path, seed=0)


def test_a_table_is_split_without_a_common_row(tmp_path):
    """Calibration and test are disjoint, and a note says so."""
    rows = read(a_table(tmp_path, many()))

    assert not set(rows.calibration.inputs) & set(rows.test.inputs)
    assert len(rows.calibration) + len(rows.test) == 100
    assert "no row is in both" in rows.notes[-1]


def test_labels_are_matched_by_name_whatever_their_case(tmp_path):
    """YES is the model's yes."""
    rows = read(a_table(tmp_path, many(label=lambda i: ("YES", "No")[i % 2])))

    assert set(rows.test.labels) == {"yes", "no"}


def test_numbers_are_positions_and_that_is_said(tmp_path):
    """0 and 1 index the model's labels; the note says so."""
    rows = read(a_table(tmp_path, many(label=lambda i: i % 2)))

    assert set(rows.test.labels) == {"no", "yes"}
    assert any("positions" in note for note in rows.notes)


@pytest.mark.parametrize("name", ["rows.tsv", "rows.jsonl", "rows.txt"])
def test_other_forms_are_read_too(tmp_path, name):
    """Tabs, JSON lines, and plain lines without labels."""
    texts = [f"row number {i}" for i in range(40)]
    form = {
        "rows.tsv": "text\tlabel\n" + "".join(f"{t}\tyes\n" for t in texts),
        "rows.jsonl": "".join(json.dumps({"text": t, "label": "no"}) + "\n" for t in texts),
        "rows.txt": "\n".join(texts),
    }[name]

    assert len(read(a_table(tmp_path, form, name)).test) == 32


WRONG = {
    "empty": ("", DataEmpty),
    "only a header": ("text,label\n", DataEmpty),
    "another column": (many(header="name,label"), ColumnMissing),
    "strange labels": (many(label=lambda i: f"odd {i % 9}"), LabelsUnknown),
    "one row": (many(1), TooFewRows),
    "not json": ("nonsense\n", DataUnreadable),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_a_wrong_table_is_one_sentence(tmp_path, case):
    """Each has its own error, and library.explain fills its sentence."""
    text, error = WRONG[case]
    name = "rows.jsonl" if case == "not json" else "rows.csv"
    with pytest.raises(error) as caught:
        read(a_table(tmp_path, text, name))

    assert library.explain(caught.value).message.endswith(".")


@pytest.mark.parametrize(
    "raw", [b"\x89PNG\r\n\x00\x01", "text,label\nk\u00e4se,yes\n".encode("latin-1")]
)
def test_a_binary_or_foreign_file_is_refused(tmp_path, raw):
    """NUL bytes and other encodings are no UTF-8 table."""
    path = tmp_path / "rows.csv"
    path.write_bytes(raw)

    with pytest.raises(DataUnreadable):
        read(str(path))


def test_a_missing_file_is_named():
    """The path stands in the sentence."""
    with pytest.raises(DataNotFound):
        read("/no/such/file.csv")


def test_hub_data_is_refused_with_a_way_out():
    """Not yet, and what to give instead."""
    with pytest.raises(DataNotForTask):
        read("hub:some/data")


def test_doubles_are_used_once(tmp_path):
    """The same row twice is noted and counted once."""
    rows = read(a_table(tmp_path, many(50) + "row number 1,no\n"))

    assert len(rows.test) + len(rows.calibration) == 50
    assert any("twice" in note for note in rows.notes)


def test_a_million_rows_are_sampled_and_that_is_said(tmp_path):
    """A uniform, seeded sample in one pass; never more than the limit."""
    path = a_table(tmp_path, "text,label\n" + "".join(f"r{i},yes\n" for i in range(1_000_000)))
    rows = examples.read(a_profile(), path, seed=3, limit=500)
    again = examples.read(a_profile(), path, seed=3, limit=500)

    assert len(rows.test) <= 756
    assert any("1000000" in note for note in rows.notes)
    assert rows.test.inputs == again.test.inputs
    assert np.mean([int(text[1:]) for text in rows.test.inputs]) == pytest.approx(5e5, rel=0.15)


def test_a_model_without_data_gets_ours_without_labels():
    """Our own texts, agreement only, and the note says so."""
    rows = examples.read(a_profile(ref=FOLDER_MODEL), "sample", seed=0)

    assert rows.test.labels == ()
    assert len(rows.test) > 500
    assert "agreement" in rows.notes[0]


def test_images_come_from_a_zip_of_class_folders(tmp_path):
    """Folder = label; strangers' paths are refused."""
    from PIL import Image

    picture = tmp_path / "one.png"
    Image.new("RGB", (10, 10), (200, 0, 0)).save(picture)
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        for i in range(30):
            file.write(picture, f"{('yes', 'no')[i % 2]}/{i}.png")
    rows = examples.read(an_image_profile(ref=FOLDER_MODEL), str(archive), seed=0)

    assert len(rows.test) + len(rows.calibration) == 30
    assert set(rows.test.labels) == {"yes", "no"}


def test_a_zip_that_leads_outside_is_refused(tmp_path):
    """A path with .. is never opened."""
    archive = tmp_path / "images.zip"
    with zipfile.ZipFile(archive, "w") as file:
        file.writestr("../../yes/1.png", b"x")

    with pytest.raises(DataUnreadable):
        examples.read(an_image_profile(ref=FOLDER_MODEL), str(archive), seed=0)


def intents():
    sample = library.samples()["intents"]
    return a_profile(ref=ModelRef(source=Source.SAMPLE, name="intents")), sample.folder / "model"


def test_text_is_tokenized_as_transformers_does_it(tmp_path):
    """The same ids as AutoTokenizer, row by row, without padding."""
    from transformers import AutoTokenizer

    profile, folder = intents()
    texts = ("wake me up at six", "Wie ist das Wetter in Köln?", "h\u00e9llo " * 90)
    rows = ExampleSet(origin="t", inputs=texts, rows=(0, 1, 2))
    feeds = examples.load_feeds(
        examples.prepare(profile, folder, rows, Workload(), tmp_path / "f.npz")
    )
    theirs = AutoTokenizer.from_pretrained(folder)

    for i, text in enumerate(texts):
        expected = theirs(text, truncation=True, max_length=64)["input_ids"]
        assert feeds.row(i)["input_ids"][0].tolist() == expected


def test_padded_rows_have_one_length_and_a_mask(tmp_path):
    """What a calibrator needs: no ragged batch, padding masked out."""
    profile, folder = intents()
    rows = ExampleSet(origin="t", inputs=("stop", "play some jazz in the kitchen"), rows=(0, 1))
    feeds = examples.load_feeds(
        examples.prepare(profile, folder, rows, Workload(), tmp_path / "f.npz")
    )
    batch = feeds.padded([0, 1])

    assert batch["input_ids"].shape[1] == feeds.longest()
    assert batch["attention_mask"][0].sum() < batch["attention_mask"][1].sum()
    assert feeds.exactly(2, 16)["input_ids"].shape == (2, 16)


@pytest.mark.parametrize(
    "settings",
    [
        {"size": {"height": 32, "width": 32}, "resample": 3},
        {"size": {"height": 20, "width": 24}, "resample": 2, "do_normalize": False},
    ],
)
def test_images_are_prepared_as_transformers_does_it(tmp_path, settings):
    """The same floats as the model's own image processor."""
    from transformers.models.vit.image_processing_pil_vit import ViTImageProcessorPil

    theirs = ViTImageProcessorPil(image_mean=[0.3] * 3, image_std=[0.4] * 3, **settings)
    theirs.save_pretrained(tmp_path)
    raw = np.random.default_rng(0).integers(0, 255, (3, 40, 50, 3), dtype=np.uint8)
    np.save(tmp_path / "raw.npy", raw)
    rows = ExampleSet(origin="t", images=tmp_path / "raw.npy", rows=(0, 1, 2))
    profile = an_image_profile(ref=FOLDER_MODEL, task=Task.IMAGE_CLASSIFICATION)
    out = examples.prepare(profile, tmp_path, rows, Workload(), tmp_path / "f.npz")
    feeds = examples.load_feeds(out)
    expected = theirs([*raw], return_tensors="np")["pixel_values"]

    got = np.concatenate([feeds.row(i)["pixel_values"] for i in range(3)])
    np.testing.assert_allclose(got, expected, atol=1e-5)
