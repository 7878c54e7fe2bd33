"""Who pays where the answer is not one label: words, spans, errors, likelihoods."""

import math
from dataclasses import replace

import numpy as np
import pytest

from tests.factories import a_measurement, a_quantity
from wizard.compare import who_pays
from wizard.measure import metrics
from wizard.nouns import Answers, ExampleSet, Quality

LANGUAGES = {"de": "German", "en": "English"}


def paid(name, before, after, columns=None, said=((), ()), expected=()):
    """Who pays between two models' features; `said` are their answers in words."""
    count = len(before)
    rows = ExampleSet(
        origin="a test",
        inputs=tuple(f"text {row}" for row in range(count)),
        columns=columns or {},
        rows=tuple(range(count)),
    )
    was, now = (
        a_measurement(
            quality=Quality(
                metric=name,
                value=a_quantity(0.5, "share"),
                answers=Answers(rows=rows.rows, features=features, said=words, expected=expected),
            )
        )
        for features, words in zip(
            (tuple(map(tuple, before)), tuple(map(tuple, after))), said, strict=True
        )
    )
    return who_pays(was, now, rows, (), 0, LANGUAGES)


def by_language(count):
    return {"language": tuple("de" if row % 4 == 0 else "en" for row in range(count))}


def test_a_language_that_hears_worse_is_named_by_its_error_rate():
    """German loses 20 points, the others nothing."""
    rng = np.random.default_rng(0)
    before = np.stack([rng.integers(0, 3, 800), np.full(800, 10)], axis=1)
    after = before.copy()
    after[::4, 0] += 2
    found = paid(metrics.WER, before, after, by_language(800))
    worst = found.slices[0]

    assert found.sentence == (
        "German texts lost 20 points by word error rate, all others together under 1."
    )
    assert worst.clear
    assert worst.after == pytest.approx(worst.before + 20)
    assert worst.drop.low <= 20 <= worst.drop.high


def test_perplexity_of_a_part_is_told_as_it_is_and_its_loss_in_per_cent():
    """A part's perplexity of 20 rises by a tenth."""
    rng = np.random.default_rng(0)
    before = np.stack([10 * math.log(20) + rng.normal(0, 0.3, 800), np.full(800, 10.0)], axis=1)
    after = before + rng.normal(0, 0.01, (800, 1)) * [1, 0]
    after[::4, 0] += 10 * math.log(1.1)
    found = paid(metrics.PERPLEXITY, before, after, by_language(800))

    assert found.sentence == ("German texts lost 10 % by perplexity, all others together under 1.")
    assert found.slices[0].before == pytest.approx(20, abs=0.3)
    assert found.slices[0].drop.value == pytest.approx(10, abs=0.3)
    assert found.flips_total == 200


def test_exact_matches_are_counted_as_right_and_wrong_answers_are():
    """Thirty rows make a part, where a bootstrap needs a hundred."""
    before, after = np.ones((120, 1)), np.ones((120, 1))
    after[::4][:20] = 0
    found = paid(
        metrics.EXACT_MATCH, before, after, {"language": tuple(["de", "en", "en", "en"] * 30)}
    )

    assert found.slices[0].value == "German"
    assert found.slices[0].rows == 30
    assert found.slices[0].clear


def test_answers_in_words_are_shown_as_they_were_written():
    """Right to wrong first; then other answers by what they lost; wrong to right last."""
    before = np.array([[1.0], [0.5], [0.0], [1.0], [0.8]])
    after = np.array([[0.4], [0.2], [1.0], [1.0], [0.7]])
    said = (
        ("Bonn", "in Rom", "Wien", "Oslo", "the Seine"),
        ("Berlin", "Rome", "Paris", "Oslo", "Seine"),
    )
    expected = ("Bonn", "Rom am Tiber", "Paris", "Oslo", "the river Seine")
    found = paid(metrics.ANSWER_F1, before, after, said=said, expected=expected)

    assert found.flips_total == 4
    assert [(one.kind, one.after) for one in found.flips] == [
        ("right to wrong", "Berlin"),
        ("changed answer", "Rome"),
        ("changed answer", "Seine"),
        ("wrong to right", "Paris"),
    ]
    assert (found.flips[0].before, found.flips[0].truth) == ("Bonn", "Bonn")
    assert found.flips[0].example == "text 0"


def test_no_error_at_all_is_right_where_lower_is_better():
    """A word error rate of 0 is a right transcript."""
    said = ("hello", "good by"), ("yellow", "good bye")
    found = paid(metrics.WER, [[0, 1], [1, 2]], [[1, 1], [0, 2]], said=said)

    assert [one.kind for one in found.flips] == ["right to wrong", "wrong to right"]


def test_without_right_answers_other_words_are_changed_answers():
    """The least like the original's first."""
    was = Answers(rows=(0, 1, 2), said=("a", "b", "c"))
    now = replace(was, said=("a", "x", "y"), agreement=(1.0, 0.6, 0.1))
    first, second = (
        a_measurement(
            quality=Quality(
                metric="agreement with the original", value=a_quantity(0.5, "share"), answers=one
            )
        )
        for one in (was, now)
    )
    rows = ExampleSet(origin="a test", inputs=("1", "2", "3"), rows=(0, 1, 2))
    found = who_pays(first, second, rows, (), 0)

    assert [(one.row, one.kind) for one in found.flips] == [
        (2, "changed answer"),
        (1, "changed answer"),
    ]
