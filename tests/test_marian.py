"""Marian checkpoints as they are published: two SentencePiece files and a joint vocabulary."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from tokenizers import Tokenizer

from tests.factories import a_profile
from wizard import intake
from wizard.errors import ConfigUnreadable
from wizard.examples.preparers import _marian, sources
from wizard.nouns import ExampleSet, ModelRef, Source, SupportLevel, Task

FILES = Path(__file__).with_name("marian_files")
EXPECTED = json.loads((FILES / "expected.json").read_text(encoding="utf-8"))
SIZES = {
    "d_model": 32,
    "max_position_embeddings": 64,
    "encoder_layers": 1,
    "decoder_layers": 1,
    "encoder_attention_heads": 2,
    "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
}


@pytest.fixture
def folder(tmp_path):
    """A checkpoint's small files."""
    model = tmp_path / "model"
    shutil.copytree(FILES, model, ignore=shutil.ignore_patterns("*.py", "expected.json"))
    ids = json.loads((model / "vocab.json").read_text(encoding="utf-8"))
    said = {
        "model_type": "marian",
        "architectures": ["MarianMTModel"],
        "vocab_size": len(ids),
        "decoder_start_token_id": ids["<pad>"],
        "pad_token_id": ids["<pad>"],
        "eos_token_id": ids["</s>"],
        "bad_words_ids": [[ids["<pad>"]]],
        **SIZES,
    }
    (model / "config.json").write_text(json.dumps(said), encoding="utf-8")
    return model


@pytest.mark.parametrize("one", EXPECTED, ids=lambda one: repr(one["text"][:12]))
def test_both_sides_give_the_ids_of_marian_tokenizer(one):
    """What is read, what is written, and what ids say again; also through a file."""
    reading, writing = (_marian.tokenizer(FILES, side) for side in (_marian.SOURCE, _marian.TARGET))
    kept = Tokenizer.from_str(reading.to_str())

    assert reading.encode(one["text"]).ids == one["source"]
    assert kept.encode(one["text"]).ids == one["source"]
    assert writing.encode(one["text"]).ids == one["target"]
    assert kept.decode(one["target"]) == one["back"]


def test_such_a_checkpoint_is_taken_and_one_without_words_is_not(folder):
    """Three files or a tokenizer.json; else a sentence says what is missing."""
    ref = ModelRef(source=Source.FOLDER, name=str(folder))
    assert intake.examine(ref).support.level is not SupportLevel.NOT_HERE

    (folder / "target.spm").unlink()
    support = intake.examine(ref).support
    assert support.level is SupportLevel.NOT_HERE
    assert "target.spm" in support.because


def test_sources_are_cut_by_one_model_and_answers_by_the_other(folder, tmp_path):
    """The tokenizer kept for the bundle reads one side and spells the other."""
    kept = tmp_path / "kept"
    kept.mkdir()
    read, written = EXPECTED[0], EXPECTED[2]
    rows = ExampleSet(origin="test", inputs=(read["text"],), answers=((written["text"],),))

    made = sources.prepare(a_profile(task=Task.TRANSLATION, max_tokens=64), folder, rows, kept)

    assert _flat(made, "input_ids") == read["source"]
    assert _flat(made, "target") == written["target"]
    spelt = Tokenizer.from_file(str(kept / "tokenizer.json"))
    assert spelt.decode(written["target"]) == written["back"]


def _flat(made, name):
    """The tokens of the only row."""
    (key,) = (one for one in made if one.startswith(f"{name}.") and "flat" in one)
    return np.asarray(made[key]).tolist()


@pytest.mark.parametrize("side", [_marian.SOURCE, _marian.TARGET])
@pytest.mark.parametrize("content", [b"", b"\xff\xff\xff\xff", b"{}"])
def test_a_damaged_file_is_named(folder, side, content):
    """One sentence with the file's name."""
    (folder / side).write_bytes(content)

    with pytest.raises(ConfigUnreadable) as error:
        _marian.tokenizer(folder, side)

    assert side in error.value.facts["because"]


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"</s>": 0, "<unk>": 2}', '{"a": 0, "b": 1}'])
def test_a_vocabulary_with_gaps_is_refused(folder, content):
    """Ids are rows of the model's table; a gap would name the wrong ones."""
    (folder / "vocab.json").write_text(content, encoding="utf-8")

    with pytest.raises(ConfigUnreadable, match=r"vocab\.json"):
        _marian.tokenizer(folder, _marian.SOURCE)


def test_what_is_cut_otherwise_is_refused_with_a_reason(folder):
    """A vocabulary for each side; a model of merges."""
    (folder / "tokenizer_config.json").write_text('{"separate_vocabs": true}', encoding="utf-8")
    with pytest.raises(ConfigUnreadable, match="ids of their own"):
        _marian.tokenizer(folder, _marian.SOURCE)

    (folder / "tokenizer_config.json").unlink()
    said = _marian._model(folder, _marian.TARGET)
    said.trainer_spec.model_type = 2
    (folder / "target.spm").write_bytes(said.SerializeToString())
    with pytest.raises(ConfigUnreadable, match="unigram"):
        _marian.tokenizer(folder, _marian.TARGET)
