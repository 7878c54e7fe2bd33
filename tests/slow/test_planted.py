"""Every planted fault is caught and named; no healthy candidate is accused (tests/planted)."""

import pytest

from tests.planted.bench import try_fault, try_healthy
from tests.planted.faults import FAULTS
from tests.planted.healthy import HEALTHY

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("planted", FAULTS, ids=lambda one: one.title)
def test_a_planted_fault_is_caught_and_named(planted):
    """Never a PASS, and the sentences say what is wrong."""
    caught, said = try_fault(planted)

    assert caught, said


@pytest.mark.parametrize("candidate", HEALTHY, ids=lambda one: one.title)
def test_a_healthy_candidate_is_never_accused(candidate):
    """No MISS and no finding, under a contract that it can keep."""
    accused, said = try_healthy(candidate)

    assert not accused, said


def test_the_bench_is_as_large_as_it_claims():
    """At least twenty of either kind, no title twice."""
    assert len({one.title for one in FAULTS}) == len(FAULTS) >= 20
    assert len({one.title for one in HEALTHY}) == len(HEALTHY) >= 20
