"""Models of two parts: read once, written greedily, scored by what the field counts."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pytest
from tokenizers import Tokenizer, models, pre_tokenizers, processors

from tests import a_rewriter
from tests.factories import a_profile
from wizard import tasks
from wizard.bundle.pack import _scripts
from wizard.errors import ConfigUnreadable
from wizard.examples import load_feeds, prepare
from wizard.examples.preparers import sources
from wizard.measure import metrics, quality
from wizard.measure.generate import Writer, one_more
from wizard.measure.process import Process
from wizard.measure.scorers import rewritten
from wizard.nouns import ExampleSet, Task, Workload

WORDS = [f"w{number}" for number in range(a_rewriter.VOCABULARY)]
START, STOP = 0, 9
_HERE = Path("model")
CONFIG = {
    "decoder_layers": 1,
    "decoder_attention_heads": 1,
    "d_model": 1,
    "decoder_start_token_id": START,
    "eos_token_id": STOP,
    "pad_token_id": 0,
}


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    """A folder with config, a tokenizer that ends each text, and the model."""
    folder = tmp_path_factory.mktemp("rewriter")
    (folder / "config.json").write_text(json.dumps(CONFIG))
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(WORDS)}, WORDS[0]))
    tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    tokenizer.post_processor = processors.TemplateProcessing(
        single=f"$A {WORDS[STOP]}", special_tokens=[(WORDS[STOP], STOP)]
    )
    tokenizer.save(str(folder / "tokenizer.json"))
    a_rewriter.write(folder / "model.onnx")
    return folder


@pytest.fixture(scope="module")
def session(home):
    return onnxruntime.InferenceSession(
        str(home / "model.onnx"), providers=["CPUExecutionProvider"]
    )


def source(*tokens):
    return {"input_ids": np.array([tokens], np.int64)}


def a_profile_of(task=Task.TRANSLATION):
    return a_profile(task=task, labels=(), max_tokens=64)


def test_a_source_is_read_once_and_written_to_its_end(session):
    """Every later call has a source of no tokens; the text ends at the stop token or the limit."""
    seen = []

    class Watched:
        get_inputs, get_outputs = session.get_inputs, session.get_outputs

        def run(self, names, given):
            seen.append(given["input_ids"].shape[1])
            return session.run(names, given)

    said, taken = Writer(Watched(), source(4, 7, 5, STOP)).write([START], 20, [STOP])

    assert said == [4, 7, 5]
    assert seen == [4, 0, 0, 0]
    assert len(taken) == 4
    assert Writer(session, source(4, 7, 5)).write([START], 2, [STOP])[0] == [4, 7]


def test_a_barred_token_is_never_written(session):
    """The likeliest of the others stands in."""
    said, _ = Writer(session, source(4, 7), never=[4]).write([START], 2, [STOP])

    assert said[0] != 4
    assert said[1] == 7


def test_the_next_request_has_the_source_in_its_cache(session):
    """What is timed for each further token."""
    empty = np.zeros((1, 1, 0, 1), np.float32)
    first = source(4, 7, 5) | {"decoder_input_ids": np.array([[START]])}
    following = one_more(session, first | dict.fromkeys(a_rewriter.CACHES, empty))

    assert following["input_ids"].shape == (1, 0)
    assert following["decoder_input_ids"].tolist() == [[START]]
    assert session.run(["logits"], following)[0].argmax() == 7


def test_expected_texts_are_judged_place_by_place(session):
    """The wrong place is unlikely, and does not make the later ones wrong."""
    top, unlikely, _ = Writer(session, source(4, 7, 5, STOP)).thoughts([START], [4, 8, 5, STOP])

    assert top.tolist() == [4, 7, 5, STOP]
    assert unlikely[1] > 5 > unlikely[0]


def test_rows_become_scored_texts(home, tmp_path):
    """From texts to BLEU, with exact match, ROUGE-L and perplexity beside it."""
    pairs = [("w4 w7 w5 w2 w3", "w4 w7 w5 w2 w3"), ("w1 w2 w3 w4 w6", "w1 w2 w3 w4 w5")]
    rows = ExampleSet(
        origin="test",
        inputs=tuple(one for one, _ in pairs),
        answers=tuple((one,) for _, one in pairs),
        rows=(0, 1),
    )
    feeds = prepare(a_profile_of(), home, rows, Workload(tokens=8), tmp_path / "rows.npz")
    with Process(home / "model.onnx", feeds, 1) as process:
        raw = quality.outputs([process], tmp_path, lambda fraction, detail: None, 1000)
    found = rewritten.score(raw, rows, a_profile_of(), None, "")

    assert load_feeds(feeds).row(0)["target"].tolist() == [[4, 7, 5, 2, 3, STOP]]
    assert found.answers.said == ("w4 w7 w5 w2 w3", "w1 w2 w3 w4 w6")
    assert found.metric == "BLEU"
    assert found.also["exact match"].value == 0.5
    assert found.also["ROUGE-L"].value == pytest.approx((1 + 0.8) / 2)
    assert found.also["perplexity"].value > 1


def test_the_script_of_the_bundle_rewrites(home, tmp_path):
    """run.py as it is packed, with an example in it and with a text of one's own."""
    profile = a_profile_of()
    for name in ("config.json", "tokenizer.json", "model.onnx"):
        shutil.copyfile(home / name, tmp_path / name)
    _scripts(tmp_path, tasks.card_of(profile.task), 0, "model.onnx")
    said = subprocess.run(
        [sys.executable, "run.py", "w4 w7 w5"], cwd=tmp_path, capture_output=True, text=True
    )

    assert said.stdout.splitlines()[0] == "w4 w7 w5", said.stderr
    assert "@" not in (tmp_path / "run.py").read_text("utf-8")


def test_bleu_is_sacrebleus():
    """Of a whole corpus, from what was counted row by row."""
    from sacrebleu import corpus_bleu

    said = ["turn on the light in the kitchen", "wake me up at six, please", "no"]
    meant = ["turn on the lamp in the kitchen", "wake me at six, please", "no music now"]
    features = rewritten.bleu(said, [(one,) for one in meant])
    score = metrics.score_of(metrics.by_rows("BLEU"), features)

    assert 100 * score == pytest.approx(corpus_bleu(said, [meant]).score, abs=0.01)


def test_a_forced_first_token_is_part_of_the_beginning():
    """BART's: it is fed, not expected; without a first token nothing can be written."""
    assert sources.begins({"decoder_start_token_id": 2, "forced_bos_token_id": 0}, _HERE) == [2, 0]
    with pytest.raises(ConfigUnreadable):
        sources.begins({}, _HERE)


@pytest.mark.parametrize(
    ("config", "shape"),
    [
        ({"num_layers": 6, "num_heads": 8, "d_kv": 64, "d_model": 512}, (6, 8, 64)),
        ({"num_layers": 6, "num_decoder_layers": 2, "num_heads": 4, "d_model": 64}, (2, 4, 16)),
        ({"decoder_layers": 3, "decoder_attention_heads": 4, "d_model": 64}, (3, 4, 16)),
    ],
)
def test_the_caches_shape_is_in_the_config(config, shape):
    """In T5's words and in BART's."""
    assert sources.cache_shape(config) == shape
