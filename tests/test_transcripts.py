"""Speech written down by CTC: from frames to letters to error rates."""

import json

import numpy as np
import pytest

from tests.factories import a_profile
from wizard.errors import ConfigUnreadable
from wizard.examples.preparers import speech
from wizard.measure.answered import Answered
from wizard.measure.reducers import transcripts as reducer
from wizard.measure.scorers import transcripts as scorer
from wizard.nouns import ExampleSet, Task

VOCABULARY = {"<pad>": 0, "<unk>": 1, "|": 2, "a": 3, "b": 4}
PROFILE = a_profile(task=Task.SPEECH_RECOGNITION, labels=())


def a_folder(tmp_path, vocabulary=VOCABULARY, **told):
    (tmp_path / "vocab.json").write_text(json.dumps(vocabulary), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(told), encoding="utf-8")
    return tmp_path


def frames_of(*numbers):
    """Frames in which these answers are the likeliest."""
    return np.eye(5, dtype=np.float32)[list(numbers)][None]


def written(tmp_path, frames):
    letters, blank = speech.alphabet(a_folder(tmp_path))
    codes = np.array([[ord(one or "\0")] for one in letters])
    inputs = {"letters": codes, "blank": np.array([blank])}
    return reducer.reduce([(inputs, {"logits": frames})])


def answered(*texts, bad=()):
    return Answered(
        {
            "text": [np.array([ord(one) for one in text], np.int32) for text in texts],
            "finite": [np.array([np.nan if at in bad else 0.0]) for at in range(len(texts))],
        }
    )


def test_repeats_count_once_and_blanks_part_them(tmp_path):
    """Graves' best path: a a - a b | b is "aab b"."""
    kept = written(tmp_path, frames_of(3, 3, 0, 3, 4, 2, 1, 4))

    assert "".join(map(chr, kept["text"])) == "aab b"
    assert np.isfinite(kept["finite"]).all()


def test_frames_that_are_no_numbers_are_noticed(tmp_path):
    """However little is written."""
    frames = frames_of(3, 4)
    frames[0, 0, 0] = np.nan

    assert np.isnan(written(tmp_path, frames)["finite"]).all()


def test_it_writes_what_transformers_writes(tmp_path):
    """The same letters as the library's own tokenizer, marks left out."""
    from transformers import Wav2Vec2CTCTokenizer

    a_folder(tmp_path)
    theirs = Wav2Vec2CTCTokenizer(str(tmp_path / "vocab.json"), bos_token=None, eos_token=None)
    numbers = np.random.default_rng(0).integers(0, 5, 60)
    kept = written(tmp_path, frames_of(*numbers))

    expected = theirs.decode(numbers).replace("<unk>", "")
    assert " ".join("".join(map(chr, kept["text"])).split()) == " ".join(expected.split())


@pytest.mark.parametrize("vocabulary", [{}, {"eng": {"a": 0}}, {"a": 0}, []])
def test_a_vocabulary_that_is_none_is_refused(tmp_path, vocabulary):
    """Empty, one for each language, without a blank, no object."""
    with pytest.raises(ConfigUnreadable):
        speech.alphabet(a_folder(tmp_path, vocabulary))


def test_the_word_error_rate_counts_all_rows_together():
    """One wrong word of three and one of one: 2 of 4; case and punctuation do not count."""
    rows = ExampleSet(origin="o", answers=(("One, two three!",), ("four",)), rows=(0, 1))
    found = scorer.score(answered("one two tree", "for"), rows, PROFILE, None, "")

    assert found.metric == "WER"
    assert found.value.value == 0.5
    assert found.answers.features == ((1.0, 3.0), (1.0, 1.0))
    assert found.answers.expected == ("One, two three!", "four")


def test_characters_can_be_asked_for():
    """One letter of thirteen."""
    rows = ExampleSet(origin="o", answers=(("one two three",),), rows=(0,))
    found = scorer.score(answered("one two tree"), rows, PROFILE, None, "CER")

    assert found.answers.features == ((1.0, 13.0),)


def test_without_transcripts_it_is_agreement():
    """The share of the original's words that are the same."""
    rows = ExampleSet(origin="o", rows=(0, 1))
    was, now = answered("one two", "red"), answered("one too", "red")
    found = scorer.score(now, rows, PROFILE, was, "")

    assert found.metric == "agreement with the original"
    assert found.answers.agreement == (0.5, 1.0)
    assert scorer.glance(now, was).changed == 1


def test_a_model_that_falls_silent_has_collapsed():
    """It writes nothing where the original heard words."""
    rows = ExampleSet(origin="o", rows=tuple(range(20)))
    was, now = answered(*["word"] * 20), answered(*[""] * 15, *["word"] * 5)

    assert (
        "writes nothing for 15 of 20"
        in scorer.score(now, rows, PROFILE, was, "").answers.collapse[0]
    )
