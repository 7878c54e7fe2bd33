"""Data sets of the Hub for every task: sounds, boxes, masks, tags, translations, named columns.

The real datasets client against a hub on loopback; one fresh process reads all of them.
"""

import io
import wave

import pytest

from tests.hub_sets import ROOT, answers_of, described, pa, parquet, table

pytestmark = pytest.mark.slow  # a fresh process that loads the real client

CODE = """
import json, sys, tempfile
from pathlib import Path
from tests.factories import a_profile
from wizard import examples, library
from wizard.errors import WizardError
from wizard.examples.sounds import Stored
from wizard.nouns import ModelRef, Source, Task
asked = json.loads(sys.stdin.read())
none = ()
german = ModelRef(source=Source.HUB, name="someone/opus-mt-de-en")
models = {
    "text": a_profile(labels=("three", "seven")),
    "tags": a_profile(task=Task.TOKEN_CLASSIFICATION, labels=("O", "B-LOC", "I-LOC")),
    "answers": a_profile(task=Task.QUESTION_ANSWERING, labels=none),
    "vectors": a_profile(task=Task.FEATURE_EXTRACTION, labels=none),
    "other words": a_profile(task=Task.TEXT_TO_TEXT, labels=none, ref=german),
    "pictures": a_profile(task=Task.IMAGE_CLASSIFICATION, labels=("three", "seven"), image_size=16),
    "boxes": a_profile(task=Task.OBJECT_DETECTION, labels=("cat", "dog"), image_size=16),
    "masks": a_profile(task=Task.IMAGE_SEGMENTATION, labels=("sky", "sea"), image_size=16),
    "sounds": a_profile(task=Task.AUDIO_CLASSIFICATION, labels=("three", "seven")),
    "speech": a_profile(task=Task.SPEECH_RECOGNITION, labels=none),
}
told = {}
for kind, name in asked:
    with tempfile.TemporaryDirectory() as scratch:
        try:
            rows = examples.read(models[kind], name, seed=0, limit=30, scratch=Path(scratch))
            test = rows.test
            told[f"{kind} {name}"] = {
                "labels": sorted(set(test.labels)), "notes": list(rows.notes), "rows": len(test),
                "first": list(test.inputs[:3]), "pairs": [list(one) for one in test.pairs[:3]],
                "answers": [list(one) for one in test.answers[:3]], "target": list(test.target[:3]),
                "masks": test.masks is not None,
                "seconds": [len(a) / b for a, b in [Stored(test.sounds)[0]]] if test.sounds else [],
            }
        except WizardError as error:
            said = library.explain(error)
            told[f"{kind} {name}"] = {"code": said.code, "message": said.message}
print(json.dumps(told))
"""
ROWS = 60


def classes(*names):
    """A class label of a data set's card, from its sixth column on."""
    return "class_label:\n      names:\n" + "".join(
        f"        '{index}': {name}\n" for index, name in enumerate(names)
    )


def a_picture(shade, mode="RGB"):
    from PIL import Image

    file = io.BytesIO()
    colour = (shade, 0, 255 - shade) if mode == "RGB" else shade % 2
    Image.new(mode, (16, 8), colour).save(file, "PNG")
    return {"bytes": file.getvalue(), "path": None}


def a_sound(number):
    """A second's quarter of a tone, in 16 bits at 8,000 samples a second."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        out.writeframes(bytes((number + at) % 251 for at in range(4000)))
    return file.getvalue()


def spoken(number):
    return {"bytes": a_sound(number), "path": f"{number}.wav"}


def each(make):
    return [make(number) for number in range(ROWS)]


def put(hub):
    """One data set for each task, in the form that is usual for it."""

    def publish(name, features, columns):
        files = {"README.md": described(features, {"test": "t.parquet"})}
        hub.datasets[name] = {**files, "t.parquet": parquet(columns)}

    label = "- name: label\n  dtype:\n    " + classes("three", "seven")
    audio = "features:\n- name: audio\n  dtype: audio\n"
    labels = each(lambda at: at % 2)
    publish("me/heard", audio + label, {"audio": each(spoken), "label": labels})
    text = "- name: sentence\n  dtype: string\n"
    said = each(lambda at: f"lights {at}")
    publish("me/said", audio + text, {"audio": each(spoken), "sentence": said})
    names = each(lambda at: ("three", "seven")[at % 2])
    publish(
        "me/odd-names",
        text.replace("- name", "features:\n- name", 1).replace("sentence", "said")
        + "- name: meant\n  dtype: string\n- name: note\n  dtype: string\n",
        {"said": said, "meant": names, "note": said},
    )
    publish(
        "me/places",
        "features:\n- name: tokens\n  sequence: string\n- name: ner_tags\n"
        "  sequence:\n    " + classes("O", "B-LOC", "I-LOC"),
        {"tokens": each(lambda at: ["in", f"Rome{at}"]), "ner_tags": each(lambda at: [0, 1])},
    )
    publish(
        "me/asked",
        "features:\n- name: question\n  dtype: string\n- name: context\n"
        "  dtype: string\n- name: answers\n  sequence:\n  - name: text\n    dtype: string\n"
        "  - name: answer_start\n    dtype: int32\n",
        {
            "question": each(lambda at: f"who is {at}?"),
            "context": each(lambda at: f"{at} is Ann"),
            "answers": each(lambda at: {"text": ["Ann"], "answer_start": [5]}),
        },
    )
    publish(
        "me/alike",
        "features:\n- name: sentence1\n  dtype: string\n- name: sentence2\n"
        "  dtype: string\n- name: label\n  dtype: float32\n",
        {
            "sentence1": said,
            "sentence2": each(lambda at: f"lamp {at}"),
            "label": each(lambda at: at / 10),
        },
    )
    publish(
        "me/translated",
        "features:\n- name: translation\n  dtype:\n    translation:\n"
        "      languages:\n      - en\n      - de\n",
        {"translation": each(lambda at: {"en": f"day {at}", "de": f"Tag {at}"})},
    )
    boxed = pa.array(
        each(lambda at: {"bbox": [[4.0, 2.0, 8.0, 4.0]], "category": [at % 2]}),
        pa.struct(
            [("bbox", pa.list_(pa.list_(pa.float32(), 4))), ("category", pa.list_(pa.int64()))]
        ),
    )
    publish(
        "me/boxed",
        "features:\n- name: image\n  dtype: image\n- name: objects\n  sequence:\n"
        "  - name: bbox\n    sequence: float32\n    length: 4\n  - name: category\n    dtype:\n"
        "      class_label:\n        names:\n          '0': cat\n          '1': dog\n",
        {"image": each(a_picture), "objects": boxed},
    )
    masks = each(lambda at: a_picture(at, "L"))
    publish(
        "me/outlined",
        "features:\n- name: image\n  dtype: image\n- name: annotation\n  dtype: image\n",
        {"image": each(a_picture), "annotation": masks},
    )
    # A stranger's cells may name any file of the machine that reads them.
    mine = {"bytes": None, "path": str(ROOT / "assets" / "not-here.png")}
    local = {"bytes": None, "path": f"file://{__file__}"}
    publish(
        "me/sly",
        "features:\n- name: image\n  dtype: image\n" + label,
        {
            "image": each(lambda at: (mine, local, {"bytes": None, "path": __file__})[at % 3]),
            "label": labels,
        },
    )
    # Files of the repository instead of bytes in a table, as `imagefolder` and `audiofolder`.
    hub.datasets["me/folder"] = {
        f"test/{('three', 'seven')[at % 2]}/{at}.png": a_picture(at)["bytes"] for at in range(ROWS)
    }
    hub.datasets["me/recorded"] = {
        "test/metadata.csv": table(
            [("file_name", "transcription"), *((f"{at}.wav", f"lights {at}") for at in range(ROWS))]
        ),
        **{f"test/{at}.wav": a_sound(at) for at in range(ROWS)},
    }


ASKED = [
    ("sounds", "hub:me/heard"),
    ("speech", "hub:me/said"),
    ("speech", "hub:me/heard"),
    ("speech", "hub:me/recorded"),
    ("text", "hub:me/odd-names"),
    ("text", "hub:me/odd-names#columns=text=said,label=meant"),
    ("text", "hub:me/odd-names#columns=text=spoken"),
    ("text", "hub:me/odd-names#columns=picture=said"),
    ("text", "hub:me/odd-names#columns=said"),
    ("tags", "hub:me/places"),
    ("answers", "hub:me/asked"),
    ("vectors", "hub:me/alike"),
    ("other words", "hub:me/translated"),
    ("other words", "hub:me/translated#columns=source=translation.en,translation=translation.de"),
    ("boxes", "hub:me/boxed"),
    ("boxes", "hub:me/outlined"),
    ("masks", "hub:me/outlined"),
    ("masks", "hub:me/outlined#columns=image=annotation,mask=image"),
    ("pictures", "hub:me/folder"),
    ("pictures", "hub:me/sly"),
    ("masks", "hub:me/heard#columns=mask=label"),
    ("sounds", "hub:me/outlined"),
    ("sounds", "hub:me/heard#columns=audio=label"),
]


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """What one process of the real client found, by kind of model and name."""
    return answers_of(CODE, ASKED, tmp_path_factory.mktemp("client"), put)


def test_sounds_come_with_their_labels(told):
    """Without a library that decodes them: the bytes are handed on."""
    found = told["sounds hub:me/heard"]

    assert found["labels"] == ["seven", "three"]
    assert found["seconds"] == [0.25]
    assert "The column 'audio' is read as the sound and 'label' as its label." in found["notes"]


@pytest.mark.parametrize("name", ["hub:me/said", "hub:me/recorded"])
def test_speech_comes_with_its_transcripts(told, name):
    """From bytes in a table, and from files of the repository beside a table."""
    found = told[f"speech {name}"]

    assert found["rows"] == 30
    assert all(len(one) == 1 and one[0].startswith("lights ") for one in found["answers"])


def test_speech_without_transcripts_is_said(told):
    """A set for another task can still be listened to."""
    found = told["speech hub:me/heard"]

    assert not found["answers"]
    assert any("without transcripts" in note for note in found["notes"])


def test_class_numbers_in_a_list_become_tags(told):
    """As named-entity sets have them: one number a word, named in the card."""
    assert told["tags hub:me/places"]["answers"][0] == ["O", "B-LOC"]


def test_answers_and_scores_are_found_under_their_usual_names(told):
    """SQuAD's nested answers; the score of a pair that is called its label."""
    assert told["answers hub:me/asked"]["answers"][0] == ["Ann"]
    assert told["vectors hub:me/alike"]["target"][:2] == pytest.approx([0.0, 0.1])


def test_the_model_s_name_tells_which_language_is_read(told):
    """One that goes from German to English; whoever knows better names the columns."""
    found = told["other words hub:me/translated"]
    turned = next(told[name] for name in told if name.startswith("other words") and "#" in name)

    assert found["first"][0].startswith("Tag ")
    assert found["answers"][0][0].startswith("day ")
    assert "Of 'translation', de is read and en is what should be written." in found["notes"]
    assert turned["first"][0].startswith("day ")


def test_boxes_come_with_the_model_s_labels(told):
    """In shares of a picture of 16 x 8: left, top, width, height, and what it is."""
    found = told["boxes hub:me/boxed"]
    expected = {f"0.250000 0.250000 0.500000 0.500000 {kind}" for kind in ("cat", "dog")}

    assert {answer for row in found["answers"] for answer in row} <= expected
    assert any("'objects' as its boxes" in note for note in found["notes"])


def test_masks_lie_beside_their_pictures(told):
    """The second picture of a row, under one of its usual names."""
    found = told["masks hub:me/outlined"]

    assert found["masks"]
    assert any("'annotation' as its mask" in note for note in found["notes"])


def test_pictures_of_a_repository_s_folders_are_read(told):
    """Files by label instead of bytes in a table."""
    assert told["pictures hub:me/folder"]["labels"] == ["seven", "three"]


def test_the_user_names_the_columns(told):
    """Where neither names nor kinds tell; the same sentence says what was read as what."""
    found = told["text hub:me/odd-names#columns=text=said,label=meant"]

    assert found["labels"] == ["seven", "three"]
    assert "The column 'said' is read as the text and 'meant' as its label." in found["notes"]


@pytest.mark.parametrize(
    ("name", "code", "words"),
    [
        ("text hub:me/odd-names", "column-missing", "no column text; it has said, meant, note"),
        ("text hub:me/odd-names#columns=text=spoken", "column-not-there", "no column spoken"),
        ("text hub:me/odd-names#columns=picture=said", "column-role-unknown", "text, label"),
        ("text hub:me/odd-names#columns=said", "bad-needs", "text=COLUMN"),
        ("masks hub:me/outlined#columns=image=annotation,mask=image", "data-unreadable", "colours"),
        ("pictures hub:me/sly", "dataset-unusable", "not one of its pictures could be read"),
        ("masks hub:me/heard#columns=mask=label", "dataset-unusable", "'label' holds no pictures"),
        ("sounds hub:me/outlined", "dataset-unusable", "no sounds; its columns are image"),
        ("sounds hub:me/heard#columns=audio=label", "dataset-unusable", "'label' holds no sounds"),
    ],
)
def test_what_cannot_be_read_is_a_sentence(told, name, code, words):
    """Which columns there are, what the task reads, how it is written."""
    assert told[name]["code"] == code
    assert words in told[name]["message"]
    assert "rows.jsonl" not in told[name]["message"]
