"""The sample that holds pictures against words: its baseline, what is free, what breaks it.

Does not cover: other families (test_families_seen_and_heard.py), the page (test_walk_real.py).
"""

import pytest

from tests.planted.stage import stage
from wizard import library, measure

pytestmark = pytest.mark.slow
EVERY_ROW = 10**6


@pytest.fixture(scope="module")
def pairs():
    return stage("pairs", EVERY_ROW)


def lost(sample, name, **settings):
    """Points of accuracy that a technique costs."""
    after = measure.weigh_candidate(sample.make(name, **settings), sample.original, sample.bench)
    return 100 * (sample.original.quality.value.value - after.quality.value.value)


def test_the_baseline_is_the_makers_also_for_pairs_never_seen(pairs):
    """Far above one in thirty for labels that no training picture had: it is zero-shot."""
    measured = pairs.original.quality
    never = pairs.data.test.columns["seen in training"]
    right = [
        said == label
        for said, label, seen in zip(
            measured.answers.said, pairs.data.test.labels, never, strict=True
        )
        if seen == "no"
    ]

    assert measured.metric == "top-1 accuracy"
    assert measured.value.value == pytest.approx(library.samples()["pairs"].baseline, abs=0.005)
    assert len(right) > 30
    assert sum(right) / len(right) > 0.6


def test_eight_bit_weights_are_free_and_zeros_break_it(pairs):
    """As its card says."""
    assert abs(lost(pairs, "int8_weights")) < 1
    assert lost(pairs, "unstructured_sparsity", share=0.8) > 20
