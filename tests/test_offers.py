"""Offers after measuring: each was judged; accepting one measures nothing."""

from dataclasses import replace

import pytest

from tests.factories import a_candidate, a_latency, a_measurement, a_plan, some_answers, some_needs
from wizard.compare import compare, judge
from wizard.nouns import CandidateVerdict, Outcome, Verdict
from wizard.run.offers import _offer, judged_again, measured_offers, relaxed


def concluded(plan, **measured):
    """An outcome of measurements by candidate id; the original takes 4 ms and 20 MB."""
    original = a_measurement(answers=some_answers(2000), p50=4.0, megabytes=20.0)
    verdicts = {name: judge(plan, name, original, one) for name, one in measured.items()}
    return Outcome(
        plan=plan,
        original=original,
        measurements=measured,
        failed=(),
        comparison=compare(plan, original, measured, verdicts),
        seconds={},
        counter_offers=measured_offers(plan, original, measured, verdicts.values(), {}),
    )


def two_candidates(**needs):
    """A plan of `small` and `fast`."""
    candidates = tuple(a_candidate(id=name, title=name.title()) for name in ("small", "fast"))
    return replace(a_plan(needs=some_needs(**needs)), candidates=candidates)


def loses(rows, **changes):
    return a_measurement(answers=some_answers(2000, right=2000 - rows), **changes)


@pytest.mark.parametrize(
    ("needs", "clause"),
    [({"latency": 1.0}, "latency"), ({"size": 4}, "size"), ({"memory": 60}, "memory")],
)
def test_a_clause_that_alone_stands_in_the_way_is_offered(needs, clause):
    """With the limit that was measured to be enough; judging again passes."""
    outcome = concluded(two_candidates(**needs), small=loses(0), fast=loses(0))
    offer = outcome.counter_offers[0]
    plan = replace(outcome.plan, needs=relaxed(outcome.plan.needs, offer), sentence="Easier.")
    again = judged_again(outcome, plan)

    assert offer.clause == clause
    assert outcome.comparison.overall is Verdict.MISS
    assert again.comparison.overall is Verdict.PASS
    assert again.counter_offers == ()
    assert again.measurements == outcome.measurements


def test_the_loss_offered_is_the_bound_and_not_the_mean():
    """30 of 2,000 rows are lost; more than 1.5 points must be allowed."""
    outcome = concluded(two_candidates(drop=0.5), small=loses(30))
    (offer,) = outcome.counter_offers

    assert offer.clause == "quality"
    assert 1.5 < offer.relax_to < 2.5


def test_each_clause_names_the_candidate_that_needs_least():
    """One candidate is too large, the other too slow: either limit may give."""
    plan = two_candidates(latency=2.5, size=6)
    outcome = concluded(plan, small=loses(0, p50=3.0), fast=loses(0, megabytes=8.0))
    offers = {one.clause: one for one in outcome.counter_offers}

    assert offers["latency"].candidate_id == "small"
    assert offers["size"].candidate_id == "fast"
    assert "\u201cFast\u201d keeps the contract" in offers["size"].sentence


def test_two_clauses_are_relaxed_together_where_none_is_enough():
    """Too large and too slow: one offer with both limits, and it passes."""
    plan = two_candidates(latency=1.0, size=2)
    outcome = concluded(plan, small=loses(0), fast=loses(0, megabytes=9.0))
    (offer,) = outcome.counter_offers
    needs = relaxed(plan.needs, offer)
    again = judged_again(outcome, replace(plan, needs=needs, sentence="Easier."))

    assert (offer.clause, [one.clause for one in offer.also]) == ("latency", ["size"])
    assert offer.candidate_id == "small"
    assert " and " in offer.sentence
    assert again.comparison.overall is Verdict.PASS


def test_nothing_is_offered_while_a_candidate_passes_or_for_a_broken_one():
    """No limit makes a collapsed model whole."""
    broken = replace(some_answers(2000), collapse=("It gives the same answer to every row.",))

    assert concluded(two_candidates(), small=loses(0)).counter_offers == ()
    assert (
        concluded(two_candidates(size=1), small=a_measurement(answers=broken)).counter_offers == ()
    )


def test_no_time_of_a_busy_machine_is_offered():
    """What it measured there is not what it needs."""
    slow = loses(0, latency=a_latency(2.0, busy=True))

    assert concluded(two_candidates(latency=0.1), small=slow).counter_offers == ()


def test_the_contract_as_first_stated_stays():
    """Through any number of others; back at the first there is none to tell."""
    outcome = concluded(two_candidates(size=1), small=loses(0))
    first = outcome.plan
    easier, easiest = (replace(first, sentence=one) for one in ("Easier.", "Easiest."))
    twice = judged_again(judged_again(outcome, easier), easiest)

    assert twice.asked == first.sentence
    assert judged_again(twice, first).asked == ""


@pytest.mark.parametrize(
    ("metric", "unit", "words"),
    [
        ("accuracy", "points", "Allow 2 points of loss in accuracy, and"),
        ("BLEU", "points", "Allow 2 points of loss in BLEU, and"),
        ("WER", "points", "Allow a word error rate higher by 2 points, and"),
        ("perplexity", "per cent", "Allow a perplexity higher by 2 %, and"),
    ],
)
def test_an_offer_speaks_the_unit_of_its_metric(metric, unit, words):
    """Points of a share, per cent of a perplexity, a rise of what should be low."""
    plan = two_candidates(drop=1.0)
    clause = replace(
        judge(plan, "small", loses(0), loses(0)).clauses[-1], verdict=Verdict.MISS, high=2.0
    )
    judged = CandidateVerdict(candidate_id="small", overall=Verdict.MISS, clauses=(clause,))
    scored = loses(0)
    scored = replace(scored, quality=replace(scored.quality, metric=metric))
    offer = _offer(plan, judged, scored)

    assert offer.unit == unit
    assert offer.sentence.startswith(words)
