"""How often a verdict on quality is wrong, by simulation: false PASS, false MISS, and power.

Every model here loses exactly what is tolerated, so a PASS is false in the worst possible case.
At most 5 % may pass, and what chance adds to that in so many simulations (99.9 %).
"""

from functools import lru_cache

import numpy as np
import pytest
from scipy.stats import binom

from tests.factories import a_measurement, a_plan, a_quantity, some_answers, some_needs
from tests.slow.populations import Labels, Ranks, cosines
from wizard.compare.limits import three_way
from wizard.compare.macro import macro_loss
from wizard.compare.more import more_rows
from wizard.compare.paired import (
    drop_by_bootstrap,
    drop_of_proportions,
    mean_loss,
    rank_loss,
)
from wizard.compare.score import quality_clause
from wizard.nouns import Quality, Verdict

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
# A tenth of the real number, for time; the bound only becomes a little noisier.
RESAMPLES = 1000
# Rows with a tolerance that so many rows can settle.
SIZES = [(300, 0.03), (1000, 0.02), (3000, 0.01)]
drop_of = lru_cache(maxsize=None)(drop_of_proportions)


def allowed(simulations, share=0.05):
    """The largest share that chance explains when the true one is `share`."""
    return binom.ppf(0.999, simulations, share) / simulations


def shares(verdicts):
    """Share of PASS and of MISS, printed for the record."""
    found = tuple(
        np.mean([one is kind for one in verdicts]) for kind in (Verdict.PASS, Verdict.MISS)
    )
    print(f"false PASS {found[0]:.2%}, false MISS {found[1]:.2%} of {len(verdicts)}")
    return found


def held(drop, tolerance):
    """The verdict on a loss, as score.py finds it."""
    verdict = three_way(drop.low, drop.high, tolerance)
    return Verdict.CANNOT_TELL if verdict is Verdict.PASS and not drop.enough_rows else verdict


@pytest.mark.parametrize("rows", [100, 300, 1000, 3000])
@pytest.mark.parametrize("tolerance", [0.005, 0.01, 0.03])
@pytest.mark.parametrize("won", [0.0, 0.002, 0.02])
def test_right_answers_lost_just_too_often_rarely_pass(rows, tolerance, won):
    """Accuracy: 4,000 comparisons for each size of the data, tolerance and share of mended rows."""
    rng = np.random.default_rng(rows)
    drawn = rng.multinomial(rows, [tolerance + won, won, 1 - tolerance - 2 * won], 4000)
    verdicts = [held(drop_of(lost, won, rows), tolerance) for lost, won, _ in drawn.tolist()]
    passed, missed = shares(verdicts)

    assert passed <= allowed(4000)
    assert missed <= allowed(4000)


def test_the_whole_clause_keeps_what_its_bound_promises():
    """2,000 clauses from answers to sentence, with and without labels, at one point."""
    rng = np.random.default_rng(1)
    plan = a_plan(needs=some_needs(drop=1.0))
    before = some_answers(1000)
    labelled, unlabelled = [], []
    for lost, won in rng.multinomial(1000, [0.03, 0.02, 0.95], 2000)[:, :2]:
        was = some_answers(1000, predicted=[1] * (1000 - won) + [0] * won)
        now = some_answers(1000, predicted=[0] * lost + [1] * (1000 - lost))
        clause = quality_clause(plan, a_measurement(answers=was), a_measurement(answers=now))
        labelled.append(clause.verdict)
    for changed in rng.binomial(1000, 0.01, 2000):
        same = (0.0,) * changed + (1.0,) * (1000 - changed)
        now = some_answers(1000, truth=(), agreement=same)
        quality = Quality(
            metric="agreement with the original", value=a_quantity(1.0, "share"), answers=now
        )
        candidate = a_measurement(answers=now, quality=quality)
        unlabelled.append(quality_clause(plan, a_measurement(answers=before), candidate).verdict)

    for verdicts in (labelled, unlabelled):
        assert max(shares(verdicts)) <= allowed(2000)


TAIL = [1 / k for k in range(1, 21)]
UNEVEN = {
    "two labels, the rare one breaks": ([0.9, 0.1], 0.9, [0, 1], 0.0),
    "two labels, both break": ([0.9, 0.1], 0.9, [1, 1], 0.02),
    "a very rare label breaks": ([0.97, 0.03], 0.95, [0, 1], 0.0),
    "a very common label breaks": ([0.97, 0.03], 0.95, [1, 0], 0.0),
    "five labels, the rarest breaks": ([0.6, 0.2, 0.1, 0.07, 0.03], 0.95, [0, 0, 0, 0, 1], 0.0),
    "five labels, some mended": ([0.6, 0.2, 0.1, 0.07, 0.03], 0.9, [1] * 5, 0.1),
    "twenty labels with a long tail": (np.array(TAIL) / sum(TAIL), 0.92, [1] * 20, 0.05),
}


@pytest.mark.parametrize(("rows", "tolerance"), SIZES)
@pytest.mark.parametrize("name", UNEVEN)
def test_macro_f1_lost_just_too_much_rarely_passes(name, rows, tolerance):
    """BCa alone would pass up to 72 % here: few rows of a rare label show none of its damage."""
    labels = Labels(*UNEVEN[name], loss=tolerance)
    verdicts = []
    for seed in range(250):
        loss = macro_loss(*labels.draw(np.random.default_rng(seed), rows))
        verdicts.append(held(drop_by_bootstrap(loss, seed, RESAMPLES), tolerance))

    assert shares(verdicts)[0] <= allowed(250)


@pytest.mark.parametrize(("rows", "tolerance"), [(100, 0.03), *SIZES[:2]])
@pytest.mark.parametrize("kind", ["exponential", "heavy", "a few broken"])
def test_cosines_lost_just_too_much_rarely_pass(kind, rows, tolerance):
    """Mean agreement of vectors, whatever the shape of the losses."""
    draw = cosines(kind, tolerance)
    verdicts = []
    for seed in range(250):
        loss = mean_loss(draw(np.random.default_rng(seed), rows))
        verdicts.append(held(drop_by_bootstrap(loss, seed, RESAMPLES), tolerance))

    assert shares(verdicts)[0] <= allowed(250)


@pytest.mark.parametrize(("rows", "tolerance"), [(100, 0.03), *SIZES[:2]])
@pytest.mark.parametrize("kind", ["all moved a little", "some moved far", "a few scrambled"])
def test_ranks_lost_just_too_much_rarely_pass(kind, rows, tolerance):
    """BCa alone would pass up to 55 % here."""
    ranks = Ranks(kind, tolerance)
    verdicts = []
    for seed in range(250):
        loss = rank_loss(*ranks.draw(np.random.default_rng(seed), rows))
        verdicts.append(held(drop_by_bootstrap(loss, seed, RESAMPLES), tolerance))

    assert shares(verdicts)[0] <= allowed(250)


@pytest.mark.parametrize("flips", [0.0, 0.001, 0.003, 0.005])
def test_a_model_that_loses_nothing_passes(flips):
    """Power: 1,000 rows, one point, at most 0.5 % of the answers flip, as many better as worse."""
    rng = np.random.default_rng(2)
    drawn = rng.multinomial(1000, [flips / 2, flips / 2, 1 - flips], 4000)
    passed = np.mean([drop_of(lost, won, 1000).high <= 0.01 for lost, won, _ in drawn.tolist()])
    print(f"power {passed:.2%} with {flips:.1%} flips")

    assert passed >= 0.95


@pytest.mark.parametrize("kind", ["macro-F1", "cosine"])
def test_as_many_more_rows_as_asked_for_settle_a_bootstrap(kind):
    """Doubtful comparisons, each given the rows it asked for: at least seven in ten are settled."""
    labels = Labels([0.8, 0.2], 0.9, [1, 1], 0.05, loss=0.004)
    near = cosines("exponential", 0.006)
    settled = []
    for seed in range(120):
        rng = np.random.default_rng(seed)
        rows = labels.draw(rng, 600) if kind == "macro-F1" else near(rng, 200)[None]
        make = macro_loss if kind == "macro-F1" else mean_loss
        first = drop_by_bootstrap(make(*rows), seed, RESAMPLES)
        more = more_rows(first, 0.01)
        if held(first, 0.01) is not Verdict.CANNOT_TELL or more is None or more > 20_000:
            continue
        new = rows[:, rng.integers(0, rows.shape[1], more)]
        again = drop_by_bootstrap(make(*np.hstack([rows, new])), seed, RESAMPLES)
        settled.append(held(again, 0.01) is not Verdict.CANNOT_TELL)
    print(f"{kind}: {np.mean(settled):.0%} of {len(settled)} settled")

    assert len(settled) >= 50
    assert np.mean(settled) >= 0.7
