"""A measurement doubts itself: wrong yardstick, wrong inputs, another order of labels."""

import dataclasses

import numpy as np
import pytest

from tests.factories import a_profile, some_answers
from wizard.errors import CannotCompare
from wizard.examples import feeds
from wizard.examples.feeds import Feeds
from wizard.measure import sanity
from wizard.nouns import Basis, ExampleSet, Quality, Quantity
from wizard.strategies import _contract as contract

LABELS = ("no", "yes", "maybe", "later")
ROWS = 400


def answered(truth, predicted):
    """A quality from rows of labels."""
    share = Quantity(value=float(np.mean(truth == predicted)), unit="share", basis=Basis.MEASURED)
    answers = some_answers(
        rows=len(truth), predicted=tuple(map(int, predicted)), truth=tuple(map(int, truth))
    )
    return Quality(metric="accuracy", value=share, answers=answers)


def truths(seed=0, shares=(0.4, 0.3, 0.2, 0.1)):
    return np.random.default_rng(seed).choice(len(LABELS), ROWS, p=shares)


def mostly_right(truth, share=0.9, seed=1):
    """That share of rows right, the others at random."""
    random = np.random.default_rng(seed)
    wrong = random.random(len(truth)) > share
    return np.where(wrong, random.integers(0, len(LABELS), len(truth)), truth)


def text_feeds(ids, per_row=8):
    """Rows of equally many word pieces."""
    ids = np.asarray(ids, dtype=np.int32)
    rows = np.split(ids, len(ids) // per_row)
    return Feeds(feeds.texts(rows, [np.zeros_like(one) for one in rows], pad=0))


def image_feeds(pixels, rescale=1 / 255):
    """Pictures of 8 x 8 points, normalized with mean and deviation 0.5."""
    half = np.full(1, 0.5, np.float32)
    return Feeds(feeds.stacked("pixel_values", pixels, rescale=rescale, mean=half, std=half))


def test_a_good_original_is_not_doubted():
    """Ninety percent right in any order of classes and also with one class in front."""
    for shares in ((0.25,) * 4, (0.94, 0.02, 0.02, 0.02)):
        truth = truths(shares=shares)
        assert sanity.of_original(answered(truth, mostly_right(truth)), LABELS) == ()


def test_a_weak_original_is_not_doubted():
    """Half right is far from guessing, and somebody's real model."""
    truth = truths()

    assert sanity.of_original(answered(truth, mostly_right(truth, 0.4)), LABELS) == ()


def test_labels_in_another_order_are_named():
    """Two labels swapped cost a third of the answers; both names are in the sentence."""
    truth = truths()
    swapped = np.array([1, 0, 2, 3])[mostly_right(truth)]

    (doubt,) = sanity.of_original(answered(truth, swapped), LABELS)

    assert "another order" in doubt
    assert "'no'" in doubt
    assert "'yes'" in doubt


def test_an_original_that_guesses_is_no_yardstick():
    """Also when its guesses follow the shares of the labels."""
    quality = answered(truths(seed=1), truths(seed=2))

    assert "guessing" in sanity.of_original(quality, LABELS)[0]


def test_few_rows_raise_no_doubt():
    """Twenty rows say nothing about chance."""
    quality = answered(truths(seed=1)[:20], truths(seed=2)[:20])

    assert sanity.of_original(quality, LABELS) == ()


def test_guessing_is_seldom_taken_for_knowing_and_knowing_never_for_guessing():
    """500 guessing originals are caught but for the one percent of the test; 500 weak ones pass."""
    guessed = sum(
        not sanity.of_original(answered(truths(seed), truths(seed + 10_000)), LABELS)
        for seed in range(500)
    )
    weak = sum(
        bool(sanity.of_original(answered(t, mostly_right(t, 0.35, seed + 7)), LABELS))
        for seed in range(500)
        for t in [truths(seed)]
    )

    assert guessed <= 15
    assert weak == 0


def test_grades_without_relation_are_doubted():
    """A rank correlation whose interval reaches zero is no yardstick for embeddings."""
    answers = some_answers(rows=100, truth=(), scores=(0.1,) * 100, target=(0.5,) * 100)
    rho = Quantity(value=0.02, unit="rho", basis=Basis.MEASURED, low=-0.1, high=0.1, n=100)
    quality = Quality(metric="spearman", value=rho, answers=answers)

    assert "nothing to do" in sanity.of_original(quality, ())[0]


def test_a_word_piece_the_model_does_not_know_is_refused():
    """A larger tokenizer than the model's table is another model's tokenizer."""
    feeds = text_feeds(np.arange(80) + 1000)

    with pytest.raises(CannotCompare, match="belong together"):
        sanity.of_inputs(feeds, a_profile(vocabulary=500))


def test_one_word_piece_everywhere_is_doubted():
    """Text that a tokenizer does not know becomes 'unknown' over and over."""
    ids = np.where(np.random.default_rng(0).random(800) < 0.6, 1, np.arange(800) % 300)

    assert "unknown" in sanity.of_inputs(text_feeds(ids), a_profile(vocabulary=500))[0]


def test_pictures_that_were_not_rescaled_are_doubted():
    """0..255 instead of 0..1 points at preprocessor_config.json."""
    pixels = np.random.default_rng(0).integers(0, 256, (10, 1, 8, 8), dtype=np.uint8)

    assert sanity.of_inputs(image_feeds(pixels), a_profile()) == ()
    assert "do_rescale" in sanity.of_inputs(image_feeds(pixels, 1.0), a_profile())[0]


def test_calibration_rows_of_another_kind_are_doubted():
    """Dim noise in place of pictures, random word pieces in place of text."""
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (40, 1, 8, 8), dtype=np.uint8)
    noise = random.integers(0, 20, (40, 1, 8, 8), dtype=np.uint8)
    text = text_feeds(random.zipf(1.5, 4000) % 400)
    salad = text_feeds(random.integers(400, 5000, 4000))

    assert sanity.of_calibration(image_feeds(pictures[:20]), image_feeds(pictures[20:])) == ()
    assert sanity.of_calibration(image_feeds(noise), image_feeds(pictures))
    assert sanity.of_calibration(text, text_feeds(random.zipf(1.5, 4000) % 400)) == ()
    assert sanity.of_calibration(salad, text)


def test_a_candidate_with_its_labels_permuted_is_named():
    """The answers are the original's under other names; a merely bad one is not called that."""
    before = mostly_right(truths())
    moved = np.array([1, 2, 3, 0])[before]
    bad = np.random.default_rng(5).integers(0, 4, ROWS)
    original = some_answers(rows=ROWS, predicted=tuple(map(int, before)))

    def said(after):
        answers = some_answers(rows=ROWS, predicted=tuple(map(int, after)))
        return sanity.reordered(original, answers, LABELS)

    assert "'no' has become 'yes'" in said(moved)[0]
    assert said(bad) == ()
    assert said(before) == ()


def test_a_file_changed_after_it_was_made_is_noticed(tmp_path):
    """A quantizer that works in place would compare a model with itself."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08first")
    artifact = contract.artifact_of(path)
    sanity.unchanged(artifact)
    path.write_bytes(b"\x08second")

    with pytest.raises(CannotCompare, match="has changed"):
        sanity.unchanged(artifact)


def test_external_data_belong_to_the_digest(tmp_path):
    """The same number that strategies give an artifact of two files."""
    path = tmp_path / "model.onnx"
    path.write_bytes(b"\x08graph")
    path.with_name("model.onnx.data").write_bytes(b"weights")

    assert sanity.digest(path) == contract.artifact_of(path).sha256


def test_an_answer_missing_is_an_error():
    """A score over fewer rows than asked is not a score of these rows."""
    rows = ExampleSet(origin="t", rows=tuple(range(10)))
    sanity.same_rows(10, rows)
    sanity.same_rows(10, dataclasses.replace(rows, pairs=(("a", "b"),) * 10))

    with pytest.raises(CannotCompare, match="same rows"):
        sanity.same_rows(9, rows)
