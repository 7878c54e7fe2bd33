"""Pictures with outlines or boxes: read, prepared, scored."""

import io
import json
import zipfile
from dataclasses import replace

import numpy as np
import pytest
from PIL import Image

from tests.factories import an_image_profile
from wizard import examples
from wizard.errors import DataEmpty, DataUnreadable, LabelsUnknown
from wizard.examples import marked, pictures
from wizard.measure.answered import Answered
from wizard.measure.reducers import boxes as box_reducer
from wizard.measure.reducers import outlines as outline_reducer
from wizard.measure.scorers import boxes, outlines
from wizard.nouns import ExampleSet, ModelRef, Source, Task

SEGMENTS = an_image_profile(task=Task.IMAGE_SEGMENTATION, labels=("ground", "cat"))
FINDS = an_image_profile(task=Task.OBJECT_DETECTION, labels=("cat", "dog"))


def a_png(pixels):
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, "PNG")
    return file.getvalue()


def a_picture(number):
    random = np.random.default_rng(number)
    return a_png(random.integers(0, 255, (20, 30, 3), dtype=np.uint8))


def an_archive(tmp_path, entries):
    path = tmp_path / "pictures.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, raw in entries.items():
            file.writestr(name, raw)
    return path


def read(path, tmp_path, *, outlined):
    return marked.read(path, outlined=outlined, seed=0, limit=99, scratch=tmp_path)


@pytest.mark.parametrize(("profile", "ours"), [(SEGMENTS, 240), (FINDS, 340)])
def test_ours_stand_in_without_what_is_right(profile, ours):
    """A model of somebody's own is asked about our scenes, whose labels are not its own."""
    ref = ModelRef(source=Source.FOLDER, name="somewhere")
    rows = examples.read(replace(profile, ref=ref), "sample", seed=0)

    assert len(rows.test) == ours
    assert rows.test.masks is None
    assert rows.test.answers == ()


# --------------------------------------------------------------------------- outlines


@pytest.mark.parametrize("name", ["masks/{}.png", "annotations/{}.png", "{}_mask.png"])
def test_a_mask_lies_beside_its_picture(tmp_path, name):
    """In a folder of its own, or under a name of its own; a picture without one is left out."""
    mask = np.zeros((20, 30), np.uint8)
    mask[5:10, 5:10] = 1
    entries = {f"{name[:0]}{i}.png": a_picture(i) for i in range(3)}
    entries |= {name.format(i): a_png(mask * (i + 1)) for i in range(2)}
    found = read(an_archive(tmp_path, entries), tmp_path, outlined=True)
    stored = pictures.Stored(found.masks, "masks")

    assert len(found) == 2
    assert found.notes == ("1 pictures have no marks and were left out.",)
    np.testing.assert_array_equal(stored[1], mask * 2)
    assert pictures.Stored(found.images)[0].shape == (20, 30, 3)


def test_pictures_without_masks_can_only_agree(tmp_path):
    """And a note says so."""
    found = read(an_archive(tmp_path, {"1.png": a_picture(1)}), tmp_path, outlined=True)

    assert found.masks is None
    assert "no masks" in found.notes[0]


def test_a_mask_in_colours_is_refused(tmp_path):
    """Colours would have to be guessed at."""
    entries = {"1.png": a_picture(1), "masks/1.png": a_picture(2)}

    with pytest.raises(DataUnreadable, match="colours"):
        read(an_archive(tmp_path, entries), tmp_path, outlined=True)


def test_no_picture_at_all_is_said(tmp_path):
    """Masks alone are no pictures."""
    with pytest.raises(DataEmpty):
        read(an_archive(tmp_path, {"masks/1.png": a_picture(1)}), tmp_path, outlined=True)


def test_scores_are_enlarged_as_pytorch_does():
    """Bilinear, between the centres of pixels."""
    import torch

    scores = np.random.default_rng(0).normal(size=(3, 5, 7)).astype(np.float32)
    expected = torch.nn.functional.interpolate(
        torch.from_numpy(scores)[None], size=(20, 21), mode="bilinear", align_corners=False
    )[0]

    found = outline_reducer.enlarged(scores, 20, 21)
    np.testing.assert_allclose(found, expected.numpy(), atol=1e-5)


def test_pixels_without_a_label_do_not_count():
    """Two of three pixels right, one marked 255."""
    found, truth = np.array([[0, 1, 1, 1]]), np.array([[0, 1, 0, 255]])

    np.testing.assert_array_equal(outline_reducer.overlaps(found, truth, 2), [1, 1, 2, 2])


def an_answer(*labels):
    """Scores of two labels on a picture of these pixels, as the reducer keeps them."""
    truth = np.array([[0, 0, 1, 1]])
    scores = np.eye(2, dtype=np.float32)[list(labels)].T.reshape(1, 2, 1, 4)
    return outline_reducer.reduce([({"truth": truth[None]}, {"logits": scores})])


def answered(*kept):
    return Answered({name: [one[name] for one in kept] for name in kept[0]})


def test_the_mean_iou_takes_all_pictures_together(tmp_path):
    """One whole and one half wrong: 4 of 5 pixels of the ground, 3 of 4 of the cat."""
    rows = ExampleSet(origin="o", masks=tmp_path / "m.npz", rows=(0, 1))
    was = answered(an_answer(0, 0, 1, 1), an_answer(0, 0, 1, 1))
    now = answered(an_answer(0, 0, 1, 1), an_answer(0, 0, 0, 1))
    found = outlines.score(now, rows, SEGMENTS, was, "")

    assert found.metric == "mean IoU"
    assert found.value.value == pytest.approx((4 / 5 + 3 / 4) / 2)
    assert found.answers.agreement == (1.0, 0.75)
    assert outlines.glance(now, was).changed == 1
    assert outlines.shown(now, SEGMENTS, rows) == {
        "answers": [["ground", 0.5, 0], ["cat", 0.5, 1]],
        "map": [[0, 0, 1, 1]],
    }


def test_one_label_everywhere_is_a_collapse():
    """Where the original had two."""
    rows = ExampleSet(origin="o", rows=tuple(range(20)))
    was, now = (answered(*[an_answer(*one)] * 20) for one in ((0, 0, 1, 1), (0, 0, 0, 0)))

    assert "one label" in outlines.score(now, rows, SEGMENTS, was, "").answers.collapse[0]


# --------------------------------------------------------------------------- boxes

COCO = {
    "images": [{"id": 7, "file_name": "train/1.png", "width": 60, "height": 40}],
    "categories": [{"id": 3, "name": "cat"}],
    "annotations": [
        {"image_id": 7, "category_id": 3, "bbox": [6, 4, 30, 20]},
        {"image_id": 7, "category_id": 3, "bbox": [0, 0, 60, 40], "iscrowd": 1},
    ],
}


def test_boxes_come_from_a_coco_file(tmp_path):
    """In shares of the sides, so that no picture's size matters; crowds are left out."""
    entries = {"1.png": a_picture(1), "2.png": a_picture(2), "boxes.json": json.dumps(COCO)}
    found = read(an_archive(tmp_path, entries), tmp_path, outlined=False)

    assert found.answers == (("0.100000 0.100000 0.500000 0.500000 cat",),)
    assert found.notes == ("1 pictures have no marks and were left out.",)


def drawn(tmp_path, kind):
    """A ZIP of 25 pictures with one thing of that kind in each."""
    coco = {
        "images": [
            {"id": at, "file_name": f"{at}.png", "width": 60, "height": 40} for at in range(25)
        ],
        "categories": [{"id": 3, "name": kind}],
        "annotations": [
            {"image_id": at, "category_id": 3, "bbox": [6, 4, 30, 20]} for at in range(25)
        ],
    }
    pictures = {f"{at}.png": a_picture(at) for at in range(25)}
    return an_archive(tmp_path, {**pictures, "boxes.json": json.dumps(coco)})


def test_boxes_are_named_as_the_model_names_them(tmp_path):
    """The user's file may write a label another way."""
    model = an_image_profile(task=Task.OBJECT_DETECTION, labels=("traffic_light", "dog"))
    rows = examples.read(model, str(drawn(tmp_path, "Traffic light")), seed=0, scratch=tmp_path)

    assert {one.split(" ", 4)[4] for row in rows.test.answers for one in row} == {"traffic_light"}


def test_boxes_of_what_the_model_does_not_know_are_refused(tmp_path):
    """As any other label would be."""
    model = an_image_profile(task=Task.OBJECT_DETECTION, labels=("traffic_light", "dog"))

    with pytest.raises(LabelsUnknown):
        examples.read(model, str(drawn(tmp_path, "zebra")), seed=0, scratch=tmp_path)


@pytest.mark.parametrize("broken", ["{", "[]", '{"images": []}', '{"images": [{"id": 1}]}'])
def test_a_coco_file_that_is_none_is_refused(tmp_path, broken):
    """One sentence; nothing is guessed."""
    entries = {"1.png": a_picture(1), "boxes.json": broken}

    with pytest.raises(DataUnreadable):
        read(an_archive(tmp_path, entries), tmp_path, outlined=False)


def said(*things):
    """What a model of two labels says: (label, certainty, centre x, centre y, width, height)."""
    scores = np.full((1, len(things) + 1, 3), -20.0, np.float32)
    scores[0, -1, 2] = 0.0
    places = np.zeros((1, len(things) + 1, 4), np.float32)
    for at, (label, sure, *place) in enumerate(things):
        scores[0, at, label], scores[0, at, 2] = np.log(sure), np.log(1 - sure)
        places[0, at] = place
    return box_reducer.reduce([({}, {"logits": scores, "pred_boxes": places})])


def test_the_reducer_keeps_what_may_be_something():
    """Label, certainty, corner and sides; "nothing here" is not kept."""
    kept = said((1, 0.9, 0.5, 0.5, 0.2, 0.4))["boxes"]

    np.testing.assert_allclose(kept, [[1, 0.9, 0.4, 0.3, 0.2, 0.4]], atol=1e-6)


def test_a_thing_is_found_once_with_its_name_and_half_its_place():
    """Right; said twice; under the wrong name; too far off; not sure enough."""
    rows = ExampleSet(
        origin="o", answers=(("0.4 0.4 0.2 0.2 cat", "0.0 0.0 0.2 0.2 dog"),), rows=(0,)
    )
    now = answered(
        said(
            (0, 0.9, 0.5, 0.5, 0.2, 0.2),
            (0, 0.8, 0.5, 0.5, 0.2, 0.2),
            (0, 0.7, 0.1, 0.1, 0.2, 0.2),
            (1, 0.7, 0.3, 0.1, 0.2, 0.2),
            (1, 0.4, 0.1, 0.1, 0.2, 0.2),
        )
    )
    found = boxes.score(now, rows, FINDS, now, "")

    assert found.metric == "detection F1"
    assert found.answers.features == ((1.0, 4.0, 2.0),)
    assert found.value.value == pytest.approx(2 / 6)
    assert found.answers.agreement == (1.0,)
    assert found.answers.expected == ("cat, dog",)


def test_what_is_found_is_drawn_beside_what_is_right():
    """Names and places for the playground, in shares of the sides; nothing found is said."""
    rows = ExampleSet(origin="o", answers=(("0.0 0.0 0.2 0.2 dog",),), rows=(0,))
    found = boxes.shown(answered(said((0, 0.9, 0.5, 0.5, 0.2, 0.2))), FINDS, rows)

    assert found["boxes"] == [["cat", 0, 0.4, 0.4, 0.2, 0.2]]
    assert found["true"] == [["dog", 1, 0.0, 0.0, 0.2, 0.2]]
    assert [one[::2] for one in found["answers"]] == [["cat", 0]]
    assert boxes.shown(answered(said()), FINDS, rows)["said"] == "(nothing found)"


def test_a_model_that_sees_nothing_any_more_has_collapsed():
    """In pictures where the original saw something."""
    rows = ExampleSet(origin="o", rows=tuple(range(20)))
    was = answered(*[said((0, 0.9, 0.5, 0.5, 0.2, 0.2))] * 20)
    now = answered(*[said()] * 20)

    assert "finds nothing in 20 of 20" in boxes.score(now, rows, FINDS, was, "").answers.collapse[0]
