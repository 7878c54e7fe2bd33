"""Where smoothing and bits by layer help, and where they stop: the bundled models, all rows."""

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
def sentences():
    return stage("sentences", EVERY_ROW)


def points_lost(sample, name, **settings):
    """Points of the sample's metric, and the file's share of the original's."""
    artifact = sample.make(name, **settings)
    after = measure.weigh_candidate(artifact, sample.original, sample.bench)
    lost = sample.original.quality.value.value - after.quality.value.value
    return 100 * lost, artifact.bytes / sample.export.bytes


def test_bits_by_layer_are_smaller_than_any_one_number_of_bits(intents):
    """2 bits everywhere lose more than a point, 2 with tables at 4 are larger."""
    mixed, small = points_lost(intents, "mixed_precision", error=0.15, fewest_table=2)
    _, larger = points_lost(intents, "low_bit_weights", bits=2)
    broken, _ = points_lost(intents, "mixed_precision", error=9.0, fewest_table=2)

    assert mixed < 1 < broken
    assert small < 0.085 < larger


def test_smoothing_loses_a_tenth_of_what_ranges_on_the_fly_lose(sentences):
    """0.2 points on the fly, 0.01 smoothed, at the same size."""
    smooth, small = points_lost(sentences, "int8_static_smooth")
    dynamic, as_small = points_lost(sentences, "int8_dynamic")

    assert smooth < 0.05 < dynamic
    assert small == pytest.approx(as_small, rel=0.02)


@pytest.mark.parametrize("name", ["int8_static_smooth", "mixed_precision"])
def test_convolutions_are_refused(name):
    """The digits sample has other techniques."""
    with pytest.raises(NotSupported):
        stage("digits", 64).make(name)
