"""Words, questions, gaps, choices: prepared as the model reads them, scored as the field does."""

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.factories import a_profile
from wizard import examples, tasks
from wizard.errors import DataNotForTask, DataUnreadable, LabelsUnknown
from wizard.examples.reading import read
from wizard.measure import quality
from wizard.measure.answered import Answered
from wizard.measure.reducers import choices, gaps, spans, tags
from wizard.measure.scorers.spans import f1, normal
from wizard.nouns import ExampleSet, ModelRef, Source, Task, Workload

SPECIAL = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
WORDS = ["turn", "the", "light", "on", "in", "kit", "##chen", "Paul", "is", "at", "home", "where"]
PLACE = {word: at for at, word in enumerate(SPECIAL + WORDS)}
LABELS = ("O", "B-ROOM", "I-ROOM", "B-NAME")


@pytest.fixture
def folder(tmp_path):
    """A BERT-like tokenizer of seventeen pieces, and the config beside it."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordPiece(PLACE, unk_token="[UNK]"))  # noqa: S106 - no password
    made.add_special_tokens(SPECIAL)
    made.pre_tokenizer = pre_tokenizers.BertPreTokenizer()
    made.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    made.save(str(tmp_path / "tokenizer.json"))
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"mask_token": "[MASK]"}))
    names = {"0": "contradiction", "1": "entailment"}
    (tmp_path / "config.json").write_text(json.dumps({"pad_token_id": 0, "id2label": names}))
    return tmp_path


def a_model(task, **changes):
    ref = ModelRef(source=Source.FOLDER, name="m")
    return a_profile(ref=ref, task=task, labels=LABELS, max_tokens=16, **changes)


def prepared(folder, task, rows):
    out = examples.prepare(a_model(task), folder, rows, Workload(), folder / "feeds.npz")
    return examples.load_feeds(out)


def a_set(**parts):
    count = len(parts.get("inputs") or parts.get("pairs"))
    return ExampleSet(origin="t", rows=tuple(range(count)), **parts)


# --------------------------------------------------------------------------- words


def test_a_word_has_the_tag_of_the_token_it_begins_with(folder):
    """Also where it has several; words beyond the model's length have none."""
    long = " ".join(["turn"] * 20)
    feeds = prepared(folder, Task.TOKEN_CLASSIFICATION, a_set(inputs=("turn kitchen on", long)))

    assert feeds.row(0)["word_starts"].tolist() == [[1, 2, 4]]
    assert feeds.row(1)["word_starts"][0].tolist() == [*range(1, 15)] + [-1] * 6
    logits = np.zeros((1, 6, 4), np.float32)
    logits[0, 2, 1] = logits[0, 3, 2] = 5
    kept = tags.reduce([(feeds.row(0), {"logits": logits})])
    assert kept["tags"].tolist() == [0, 1, 0]


def tagged(*rows):
    """Kept answers of so many tags a row."""
    made = [np.array([LABELS.index(tag) for tag in row.split()], np.int32) for row in rows]
    return Answered({"tags": made, "sure": [np.ones(len(one), np.float32) for one in made]})


def test_spans_are_counted_as_seqeval_counts_them():
    """The same F1 as its own, over rows drawn at random."""
    from seqeval.metrics import f1_score

    rng = np.random.default_rng(0)
    drawn = [[" ".join(rng.choice(LABELS, 6)) for _ in range(60)] for _ in range(2)]
    rows = a_set(
        inputs=("a b c d e f",) * 60, answers=tuple(tuple(one.split()) for one in drawn[0])
    )
    scored = quality.score(tagged(*drawn[1]), rows, a_model(Task.TOKEN_CLASSIFICATION), None)

    theirs = f1_score([one.split() for one in drawn[0]], [one.split() for one in drawn[1]])
    assert scored.metric == "span F1"
    assert scored.value.value == pytest.approx(theirs)


def test_a_changed_span_is_told_in_words():
    """Before, after and truth; agreement is the share of words that kept their tag."""
    rows = a_set(inputs=("Paul is at home",), answers=(("B-NAME", "O", "O", "B-ROOM"),))
    first, now = tagged("B-NAME O O O"), tagged("O O O O")
    profile = a_model(Task.TOKEN_CLASSIFICATION)
    was = quality.score(first, rows, profile, None)
    scored = quality.score(now, rows, profile, first)

    assert was.answers.said == ("NAME: Paul",)
    assert scored.answers.said == ("nothing",)
    assert scored.answers.expected == ("NAME: Paul; ROOM: home",)
    assert scored.answers.agreement == (0.75,)
    assert scored.answers.features == ((0.0, 0.0, 2.0),)


def written(folder, text, name="rows.csv"):
    path = folder / name
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_tags_are_read_from_lists_and_from_words(tmp_path):
    """JSON lines with lists, as data sets have them; CSV with spaces."""
    profile = a_model(Task.TOKEN_CLASSIFICATION)
    rows = "".join(
        json.dumps({"tokens": ["Paul", f"n{at}"], "ner_tags": ["B-NAME", "O"]}) + "\n"
        for at in range(30)
    )
    lists = read(profile, written(tmp_path, rows, "rows.jsonl"), seed=0).test
    table = "text,tags\n" + "".join(f"Paul n{at},B-NAME O\n" for at in range(30))
    words = read(profile, written(tmp_path, table), seed=0).test

    assert lists.inputs == words.inputs
    assert lists.answers == words.answers
    assert set(lists.answers) == {("B-NAME", "O")}


def test_tags_that_do_not_fit_are_a_sentence(tmp_path):
    """One too few, and one that the model does not have."""
    profile = a_model(Task.TOKEN_CLASSIFICATION)
    short = "text,tags\n" + "".join(f"Paul n{at},O\n" for at in range(30))
    with pytest.raises(DataUnreadable, match="2 words and 1 tags"):
        read(profile, written(tmp_path, short), seed=0)
    strange = "text,tags\n" + "".join(f"Paul n{at},B-DOG O\n" for at in range(30))
    with pytest.raises(LabelsUnknown):
        read(profile, written(tmp_path, strange), seed=0)


# --------------------------------------------------------------------------- questions


def test_a_long_text_is_read_in_windows_that_overlap(folder):
    """Every word of it is in some window, and one answer comes of all."""
    text = " ".join(["the light is on"] * 6) + " Paul is at home"
    rows = a_set(pairs=(("where is Paul", text), ("where", "the light")))
    feeds = prepared(folder, Task.QUESTION_ANSWERING, rows)
    windows = [feeds.row(at) for at in feeds.rows_of(0)]
    begins = {int(at) for one in windows for at in one["begins"][0] if at >= 0}

    assert feeds.examples == 2
    assert len(windows) > 2
    assert all(one["input_ids"].shape[1] <= 16 for one in windows)
    assert begins == {at for at in range(len(text)) if at == 0 or text[at - 1] == " "}
    outputs = [scores_for(one, text.index("Paul"), text.index("home")) for one in windows]
    kept = spans.reduce(list(zip(windows, outputs, strict=True)))
    start, end = kept["span"].tolist()
    assert text[start:end] == "Paul is at home"


def scores_for(window, first, last):
    """Logits of a model that knows where the answer is, and is unsure elsewhere."""
    start = np.where(window["begins"] == first, 9.0, 0.0).astype(np.float32)
    end = np.where(window["begins"] == last, 9.0, 0.0).astype(np.float32)
    start[0, 0] = 20.0  # the first token is no text: it can be no answer
    return {"start_logits": start, "end_logits": end}


def test_answers_are_compared_as_squad_does():
    """Case, articles and punctuation do not count; common words do."""
    assert normal("The Team, meeting!") == "team meeting"
    assert f1("on Friday at noon", "Friday at noon.") == pytest.approx(2 * 3 / 7)
    assert f1("", "a b") == 0.0
    assert f1("the", "a") == 1.0


def test_the_best_of_several_right_answers_counts():
    """F1 by default, exact match when asked; agreement with the original's words."""
    rows = a_set(pairs=(("q", "Paul is at home"),), answers=(("at home", "home"),))
    now, first = (Answered({"span": [np.array(one)], "score": [np.ones(1)]}) for one in (
        (11, 15), (8, 15)))  # fmt: skip
    profile = a_model(Task.QUESTION_ANSWERING)

    assert quality.score(now, rows, profile, first).value.value == 1.0
    assert quality.score(now, rows, profile, first).answers.agreement == (
        pytest.approx(2 / 3, abs=1e-6),
    )
    assert quality.score(now, rows, profile, None, "exact match").metric == "exact match"


def test_a_question_may_be_asked_of_many_texts(tmp_path):
    """Rows for calibration must not share a text with the test; the question is no such text."""
    table = "question,context,answers\n" + "".join(f"who,n{at} is it,n{at}\n" for at in range(60))
    rows = read(a_model(Task.QUESTION_ANSWERING), written(tmp_path, table), seed=0)

    assert len(rows.calibration) == 12
    assert not {c for _, c in rows.calibration.pairs} & {c for _, c in rows.test.pairs}


# --------------------------------------------------------------------------- gaps


def test_a_text_without_a_gap_loses_one_whole_word(folder):
    """The same one every time; it is the right answer."""
    rows = a_set(inputs=("turn the light on in the kitchen", "Paul is [MASK] home"))
    feeds = prepared(folder, Task.FILL_MASK, rows)
    again = prepared(folder, Task.FILL_MASK, rows)
    first, second = feeds.row(0), feeds.row(1)
    gap = int(first["gaps"][0, 0])

    assert first["input_ids"][0, gap] == PLACE["[MASK]"]
    assert again.row(0)["gaps"].tolist() == first["gaps"].tolist()
    assert int(first["missing"][0, 0]) not in {PLACE["kit"], PLACE["##chen"]}
    assert second["missing"].tolist() == [[-1]]
    assert second["gaps"].tolist() == [[3]]


def test_answers_for_gaps_are_ranked(folder):
    """Right first: 1; second: a half of the reciprocal rank."""
    rows = a_set(inputs=("Paul is [MASK] [MASK]",), answers=(("at", "home"),))
    feeds = prepared(folder, Task.FILL_MASK, rows)
    logits = np.zeros((1, 6, len(PLACE)), np.float32)
    logits[0, 3, PLACE["at"]] = 3
    logits[0, 4, [PLACE["on"], PLACE["home"]]] = (3, 2)
    kept = gaps.reduce([(feeds.row(0), {"logits": logits})])
    answers = Answered({name: [value] for name, value in kept.items()})
    profile = a_model(Task.FILL_MASK)
    scored = quality.score(answers, rows, profile, answers)

    assert kept["rank"].tolist() == [1, 2]
    assert scored.metric == "token accuracy"
    assert scored.value.value == 0.5
    assert scored.answers.said == ("at on",)
    assert scored.answers.expected == ("at home",)
    assert quality.score(answers, rows, profile, None, "MRR").value.value == 0.75


def test_a_text_with_nothing_to_leave_out_is_refused(folder):
    """Numbers only: there is no word that could be missing."""
    with pytest.raises(DataNotForTask, match="MASK"):
        prepared(folder, Task.FILL_MASK, a_set(inputs=("12 34",)))


# --------------------------------------------------------------------------- choices


def test_each_label_is_a_sentence_that_may_follow(folder):
    """One row a label; the place of entailment comes from the config."""
    rows = a_set(inputs=("turn the light on", "Paul"), labels=("light", "home"))
    rows = replace(rows, candidates=("home", "light"))
    feeds = prepared(folder, Task.ZERO_SHOT_CLASSIFICATION, rows)
    pairs = [(feeds.row(at), {"logits": np.array([[0.0, at]])}) for at in feeds.rows_of(0)]
    kept = choices.reduce(pairs)

    assert len(feeds) == 4
    assert feeds.examples == 2
    assert feeds.row(1)["token_type_ids"].max() == 1
    assert kept["logits"].tolist() == [0.0, 1.0]
    answers = Answered({"logits": [kept["logits"], np.array([0.0, 1.0])]})
    scored = quality.score(answers, rows, a_model(Task.ZERO_SHOT_CLASSIFICATION), answers)
    assert scored.metric == "top-1 accuracy"
    assert scored.answers.said == ("light", "light")
    assert scored.value.value == 0.5


def test_the_labels_of_the_data_are_what_is_chosen_among(tmp_path):
    """They need not be the model's own: those are entailment and its like."""
    table = "text,label\n" + "".join(f"t{at},{'ab'[at % 2]}\n" for at in range(40))
    rows = read(a_model(Task.ZERO_SHOT_CLASSIFICATION), written(tmp_path, table), seed=0).test

    assert rows.candidates == ("a", "b")
    assert set(rows.labels) == {"a", "b"}


# --------------------------------------------------------------------------- two texts


def test_two_typed_texts_are_a_pair_and_labels_a_list():
    """What the playground's fields mean comes from the task's card."""
    pair = examples.typed(a_model(Task.SENTENCE_SIMILARITY), ["one", "two"])
    choice = examples.typed(a_model(Task.ZERO_SHOT_CLASSIFICATION), ["one", "a, b,"])

    assert pair.pairs == (("one", "two"),)
    assert choice.inputs == ("one",)
    assert choice.candidates == ("a", "b")
    vectors = Answered({"vectors": [np.array([[1.0, 0.0], [1.0, 0.0]])]})
    assert quality.shown(vectors, a_model(Task.SENTENCE_SIMILARITY), pair) == {"said": "1.000"}


PAIRS = "premise,hypothesis,label\n" + "".join(
    f"Paul is at home {at},where {at},{('contradiction', 'entailment')[at % 2]}\n"
    for at in range(40)
)


def a_judge_of_two(**changes):
    """A classifier whose labels are about two texts."""
    made = a_model(Task.TEXT_CLASSIFICATION, **changes)
    return replace(made, labels=("contradiction", "entailment"))


def test_two_texts_that_a_label_is_about_are_read_as_one(folder):
    """As the model was trained: the second text is of another type."""
    rows = a_set(pairs=(("turn the light", "on"), ("Paul", "is at home")))
    feeds = prepared(folder, Task.TEXT_CLASSIFICATION, rows)

    assert len(feeds) == feeds.examples == 2
    words = ["[CLS]", "turn", "the", "light", "[SEP]", "on", "[SEP]"]
    assert feeds.row(0)["input_ids"][0].tolist() == [PLACE[one] for one in words]
    assert feeds.row(0)["token_type_ids"][0].tolist() == [0, 0, 0, 0, 0, 1, 1]


def test_the_columns_of_two_texts_are_found(tmp_path):
    """By the names that public data sets use; each pair is one request."""
    rows = read(a_judge_of_two(), written(tmp_path, PAIRS), seed=0)

    assert rows.test.pairs[0][0].startswith("Paul is at home")
    assert set(rows.test.labels) == {"contradiction", "entailment"}
    assert any("read together" in note for note in rows.notes)
    assert examples.counts(rows.test, a_judge_of_two())["requests"] == len(rows.test)


@pytest.mark.parametrize(
    ("columns", "together"),
    [("query,passage", True), ("question,sentence", True), ("sentence,label", False)],
)
def test_which_columns_are_two_texts(tmp_path, columns, together):
    """A question beside its passage is; a text beside its label is not."""
    table = f"{columns}\n" + "".join(f"text {at},O\n" for at in range(20))
    rows = read(a_model(Task.TEXT_CLASSIFICATION), written(tmp_path, table), seed=0)

    assert bool(rows.test.pairs) == together
    assert bool(rows.test.labels) != together


def test_one_text_that_the_user_named_is_read_alone(tmp_path):
    """What was said goes before what would be guessed."""
    path = written(tmp_path, "query,passage\n" + "".join(f"a{at},b{at}\n" for at in range(20)))
    name = f"{path}#columns=text=query"
    rows = read(a_model(Task.TEXT_CLASSIFICATION), name, seed=0)

    assert not rows.test.pairs
    assert set(rows.test.inputs) <= {f"a{at}" for at in range(20)}


def test_a_judge_of_two_texts_is_not_content_with_one(tmp_path):
    """A note says which columns would be read together."""
    table = "text,label\n" + "".join(f"t{at},entailment\n" for at in range(20))
    rows = read(a_judge_of_two(), written(tmp_path, table), seed=0)

    assert any("premise and hypothesis" in note for note in rows.notes)


def test_a_judge_of_two_texts_without_rows_of_its_own_gets_pairs_of_ours():
    """Unlabelled: they are another model's."""
    rows = read(a_judge_of_two(), "sample", seed=0)

    assert len(rows.test.pairs) == examples.bundled_counts(a_judge_of_two())["requests"]
    assert not rows.test.labels
    assert not rows.test.target


def test_a_judge_of_two_texts_is_asked_about_two():
    """Its labels tell; another classifier has one box."""
    two, one = a_judge_of_two(), a_model(Task.TEXT_CLASSIFICATION)

    assert len(tasks.asks(two.task, two.labels)) == 2
    assert len(tasks.asks(one.task, one.labels)) == 1
    assert examples.typed(two, ["one", "other"]).pairs == (("one", "other"),)
    assert examples.typed(one, ["one"]).inputs == ("one",)
    assert tasks.of_two(two.task, ["Not-Entailment", "LABEL_1"])
    assert not tasks.of_two(Task.ZERO_SHOT_CLASSIFICATION, two.labels)
