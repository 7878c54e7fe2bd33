"""A model that writes the same words over and over has collapsed, if the original did not."""

import numpy as np
import pytest

from wizard.measure.repeats import repeated_share, repeating


def texts(count, seed=0, words=500, length=40):
    """Texts of tokens drawn at random."""
    return np.random.default_rng(seed).integers(0, words, (count, length)).tolist()


LOOP = [7] * 40
PHRASE = [1, 2, 3, 4, 5, 6, 7, 8] * 5
LATE = [*range(10), *[3, 4, 5] * 12]


@pytest.mark.parametrize("loop", [LOOP, PHRASE, LATE])
def test_one_token_a_phrase_or_a_loop_that_sets_in_late_repeats_itself(loop):
    """More than half of its runs of four tokens stood there before."""
    assert repeated_share(loop) > 0.5


def test_a_text_says_few_things_twice():
    """Nor is a short one called a loop: it has too few runs."""
    assert repeated_share(list(range(40))) == 0
    assert repeated_share([1, 2, 3, 4, 5] * 2 + list(range(10, 40))) < 0.2
    assert repeated_share([7] * 8) == 0


def test_texts_that_loop_where_the_originals_did_not_are_a_collapse():
    """The sentence counts both."""
    found = repeating([LOOP] * 15 + texts(15), texts(30, seed=1))

    assert found == ["15 of 30 texts repeat themselves over and over; of the original's 0 do."]


def test_a_candidate_that_repeats_itself_as_its_original_does_is_well():
    """Greedy writing loops in some healthy models; here in half of the texts of both."""
    both = [LOOP] * 15 + texts(15)

    assert repeating(both, both) == []


def test_which_texts_loop_may_change_hands():
    """Fifteen loop in each, but others; that is luck."""
    assert repeating([LOOP] * 15 + texts(15), [*texts(15, seed=1), *[PHRASE] * 15]) == []


def test_one_looping_text_of_many_is_no_collapse():
    """Nor two of three: chance does that."""
    assert repeating([LOOP, *texts(29)], texts(30, seed=1)) == []
    assert repeating([LOOP, LOOP, *texts(1)], texts(3, seed=1)) == []


def test_eight_looping_texts_are_enough():
    """All of them loop; luck would do that in one of 256 cases."""
    assert repeating([LOOP] * 8, texts(8))


def test_nothing_written_is_nothing_found():
    """No texts, no collapse; rows that do not match are a fault of ours."""
    assert repeating([], []) == []
    with pytest.raises(ValueError, match="shorter"):
        repeating([LOOP], [])
