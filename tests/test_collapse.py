"""A model that has stopped answering is named, whatever its average; a healthy one never is."""

import numpy as np
import pytest

from tests.factories import (
    a_measurement,
    a_plan,
    a_profile,
    classes_answered,
    some_answers,
    some_needs,
    vectors_answered,
)
from wizard.compare import judge
from wizard.measure import quality
from wizard.nouns import ExampleSet, Task, Verdict

ROWS = 300


def logits(shares, rows=ROWS, sure=4.0, seed=0):
    """A healthy classifier's raw answers [rows, classes], its labels in these shares."""
    rng = np.random.default_rng(seed)
    truth = rng.choice(len(shares), rows, p=shares)
    raw = rng.normal(size=(rows, len(shares)))
    raw[np.arange(rows), truth] += sure
    return raw.astype(np.float32)


def vectors(mean=0.0, seed=0):
    """Embeddings [rows, 32]; a large mean puts even healthy ones into a narrow cone."""
    return (np.random.default_rng(seed).normal(size=(ROWS, 32)) + mean).astype(np.float32)


def found(raw, original, task=Task.TEXT_CLASSIFICATION):
    """What is said of answers `raw` beside the original's."""
    rows = ExampleSet(origin="t", rows=tuple(range(len(raw))))
    kept = classes_answered if task is Task.TEXT_CLASSIFICATION else vectors_answered
    first = kept(original) if original is not None else None
    return quality.score(kept(raw), rows, a_profile(task=task), first).answers.collapse


EVEN, HEAVY = (0.4, 0.3, 0.3), (0.94, 0.03, 0.03)


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_answers_that_are_no_numbers_are_counted(value):
    """One row in three hundred is enough, and it is counted."""
    raw = logits(EVEN)
    raw[7, 1] = value

    assert found(raw, logits(EVEN)) == ("1 of 300 answers are not numbers.",)


def test_one_answer_to_every_row_is_named():
    """The same scores whatever was asked."""
    assert "same answer to every row" in found(np.tile([1.0, 2, 0], (ROWS, 1)), logits(EVEN))[0]


def test_a_class_above_its_base_rate_is_named_with_both_shares():
    """It varies, yet nine of ten rows get one answer that the original gave to four."""
    raw = logits(EVEN)
    share = (raw.argmax(axis=1) == 0).mean()
    raw[:, 0] += 5
    said = found(raw, logits(EVEN))

    assert said[0].startswith("It gives one answer to ")
    assert said[0].endswith(f"the original gave it to {share:.0%}.")


def test_saturated_confidence_is_named():
    """Scores blown up leave the answers as they are and the certainty meaningless."""
    raw = logits(EVEN, sure=2.0)

    assert "certain of every answer" in found(300 * raw, raw)[0]


@pytest.mark.parametrize("mean", [0.0, 1.0, 3.0])
def test_vectors_in_a_cone_are_named(mean):
    """Also where the original's own vectors lie close together (mean cosine 0.9)."""
    raw = vectors(mean)
    collapsed = raw.mean(axis=0) + 0.02 * raw + 1

    assert "point the same way" in found(collapsed, raw, Task.FEATURE_EXTRACTION)[0]


def test_vectors_of_zeros_are_named():
    """No direction at all."""
    said = found(np.zeros((ROWS, 32), np.float32), vectors(), Task.FEATURE_EXTRACTION)

    assert said == ("All vectors are zero.",)


@pytest.mark.parametrize("shares", [EVEN, HEAVY, (0.99, 0.005, 0.005)])
@pytest.mark.parametrize("noise", [0.0, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(5))
def test_a_healthy_classifier_is_never_accused(shares, noise, seed):
    """However heavy its base rate, however sure it is, and with the noise of 8 bits."""
    for sure in (2.0, 6.0, 20.0):
        raw = logits(shares, sure=sure, seed=seed)
        moved = raw + noise * np.random.default_rng(seed + 99).normal(size=raw.shape)

        assert found(moved, raw) == ()


@pytest.mark.parametrize("mean", [0.0, 1.0, 3.0, 6.0])
def test_healthy_vectors_are_never_accused(mean):
    """Neither where the original's own mean cosine is 0.97."""
    raw = vectors(mean)
    moved = raw + 0.1 * np.random.default_rng(1).normal(size=raw.shape)

    assert found(moved, raw, Task.FEATURE_EXTRACTION) == ()


def test_a_collapse_fails_a_candidate_that_lost_nothing():
    """Every answer is as right as before; it is refused all the same, and no rows would help."""
    answers = some_answers(2000, collapse=("It is all but certain of every answer.",))
    plan = a_plan(needs=some_needs(latency=5.0))
    judged = judge(
        plan, "x", a_measurement(answers=some_answers(2000)), a_measurement(answers=answers)
    )
    clause = judged.clauses[-1]

    assert judged.overall is Verdict.MISS
    assert clause.because.startswith("It is all but certain")
    assert clause.more_examples is None
