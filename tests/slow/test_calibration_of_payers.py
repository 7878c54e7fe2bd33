"""Who pays, over many worlds: how often chance accuses somebody, how often damage is named."""

import numpy as np
import pytest
from scipy.stats import binomtest

from tests.test_who_pays import a_world, is_short_german, paid, pairs_of, without_truth

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
WORLDS = 600


def a_lost_pair(rng):
    return pairs_of(rng, 600, noise=0.15)


FAIR = {
    "flips both ways": lambda rng: a_world(rng, flips=0.03),
    "many flips in few rows": lambda rng: a_world(rng, 600, flips=0.1),
    "the same loss everywhere": lambda rng: a_world(rng, flips=0.02, loss=0.03),
    "a small loss in many rows": lambda rng: a_world(rng, 10_000, flips=0.01, loss=0.02),
    "a great loss in few rows": lambda rng: a_world(rng, 600, flips=0.05, loss=0.1),
}


@pytest.mark.parametrize("kind", FAIR)
def test_chance_accuses_at_most_one_model_in_twenty(kind):
    """Family-wise: any part of such a model called a payer is a false accusation."""
    rng = np.random.default_rng(20)
    accused = sum(any(one.clear for one in paid(*FAIR[kind](rng)).slices) for _ in range(WORLDS))

    assert binomtest(accused, WORLDS, 0.05, alternative="greater").pvalue > 0.001, accused / WORLDS


@pytest.mark.parametrize("kind", ["pairs", "no truth"])
def test_nor_does_it_without_right_answers(kind):
    """Rank correlations by bootstrap, and agreement with the original."""
    rng = np.random.default_rng(21)
    worlds = 200
    accused = 0
    for _ in range(worlds):
        one = a_lost_pair(rng) if kind == "pairs" else without_truth(*a_world(rng, loss=0.02))
        clear = [part for part in paid(*one).slices if part.clear]
        # Answers the original wavered on change more often; that is no accident.
        accused += any(part.column != "confidence" for part in clear)

    assert binomtest(accused, worlds, 0.05, alternative="greater").pvalue > 0.001, accused / worlds


@pytest.mark.parametrize(("rows", "damage", "named"), [(2400, 0.1, 0.75), (10_000, 0.06, 0.95)])
def test_damage_hidden_in_one_part_is_named(rows, damage, named):
    """A tenth of a twelfth of 2,400 rows is found and named three times in four."""
    rng = np.random.default_rng(22)
    worlds = 100
    found = sum(
        paid(*a_world(rng, rows, damage=damage, where=is_short_german)).sentence.startswith(
            "Short German texts"
        )
        for _ in range(worlds)
    )

    assert found >= named * worlds
