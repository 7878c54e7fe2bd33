"""Where few bits help and where they break: the bundled models, all their test rows."""

import pytest

from tests.planted.stage import stage
from wizard import measure
from wizard.errors import NotSupported

pytestmark = pytest.mark.slow
EVERY_ROW = 10**6


@pytest.fixture(scope="module")
def intents():
    return stage("intents", EVERY_ROW)


@pytest.fixture(scope="module")
def digits():
    return stage("digits", EVERY_ROW)


def points_lost(sample, name, **settings):
    """Points of accuracy, and the file's share of the original's."""
    artifact = sample.make(name, **settings)
    after = measure.weigh_candidate(artifact, sample.original, sample.bench)
    lost = sample.original.quality.value.value - after.quality.value.value
    return 100 * lost, artifact.bytes / sample.export.bytes


def test_fitted_four_bits_keep_what_plain_four_bits_lose(intents):
    """Nearly nine points come back, from a smaller file."""
    plain, larger = points_lost(intents, "int4_weights")
    fitted, smaller = points_lost(intents, "low_bit_weights")

    assert plain > 5
    assert fitted < 0.5
    assert smaller < 0.15 < larger


def test_two_bits_keep_their_answers_only_with_loud_columns_apart(intents):
    """A tenth of the file within half a point; without evening nothing is left."""
    kept, share = points_lost(intents, "low_bit_weights", bits=2)
    broken, _ = points_lost(intents, "low_bit_weights", bits=2, even=False)

    assert kept < 0.5
    assert share < 0.105
    assert broken > 30


def test_a_byte_for_three_words_numbers_keeps_the_intents(intents):
    """0.12 of the file was to be reached within a point."""
    lost, share = points_lost(intents, "palettization", bits=3)

    assert lost < 0.5
    assert share < 0.095


def test_two_bits_a_filter_number_want_examples(digits):
    """0.10 of the file within a point when codes are chosen by what layers see, not without."""
    informed, share = points_lost(digits, "palettization", bits=2, informed=True)
    blind, _ = points_lost(digits, "palettization", bits=2)

    assert informed < 1
    assert share < 0.105
    assert blind > 2


def test_convolutions_have_no_low_bit_form(digits):
    """Refused with a reason; tables of weights are the way."""
    with pytest.raises(NotSupported):
        digits.make("low_bit_weights")
