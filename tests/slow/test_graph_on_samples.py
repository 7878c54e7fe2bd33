"""Shorter word tables, thinner layers, zeros: where they help and where not, all rows."""

import numpy as np
import pytest

from tests.planted.stage import stage
from wizard import examples, measure
from wizard.errors import NotSupported
from wizard.nouns import Step
from wizard.strategies import _graph, vocabulary_trimming
from wizard.strategies._contract import apply_step
from wizard.strategies._pieces import of_texts

pytestmark = pytest.mark.slow
EVERY_ROW = 10**6


@pytest.fixture(scope="module")
def intents():
    return stage("intents", EVERY_ROW)


def points_lost(sample, name, **settings):
    """Points of the sample's metric, and the file's share of the original's."""
    artifact = sample.make(name, **settings)
    after = measure.weigh_candidate(artifact, sample.original, sample.bench)
    lost = sample.original.quality.value.value - after.quality.value.value
    return 100 * lost, artifact.bytes / sample.export.bytes


def answers(path, feeds, rows):
    session = _graph.session(path)
    names = {one.name for one in session.get_inputs()}
    fed = [{k: v for k, v in feeds.row(at).items() if k in names} for at in rows]
    return [session.run(None, one)[0] for one in fed]


def test_half_of_the_word_pieces_keep_the_intents(intents):
    """A sixth of the file for less than a point, though a fifth of the texts meets a lost piece."""
    lost, share = points_lost(intents, "vocabulary_trimming")

    assert lost < 1
    assert share < 0.86


def test_only_the_pieces_seen_are_too_few(intents):
    """256 rows do not hold the words of 2400 others; a near word still beats the unknown one."""
    lost, _ = points_lost(intents, "vocabulary_trimming", keep_share=0.0)
    unknown, _ = points_lost(intents, "vocabulary_trimming", keep_share=0.0, alike=2.0)

    assert 1 < lost < unknown - 2


def test_texts_of_kept_pieces_are_answered_bit_for_bit(intents, tmp_path):
    """The user's own texts, given as a file: every one gets exactly the original's answer."""
    texts = list(intents.data.test.inputs)[:300]
    (tmp_path / "mine.txt").write_text("\n".join(texts), encoding="utf-8")
    after = intents.make("vocabulary_trimming", keep_share=0.0, texts=str(tmp_path / "mine.txt"))
    feeds = examples.load_feeds(intents.test)
    assert of_texts(intents.model_folder / "tokenizer.json", texts)
    assert vocabulary_trimming.trimmed(_graph.load(after.path))[0] < 3000

    pairs = zip(
        answers(intents.export.path, feeds, range(300)),
        answers(after.path, feeds, range(300)),
        strict=True,
    )
    assert all(np.array_equal(before, now) for before, now in pairs)


def test_pictures_are_refused():
    """There is no word in a digit."""
    with pytest.raises(NotSupported, match="no word table"):
        stage("digits", 10).make("vocabulary_trimming")


def test_a_third_of_the_work_keeps_the_intents(intents):
    """Split by what the layers see, a small classifier loses less than a point."""
    lost, share = points_lost(intents, "low_rank", macs=0.35)

    assert lost < 0.7
    assert share < 0.6


def test_a_tenth_of_the_work_breaks_the_sentences():
    """Vectors need more directions than labels: more than a point is gone."""
    lost, _ = points_lost(stage("sentences", EVERY_ROW), "low_rank", macs=0.1)

    assert lost > 1


def test_thin_layers_bear_few_bits(intents):
    """A quarter of the work in 4 bits: a thirteenth of the file within a point."""
    thin = intents.make("low_rank", macs=0.25)
    step = Step(strategy="low_bit_weights")
    small = apply_step(step, thin, intents.workbench("thin-and-4-bits"))
    after = measure.weigh_candidate(small, intents.original, intents.bench)

    assert intents.original.quality.value.value - after.quality.value.value < 0.01
    assert small.bytes < 0.08 * intents.export.bytes


def test_convolutions_are_not_split():
    """Their work is not in matrices."""
    with pytest.raises(NotSupported, match="not in large matrices"):
        stage("digits", 10).make("low_rank")


def test_zeros_shrink_the_zipped_download_alone(intents):
    """Half of the numbers: a quarter less to download, the file as before, next to no points."""
    artifact = intents.make("unstructured_sparsity", share=0.5)
    after = measure.weigh_candidate(artifact, intents.original, intents.bench)
    was = intents.original

    assert artifact.bytes == pytest.approx(intents.export.bytes, rel=0.01)
    assert after.zipped.value < 0.78 * was.zipped.value
    assert was.quality.value.value - after.quality.value.value < 0.01
    assert "zeros" in after.audit.label


def test_half_zeros_break_the_digits():
    """Few filters have nothing to spare: more than ten points."""
    lost, _ = points_lost(stage("digits", EVERY_ROW), "unstructured_sparsity", share=0.5)

    assert lost > 10
