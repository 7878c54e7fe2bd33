"""Classifiers of texts that give several labels at once, or a number instead of any."""

import numpy as np
import pytest
from scipy.stats import kendalltau, spearmanr

from tests.factories import a_profile, classes_answered
from wizard import examples, tasks
from wizard.errors import LabelsAreNumbers, LabelsUnknown
from wizard.examples.typed import typed
from wizard.measure import quality
from wizard.nouns import ExampleSet, ModelRef, Source, Task

NAMES = ("joy", "anger", "fear")


def a_model(task=Task.SEVERAL_LABELS):
    ref = ModelRef(source=Source.FOLDER, name="m")
    return a_profile(ref=ref, task=task, labels=NAMES if task is Task.SEVERAL_LABELS else ())


def read(tmp_path, text, task=Task.SEVERAL_LABELS, name="rows.csv", ending=""):
    (tmp_path / name).write_text(text, encoding="utf-8")
    return examples.read(a_model(task), f"{tmp_path / name}{ending}", seed=0)


def lines(rows, header="text,labels"):
    return "\n".join([header, *(f"row {at},{row}" for at, row in enumerate(rows))]) + "\n"


def several(*rows):
    """Right answers of so many rows."""
    return ExampleSet(origin="t", answers=rows, rows=tuple(range(len(rows))))


# --------------------------------------------------------------------------- rows


def test_labels_are_read_from_lists_and_from_words_between_commas(tmp_path):
    """A row without any label is a row: nothing holds there."""
    told = ['"[""joy"", ""fear""]"', "anger", '"Joy, fear"', "joy|anger", "", "[]"]
    rows = read(tmp_path, lines(told * 10))
    found = set(rows.test.answers) | set(rows.calibration.answers)

    assert found == {("joy", "fear"), ("anger",), ("joy", "anger"), ()}
    assert len(rows.test) + len(rows.calibration) == 60


def test_a_column_for_each_label_says_which_hold(tmp_path):
    """As data about toxic comments come; other columns stay what they are."""
    told = ["1,0,0", "0,0,1", "0,0,0", "1.0,0.0,1.0"]
    text = "\n".join(["comment,joy,Anger,fear", *(f"c{at},{told[at % 4]}" for at in range(40))])
    rows = read(tmp_path, text)

    assert set(rows.test.answers) == {("joy",), ("fear",), (), ("joy", "fear")}
    assert not rows.test.columns
    assert "3 columns ('joy', ...)" in " ".join(rows.notes)


def test_positions_are_taken_for_labels_only_where_that_is_said(tmp_path):
    """As of a single label."""
    table = lines(['"[0, 2]"', "[1]"] * 20)

    with pytest.raises(LabelsAreNumbers):
        read(tmp_path, table)
    rows = read(tmp_path, table, ending="#labels=index")
    assert set(rows.test.answers) == {("joy", "fear"), ("anger",)}


def test_a_label_that_the_model_does_not_know_is_named(tmp_path):
    """Before any work."""
    with pytest.raises(LabelsUnknown, match="sorrow"):
        read(tmp_path, lines(["joy", "sorrow"] * 20))


@pytest.mark.parametrize(
    ("header", "pairs"),
    [("query,passage,score", True), ("text,rating", False), ("sentence1,sentence2,label", True)],
)
def test_numbers_are_read_for_one_text_or_two(tmp_path, header, pairs):
    """Whatever their column is called."""
    texts = 2 if pairs else 1
    cells = [[*(f"t{at}{part}" for part in range(texts)), f"{at / 4}"] for at in range(40)]
    made = "\n".join([header, *map(",".join, cells)])
    rows = read(tmp_path, made, Task.ONE_NUMBER)

    assert bool(rows.test.pairs) is pairs
    assert {*rows.test.target} <= {at / 4 for at in range(40)}


def test_a_scorer_of_texts_without_rows_of_its_own_gets_pairs_of_ours():
    """Their scores are another model's, so agreement decides."""
    rows = examples.read(a_model(Task.ONE_NUMBER), "sample", seed=0)

    assert rows.test.pairs
    assert not rows.test.target


# --------------------------------------------------------------------------- several labels


def test_labels_are_counted_as_scikit_learn_counts_them():
    """Micro F1 over all rows and labels; rows that have exactly the right ones."""
    from sklearn.metrics import accuracy_score, f1_score

    rng = np.random.default_rng(3)
    logits, right = rng.normal(size=(200, 3)), rng.random((200, 3)) > 0.6
    truth = [tuple(name for name, holds in zip(NAMES, row, strict=True) if holds) for row in right]
    raw = classes_answered(logits.astype(np.float32))
    found = quality.score(raw, several(*truth), a_model(), None)
    exact = quality.score(raw, several(*truth), a_model(), None, "exact match")

    assert found.metric == "label F1"
    assert found.value.value == pytest.approx(f1_score(right, logits > 0, average="micro"))
    assert exact.value.value == pytest.approx(accuracy_score(right, logits > 0))


def test_an_answer_is_the_same_only_with_all_its_labels():
    """One of three labels more is another answer, which is told in words."""
    before = classes_answered(np.array([[1, -1, -1], [1, 1, -1], [-1, -1, -1]], np.float32))
    after = classes_answered(np.array([[2, -2, -3], [1, 1, 0.1], [-1, -1, -2]], np.float32))
    found = quality.score(after, bare(3), a_model(), before)

    assert found.answers.agreement == (1.0, 0.0, 1.0)
    assert found.answers.said == ("joy", "joy, anger, fear", "none of the labels")
    assert quality.glance(after, before, a_model()).changed == 1


def bare(count):
    """Rows without right answers."""
    return ExampleSet(origin="t", inputs=("x",) * count, rows=tuple(range(count)))


def test_a_file_that_finds_no_label_any_more_has_collapsed():
    """Whatever the average says."""
    rng = np.random.default_rng(0)
    before = classes_answered(rng.normal(size=(100, 3)).astype(np.float32))
    after = classes_answered(np.full((100, 3), -5, np.float32) + rng.random((100, 3), np.float32))

    assert quality.score(after, bare(100), a_model(), before).answers.collapse


def test_each_label_is_shown_with_a_share_of_its_own():
    """They need not add up to one."""
    raw = classes_answered(np.array([[2.0, 2.0, -2.0]], np.float32))
    told = quality.shown(raw, a_model(), bare(1))["answers"]

    assert [name for name, _ in told] == ["joy", "anger", "fear"]
    assert told[0][1] == told[1][1] == pytest.approx(0.8808, abs=1e-4)


# --------------------------------------------------------------------------- one number


def numbers(values):
    return classes_answered(np.asarray(values, np.float32)[:, None])


def test_numbers_are_held_against_those_of_the_data_by_rank():
    """Spearman's correlation; the scale of the model's numbers does not matter."""
    rng = np.random.default_rng(1)
    target = rng.normal(size=300)
    said = target + rng.normal(size=300)
    rows = ExampleSet(origin="t", target=tuple(target), rows=tuple(range(300)))
    found = quality.score(numbers(said), rows, a_model(Task.ONE_NUMBER), None)

    assert found.metric == "spearman"
    assert found.value.value == pytest.approx(spearmanr(said, target).statistic, abs=1e-4)


def test_without_numbers_in_the_data_the_order_of_pairs_decides():
    """The share of pairs in the original's order, which is Kendall's tau between 0 and 1."""
    rng = np.random.default_rng(2)
    before = rng.normal(size=150)
    after = before + 0.5 * rng.normal(size=150)
    found = quality.score(numbers(after), bare(150), a_model(Task.ONE_NUMBER), numbers(before))
    tau = kendalltau(before, after).statistic

    assert found.metric == "agreement with the original"
    assert found.value.value == pytest.approx((1 + tau) / 2, abs=1e-5)


@pytest.mark.parametrize(("factor", "share"), [(3.0, 1.0), (-1.0, 0.0)])
def test_the_same_order_agrees_wholly_and_its_reverse_not_at_all(factor, share):
    """Whatever the scale."""
    before = np.random.default_rng(2).normal(size=50)
    found = quality.score(
        numbers(factor * before), bare(50), a_model(Task.ONE_NUMBER), numbers(before)
    )

    assert found.agreement.value == pytest.approx(share)
    assert not found.answers.collapse


def test_one_number_for_every_row_is_a_collapse():
    """And not half an agreement."""
    before = numbers(np.random.default_rng(2).normal(size=50))
    found = quality.score(numbers(np.ones(50)), bare(50), a_model(Task.ONE_NUMBER), before)

    assert found.answers.collapse == ("It gives the same number to every row.",)


def test_a_scorer_is_asked_about_two_texts_or_one():
    """The second box may stay empty."""
    model = a_model(Task.ONE_NUMBER)

    assert typed(model, ["a", "b"]).pairs == (("a", "b"),)
    assert typed(model, ["a", " "]).inputs == ("a",)
    assert [field.optional for field in tasks.asks(model.task, model.labels)] == [False, True]
