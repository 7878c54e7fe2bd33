"""Where a model's settings for pictures and sounds are written: one file, or a part of another."""

import json
import shutil
from pathlib import Path

import pytest

from wizard import intake
from wizard.errors import ConfigUnreadable
from wizard.examples import hearing, prepared, processor

ROOT = Path(__file__).resolve().parents[1]
PICTURES = {"image_processor_type": "ViTImageProcessor", "size": {"height": 32, "width": 32}}
SOUNDS = {"feature_extractor_type": "Wav2Vec2FeatureExtractor", "sampling_rate": 8000}


def written(folder, name, content):
    """A file of that content in the folder."""
    text = content if isinstance(content, str) else json.dumps(content)
    (folder / name).write_text(text, encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("part", "settings", "read"),
    [
        ("image_processor", PICTURES, processor.read),
        ("feature_extractor", SOUNDS, hearing.read),
    ],
)
def test_a_part_of_the_common_file_is_read_as_a_file_of_its_own(part, settings, read, tmp_path):
    """transformers 5 writes a processor of several parts into processor_config.json alone."""
    (tmp_path / "alone").mkdir()
    alone = written(tmp_path / "alone", prepared.ALONE, settings)
    whole = {"processor_class": "SomeProcessor", part: settings}
    together = written(tmp_path, prepared.TOGETHER, whole)

    assert read(together) == read(alone)


def test_a_file_of_its_own_comes_first(tmp_path):
    """Older checkpoints have both, and transformers reads the first."""
    written(tmp_path, prepared.TOGETHER, {"image_processor": {"size": 99}})
    written(tmp_path, prepared.ALONE, PICTURES)

    assert prepared.settings_in(tmp_path) == PICTURES


def test_a_common_file_without_such_a_part_says_nothing(tmp_path):
    """Before transformers 5 it only named a class."""
    written(tmp_path, prepared.TOGETHER, {"processor_class": "CLIPProcessor"})

    assert prepared.settings_in(tmp_path) is None
    with pytest.raises(ConfigUnreadable, match=prepared.ALONE):
        processor.read(tmp_path)


@pytest.mark.parametrize(
    ("content", "because"),
    [
        ("{nope", "processor_config.json is not JSON"),
        ("[]", "processor_config.json is no JSON object"),
        ({"image_processor": {"size": "large"}}, "processor_config.json cannot be followed"),
    ],
)
def test_a_common_file_that_cannot_be_followed_is_named(content, because, tmp_path):
    """One clear sentence with the file's name."""
    with pytest.raises(ConfigUnreadable, match=because):
        processor.read(written(tmp_path, prepared.TOGETHER, content))


def test_a_checkpoint_with_the_common_file_alone_has_the_same_card(tmp_path):
    """A sample, its settings moved: the card knows the recording's rate and length as before."""
    sample = ROOT / "assets" / "samples" / "spoken" / "model"
    folder = shutil.copytree(sample, tmp_path / "spoken")
    settings = json.loads((folder / prepared.ALONE).read_text(encoding="utf-8"))
    (folder / prepared.ALONE).unlink()
    written(folder, prepared.TOGETHER, {"feature_extractor": settings})
    found, as_before = (intake.examine(intake.parse_ref(str(one))) for one in (folder, sample))

    assert found.workload == as_before.workload
    assert found.support == as_before.support
