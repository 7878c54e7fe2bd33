"""Pictures: opened with limits, stored once, prepared as the model's own processor does it."""

import io
import json
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.factories import an_image_profile
from wizard import examples, library
from wizard.errors import ConfigUnreadable, DataEmpty, DataUnreadable, TooFewRows
from wizard.examples import pictures
from wizard.nouns import ExampleSet, ModelRef, Source, Workload

FOLDER_MODEL = ModelRef(source=Source.FOLDER, name="somewhere")


def a_picture(number=0, size=(12, 9), kind="PNG"):
    """The bytes of a small picture, another one for every number."""
    pixels = np.random.default_rng(number).integers(0, 255, (size[1], size[0], 3), dtype=np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, kind)
    return file.getvalue()


def an_archive(tmp_path, entries):
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, raw in entries.items():
            file.writestr(name, raw)
    return path


def thirty(name=lambda i: f"{('yes', 'no')[i % 2]}/{i}.png"):
    return {name(i): a_picture(i) for i in range(30)}


def read(path, scratch=None):
    return examples.read(an_image_profile(ref=FOLDER_MODEL), str(path), seed=0, scratch=scratch)


@pytest.mark.parametrize("top", ["", "data/train/"])
def test_pictures_come_from_a_zip_of_class_folders(tmp_path, top):
    """Folder = label, however deep it lies."""
    rows = read(an_archive(tmp_path, {top + name: raw for name, raw in thirty().items()}), tmp_path)

    assert len(rows.test) + len(rows.calibration) == 30
    assert set(rows.test.labels) == {"yes", "no"}


def test_pictures_come_from_a_folder_too(tmp_path):
    """The same with folders on disk; links are not followed."""
    for name, raw in thirty().items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_bytes(raw)
    (tmp_path / "yes" / "link.png").symlink_to(tmp_path / "yes" / "0.png")
    rows = read(tmp_path, tmp_path)

    assert len(rows.test) + len(rows.calibration) == 30


def test_pictures_in_no_folder_have_no_labels(tmp_path):
    """Agreement is all that can be measured then, and a note says why."""
    rows = read(an_archive(tmp_path, thirty(name=lambda i: f"{i}.png")), tmp_path)

    assert rows.test.labels == ()
    assert "no labels" in rows.notes[0]


def test_stored_pictures_come_back_as_they_were(tmp_path):
    """Of any size, in any order, pixel by pixel."""
    sizes = [(12, 9), (7, 30), (40, 40)] * 10
    entries = {f"yes/{i:02}.png": a_picture(i, size) for i, size in enumerate(sizes)}
    found = pictures.read(an_archive(tmp_path, entries), seed=0, limit=99, scratch=tmp_path)
    stored = pictures.Stored(found.images)

    for row in (29, 0, 13):
        with Image.open(io.BytesIO(entries[f"yes/{row:02}.png"])) as original:
            assert np.array_equal(stored[row], np.asarray(original))


def test_the_same_picture_is_used_once(tmp_path):
    """Under another name it is still the same, and must not calibrate and test."""
    entries = {**thirty(), "yes/again.png": a_picture(3)}
    rows = read(an_archive(tmp_path, entries), tmp_path)

    assert len(rows.test) + len(rows.calibration) == 30
    assert any("twice" in note for note in rows.notes)


def test_too_many_pictures_are_drawn_from_and_that_is_said(tmp_path):
    """Never more than a job can hold, the same ones for the same seed."""
    path = an_archive(tmp_path, thirty())
    first = pictures.read(path, seed=1, limit=10, scratch=tmp_path)
    again = pictures.read(path, seed=1, limit=10, scratch=tmp_path)

    assert len(first) == 10
    assert "10 of 30" in first.notes[0]
    assert first.labels == again.labels


def test_a_large_picture_is_stored_smaller_with_its_aspect(tmp_path):
    """A photograph of a phone takes no more room than any model looks at."""
    entries = {"yes/large.jpg": a_picture(0, (2000, 1600), "JPEG")}
    found = pictures.read(an_archive(tmp_path, entries), seed=0, limit=9, scratch=tmp_path)

    assert pictures.Stored(found.images)[0].shape == (512, 640, 3)


def a_bomb():
    """A PNG of a few bytes that says it has 30000 x 30000 pixels."""
    head = struct.pack(">IIBBBBB", 30_000, 30_000, 8, 2, 0, 0, 0)
    chunk = b"IHDR" + head
    body = struct.pack(">I", 13) + chunk + struct.pack(">I", zlib.crc32(chunk))
    return b"\x89PNG\r\n\x1a\n" + body


def a_link():
    entry = zipfile.ZipInfo("yes/link.png")
    entry.external_attr = 0o120777 << 16
    return entry


WRONG = {
    "a path that leads outside": {"../../yes/1.png": b"x"},
    "an absolute path": {"/etc/1.png": b"x"},
    "a path of another system": {"..\\..\\yes\\1.png": b"x"},
    "a link": {a_link(): b"/etc/passwd"},
    "no picture at all": {"yes/1.png": b"x"},
    "a cut picture": {"yes/1.png": a_picture()[:60]},
    "a picture of a billion pixels": {"yes/1.png": a_bomb()},
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_a_hostile_zip_is_one_sentence(tmp_path, case):
    """Refused, with a reason; nothing is written outside."""
    with pytest.raises(DataUnreadable) as caught:
        read(an_archive(tmp_path, WRONG[case]), tmp_path)

    assert library.explain(caught.value).message.startswith("pictures.zip cannot be read")


def test_a_damaged_or_locked_zip_is_one_sentence(tmp_path):
    """A bit that flipped; a password."""
    path = an_archive(tmp_path, thirty())
    whole = path.read_bytes()
    for raw in (
        whole[:120] + bytes(40) + whole[160:],
        whole.replace(b"PK\x01\x02\x14\x03\x14\0\0\0", b"PK\x01\x02\x14\x03\x14\0\1\0"),
    ):
        path.write_bytes(raw)
        with pytest.raises(DataUnreadable):
            read(path, tmp_path)


def test_what_is_neither_folder_nor_zip_is_refused(tmp_path):
    """A table for a picture model."""
    (tmp_path / "rows.csv").write_text("text,label\n")
    with pytest.raises(DataUnreadable):
        read(tmp_path / "rows.csv")


def test_nothing_and_almost_nothing_are_told_apart(tmp_path):
    """No picture; three pictures."""
    with pytest.raises(DataEmpty):
        read(an_archive(tmp_path, {"readme.txt": b"hello"}), tmp_path)
    with pytest.raises(TooFewRows):
        read(an_archive(tmp_path, dict(list(thirty().items())[:3])), tmp_path)


def test_pictures_without_a_scratch_folder_go_with_the_process(tmp_path):
    """A stranger's pictures do not stay on the disk."""
    import subprocess
    import sys

    path = an_archive(tmp_path, thirty())
    code = (
        "import sys\nfrom pathlib import Path\nfrom wizard.examples import pictures\n"
        "print(pictures.read(Path(sys.argv[1]), seed=0, limit=9).images)"
    )
    done = subprocess.run([sys.executable, "-c", code, str(path)], capture_output=True, text=True)
    kept = Path(done.stdout.strip())

    assert kept.name == "images.raw"
    assert not kept.parent.exists()


def test_a_model_without_pictures_gets_digits_and_is_told(tmp_path):
    """Unlike photographs, and the note says so."""
    rows = examples.read(an_image_profile(ref=FOLDER_MODEL), "sample", seed=0)

    assert rows.test.labels == ()
    assert any("digits" in note for note in rows.notes)


PROCESSORS = [
    ("ViT", {"size": {"height": 32, "width": 32}, "resample": 3}),
    ("ViT", {"size": {"height": 20, "width": 24}, "do_normalize": False}),
    ("ViT", {"size": 24, "do_rescale": False}),
    ("DeiT", {"size": 40, "crop_size": 32}),
    ("DeiT", {}),
    ("Beit", {"size": 30, "do_center_crop": True, "crop_size": 24}),
    ("Bit", {"size": {"shortest_edge": 33}, "crop_size": 24}),
    ("CLIP", {"size": 24, "crop_size": 24}),
    ("Siglip", {"size": {"height": 24, "width": 24}}),
    ("ConvNext", {"size": {"shortest_edge": 28}}),
    ("ConvNext", {"size": 28, "crop_pct": 0.95, "resample": 2}),
    ("ConvNext", {"size": {"shortest_edge": 384}}),
    ("MobileNetV1", {"size": {"shortest_edge": 30}, "crop_size": 24}),
    ("MobileNetV2", {"size": {"shortest_edge": 20}, "crop_size": 24}),
    ("MobileViT", {"size": {"shortest_edge": 28}, "crop_size": 24}),
    ("EfficientNet", {"size": 24, "resample": 0}),
    ("EfficientNet", {"size": 24, "rescale_offset": True, "include_top": False}),
]


@pytest.mark.parametrize(("named", "settings"), PROCESSORS)
def test_pictures_are_prepared_as_transformers_does_it(tmp_path, named, settings):
    """The same floats as the model's own processor, for wide, tall and small pictures."""
    from transformers.models.auto.image_processing_auto import get_image_processor_class_from_name

    theirs = get_image_processor_class_from_name(f"{named}ImageProcessorPil")
    mean = {"image_mean": [0.3, 0.4, 0.5], "image_std": [0.4, 0.5, 0.6]} if settings else {}
    written = {**settings, **mean, "image_processor_type": f"{named}ImageProcessor"}
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(written))
    entries = {f"yes/{i}.png": a_picture(i, size) for i, size in enumerate([(50, 40), (31, 64)])}
    found = pictures.read(an_archive(tmp_path, entries), seed=0, limit=9, scratch=tmp_path)
    profile, out = an_image_profile(ref=FOLDER_MODEL), tmp_path / "f.npz"
    feeds = examples.load_feeds(examples.prepare(profile, tmp_path, found, Workload(), out))
    stored = pictures.Stored(found.images)

    for row in range(2):
        raw = Image.fromarray(stored[row])
        expected = theirs(**settings, **mean)(raw, return_tensors="np")["pixel_values"]
        np.testing.assert_allclose(feeds.row(row)["pixel_values"], expected, atol=2e-6)


@pytest.mark.parametrize(
    "written",
    ["{nope", "[]", '{"size": "large"}', '{"size": {"longest_edge": 9}}',
     '{"image_processor_type": "OddImageProcessor"}'],
)  # fmt: skip
def test_a_processor_we_cannot_follow_is_refused(tmp_path, written):
    """Better no figure than one on wrongly prepared pictures."""
    (tmp_path / "preprocessor_config.json").write_text(written)
    np.save(tmp_path / "images.npy", np.zeros((1, 8, 8, 3), np.uint8))
    rows = ExampleSet(origin="t", images=tmp_path / "images.npy", rows=(0,))
    with pytest.raises(ConfigUnreadable):
        examples.prepare(an_image_profile(), tmp_path, rows, Workload(), tmp_path / "f.npz")


def test_a_single_picture_is_read_and_shown_as_it_was(tmp_path):
    """What a visitor tries: stored once, shown back no larger than asked for."""
    path = tmp_path / "mine.png"
    path.write_bytes(a_picture(3, size=(600, 40)))
    one = pictures.read_one(path, tmp_path)

    assert (len(one), one.origin, one.labels) == (1, "mine.png", ())
    with Image.open(io.BytesIO(examples.as_png(one))) as shown:
        assert shown.size == (320, 21)


def test_what_is_no_picture_is_refused_when_tried(tmp_path):
    """A renamed text, and a file above 50 MB."""
    path = tmp_path / "mine.png"
    path.write_text("no picture")
    with pytest.raises(DataUnreadable, match="cannot be opened"):
        pictures.read_one(path, tmp_path)
    with path.open("wb") as file:
        file.truncate(pictures.LARGEST_FILE + 1)

    with pytest.raises(DataUnreadable, match="50 MB"):
        pictures.read_one(path, tmp_path)
