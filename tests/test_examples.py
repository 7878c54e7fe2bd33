"""Rows: read from anywhere with a sentence for whatever is wrong, split without overlap."""

import json

import numpy as np
import pytest

from tests.factories import a_profile
from wizard import examples, library
from wizard.errors import (
    BadNeeds,
    ColumnMissing,
    ColumnNotThere,
    ColumnRoleUnknown,
    ConfigUnreadable,
    DataEmpty,
    DataNotFound,
    DataOverlap,
    DataUnreadable,
    LabelsAreNumbers,
    LabelsUnknown,
    TooFewRows,
)
from wizard.nouns import ExampleSet, ModelRef, Source, Task, Workload

FOLDER_MODEL = ModelRef(source=Source.FOLDER, name="somewhere")


def a_table(tmp_path, text, name="rows.csv"):
    path = tmp_path / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def many(count=100, header="text,label", label=lambda i: ("yes", "no")[i % 2]):
    return header + "\n" + "".join(f"row number {i},{label(i)}\n" for i in range(count))


def read(path, **changes):
    return examples.read(a_profile(**changes), path, seed=0)


def test_a_table_is_split_without_a_common_row(tmp_path):
    """Calibration and test are disjoint, and a note says so."""
    rows = read(a_table(tmp_path, many()))

    assert not set(rows.calibration.inputs) & set(rows.test.inputs)
    assert len(rows.calibration) + len(rows.test) == 100
    assert "no row is in both" in rows.notes[-1]


def test_labels_are_matched_by_name_whatever_their_case(tmp_path):
    """YES is the model's yes."""
    rows = read(a_table(tmp_path, many(label=lambda i: ("YES", "No")[i % 2])))

    assert set(rows.test.labels) == {"yes", "no"}


def test_numbers_are_positions_only_where_that_is_stated(tmp_path):
    """0 and 1 may mean anything: refused, with the two ways to say what they mean."""
    table = a_table(tmp_path, many(label=lambda i: i % 2))

    with pytest.raises(LabelsAreNumbers) as raised:
        read(table)
    said = library.explain(raised.value)
    assert "--labels index" in said.next
    assert "label_index" in said.next
    assert "'no'" in said.next
    rows = read(f"{table}#labels=index")
    assert rows.test.labels[0] in {"no", "yes"}
    assert any("positions" in note for note in rows.notes)


def test_a_column_called_label_index_states_it_too(tmp_path):
    """Whoever cannot type an option renames the column."""
    rows = read(a_table(tmp_path, many(header="text,label_index", label=lambda i: i % 3)))

    assert set(rows.test.labels) == {"no", "yes", "maybe"}
    assert rows.test.columns == {}


def test_names_win_over_positions(tmp_path):
    """With a column of names, one of positions is a column like any other."""
    text = "text,label,label_index\n" + "".join(f"row number {i},yes,7\n" for i in range(50))

    assert set(read(a_table(tmp_path, text)).test.labels) == {"yes"}


@pytest.mark.parametrize("label", ["3", "-1", "yes"])
def test_a_position_the_model_does_not_have_is_refused(tmp_path, label):
    """Three labels have the positions 0 to 2."""
    table = a_table(tmp_path, many(label=lambda i: label if i == 5 else 0))

    with pytest.raises(LabelsUnknown) as raised:
        read(f"{table}#labels=index")
    assert "0 to 2" in library.explain(raised.value).next


def test_a_model_without_names_takes_bare_numbers(tmp_path):
    """LABEL_0 and LABEL_1 are no names; 0 and 1 can mean nothing else."""
    table = a_table(tmp_path, many(label=lambda i: i % 2))

    assert set(read(table, labels=("LABEL_0", "LABEL_1")).test.labels) == {"LABEL_0", "LABEL_1"}


def test_two_files_are_used_as_they_are_given(tmp_path):
    """The whole first file is the test, the whole second the calibration."""
    test = a_table(tmp_path, many(60))
    own = "text\n" + "".join(f"other {i}\n" for i in range(30))
    rows = read(f"{test}#calibration={a_table(tmp_path, own, 'own.csv')}")

    assert (len(rows.test), len(rows.calibration)) == (60, 30)
    assert "the 30 you gave" in rows.notes[-1]


def test_test_rows_inside_the_calibration_are_refused(tmp_path):
    """A technique that saw the test would flatter itself: refused, with how many."""
    test = a_table(tmp_path, many(60))
    own = "text\nrow number 7 \nrow number 9\n" + "".join(f"other {i}\n" for i in range(30))

    with pytest.raises(DataOverlap) as raised:
        read(f"{test}#calibration={a_table(tmp_path, own, 'own.csv')}")
    assert raised.value.facts == {"rows": 2}


def test_the_same_pictures_twice_are_refused(tmp_path):
    """Pictures are compared by their pixels, whatever their names."""
    from PIL import Image

    for name, count in (("test", 24), ("own", 30)):
        (tmp_path / name / "yes").mkdir(parents=True)
        for i in range(count):
            pixels = np.full((8, 8, 3), i if name == "test" else 23 + i, np.uint8)
            Image.fromarray(pixels).save(tmp_path / name / "yes" / f"{name}{i}.png")
    data = f"{tmp_path / 'test'}#calibration={tmp_path / 'own'}"

    with pytest.raises(DataOverlap) as raised:
        read(data, task=Task.IMAGE_CLASSIFICATION, image_size=8)
    assert raised.value.facts == {"rows": 1}


def test_the_user_says_which_column_is_read_as_what(tmp_path):
    """Over a column that is called like one; spelled as in the file, or nearly."""
    lines = "".join(f"no,row {i},{'yes' if i % 2 else 'no'}\n" for i in range(60))
    table = a_table(tmp_path, f"text,Really Said,meant\n{lines}")
    rows = read(f"{table}#columns=text=really said,label=meant")

    assert rows.test.inputs[0].startswith("row ")
    assert set(rows.test.labels) == {"no", "yes"}
    assert any("'Really Said' is read as the text" in note for note in rows.notes)


@pytest.mark.parametrize(
    ("columns", "error"),
    [("text=words", ColumnNotThere), ("picture=text", ColumnRoleUnknown), ("text", BadNeeds),
     ("text=text,text=label", BadNeeds)],
)  # fmt: skip
def test_columns_that_cannot_be_are_refused(tmp_path, columns, error):
    """Not there, read by no such task, written otherwise, said twice."""
    with pytest.raises(error):
        read(f"{a_table(tmp_path, many())}#columns={columns}")


@pytest.mark.parametrize("column", ["plain", "a, b", "#calibration=x", "100 %", "für=alle"])
def test_what_is_said_of_data_is_one_word_that_reads_the_same_again(column):
    """Whatever signs a column's name has."""
    said = examples.DataName(
        path="rows.csv", labels_are_positions=True, calibration="c.csv", columns={"text": column}
    )

    assert examples.parse(str(said)) == said


def test_columns_are_no_use_for_pictures(tmp_path):
    """Their folders say what is what."""
    with pytest.raises(DataUnreadable):
        read(f"{tmp_path}#columns=image=x", task=Task.IMAGE_CLASSIFICATION, image_size=8)


def test_a_file_that_is_called_so_keeps_its_name(tmp_path):
    """A hash sign in a real file's name says nothing."""
    table = a_table(tmp_path, many(), "rows#labels=index.csv")

    assert set(read(table).test.labels) == {"no", "yes"}


def test_pairs_that_share_a_text_with_the_test_leave_the_calibration_and_that_is_said(tmp_path):
    """Every pair has one of five first texts, so none is left to calibrate with."""
    lines = "".join(f"first {i % 5},second {i},{i / 100}\n" for i in range(100))
    table = a_table(tmp_path, f"sentence1,sentence2,score\n{lines}")
    rows = read(table, task=Task.FEATURE_EXTRACTION, labels=())

    assert len(rows.calibration) == 0
    assert "20 pairs that share a text with the test were left out" in rows.notes[-1]


@pytest.mark.parametrize("by_index", [True, False])
@pytest.mark.parametrize("calibration", [None, "/a/b c.csv"])
def test_what_is_said_about_data_reads_back(by_index, calibration):
    """The one word that travels holds all that was said."""
    named = examples.DataName(
        path="/x/rows.csv", labels_are_positions=by_index, calibration=calibration
    )

    assert examples.parse(str(named)) == named


@pytest.mark.parametrize("name", ["rows.tsv", "rows.jsonl", "rows.txt"])
def test_other_forms_are_read_too(tmp_path, name):
    """Tabs, JSON lines, and plain lines without labels."""
    texts = [f"row number {i}" for i in range(40)]
    form = {
        "rows.tsv": "text\tlabel\n" + "".join(f"{t}\tyes\n" for t in texts),
        "rows.jsonl": "".join(json.dumps({"text": t, "label": "no"}) + "\n" for t in texts),
        "rows.txt": "\n".join(texts),
    }[name]

    assert len(read(a_table(tmp_path, form, name)).test) == 32


WRONG = {
    "empty": ("", DataEmpty),
    "only a header": ("text,label\n", DataEmpty),
    "another column": (many(header="name,label"), ColumnMissing),
    "strange labels": (many(label=lambda i: f"odd {i % 9}"), LabelsUnknown),
    "one row": (many(1), TooFewRows),
    "not json": ("nonsense\n", DataUnreadable),
}


@pytest.mark.parametrize("case", sorted(WRONG))
def test_a_wrong_table_is_one_sentence(tmp_path, case):
    """Each has its own error, and library.explain fills its sentence."""
    text, error = WRONG[case]
    name = "rows.jsonl" if case == "not json" else "rows.csv"
    with pytest.raises(error) as caught:
        read(a_table(tmp_path, text, name))

    assert library.explain(caught.value).message.endswith(".")


@pytest.mark.parametrize(
    "raw", [b"\x89PNG\r\n\x00\x01", "text,label\nk\u00e4se,yes\n".encode("latin-1")]
)
def test_a_binary_or_foreign_file_is_refused(tmp_path, raw):
    """NUL bytes and other encodings are no UTF-8 table."""
    path = tmp_path / "rows.csv"
    path.write_bytes(raw)

    with pytest.raises(DataUnreadable):
        read(str(path))


def test_a_missing_file_is_named():
    """The path stands in the sentence."""
    with pytest.raises(DataNotFound):
        read("/no/such/file.csv")


def test_doubles_are_used_once(tmp_path):
    """The same row twice is noted and counted once."""
    rows = read(a_table(tmp_path, many(50) + "row number 1,no\n"))

    assert len(rows.test) + len(rows.calibration) == 50
    assert any("1 rows repeat" in note for note in rows.notes)


def test_a_text_never_stands_in_calibration_and_test(tmp_path):
    """Neither with another label, another id beside it, nor with blanks around it."""
    text = "id,text,label\n"
    text += "".join(f"{i}, row number {i % 60} ,{('yes', 'no')[i % 2]}\n" for i in range(90))
    rows = read(a_table(tmp_path, text))
    calibration = {one.strip() for one in rows.calibration.inputs}

    assert not calibration & {one.strip() for one in rows.test.inputs}
    assert any("30 rows repeat" in note for note in rows.notes)


def test_rows_without_a_text_or_an_answer_are_counted(tmp_path):
    """Left out, and said."""
    rows = read(a_table(tmp_path, many(40) + ",yes\nno answer,\nshort\n"))

    assert len(rows.test) + len(rows.calibration) == 40
    assert any("3 rows lack" in note for note in rows.notes)


def test_an_unquoted_comma_is_not_cut_off(tmp_path):
    """A row with more cells than the header is named by its line, not read wrongly."""
    with pytest.raises(DataUnreadable) as caught:
        read(a_table(tmp_path, many(30) + "wake me, please,yes\n"))

    assert "line 32" in library.explain(caught.value).message


def test_one_column_needs_no_quotes(tmp_path):
    """Commas in the only column are commas."""
    rows = read(a_table(tmp_path, "text\n" + "".join(f"one, two, {i}\n" for i in range(30))))

    assert all(text.startswith("one, two, ") for text in rows.test.inputs)


@pytest.mark.parametrize("form", ["a list", "a line each", "a list with a mistake", "no objects"])
def test_json_is_a_list_or_a_line_each(tmp_path, form):
    """Both ways of saving JSON are read; a mistake is one sentence."""
    objects = [{"text": f"row {i}", "label": "yes"} for i in range(30)]
    text = {
        "a list": json.dumps(objects, indent=1),
        "a line each": "\n".join(json.dumps(one) for one in objects),
        "a list with a mistake": json.dumps(objects)[:-1],
        "no objects": "[1, 2]",
    }[form]
    path = a_table(tmp_path, text, "rows.json")
    if form in {"a list", "a line each"}:
        assert len(read(path).test) == 24
    else:
        with pytest.raises(DataUnreadable):
            read(path)


def test_a_table_of_excel_in_utf16_says_so(tmp_path):
    """Its "Unicode text" is not UTF-8."""
    path = tmp_path / "rows.csv"
    path.write_bytes(many().encode("utf-16"))
    with pytest.raises(DataUnreadable) as caught:
        read(str(path))

    assert "UTF-16" in library.explain(caught.value).message


def test_labels_may_be_joined_differently(tmp_path):
    """Play Music is play_music; where two labels would be meant, only the exact one counts."""
    joined = {"labels": ("play_music", "stop-it")}
    table = a_table(tmp_path, many(label=lambda i: ("Play Music", "STOP IT")[i % 2]))
    assert set(read(table, **joined).test.labels) == {"play_music", "stop-it"}

    twins = a_table(tmp_path, many(label=lambda i: ("us", "US")[i % 2]), "twins.csv")
    assert set(read(twins, labels=("us", "US")).test.labels) == {"us", "US"}


def pairs(count=60, score=lambda i: f"{i / 60}", first=lambda i: f"left {i}"):
    rows = (f"{first(i)},right {i},{score(i)}\n" for i in range(count))
    return "sentence1,sentence2,score\n" + "".join(rows)


def test_pairs_are_read_with_their_scores(tmp_path):
    """Two texts and a number."""
    rows = read(a_table(tmp_path, pairs()), task=Task.FEATURE_EXTRACTION, labels=())

    assert len(rows.test.pairs) == len(rows.test.target) == 48
    assert len(rows.calibration.pairs) == 12


def test_a_text_of_a_tested_pair_never_calibrates(tmp_path):
    """Pairs that share a text with a tested pair are left out of calibration."""
    path = a_table(tmp_path, pairs(first=lambda i: f"left {i // 3}"))
    rows = read(path, task=Task.FEATURE_EXTRACTION, labels=())
    tested = {text for pair in rows.test.pairs for text in pair}

    assert not tested & {text for pair in rows.calibration.pairs for text in pair}
    assert len(rows.test.pairs) == 48


@pytest.mark.parametrize("score", ["much", "nan", "inf"])
def test_a_score_that_is_no_number_is_named(tmp_path, score):
    """Words, nan, infinity."""
    path = a_table(tmp_path, pairs(score=lambda i: score))
    with pytest.raises(DataUnreadable):
        read(path, task=Task.FEATURE_EXTRACTION, labels=())


@pytest.mark.slow
def test_a_million_rows_are_sampled_and_that_is_said(tmp_path):
    """A uniform sample in one pass; never more than the limit."""
    path = a_table(tmp_path, "text,label\n" + "".join(f"r{i},yes\n" for i in range(1_000_000)))
    rows = examples.read(a_profile(), path, seed=3, limit=500)

    assert len(rows.test) == 500
    assert any("1000000" in note for note in rows.notes)
    assert np.mean([int(text[1:]) for text in rows.test.inputs]) == pytest.approx(5e5, rel=0.15)


def test_the_same_seed_draws_the_same_rows(tmp_path):
    """Another seed draws others."""
    path = a_table(tmp_path, many(3_000))
    one, again, other = (examples.read(a_profile(), path, seed=s, limit=50) for s in (1, 1, 2))

    assert one == again
    assert one.test.inputs != other.test.inputs


def test_a_model_without_data_gets_ours_without_labels():
    """Our own texts, agreement only, and the note says so."""
    rows = examples.read(a_profile(ref=FOLDER_MODEL), "sample", seed=0)

    assert rows.test.labels == ()
    assert len(rows.test) > 500
    assert "agreement" in rows.notes[0]


def intents():
    sample = library.samples()["intents"]
    return a_profile(ref=ModelRef(source=Source.SAMPLE, name="intents")), sample.folder / "model"


def test_text_is_tokenized_as_transformers_does_it(tmp_path):
    """The same ids as AutoTokenizer, row by row, without padding."""
    from transformers import AutoTokenizer

    profile, folder = intents()
    texts = ("wake me up at six", "Wie ist das Wetter in Köln?", "h\u00e9llo " * 90)
    rows = ExampleSet(origin="t", inputs=texts, rows=(0, 1, 2))
    feeds = examples.load_feeds(
        examples.prepare(profile, folder, rows, Workload(), tmp_path / "f.npz")
    )
    theirs = AutoTokenizer.from_pretrained(folder)

    for i, text in enumerate(texts):
        expected = theirs(text, truncation=True, max_length=64)["input_ids"]
        assert feeds.row(i)["input_ids"][0].tolist() == expected


def test_padded_rows_have_one_length_and_a_mask(tmp_path):
    """What a calibrator needs: no ragged batch, padding masked out."""
    profile, folder = intents()
    rows = ExampleSet(origin="t", inputs=("stop", "play some jazz in the kitchen"), rows=(0, 1))
    feeds = examples.load_feeds(
        examples.prepare(profile, folder, rows, Workload(), tmp_path / "f.npz")
    )
    batch = feeds.padded([0, 1])

    assert batch["input_ids"].shape[1] == feeds.longest()
    assert batch["attention_mask"][0].sum() < batch["attention_mask"][1].sum()
    assert feeds.exactly(2, 16)["input_ids"].shape == (2, 16)


@pytest.mark.parametrize("raw", ["{nope", "{}", "[]", '{"model": 1}'])
def test_a_damaged_tokenizer_is_a_sentence(tmp_path, raw):
    """The library's own error says nothing to a reader."""
    (tmp_path / "tokenizer.json").write_text(raw)
    (tmp_path / "config.json").write_text("{}")
    rows = ExampleSet(origin="t", inputs=("a",), rows=(0,))
    with pytest.raises(ConfigUnreadable):
        examples.prepare(a_profile(), tmp_path, rows, Workload(), tmp_path / "f.npz")


def test_no_tokenizer_and_code_of_its_own_is_refused(tmp_path):
    """A tokenizer that wants to run code is never asked, nor is the user."""
    (tmp_path / "config.json").write_text('{"model_type": "bert"}')
    wants = {"auto_map": {"AutoTokenizer": ["mine.Mine", None]}, "tokenizer_class": "Mine"}
    (tmp_path / "tokenizer_config.json").write_text(json.dumps(wants))
    rows = ExampleSet(origin="t", inputs=("a",), rows=(0,))
    with pytest.raises(ConfigUnreadable):
        examples.prepare(a_profile(), tmp_path, rows, Workload(), tmp_path / "f.npz")
