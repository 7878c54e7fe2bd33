"""Models that write: greedy texts from a cache, how likely others are, both times, the score."""

import json

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers

from tests import a_writer
from tests.factories import a_profile
from wizard.examples import load_feeds, prepare
from wizard.examples.preparers.prompts import cache_shape
from wizard.measure import paces, quality
from wizard.measure.generate import Writer, likelihood, one_more
from wizard.measure.process import Process
from wizard.nouns import ExampleSet, Task, Workload

WORDS = [f"w{number}" for number in range(a_writer.VOCABULARY)]
STOP = 9


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with config, tokenizer, a healthy writer, one that is stuck and a broken one."""
    folder = tmp_path_factory.mktemp("writer")
    config = {"num_hidden_layers": 1, "num_attention_heads": 1, "hidden_size": a_writer.SIZE}
    (folder / "config.json").write_text(json.dumps(config | {"eos_token_id": STOP}))
    vocabulary = {word: number for number, word in enumerate(WORDS)}
    tokenizer = Tokenizer(models.WordLevel(vocabulary, WORDS[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.save(str(folder / "tokenizer.json"))
    a_writer.write(folder / "good.onnx")
    a_writer.write(folder / "stuck.onnx", stuck_at=5)
    a_writer.write(folder / "broken.onnx", broken=True)
    return folder


def a_writers_profile():
    return a_profile(task=Task.TEXT_GENERATION, labels=(), max_tokens=64)


def rows(*pairs):
    """Prompts with what should follow."""
    return ExampleSet(
        origin="test",
        inputs=tuple(prompt for prompt, _ in pairs),
        answers=tuple((follows,) for _, follows in pairs),
        rows=tuple(range(len(pairs))),
    )


def prepared(home, examples, place):
    place.mkdir(exist_ok=True)
    work = Workload(tokens=8)
    return prepare(a_writers_profile(), home, examples, work, place / "rows.npz")


def answers(home, model, feeds, out):
    with Process(home / model, feeds, 1) as process:
        return quality.outputs([process], out, lambda fraction, detail: None, 1000)


def a_session(path):
    return onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])


def test_a_text_ends_at_its_stop_token_or_its_limit(home):
    """Counting on from 3 says 4 to 8 and stops before 9; a limit of two says two."""
    writer = Writer(a_session(home / "good.onnx"))
    said, taken = writer.write([2, 3], 20, [STOP])

    assert said == [4, 5, 6, 7, 8]
    assert len(taken) == 6  # the stop token took its time too
    assert writer.write([2, 3], 2, [STOP])[0] == [4, 5]


def test_the_request_after_another_has_everything_before_it_in_its_cache(home):
    """One token for each text, and a cache as long as what was read."""
    session = a_session(home / "good.onnx")
    empty = np.zeros((2, 1, 0, a_writer.SIZE), np.float32)
    given = {
        "input_ids": np.array([[1, 2, 3], [4, 5, 6]]),
        "past_key_values.0.key": empty,
        "past_key_values.0.value": empty,
    }
    following = one_more(session, given)

    assert following["input_ids"].tolist() == [[3], [6]]
    assert following["attention_mask"].shape == (2, 4)
    assert following["past_key_values.0.key"][1, 0, :, 0].tolist() == [4, 5, 6]


def test_a_likelihood_is_that_of_the_softmax():
    """By hand: two places, three words."""
    logits = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0]])
    top, unlikely = likelihood(logits, [2, 1])
    by_hand = [np.log(np.exp([0, 1, 2]).sum()) - 2, np.log(np.exp([3, 0, 0]).sum())]

    assert top.tolist() == [2, 0]
    assert np.allclose(unlikely, by_hand)


def test_prepared_prompts_carry_an_empty_cache_and_what_should_follow(home, tmp_path):
    """Ids and positions of the prompt; the expected tokens end with the stop token."""
    feeds = load_feeds(prepared(home, rows(("w1 w2", "w3 w4"), ("w5", "w6")), tmp_path / "a"))
    row = feeds.row(0)

    assert row["input_ids"].tolist() == [[1, 2]]
    assert row["position_ids"].tolist() == [[0, 1]]
    assert row["past_key_values.0.key"].shape == (1, 1, 0, a_writer.SIZE)
    assert row["target"].tolist() == [[3, 4, STOP]]
    assert feeds.padded([0, 1])["past_key_values.0.value"].shape[0] == 2
    assert feeds.exactly(1, 5)["position_ids"].tolist() == [[0, 1, 2, 3, 4]]


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({"num_hidden_layers": 4, "num_attention_heads": 8, "hidden_size": 64}, (4, 8, 8)),
        ({"n_layer": 12, "n_head": 12, "n_embd": 768}, (12, 12, 64)),
        (
            {
                "num_hidden_layers": 2,
                "num_attention_heads": 4,
                "num_key_value_heads": 1,
                "head_dim": 16,
                "hidden_size": 32,
            },
            (2, 1, 16),
        ),
    ],
)
def test_the_caches_shape_is_read_from_the_config(config, shape):
    """Llama's words, GPT-2's words, few key heads of a size of their own."""
    assert cache_shape(config) == shape


def test_right_texts_count_by_the_letter_and_perplexity_stands_beside(home, tmp_path):
    """Of three texts two come out as expected; the third is a word too short."""
    examples = rows(("w1 w2", "w3 w4 w5 w6 w7 w8"), ("w5", "w6 w7 w8"), ("w3", "w4 w5"))
    feeds = prepared(home, examples, tmp_path / "a")
    raw = answers(home, "good.onnx", feeds, tmp_path / "out.npz")
    found = quality.score(raw, examples, a_writers_profile(), None)

    assert found.metric == "exact match"
    assert found.answers.said == ("w3 w4 w5 w6 w7 w8", "w6 w7 w8", "w4 w5 w6 w7 w8")
    assert found.answers.features == ((1.0,), (1.0,), (0.0,))
    assert found.value.value == pytest.approx(2 / 3)
    assert 1 < found.also["perplexity"].value < 3


def test_without_expected_texts_the_prompt_is_held_against_the_model(home, tmp_path):
    """Agreement of the likeliest tokens, place by place; a stuck model agrees by luck only."""
    examples = ExampleSet(origin="test", inputs=("w1 w2 w3", "w4 w5 w6 w7"), rows=(0, 1))
    feeds = prepared(home, examples, tmp_path / "a")
    first = answers(home, "good.onnx", feeds, tmp_path / "first.npz")
    raw = answers(home, "stuck.onnx", feeds, tmp_path / "raw.npz")
    found = quality.score(raw, examples, a_writers_profile(), first)

    assert found.metric == "agreement with the original"
    assert found.answers.agreement == pytest.approx((0.0, 1 / 3), abs=1e-6)
    assert found.also["perplexity"].value > 10


def test_a_model_that_repeats_itself_has_collapsed(home, tmp_path):
    """Forty texts that all end in one word for ever, where the original counted on."""
    examples = rows(*[(f"w{1 + at % 3}", "w4 w5 w6 w7 w8") for at in range(40)])
    feeds = prepared(home, examples, tmp_path / "a")
    first = answers(home, "good.onnx", feeds, tmp_path / "first.npz")
    raw = answers(home, "stuck.onnx", feeds, tmp_path / "raw.npz")
    found = quality.score(raw, examples, a_writers_profile(), first)
    healthy = quality.score(first, examples, a_writers_profile(), first)

    assert any("repeat themselves" in one for one in found.answers.collapse)
    assert healthy.answers.collapse == ()


def test_likelihoods_that_are_no_numbers_have_a_sentence_of_their_own(home, tmp_path):
    """Every text of a broken model."""
    examples = rows(("w1", "w2 w3"), ("w2", "w3 w4"))
    feeds = prepared(home, examples, tmp_path / "a")
    raw = answers(home, "broken.onnx", feeds, tmp_path / "raw.npz")
    found = quality.score(raw, examples, a_writers_profile(), None)

    assert found.answers.collapse == ("2 of 2 texts have a likelihood that is not a number.",)


def test_the_first_token_and_each_further_one_are_timed_apart(home, tmp_path):
    """A request of eight tokens, then one of a single token after them."""
    feeds = prepared(home, rows(("w1 w2", "w3"), ("w5", "w6")), tmp_path / "a")
    good = home / "good.onnx"
    with Process(good, feeds, 1) as process, Process(good, feeds, 1) as again:
        taken = paces.of_itself(process, again, Workload(tokens=8), 0.05, writes=True)

    assert taken.latency.p50.value > 0
    assert taken.token is not None
    assert taken.token.p50.value > 0


def test_the_playground_shows_the_text_and_both_times(home, tmp_path):
    """What was said, when it began, how fast it went on."""
    examples = ExampleSet(origin="typed", inputs=("w1 w2",), rows=(0,))
    feeds = prepared(home, examples, tmp_path / "a")
    raw = answers(home, "good.onnx", feeds, tmp_path / "raw.npz")
    told = quality.shown(raw, a_writers_profile(), examples)

    assert told["said"] == "w3 w4 w5 w6 w7 w8"
    assert told["first_ms"] > 0
    assert told["each_ms"] > 0
