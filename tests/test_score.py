"""The quality clause names its metric, its direction and its unit, and counts what it should."""

import numpy as np
import pytest

from tests.factories import (
    a_measurement,
    a_plan,
    a_profile,
    a_quantity,
    classes_answered,
    some_needs,
    vectors_answered,
)
from wizard.compare.macro import macro_loss
from wizard.compare.paired import drop_by_bootstrap
from wizard.compare.score import quality_clause
from wizard.errors import BadNeeds
from wizard.measure import macro, quality
from wizard.nouns import Answers, ExampleSet, Quality, Task, Verdict

LABELS = ("no", "yes", "maybe")


def scored(truth, predicted, original=None, metric=""):
    """What measure says of a classifier's answers beside the original's."""
    raw = classes_answered(np.eye(3, dtype=np.float32)[predicted] * 5)
    first = None
    if original is not None:
        first = classes_answered(np.eye(3, dtype=np.float32)[original] * 5)
    labels = tuple(LABELS[one] for one in truth)
    rows = ExampleSet(origin="t", labels=labels, rows=tuple(range(len(predicted))))
    return quality.score(raw, rows, a_profile(labels=LABELS), first, metric)


def clause_of(before, after, drop=1.0):
    """The quality clause between two qualities."""
    plan = a_plan(needs=some_needs(drop=drop))
    return quality_clause(plan, a_measurement(quality=before), a_measurement(quality=after))


UNEVEN = np.repeat([0, 1, 2], [850, 100, 50])


@pytest.mark.parametrize(
    ("counts", "uneven"),
    [
        ((850, 100, 50), True),
        ((79, 21), False),
        ((81, 19), True),
        ((5, 1, 2), False),
        ((9,), False),
    ],
)
def test_labels_are_uneven_when_one_has_four_times_the_rows_of_another(counts, uneven):
    """And never in so few rows that chance would do it."""
    assert macro.uneven(np.repeat(range(len(counts)), counts)) is uneven


def test_uneven_labels_are_judged_by_macro_f1_with_accuracy_beside_it():
    """Half of the rarest label is lost: 2.5 points of accuracy, ten times as much of macro-F1."""
    after = UNEVEN.copy()
    after[-25:] = 0
    clause = clause_of(scored(UNEVEN, UNEVEN), scored(UNEVEN, after, UNEVEN), drop=5.0)

    assert clause.metric == "macro-F1"
    assert clause.verdict is Verdict.MISS
    assert "accuracy beside it: 100.00 % before, 97.50 % after" in clause.because


def test_even_labels_are_judged_by_accuracy():
    """The metric is the same for both models, because only the rows decide on it."""
    truth = np.arange(900) % 3

    assert scored(truth, truth).metric == scored(truth, truth * 0).metric == "accuracy"


def test_macro_f1_is_that_of_scikit_learn():
    """Over the labels that the rows have, also when a model says others."""
    from sklearn.metrics import f1_score

    rng = np.random.default_rng(0)
    said = np.where(rng.random(1000) < 0.3, rng.integers(0, 5, 1000), UNEVEN)
    found = macro.macro_f1(UNEVEN, said)

    assert found.value == pytest.approx(f1_score(UNEVEN, said, labels=[0, 1, 2], average="macro"))
    assert found.low < found.value < found.high


def test_the_loss_of_macro_f1_is_the_difference_of_two_macro_f1():
    """Leaving out classes that did not change leaves the loss as it is, in every resample."""
    rng = np.random.default_rng(1)
    before = np.where(rng.random(1000) < 0.2, rng.integers(0, 4, 1000), UNEVEN)
    after = np.where(rng.random(1000) < 0.05, rng.integers(0, 4, 1000), before)
    for rows in (np.arange(1000), rng.integers(0, 1000, 1000)):
        truth, was, now = UNEVEN[rows], before[rows], after[rows]
        loss = macro_loss(truth, was, now)
        means = loss.counts @ loss.features / len(rows)
        expected = macro.macro_f1(truth, was).value - macro.macro_f1(truth, now).value

        assert loss.loss(means[None])[0] == pytest.approx(expected)


def test_counting_equal_rows_once_changes_nothing():
    """The multinomial over distinct rows gives the bounds that drawing each row gives."""
    rng = np.random.default_rng(1)
    after = np.where(rng.random(1000) < 0.05, rng.integers(0, 3, 1000), UNEVEN)
    fast = macro_loss(UNEVEN, UNEVEN, after)
    each = np.repeat(np.arange(len(fast.counts)), fast.counts)
    slow = type(fast)(features=fast.features.toarray()[each], loss=fast.loss, worst=fast.worst)
    first, second = (drop_by_bootstrap(one, seed=0) for one in (fast, slow))

    assert first.value == pytest.approx(second.value)
    assert (first.low, first.high) == pytest.approx((second.low, second.high), abs=0.002)


def test_a_rare_label_with_few_rows_cannot_pass():
    """Ten rows of it, none lost: they might have been lucky, and more of them are asked for."""
    truth = np.repeat([0, 1], [490, 10])
    clause = clause_of(scored(truth, truth), scored(truth, truth, truth))

    assert clause.verdict is Verdict.CANNOT_TELL
    assert "of the rarest label" in clause.next
    assert clause.more_examples > 1000


def test_the_sentence_says_metric_direction_and_absolute_points():
    """No one has to guess whether a point is relative, or which way is better."""
    truth = np.arange(900) % 3
    after = truth.copy()
    after[:30] = (after[:30] + 1) % 3
    clause = clause_of(scored(truth, truth), scored(truth, after, truth))

    assert "3.33 points of accuracy, from 100.00 % to 96.67 %" in clause.because
    assert "higher is better" in clause.because
    assert "in absolute points" in clause.because
    assert "30 right answers broke and 0 wrong ones were mended" in clause.because
    assert clause.p_value == pytest.approx(2 / 2**30)


def test_without_labels_the_changed_answers_are_counted_with_their_interval():
    """Ten of a thousand changed: one per cent, and Wilson's interval around it."""
    before, after = np.arange(1000) % 3, np.arange(1000) % 3
    after[:10] = (after[:10] + 1) % 3
    clause = clause_of(scored([], before), scored([], after, before), drop=3.0)

    assert clause.verdict is Verdict.PASS
    assert clause.metric == "agreement with the original"
    assert "10 changed, 1.00 % (0.54 to 1.83)" in clause.because


def test_vectors_without_labels_agree_by_cosine_with_ranks_beside_it():
    """Neighbours keep their order when the vectors move a little."""
    rng = np.random.default_rng(0)
    raw = rng.normal(size=(600, 32)).astype(np.float32)
    rows = ExampleSet(origin="t", rows=tuple(range(600)))
    profile = a_profile(task=Task.FEATURE_EXTRACTION)
    moved = vectors_answered(raw + 0.03 * rng.normal(size=raw.shape))
    before = quality.score(vectors_answered(raw), rows, profile, None)
    after = quality.score(moved, rows, profile, vectors_answered(raw))
    clause = clause_of(before, after)

    assert clause.verdict is Verdict.PASS
    assert "rank agreement 0.99" in clause.because


def test_a_few_broken_vectors_among_few_rows_cannot_be_excluded():
    """120 cosines of one: if two in a hundred were lost, a third of such samples would not show."""
    answers = Answers(rows=tuple(range(120)), agreement=(1.0,) * 120)
    same = Quality(metric="agreement with the original", value=a_quantity(1.0), answers=answers)

    assert clause_of(same, same).verdict is Verdict.CANNOT_TELL


@pytest.mark.parametrize(
    ("metric", "found"), [("accuracy", "accuracy"), ("agreement", "agreement with the original")]
)
def test_a_metric_that_was_asked_for_is_the_one_that_judges(metric, found):
    """Uneven labels or not; a wrong answer mended counts as changed where agreement is asked."""
    after = UNEVEN.copy()
    after[:30] = 2
    before = scored(UNEVEN, after, metric=metric)
    clause = clause_of(before, scored(UNEVEN, UNEVEN, after, metric=metric))

    assert clause.metric == found
    assert (clause.verdict is Verdict.PASS) is (metric == "accuracy")
    assert ("As you asked, every changed answer counts" in clause.because) is (metric != "accuracy")


def test_a_metric_of_right_answers_needs_right_answers():
    """Without labels only agreement can be asked for."""
    with pytest.raises(BadNeeds, match="needs examples with right answers"):
        scored([], np.arange(30) % 3, metric="macro-F1")
    assert scored([], np.arange(30) % 3, metric="agreement").metric == "agreement with the original"
