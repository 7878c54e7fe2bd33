"""Pictures held against labels that the user names: read, prepared, scored, shown, tried at home.

Does not cover: agreement of the export with PyTorch, the whole job (tests/slow).
"""

import json
import runpy
import zipfile
from dataclasses import replace

import numpy as np
import pytest

from tests.factories import an_image_profile
from tests.test_examples_pictures import a_picture
from wizard import examples, intake, tasks
from wizard.bundle.pack import TEMPLATES
from wizard.errors import DataNotForTask, DataUnreadable, NotSupported
from wizard.examples import choosing, feeds
from wizard.intake.heads import HOLD_AGAINST, task_of
from wizard.measure import quality
from wizard.measure.answered import Answered
from wizard.measure.reducers import held_against
from wizard.nouns import ModelRef, Source, SupportLevel, Task, Workload
from wizard.strategies import _recover

TASK = Task.ZERO_SHOT_IMAGES
WORDS = ["<s>", "</s>", "a", "photo", "of", "red", "circle", "blue", "square", ".", "?"]
TOKENIZER = {
    "version": "1.0",
    "normalizer": None,
    "pre_tokenizer": {"type": "Whitespace"},
    "post_processor": {
        "type": "TemplateProcessing",
        "single": [
            {"SpecialToken": {"id": "<s>", "type_id": 0}},
            {"Sequence": {"id": "A", "type_id": 0}},
            {"SpecialToken": {"id": "</s>", "type_id": 0}},
        ],
        "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
        "special_tokens": {
            one: {"id": one, "ids": [at], "tokens": [one]} for at, one in enumerate(WORDS[:2])
        },
    },
    "model": {
        "type": "WordLevel",
        "vocab": {word: at for at, word in enumerate(WORDS)},
        "unk_token": "?",
    },
}
SIZES = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 2}
ARCHITECTURES = {"clip": "CLIPModel", "siglip": "SiglipModel"}


def a_model(folder, kind):
    """The files that say how a model of that kind is fed; no weights."""
    folder.mkdir(exist_ok=True)
    sizes = {**SIZES, "intermediate_size": 16}
    config = {
        "model_type": kind,
        "architectures": [ARCHITECTURES[kind]],
        "projection_dim": 16,
        "text_config": {
            **sizes,
            "vocab_size": len(WORDS),
            "max_position_embeddings": 16,
            "pad_token_id": 1,
        },
        "vision_config": {**sizes, "image_size": 16, "patch_size": 8},
    }
    named = {"clip": "CLIPImageProcessor", "siglip": "SiglipImageProcessor"}[kind]
    processor = {
        "image_processor_type": named,
        "size": {"height": 16, "width": 16},
        "crop_size": {"height": 16, "width": 16},
    }
    written = {
        "config": config,
        "tokenizer": TOKENIZER,
        "preprocessor_config": processor,
    }
    for name, content in written.items():
        (folder / f"{name}.json").write_text(json.dumps(content))
    return folder


def a_profile_of(folder):
    return replace(
        an_image_profile(labels=(), ref=ModelRef(source=Source.FOLDER, name=str(folder))), task=TASK
    )


def a_zip(folder, labels, each=12):
    path = folder / "mine.zip"
    with zipfile.ZipFile(path, "w") as archive:
        for at, label in enumerate(label for label in labels for _ in range(each)):
            archive.writestr(f"{label}/{at}.png", a_picture(at))
    return path


@pytest.fixture(params=sorted(ARCHITECTURES))
def kind(request):
    return request.param


@pytest.fixture
def rows(tmp_path):
    """A visitor's own ZIP, read."""
    path = a_zip(tmp_path, ("red_circle", "Blue square"))
    profile = a_profile_of(tmp_path)
    return examples.read(profile, str(path), seed=0, scratch=tmp_path).test


def test_the_architecture_tells_them_from_bare_models():
    """As transformers' own table does; a part alone gives vectors."""
    from transformers.models.auto.modeling_auto import (
        MODEL_FOR_ZERO_SHOT_IMAGE_CLASSIFICATION_MAPPING_NAMES as KNOWN,
    )

    assert set(KNOWN.values()) >= HOLD_AGAINST
    assert task_of({"model_type": "clip", "architectures": ["CLIPModel"]}) == TASK.value
    assert task_of({"model_type": "clip", "architectures": ["CLIPVisionModel"]}) != TASK.value


def test_a_card_counts_both_parts(tmp_path, kind):
    """From the config alone: the work of one picture and ten labels, all layers, no own labels."""
    profile = intake.examine(intake.parse_ref(str(a_model(tmp_path / "m", kind))))

    assert (profile.task, profile.family) == (TASK, kind)
    assert profile.support.level in {SupportLevel.TESTED, SupportLevel.SHOULD_WORK}
    assert str(profile.workload) == "one picture and 10 labels"
    assert profile.layers == 2
    assert profile.labels == ()
    assert profile.parameters.embedding > 0 < profile.parameters.conv
    assert profile.macs > 10 * profile.parameters.linear


def test_siglip_2_with_patches_of_any_shape_is_refused_with_the_nearest(tmp_path):
    """Its pictures are lists of patches; the card says which models do."""
    folder = a_model(tmp_path / "m", "siglip")
    config = json.loads((folder / "config.json").read_text())
    config |= {"model_type": "siglip2", "architectures": ["Siglip2Model"]}
    (folder / "config.json").write_text(json.dumps(config))
    support = intake.examine(intake.parse_ref(str(folder))).support

    assert support.level is SupportLevel.NOT_HERE
    assert "patches" in support.because
    assert "CLIP" in support.nearest


def test_folders_are_what_is_chosen_among(rows):
    """Every picture has the same labels before it, and a note says what a request is."""
    assert rows.candidates == ("Blue square", "red_circle")
    assert any("held against the same 2 labels" in note for note in rows.notes)


def test_pictures_in_one_folder_are_refused(tmp_path):
    """There is nothing to choose among; the sentence says where labels come from."""
    path = a_zip(tmp_path, ("all",), each=24)
    with pytest.raises(DataUnreadable) as caught:
        examples.read(a_profile_of(tmp_path), str(path), seed=0, scratch=tmp_path)

    assert "folders' names are the labels" in str(caught.value.facts)


def test_all_rows_share_the_labels(tmp_path, rows, kind):
    """One picture a row; the texts stand once, whatever the batch."""
    folder = a_model(tmp_path / "m", kind)
    made = examples.prepare(a_profile_of(folder), folder, rows, Workload(), tmp_path / "f.npz")
    fed = examples.load_feeds(made)
    batch = fed.exactly(3, None)

    assert len(fed) == len(rows)
    assert not fed.is_text
    assert batch["pixel_values"].shape == (3, 3, 16, 16)
    assert batch["input_ids"].shape == batch["attention_mask"].shape
    assert len(batch["input_ids"]) == 2
    np.testing.assert_array_equal(fed.row(0)["input_ids"], batch["input_ids"])


def test_clip_is_given_sentences_as_long_as_they_are(tmp_path, rows):
    """ "a photo of a red circle." between the signs; what a folder joins with _ is two words."""
    folder = a_model(tmp_path / "m", "clip")
    made = examples.prepare(a_profile_of(folder), folder, rows, Workload(), tmp_path / "f.npz")
    said = examples.load_feeds(made).row(0)
    words = [WORDS[at] for at in said["input_ids"][1]]

    assert words == ["<s>", "a", "photo", "of", "a", "red", "circle", ".", "</s>"]
    assert said["alone"].tolist() == [0]


def test_siglip_is_given_plain_words_at_full_length(tmp_path, rows):
    """In lower case, without the full stop, filled up: its last place is what it looks at."""
    folder = a_model(tmp_path / "m", "siglip")
    made = examples.prepare(a_profile_of(folder), folder, rows, Workload(), tmp_path / "f.npz")
    said = examples.load_feeds(made).row(0)
    words = [WORDS[at] for at in said["input_ids"][0]]

    assert words[:8] == ["<s>", "a", "photo", "of", "a", "blue", "square", "</s>"]
    assert set(words[8:]) == {"</s>"}
    assert len(words) == 16
    assert said["alone"].tolist() == [1]


def test_one_label_is_nothing_to_choose_among(tmp_path, rows):
    """What a visitor types may be a single word; the sentence says what is needed."""
    folder = a_model(tmp_path / "m", "clip")
    one = replace(rows, candidates=examples.listed("cat, cat,"))
    with pytest.raises(DataNotForTask):
        examples.prepare(a_profile_of(folder), folder, one, Workload(), tmp_path / "f.npz")


@pytest.mark.parametrize(("alone", "shares"), [(0, [0.731, 0.269]), (1, [0.731, 0.5])])
def test_answers_are_shares_or_chances_of_their_own(rows, alone, shares):
    """A softmax over the labels, or a sigmoid for each where it is judged by itself."""
    given = {"alone": np.array([alone])}
    logits = [np.array([[0.0, 1.0]], np.float32), np.array([[0.0, 1.0]], np.float32)]
    kept = [held_against.reduce([(given, {"logits_per_image": one})]) for one in logits]
    answers = Answered({name: [one[name] for one in kept] for name in kept[0]})
    told = quality.shown(answers, a_profile_of("m"), rows)["answers"]

    assert [label for label, _ in told] == ["red_circle", "Blue square"]
    assert [round(share, 3) for _, share in told] == shares
    few = replace(rows, labels=("red_circle", "Blue square"), rows=(0, 1))
    scored = quality.score(answers, few, a_profile_of("m"), answers)
    assert (scored.metric, scored.value.value) == ("top-1 accuracy", 0.5)


def test_run_py_reads_labels_as_they_were_measured(tmp_path, rows, kind):
    """The same ids and mask from the bundle's script as from the rows that the score is of."""
    folder = a_model(tmp_path / "m", kind)
    rows = replace(rows, candidates=("Blue square", "red circle"))
    made = examples.prepare(a_profile_of(folder), folder, rows, Workload(), tmp_path / "f.npz")
    said = examples.load_feeds(made).row(0)
    (folder / "run.py").write_text((TEMPLATES / "run_names.py.txt").read_text())
    script = runpy.run_path(str(folder / "run.py"))
    config = json.loads((folder / "config.json").read_text())
    read = script["read"](["Blue square", "red circle"], config)
    sure = script["sure"](np.array([2.0, 1.0, -1.0], np.float32), config)

    assert script["SENTENCE"] == choosing.SENTENCE
    assert set(script["PLAIN"]) == choosing.ALONE
    for name in ("input_ids", "attention_mask"):
        np.testing.assert_array_equal(read[name], said[name])
    assert (abs(sure.sum() - 1) < 1e-6) == (kind == "clip")


def test_two_parts_are_not_trained(tmp_path):
    """The learner says why, before anything is loaded."""
    bench = type("Bench", (), {"profile": a_profile_of(tmp_path)})
    artifact = type("Artifact", (), {"path": tmp_path})
    with pytest.raises(NotSupported) as caught:
        _recover.can_train(artifact, bench, "Recovery", None)

    assert "looks with one part and reads with another" in str(caught.value.facts)
    assert tasks.labels_beside(TASK)
    assert not tasks.labels_beside(Task.ZERO_SHOT_CLASSIFICATION)


def test_shared_texts_are_no_rows():
    """A file of rows with texts is text; one whose texts all rows share is not."""
    shared = feeds.shared("input_ids", np.zeros((4, 3), np.int32))
    pictures = feeds.stacked("pixel_values", np.zeros((2, 3, 8, 8), np.float32))

    assert not feeds.Feeds({**pictures, **shared}).is_text
    assert len(feeds.Feeds({**pictures, **shared})) == 2
    assert feeds.Feeds(feeds.texts([np.array([1])], [np.array([0])], 0)).is_text
