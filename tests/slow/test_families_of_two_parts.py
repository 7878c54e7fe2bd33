"""Families that read and then write: a tiny random one of each, exported and held to PyTorch.

Covers: texts and sound; agreement of logits and both caches at four shapes, later calls with an
empty source among them; a text written token by token as transformers does; Optimum's names; the
record of exports.
Does not cover: quality, which random weights do not have (the translations sample has).
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.slow.test_every_family_exports import record
from wizard.examples.preparers import dictation
from wizard.measure.generate import Writer
from wizard.nouns import Task
from wizard.strategies import _causal, _graph

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

T5 = {
    "vocab_size": 96, "d_model": 32, "d_kv": 8, "d_ff": 48, "num_layers": 2, "num_heads": 4,
    "decoder_start_token_id": 0,
}  # fmt: skip
BART = {
    "vocab_size": 96, "d_model": 32, "encoder_layers": 2, "decoder_layers": 2,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 48,
    "decoder_ffn_dim": 48, "max_position_embeddings": 64, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "decoder_start_token_id": 2,
}  # fmt: skip
FAMILIES = {
    "t5": T5,
    "mt5": {**T5, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False},
    "bart": BART,
    "pegasus": BART,
    "marian": BART,
    "m2m_100": BART,
}
SOURCE, WRITTEN = (5, 9, 40, 17, 2), 12


def a_model(kind):
    """Random weights of that family, the same ones every time."""
    import torch
    import transformers

    torch.manual_seed(3)
    config = transformers.AutoConfig.for_model(kind, **FAMILIES[kind])
    return transformers.AutoModelForSeq2SeqLM.from_config(config).eval()


def as_transformers(model):
    """Greedy, without an end and without forced tokens."""
    import torch

    nothing = dict.fromkeys(("eos_token_id", "forced_eos_token_id", "forced_bos_token_id"))
    with torch.no_grad():
        said = model.generate(
            torch.tensor([SOURCE]), max_new_tokens=WRITTEN, do_sample=False, num_beams=1,
            pad_token_id=0, **nothing,
        )  # fmt: skip
    return said[0, 1:].tolist()


@pytest.mark.parametrize("kind", FAMILIES)
def test_a_family_of_two_parts_says_the_same_without_pytorch(kind, tmp_path):
    """Logits and caches agree within 1e-3 at every shape; twelve greedy tokens are the same."""
    model = a_model(kind)
    model.save_pretrained(tmp_path / "model")
    path = tmp_path / "model.onnx"
    parity = _causal.checked_export(
        tmp_path / "model", Task.TEXT_TO_TEXT, path, opset=20, report=lambda *_: None
    )
    session = _graph.session(path)
    source = {"input_ids": np.array([SOURCE]), "attention_mask": np.ones((1, 5), np.int64)}
    start = model.config.decoder_start_token_id
    said, _ = Writer(session, source).write([start], WRITTEN, ())
    shapes = {one.name: one.shape for one in session.get_inputs()}

    assert parity.largest_difference <= 1e-3
    assert 0 in {shape[1] for shape in parity.shapes}
    assert said == as_transformers(model)
    assert shapes["past_key_values.1.encoder.value"] == ["batch", 4, "past_source", 8]
    assert shapes["past_key_values.1.decoder.key"] == ["batch", 4, "past_sequence", 8]
    if os.environ.get("WIZARD_RECORD"):
        record(kind, Task.TEXT_TO_TEXT, parity)


MARKS = {
    "is_multilingual": True, "lang_to_id": {"<|en|>": 5, "<|de|>": 6, "<|fr|>": 7},
    "task_to_id": {"transcribe": 8, "translate": 9}, "no_timestamps_token_id": 10,
    "decoder_start_token_id": 4, "eos_token_id": 2, "pad_token_id": 0,
    "suppress_tokens": [2, 4, *range(11, 40)], "begin_suppress_tokens": [*range(40, 60)],
}  # fmt: skip


@pytest.fixture(scope="module")
def listener(tmp_path_factory):
    """A small Whisper with random weights, its ONNX file and how far the two are apart."""
    import torch
    import transformers

    torch.manual_seed(3)
    sizes = {key: value for key, value in BART.items() if "position" not in key}
    marks = {key: value for key, value in MARKS.items() if key.endswith("_id")}
    config = transformers.WhisperConfig(
        **{**sizes, **marks}, num_mel_bins=16, max_source_positions=20, max_target_positions=40
    )
    model = transformers.WhisperForConditionalGeneration(config).eval()
    folder = tmp_path_factory.mktemp("listener")
    model.save_pretrained(folder / "model")
    path = folder / "model.onnx"
    parity = _causal.checked_export(
        folder / "model", Task.DICTATION, path, opset=20, report=lambda *_: None
    )
    return model, path, parity


def test_a_window_is_heard_and_written_without_pytorch(listener):
    """Logits and caches agree within 1e-3, also where no window is heard; Optimum's names."""
    _, path, parity = listener
    shapes = {one.name: one.shape for one in _graph.session(path).get_inputs()}

    assert parity.largest_difference <= 1e-3
    assert 0 in {shape[0] for shape in parity.shapes}
    assert shapes["past_key_values.1.encoder.value"] == ["heard_batch", 4, 20, 8]
    assert shapes["past_key_values.1.decoder.key"] == ["batch", 4, "past_sequence", 8]
    if os.environ.get("WIZARD_RECORD"):
        record("whisper", Task.DICTATION, parity)


@pytest.mark.parametrize("named", [{"language": "german"}, {}, {"task": "translate"}])
def test_a_listener_writes_as_transformers_does(named, listener, tmp_path):
    """In the language that is named or found, without tokens that are barred, at first or ever."""
    import torch
    import transformers

    model, path, _ = listener
    said = {**MARKS, **named}
    model.generation_config = transformers.GenerationConfig(**said)
    windows = np.random.default_rng(5).standard_normal((1, 16, 40), np.float32)
    with torch.no_grad():
        theirs = model.generate(torch.from_numpy(windows), max_new_tokens=WRITTEN)[0].tolist()
    prompt, languages = dictation.begins(said, tmp_path)
    never, first = (said[name] for name in ("suppress_tokens", "begin_suppress_tokens"))
    writer = Writer(_graph.session(path), {"input_features": windows}, never, first)
    if languages:
        prompt[1] = writer.likeliest(prompt[:1], languages)
    ours, _ = writer.write(prompt, WRITTEN, [said["eos_token_id"]])

    assert bool(languages) == ("language" not in named)
    assert ours == theirs[-WRITTEN:]
    assert not set(ours) & {*never} | {ours[0]} & {*first}
