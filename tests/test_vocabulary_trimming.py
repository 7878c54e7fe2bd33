"""Shorter word tables: exact on kept words, refused where there is nothing to drop."""

import dataclasses
import json

import numpy as np
import pytest

from tests import strategy_models as models
from wizard.errors import CalibrationTooSmall, NotSupported
from wizard.nouns import Step
from wizard.strategies import _contract as contract
from wizard.strategies import _graph, _pieces, vocabulary_trimming


def trimmed(folder, artifact=None, bench=None, **settings):
    return contract.apply_step(
        Step(strategy="vocabulary_trimming", settings=settings),
        artifact or models.exported("text"),
        bench or models.a_bench(folder),
    )


def a_tokenizer(path, **model):
    path.write_text(json.dumps({"added_tokens": [], "model": model}), encoding="utf-8")
    return path


def test_texts_of_kept_words_get_the_same_answers_bit_by_bit(tmp_path):
    """The rows' own pieces are kept, so their answers do not move at all."""
    after = trimmed(tmp_path, keep_share=0.0)
    feed = models.a_feed("text", rows=24)

    assert after.bytes < 0.9 * models.exported("text").bytes
    before = models.answers(models.exported("text").path, feed)
    assert np.array_equal(models.answers(after.path, feed), before)


def test_a_lost_word_still_gets_an_answer(tmp_path):
    """Every id of the tokenizer has a place; those that lost their row read another's."""
    after = trimmed(tmp_path, keep_share=0.0)
    kept, known = vocabulary_trimming.trimmed(_graph.load(after.path))
    feed = {name: np.ones((1, models.VOCABULARY // 10), np.int64) for name in models.a_feed("text")}
    rows = np.arange(models.VOCABULARY).reshape(10, 1, -1)

    assert kept < known == models.VOCABULARY
    for ids in rows:
        assert np.isfinite(models.answers(after.path, feed | {"input_ids": ids})).all()


def test_a_lost_word_reads_the_nearest_kept_row_or_the_unknown_words():
    """Alike enough stands in; else the row for unknown words does."""
    table = np.array([[5, 5], [1, 0], [0, 1], [0.9, 0.1], [-1, -1]], np.float32)

    near = vocabulary_trimming._places(table, [0, 1, 2], 0, alike=0.9)
    far = vocabulary_trimming._places(table, [0, 1, 2], 0, alike=2.0)
    assert near.tolist() == [0, 1, 2, 1, 0]
    assert far.tolist() == [0, 1, 2, 0, 0]


def test_the_table_of_a_last_layer_is_left_alone(tmp_path):
    """Tied: the answers would lose words, not only the reading."""
    with pytest.raises(NotSupported, match="last layer"):
        trimmed(tmp_path, models.a_tied(tmp_path / "tied.onnx"))


def test_pictures_have_no_words(tmp_path):
    """Refused with a reason."""
    with pytest.raises(NotSupported, match="no word table"):
        trimmed(tmp_path, models.exported("image"), models.a_bench(tmp_path, "image"))


def test_a_vocabulary_that_is_needed_is_not_trimmed(tmp_path):
    """Keeping every piece saves nothing, and says so."""
    with pytest.raises(NotSupported, match="next to nothing"):
        trimmed(tmp_path, keep_share=1.0)


def test_without_rows_somebody_must_say_which_words(tmp_path):
    """No rows: refused; no rows but a language or texts: done."""
    bench = dataclasses.replace(models.a_bench(tmp_path), calibration=None)
    with pytest.raises(CalibrationTooSmall):
        trimmed(tmp_path, bench=bench)

    assert trimmed(tmp_path, bench=bench, languages=("en",), keep_share=0.1).bytes


def test_every_piece_of_the_users_texts_is_kept(tmp_path):
    """A file of texts counts like sample rows."""
    (tmp_path / "mine.txt").write_text("yz0 yz1\nxy0", encoding="utf-8")
    bench = dataclasses.replace(models.a_bench(tmp_path), calibration=None)
    settings = vocabulary_trimming.Settings(keep_share=0.0, texts=str(tmp_path / "mine.txt"))
    kept = vocabulary_trimming._kept(models.VOCABULARY, settings, bench)
    words = json.loads((tmp_path / "tokenizer.json").read_text())["model"]["vocab"]

    assert {words["yz0"], words["yz1"], words["xy0"], words["[UNK]"], words["q"]} <= set(kept)
    assert words["ab0"] not in kept


def test_an_unknown_language_is_refused(tmp_path):
    """A guess would drop the user's words."""
    with pytest.raises(NotSupported, match="language code"):
        trimmed(tmp_path, languages=("xx",))


def test_pieces_are_read_from_every_kind_of_tokenizer(tmp_path):
    """Ranks by probability or by order; scripts behind marks and bytes; bytes are needed."""
    unigram = _pieces.read(
        a_tokenizer(tmp_path / "u.json", vocab=[["▁rare", -9.0], ["▁да", -1.0], ["<0x41>", -2]])
    )
    spelt = {byte: letter for letter, byte in _pieces._stand_ins().items()}
    yes = "".join(spelt[byte] for byte in "да".encode())
    bpe = a_tokenizer(tmp_path / "b.json", vocab={"Ġword": 0, yes: 1, "a": 2})
    bpe.write_text(bpe.read_text()[:-1] + ', "decoder": {"type": "ByteLevel"}}')

    assert [one.rank for one in unigram] == [2, 0, 1]
    assert [one.needed for one in unigram] == [False, False, True]
    assert unigram[1].scripts == {"CYRILLIC"}
    assert [set(one.scripts) for one in _pieces.read(bpe)] == [{"LATIN"}, {"CYRILLIC"}, {"LATIN"}]
