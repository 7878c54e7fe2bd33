"""Where a shorter word table helps and what it costs: the bundled models, all rows."""

import numpy as np
import pytest

from tests.planted.stage import stage
from wizard import examples, measure
from wizard.errors import NotSupported
from wizard.strategies import _graph, vocabulary_trimming
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
