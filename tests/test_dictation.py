"""Models that hear a window of sound and write: how writing begins, goes on and is scored."""

import json
from types import SimpleNamespace

import numpy as np
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tests.factories import a_profile
from wizard.errors import ConfigUnreadable, DataNotForTask
from wizard.examples import load_feeds, prepare
from wizard.examples.preparers import dictation
from wizard.measure.answered import Answered
from wizard.measure.generate import Writer, one_more
from wizard.measure.scorers import dictated
from wizard.nouns import ExampleSet, Task, Workload

START, LAST, BANDS, RATE = 5, 9, 4, 8_000
CACHES = {
    "past_key_values.0.decoder.key": ["batch", 1, "past_sequence", 1],
    "past_key_values.0.encoder.key": ["heard_batch", 1, 6, 1],
}
PROFILE = a_profile(task=Task.DICTATION, labels=())
SMALL = {
    "model_type": "whisper", "d_model": 8, "decoder_layers": 1, "decoder_attention_heads": 2,
    "max_source_positions": 50, "max_target_positions": 20, "decoder_start_token_id": START,
    "eos_token_id": LAST,
}  # fmt: skip
WINDOW = {
    "feature_extractor_type": "WhisperFeatureExtractor", "feature_size": BANDS,
    "chunk_length": 1, "sampling_rate": RATE, "hop_length": 80, "n_fft": 200,
}  # fmt: skip


class Echo:
    """It hears six tokens and writes them; its caches are what was heard and how much was said."""

    def __init__(self):
        self.heard = []

    def get_inputs(self):
        shapes = {
            "input_features": ["new_batch", 6], "decoder_input_ids": ["batch", "words"], **CACHES,
        }  # fmt: skip
        return [SimpleNamespace(name=name, shape=shape) for name, shape in shapes.items()]

    def get_outputs(self):
        names = ("logits", *(name.replace("past_key_values", "present") for name in CACHES))
        return [SimpleNamespace(name=name) for name in names]

    def run(self, names, given):
        self.heard.append(len(given["input_features"]))
        said, known = (given[name] for name in CACHES)
        new = given["input_features"].reshape(-1, 1, 6, 1)
        sound = np.concatenate([known, new.astype(np.float32)])
        words = given["decoder_input_ids"][:, None, :, None].astype(np.float32)
        written = np.concatenate([said, words], axis=2)
        logits = np.zeros((1, words.shape[2], 12), np.float32)
        for at, place in enumerate(range(said.shape[2], written.shape[2])):
            logits[0, at, int(sound[0, 0, place % 6, 0])] = 9.0
            logits[0, at, 1] = 5.0
        return [logits, written, sound]


def a_sound(*tokens):
    return {"input_features": np.array([tokens])}


def test_a_window_is_heard_once():
    """Every later call is given no window, and the keys of the one that was heard."""
    session = Echo()
    said, _ = Writer(session, a_sound(3, 4, 7, LAST, 2, 2)).write([START], 9, [LAST])

    assert said == [3, 4, 7]
    assert session.heard == [1, 0, 0, 0]


def test_what_may_not_begin_a_text_may_go_on():
    """The next likeliest begins; later the same token is written."""
    writer = Writer(Echo(), a_sound(3, 3, LAST, 2, 2, 2), first_never=[3])

    assert writer.write([START], 9, [LAST])[0] == [1, 3]


def test_the_language_is_the_likeliest_of_those_known():
    """Whatever else is likelier."""
    writer = Writer(Echo(), a_sound(3, 3, LAST, 2, 2, 2))

    assert writer.likeliest([START], [2, 1, 6]) == 1


def test_the_next_request_hears_nothing():
    """What is timed for each further token."""
    first = a_sound(3, 4, 7, LAST, 2, 2) | {"decoder_input_ids": np.array([[START]])}
    empty = zip(CACHES, ((1, 1, 0, 1), (0, 1, 6, 1)), strict=True)
    following = one_more(Echo(), first | {name: np.zeros(one, np.float32) for name, one in empty})

    assert following["input_features"].shape == (0, 6)
    assert following["past_key_values.0.encoder.key"].shape == (1, 1, 6, 1)


@pytest.mark.parametrize(
    ("said", "prompt", "languages"),
    [
        ({}, [START], []),
        ({"no_timestamps_token_id": 8}, [START, 8], []),
        ({"forced_decoder_ids": [[1, 8]], "no_timestamps_token_id": 8}, [START, 8], []),
        (
            {"language": "<|de|>", "task": "transcribe", "no_timestamps_token_id": 8},
            [START, 2, 7, 8],
            [],
        ),
        ({"language": "german"}, [START, 2, 7], []),
        (
            {"forced_decoder_ids": [[1, None], [2, 7]], "no_timestamps_token_id": 8},
            [START, 1, 7, 8],
            [1, 2],
        ),
        ({"task": "transcribe"}, [START, 1, 7], [1, 2]),
    ],
)
def test_writing_begins_as_transformers_begins_it(said, prompt, languages, tmp_path):
    """English only, a language that is named, one that is to be found; times never."""
    tables = {"lang_to_id": {"<|en|>": 1, "<|de|>": 2}, "task_to_id": {"transcribe": 7}}
    known = tables if {"language", "task"} & set(said) or languages else {}

    assert dictation.begins({**SMALL, **known, **said}, tmp_path) == (prompt, languages)


@pytest.mark.parametrize("said", [{"decoder_start_token_id": None}, {"language": "klingon"}])
def test_a_beginning_that_nobody_knows_is_refused(said, tmp_path):
    """No first token; a language that the model has no token for."""
    with pytest.raises(ConfigUnreadable):
        dictation.begins({**SMALL, "lang_to_id": {"<|en|>": 1}, **said}, tmp_path)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A model's small files and two recordings, of half a second and of one and a half."""
    place = tmp_path_factory.mktemp("listener")
    (place / "config.json").write_text(json.dumps(SMALL), encoding="utf-8")
    (place / "preprocessor_config.json").write_text(json.dumps(WINDOW), encoding="utf-8")
    tokenizer = Tokenizer(models.WordLevel({"one": 0, "two": 1, "?": 2}, "?"))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(place / "tokenizer.json"))
    wave = (3000 * np.sin(np.arange(2 * RATE) / 9)).astype(np.int16)
    np.savez(place / "sounds.npz", pcm=wave, offsets=[0, RATE // 2, 2 * RATE], rate=RATE)
    return place


def rows_of(folder, *rows):
    answers = tuple(("one two",) for _ in rows)
    return ExampleSet(origin="o", sounds=folder / "sounds.npz", answers=answers, rows=rows)


def test_a_recording_becomes_a_window_and_empty_caches(folder, tmp_path):
    """The window is full; nothing was heard and nothing written; the transcript has its end."""
    kept = prepare(PROFILE, folder, rows_of(folder, 0), Workload(), tmp_path / "rows.npz")
    row = load_feeds(kept).row(0)

    assert row["input_features"].shape == (1, BANDS, 100)
    assert row["decoder_input_ids"].tolist() == [[START]]
    assert row["past_key_values.0.encoder.value"].shape == (0, 2, 50, 4)
    assert row["past_key_values.0.decoder.value"].shape == (1, 2, 0, 4)
    assert row["target"].tolist() == [[0, 1, LAST]]


def test_a_recording_beyond_the_window_is_refused(folder, tmp_path):
    """In one sentence that says how much it hears."""
    with pytest.raises(DataNotForTask) as refused:
        prepare(PROFILE, folder, rows_of(folder, 1), Workload(), tmp_path / "rows.npz")

    assert "1 seconds at once" in refused.value.facts["needed"]


def answered(*texts):
    """Texts, of which no place was judged."""
    rows = [np.frombuffer(text.encode(), np.uint8) for text in texts]
    nothing = [np.zeros(0, np.float32) for _ in texts]
    said = [np.arange(len(text.split()), dtype=np.int32) for text in texts]
    return Answered({"text": rows, "unlikely": nothing, "top": nothing, "said": said})


def test_words_decide_and_letters_stand_beside_them():
    """One of four words; case and punctuation do not count."""
    rows = ExampleSet(origin="o", answers=(("One, two three!",), ("vi\u00e8r",)), rows=(0, 1))
    found = dictated.score(answered("one two tree", "vi\u00e8r"), rows, PROFILE, None, "")

    assert found.metric == "WER"
    assert found.value.value == 0.25
    assert found.also["CER"].value == pytest.approx(1 / 17)
    assert "perplexity" not in found.also


def test_without_transcripts_it_is_the_share_of_the_same_words():
    """Not of the same tokens at the same places: what is left out once would count at each."""
    rows = ExampleSet(origin="o", rows=(0, 1))
    was, now = answered("one two three four", "red"), answered("two three four", "red")
    found = dictated.score(now, rows, PROFILE, was, "")

    assert found.metric == "agreement with the original"
    assert found.answers.agreement == (0.75, 1.0)
