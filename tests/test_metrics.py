"""Measures of means over rows: what they come to, which way is better, what a verdict says."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.factories import (
    a_device,
    a_measurement,
    a_plan,
    a_profile,
    a_quantity,
    some_needs,
)
from wizard.advise.needs import sentence_of
from wizard.compare.by_rows import drop_by_rows, loss_by_rows
from wizard.compare.score import quality_clause
from wizard.measure import metrics
from wizard.nouns import Answers, Quality, Verdict


def clause_of(name, before, after, drop=1.0):
    """The quality clause of a measure between two models' features."""
    was, now = (
        a_measurement(
            quality=Quality(
                metric=name,
                value=metrics.measured(name, np.asarray(rows, float)),
                answers=Answers(rows=tuple(range(len(rows))), features=rows),
            )
        )
        for rows in (tuple(map(tuple, before)), tuple(map(tuple, after)))
    )
    return quality_clause(a_plan(needs=some_needs(drop=drop)), was, now)


@pytest.mark.parametrize(
    ("name", "rows", "score"),
    [
        (metrics.EXACT_MATCH, [[1], [0], [1], [1]], 0.75),
        (metrics.ANSWER_F1, [[1.0], [0.5]], 0.75),
        # Two of three marked spans are right, of four true ones: 2 x 2 / (3 + 4).
        (metrics.SPAN_F1, [[1, 2, 2], [1, 1, 2]], 4 / 7),
        (metrics.TOKEN_ACCURACY, [[9, 10], [0, 2]], 0.75),
        # One error in ten words and two in two: words count alike, not rows.
        (metrics.WER, [[1, 10], [2, 2]], 0.25),
        (metrics.PERPLEXITY, [[2 * math.log(8), 2], [math.log(1), 1]], 4.0),
        (metrics.MEAN_IOU, [[2, 0, 4, 0], [2, 1, 4, 4]], (4 / 8 + 1 / 4) / 2),
    ],
)
def test_a_score_is_that_of_all_rows_together(name, rows, score):
    """Sums of what is counted in the rows, not a mean of the rows' own scores."""
    found = metrics.measured(name, np.array(rows, float))

    assert found.value == pytest.approx(score)
    assert found.low <= found.value <= found.high


def test_bleu_is_the_published_formula():
    """`the cat sat on the mat` for `the cat sat on a mat`: 5/6, 3/5, 2/4, 1/3, same length."""
    row = [5, 3, 2, 1, 6, 5, 4, 3, 6, 6]
    exact = (5 / 6 * 3 / 5 * 2 / 4 * 1 / 3) ** 0.25
    shorter = [5, 3, 2, 1, 6, 5, 4, 3, 6, 9]

    assert metrics.measured(metrics.BLEU, np.array([row], float)).value == pytest.approx(exact)
    assert metrics.measured(metrics.BLEU, np.array([shorter], float)).value == pytest.approx(
        exact * math.exp(1 - 9 / 6)
    )


def test_a_class_that_no_row_has_takes_no_part_in_the_mean():
    """Its union is empty; it is neither right nor wrong."""
    rows = np.array([[3.0, 0.0, 4.0, 0.0]])

    assert metrics.measured(metrics.MEAN_IOU, rows).value == pytest.approx(0.75)


def test_a_rise_of_errors_is_a_loss():
    """Lower is better: three points more of errors are three points lost."""
    before, after = [[10, 100]] * 400, [[13, 100]] * 400
    clause = clause_of(metrics.WER, before, after)

    assert drop_by_rows(metrics.WER, before, after, 0).value == pytest.approx(0.03)
    assert clause.verdict is Verdict.MISS
    assert not clause.higher_is_better
    assert not clause.relative
    assert clause.because.startswith(
        "Word error rate rose by 3.00 points, from 10.00 % to 13.00 % on 400 rows "
        "(lower is better); 95 % sure that the rise is below"
    )
    assert clause.because.endswith("You allow 1, in absolute points.")


def test_fewer_errors_than_before_pass():
    """A gain is no loss, whichever way the measure runs."""
    clause = clause_of(metrics.WER, [[13, 100]] * 400, [[10, 100]] * 400)

    assert clause.verdict is Verdict.PASS
    assert "Word error rate fell by 3.00 points, from 13.00 % to 10.00 %" in clause.because


def test_perplexity_is_held_in_per_cent_of_the_originals():
    """From 20 to 20.4 are two per cent, whatever the scale; the words say that it is relative."""
    rng = np.random.default_rng(0)
    before = np.stack([rng.normal(30, 3, 300), np.full(300, 10.0)], axis=1)
    after = before + np.array([math.log(1.02) * 10, 0])
    clause = clause_of(metrics.PERPLEXITY, before, after, drop=3.0)

    assert clause.verdict is Verdict.PASS
    assert clause.relative
    assert clause.unit == "perplexity"
    assert clause.after == pytest.approx(1.02 * clause.before)
    assert "Perplexity rose by 2.00 %, from" in clause.because
    assert clause.because.endswith("You allow 3 %, in per cent of the original's.")
    assert clause_of(metrics.PERPLEXITY, before, after, drop=1.0).verdict is Verdict.MISS


def test_exact_match_is_judged_as_right_and_wrong_answers_are():
    """Tango's interval and McNemar's p, as for accuracy."""
    clause = clause_of(metrics.EXACT_MATCH, [[1]] * 1000, [[0]] * 60 + [[1]] * 940, drop=1.0)

    assert clause.verdict is Verdict.MISS
    assert clause.p_value < 1e-9
    assert "60 right answers broke and 0 wrong ones were mended" in clause.because


def test_few_rows_of_a_resampled_measure_never_pass():
    """Below a hundred rows a bootstrap promises too much."""
    rows = [[3, 3, 3]] * 60
    clause = clause_of(metrics.SPAN_F1, rows, rows, drop=50.0)

    assert clause.verdict is Verdict.CANNOT_TELL
    assert clause.more_examples >= 40


@pytest.mark.parametrize("name", sorted(n for n, m in metrics.METRICS.items() if m.score))
def test_room_is_left_for_a_ruined_row_that_was_not_seen(name):
    """Equal answers in 200 rows do not promise that no row is ever ruined; perplexity has no worst
    row, so nothing seen is nothing allowed for.
    """
    rng = np.random.default_rng(1)
    if name == metrics.EXACT_MATCH:
        rows = np.ones((200, 1))
    elif metrics.METRICS[name].columns == metrics.AREAS("x", "x").columns:
        union = rng.uniform(1, 9, (200, 3))
        rows = np.concatenate([0.8 * union, union], axis=1)
    elif name == metrics.BLEU:
        rows = np.tile([8, 6, 5, 4, 10, 9, 8, 7, 10, 10], (200, 1))
    elif len(metrics.METRICS[name].columns) == 1:
        rows = rng.uniform(0.5, 1, (200, 1))
    else:
        rows = np.stack([rng.integers(1, 5, 200), *[np.full(200, 5)] * 2], axis=1)
        rows = rows[:, : len(metrics.METRICS[name].columns)]
    found = drop_by_rows(name, rows.astype(float), rows.astype(float), 0)

    assert found.value == 0
    assert found.high == 0 if name == metrics.PERPLEXITY else found.high > 0.002


def test_the_loss_runs_one_way_for_every_measure():
    """A model that makes its worst row of every row has lost; the other way round it has won."""
    for name, metric in metrics.METRICS.items():
        if metric.score is None:
            continue
        columns = len(metric.columns)
        before = np.full((120, columns), 3.0)
        after = before.copy()
        after[:, 0] = 1.0 if metric.higher_is_better else 4.0
        lost = loss_by_rows(name, before, after)
        won = loss_by_rows(name, after, before)
        means = [one.features.mean(axis=0)[None] for one in (lost, won)]

        assert lost.loss(means[0])[0] > 0 > won.loss(means[1])[0], name


def test_a_measure_of_answers_is_not_one_of_means_over_rows():
    """Accuracy is scored from answers; asking for its features is a fault of ours."""
    with pytest.raises(KeyError):
        metrics.by_rows("accuracy")


def test_an_unknown_measure_is_a_share_that_is_better_when_higher():
    """So that a sentence can be said of it."""
    assert metrics.named("anything").direction == "higher is better"
    assert metrics.named("anything").shown(0.5) == "50.00 %"


def test_a_quantity_of_one_model_says_its_unit():
    """Perplexity is no share."""
    likely = np.tile([20.0, 10.0], (50, 1))

    assert metrics.measured(metrics.PERPLEXITY, likely).unit == "perplexity"
    assert metrics.measured(metrics.WER, likely).unit == "share"
    assert a_quantity(0.5, "share").unit == "share"


@pytest.mark.parametrize(
    ("metric", "said"),
    [
        ("", "losing at most 2 points of quality"),
        ("accuracy", "losing at most 2 points of accuracy"),
        ("exact match", "losing at most 2 points of exact match"),
        ("WER", "with word error rate rising by at most 2 points"),
        ("perplexity", "with perplexity rising by at most 2 % of the original's"),
    ],
)
def test_the_contract_says_which_way_a_measure_may_go(metric, said):
    """And on what scale."""
    needs = some_needs(drop=2.0)
    needs = replace(needs, tolerance=replace(needs.tolerance, metric=metric))

    assert said in sentence_of(a_profile(), needs, a_device())


@pytest.mark.parametrize(
    ("name", "original", "limit"),
    [("accuracy", 0.92, 91.0), ("WER", 0.05, 6.0), ("perplexity", 20.0, 20.2)],
)
def test_the_limit_of_a_score_lies_on_the_side_it_may_go(name, original, limit):
    """One point down, one point up, one per cent up."""
    assert metrics.METRICS[name].allowed(original, 1.0) == pytest.approx(limit)
