"""Every sample on every device: the plan is the one that was reviewed, and it makes sense."""

import itertools
import re
from dataclasses import replace

import pytest

from tests.golden import plans
from wizard.nouns import Tolerance

NAMES = plans.names()
RUN_SOMEWHERE = [name for name in NAMES if name[1] != "microcontroller"]


@pytest.mark.parametrize(("sample", "device"), NAMES)
def test_a_plan_is_the_one_that_was_reviewed(sample, device):
    """A changed plan is a change for users: `python -m tests.golden.update`, then read the diff."""
    reviewed = plans.path_of(sample, device).read_text("utf-8")

    assert plans.text_of(plans.plan_of(sample, device)) == reviewed


def test_no_reviewed_plan_is_without_its_device():
    """A device that is gone takes its golden plans with it."""
    kept = {path.stem for path in plans.HERE.glob("plans/*.json")}

    assert kept == {f"{sample}--{device}" for sample, device in NAMES}


@pytest.mark.parametrize(("sample", "device"), NAMES)
def test_every_number_is_a_range_around_its_middle(sample, device):
    """low <= value <= high for each forecast of each candidate, and of the original."""
    plan = plans.plan_of(sample, device)
    casts = [plan.baseline, *(one.forecast for one in plan.candidates)]
    for cast, name in itertools.product(casts, ("size", "latency", "drop", "memory", "seconds")):
        quantity = getattr(cast, name)
        assert 0 <= quantity.low <= quantity.value <= quantity.high


@pytest.mark.parametrize(("sample", "device"), RUN_SOMEWHERE)
def test_there_are_two_to_five_cards(sample, device):
    """Each with a reason that names its rule and the rule's source."""
    plan = plans.plan_of(sample, device)

    assert 2 <= len(plan.candidates) <= 5
    assert all(reason.rule_id and reason.source for c in plan.candidates for reason in c.reasons)


@pytest.mark.parametrize("sample", sorted(plans.LATENCY_MS))
def test_a_plan_without_candidates_says_what_to_relax(sample):
    """On a microcontroller nothing runs: another device would help, and no --only does."""
    plan = plans.plan_of(sample, "microcontroller")

    assert plan.candidates == ()
    assert any(refusal.relax for refusal in plan.refusals)
    assert not any("--only" in (refusal.relax or "") for refusal in plan.refusals)


@pytest.mark.parametrize(("sample", "device"), RUN_SOMEWHERE)
def test_accepting_offers_leads_to_a_contract_that_can_be_kept(sample, device):
    """An impossible contract is relaxed clause by clause until a forecast keeps it."""
    plan = plans.plan_of(sample, device, latency_ms=0.001, size_mb=0.01, points=0.0)
    taken = 0
    while plan.counter_offers:
        plan = plans.plan_for(_accepted(plan.needs, plan.counter_offers[0]), plan.profile)
        taken += 1

    assert 1 <= taken <= 4
    assert plan.candidates


@pytest.mark.parametrize(("sample", "device"), RUN_SOMEWHERE)
def test_try_it_all_the_same_can_be_tried(sample, device):
    """A refusal that names --only keeps its word: asked for alone, the technique is planned."""
    plan = plans.plan_of(sample, device)
    said = " ".join(one.relax or "" for one in (*plan.refusals, *plan.also_considered))
    for technique in set(re.findall(r"--only (\w+)", said)):
        alone = plans.plan_for(replace(plan.needs, only=technique), plan.profile)
        assert [one.steps[-1].strategy for one in alone.candidates] == [technique]


def _accepted(needs, offer):
    if offer.clause == "quality":
        return replace(needs, tolerance=Tolerance(points=offer.relax_to))
    budgets = [
        replace(one, at_most=offer.relax_to) if one.quantity == offer.clause else one
        for one in needs.budgets
    ]
    return replace(needs, budgets=tuple(budgets))
