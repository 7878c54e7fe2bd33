"""Verdicts: PASS only when the whole bound is inside, MISS when it is outside, else CANNOT TELL."""

import dataclasses

import numpy as np
import pytest

from tests.factories import (
    a_candidate,
    a_device,
    a_latency,
    a_measurement,
    a_plan,
    a_quantity,
    an_audit,
    some_answers,
    some_needs,
)
from wizard.compare import compare, judge
from wizard.compare.more import more_rows
from wizard.compare.paired import (
    Z_TANGO,
    _score,
    _tango,
    drop_by_bootstrap,
    drop_of_proportions,
    mean_loss,
    rank_loss,
)
from wizard.nouns import Basis, Budget, Priority, Verdict


def flipped(rows, lost, won=0, wrong_before=0):
    """Answers before and after: `lost` broke, `won` were fixed."""
    before = [1] * rows
    for i in range(wrong_before):
        before[rows - 1 - i] = 0
    after = list(before)
    for i in range(lost):
        after[i] = 0
    for i in range(won):
        after[rows - 1 - i] = 1
    return some_answers(rows, predicted=before), some_answers(rows, predicted=after)


def verdict_of(before, after, **plan):
    original, candidate = a_measurement(answers=before), a_measurement(answers=after)
    return judge(a_plan(**plan), "x", original, candidate)


def quality(before, after, drop=1.0):
    clauses = verdict_of(before, after, needs=some_needs(drop=drop)).clauses
    return next(clause for clause in clauses if clause.name == "quality")


def test_tango_s_bound_is_where_his_statistic_says():
    """The bound is where Tango's statistic equals the one-sided quantile (his equation 6)."""
    drop = drop_of_proportions(12, 2, 68)

    assert drop.value == pytest.approx(10 / 68)
    assert drop.low < drop.value < drop.high
    assert _score(12, 2, 68, drop.high) == pytest.approx(-Z_TANGO, abs=1e-6)
    assert _score(12, 2, 68, drop.low) == pytest.approx(Z_TANGO, abs=1e-6)


def test_mcnemar_is_the_exact_binomial_test():
    """Six against none has p = 2 / 64."""
    assert drop_of_proportions(6, 0, 500).p_value == pytest.approx(2 / 64)


def test_equal_answers_pass_with_a_bound_above_zero():
    """No flip on 1,000 rows still leaves a little doubt, and says how little."""
    clause = quality(*flipped(1000, 0))

    assert clause.verdict is Verdict.PASS
    assert 0 < clause.high < 0.5


def test_a_large_loss_is_missed():
    """Five points lost where one is allowed."""
    assert quality(*flipped(1000, 50)).verdict is Verdict.MISS


def test_a_loss_on_the_limit_cannot_be_told():
    """Ten of a thousand broke and one point is allowed: more rows are asked for."""
    clause = quality(*flipped(1000, 9))

    assert clause.verdict is Verdict.CANNOT_TELL
    assert clause.more_examples > 100
    assert "more examples" in clause.next


def test_few_rows_cannot_tell_what_many_can():
    """The same rate of loss passes with enough rows."""
    assert quality(*flipped(100, 0)).verdict is Verdict.CANNOT_TELL
    assert quality(*flipped(2000, 0)).verdict is Verdict.PASS


def test_collapse_fails_whatever_the_average_says():
    """A named finding makes the quality clause a MISS."""
    before, _ = flipped(1000, 0)
    after = some_answers(1000, collapse=("It gives the same answer to every row.",))
    clause = quality(before, after)

    assert clause.verdict is Verdict.MISS
    assert "same answer" in clause.because


def test_without_labels_agreement_is_the_clause():
    """Changed answers count as loss, and the sentence says agreement."""
    before = some_answers(1000, truth=())
    after = some_answers(1000, truth=(), agreement=(1.0,) * 980 + (0.0,) * 20)
    plan = a_plan(needs=some_needs(drop=1.0))
    original = a_measurement(answers=before)
    candidate = a_measurement(answers=after)
    clause = judge(plan, "x", original, candidate).clauses[-1]

    assert clause.verdict is Verdict.MISS


@pytest.mark.parametrize(
    ("limit", "verdict"),
    [(3.0, Verdict.PASS), (1.0, Verdict.MISS), (2.0, Verdict.CANNOT_TELL)],
)
def test_latency_is_judged_by_its_whole_interval(limit, verdict):
    """1.96 to 2.04 ms against 3, 1 and 2 ms."""
    before, after = flipped(2000, 0)
    plan = a_plan(needs=some_needs(latency=limit))
    judged = judge(plan, "x", a_measurement(answers=before), a_measurement(answers=after))

    assert judged.clauses[0].verdict is verdict


def test_a_busy_machine_makes_no_close_verdict():
    """With 30 % noise, 2 ms against 2.3 ms is not settled."""
    before, after = flipped(2000, 0)
    busy = a_measurement(answers=after, latency=a_latency(2.0, noise=1.3, busy=True))
    judged = judge(a_plan(needs=some_needs(latency=2.3)), "x", a_measurement(answers=before), busy)

    assert judged.clauses[0].verdict is Verdict.CANNOT_TELL
    assert "busy" in judged.clauses[0].next


def test_a_speed_up_inside_the_noise_is_called_none():
    """3 % faster with 5 % noise: no real speed-up."""
    before, after = flipped(2000, 0)
    candidate = a_measurement(
        answers=after, latency=a_latency(1.94, noise=1.05), against=a_latency(2.0, noise=1.05)
    )
    judged = judge(
        a_plan(needs=some_needs(latency=5.0)), "x", a_measurement(answers=before), candidate
    )

    assert "no real speed-up" in judged.clauses[0].because


def judged_in_turns(before_ms, after_ms, limit, **latency):
    """The latency clause of a candidate beside an original that was timed in turns with it."""
    before, after = flipped(2000, 0)
    candidate = a_measurement(
        answers=after,
        latency=a_latency(after_ms, spread=0.002, **latency),
        against=a_latency(before_ms, spread=0.002, **latency),
    )
    plan = a_plan(needs=some_needs(latency=limit))
    return judge(plan, "x", a_measurement(answers=before), candidate).clauses[0]


def test_noise_cannot_keep_a_limit_that_needs_a_speed_up():
    """2.00 ms before, 1.96 after, 1.98 allowed: within the noise, so missed; a real one passes."""
    noise, real = judged_in_turns(2.0, 1.96, 1.98), judged_in_turns(2.0, 1.5, 1.98)

    assert (noise.verdict, real.verdict) == (Verdict.MISS, Verdict.PASS)
    assert "no real speed-up" in noise.because
    assert "needs a real one" in noise.because
    assert judged_in_turns(2.0, 1.96, float(noise.next.split()[1])).verdict is Verdict.PASS


def test_a_limit_that_the_original_keeps_needs_no_speed_up():
    """The same noise under a limit of 2.1 ms is a PASS."""
    assert judged_in_turns(2.0, 1.96, 2.1).verdict is Verdict.PASS


def test_a_busy_machine_leaves_a_needed_speed_up_open():
    """What looks like a PASS inside the noise is neither passed nor refused there."""
    clause = judged_in_turns(2.0, 1.9, 1.99, noise=1.06, busy=True)

    assert clause.verdict is Verdict.CANNOT_TELL


def test_the_noise_is_shown_beside_a_real_speed_up():
    """The spread of a model against itself stands in the clause, faster or not."""
    assert "differs by up to 4% here" in judged_in_turns(2.0, 1.0, 3.0).because


def test_each_percentile_has_its_own_bound_and_its_own_ratio():
    """The tail was thrice as fast, the median as slow as before; only the tail's clause says so."""
    tail = tuple(2.0 if i % 10 else 6.0 for i in range(280))
    slow_tail = dataclasses.replace(a_latency(2.0), samples_ms=tail, p95=a_quantity(6.0))
    even = dataclasses.replace(a_latency(2.0), samples_ms=(2.0,) * 280, p95=a_quantity(2.0))
    before, after = flipped(2000, 0)
    budgets = [Budget(quantity="latency", at_most=3, unit="ms", percentile=p) for p in (50, 95)]
    plan = a_plan(needs=dataclasses.replace(some_needs(), budgets=tuple(budgets)))
    candidate = a_measurement(answers=after, latency=even, against=slow_tail)
    median, tailed, _ = judge(plan, "x", a_measurement(answers=before), candidate).clauses

    assert "no real speed-up" in median.because
    assert "3 times faster" in tailed.because


def test_another_device_is_judged_by_an_estimate():
    """The clause's basis is estimated, and a receipt is asked for unless it passes."""
    device = a_device(id="raspberry-pi-5", name="Raspberry Pi 5", measured_here=False)
    before, after = flipped(2000, 0)
    plan = a_plan(device=device, needs=some_needs(latency=0.8, device_id="raspberry-pi-5"))
    clause = judge(plan, "x", a_measurement(answers=before), a_measurement(answers=after)).clauses[
        0
    ]

    assert clause.basis is Basis.ESTIMATED
    assert clause.low < clause.after < clause.high


def test_size_is_exact():
    """Five megabytes against five pass; against 4.9 they do not."""
    before, after = flipped(2000, 0)
    for limit, verdict in ((5.0, Verdict.PASS), (4.9, Verdict.MISS)):
        plan = a_plan(needs=some_needs(size=limit))
        judged = judge(plan, "x", a_measurement(answers=before), a_measurement(answers=after))
        assert judged.clauses[0].verdict is verdict


def two_candidates(*, small_ms=2.5, **needs):
    """A small slow one and a large fast one, both right."""
    before, after = flipped(2000, 0)
    original = a_measurement(answers=before, megabytes=20)
    fast = a_measurement(answers=after, p50=1.0, megabytes=9, against=a_latency(3.0))
    small = a_measurement(answers=after, p50=small_ms, megabytes=3, against=a_latency(3.0))
    plan = a_plan(
        needs=some_needs(**needs), candidates=(a_candidate(id="fast"), a_candidate(id="small"))
    )
    measured = {"fast": fast, "small": small}
    verdicts = {name: judge(plan, name, original, one) for name, one in measured.items()}
    return compare(plan, original, measured, verdicts)


def test_the_priority_decides_among_those_that_pass():
    """Fastest takes the fast one, smallest the small one."""
    assert two_candidates(latency=5.0).chosen == "fast"
    assert two_candidates(latency=5.0, priority=Priority.SMALLEST).chosen == "small"


def test_of_two_that_the_noise_cannot_tell_apart_the_smaller_is_taken():
    """Three per cent of time are no reason for a file three times as large; fifteen are.

    Where either differs from itself by 4 %, the two can by 5.7 %.
    """
    assert two_candidates(latency=5.0, small_ms=1.03).chosen == "small"
    assert two_candidates(latency=5.0, small_ms=1.05).chosen == "small"
    assert two_candidates(latency=5.0, small_ms=1.09).chosen == "fast"
    assert two_candidates(latency=5.0, small_ms=1.15).chosen == "fast"


def test_when_none_passes_the_nearest_miss_is_named():
    """Nobody makes 0.5 ms; the faster one came closest."""
    comparison = two_candidates(latency=0.5)

    assert comparison.chosen is None
    assert comparison.nearest == "fast"
    assert comparison.overall is Verdict.MISS
    assert "missed" in comparison.headline


def test_nothing_measured_is_a_miss_without_a_candidate():
    """Every candidate failed."""
    comparison = compare(a_plan(), a_measurement(), {}, {})

    assert (comparison.chosen, comparison.nearest) == (None, None)


def test_an_audit_finding_is_told():
    """What the file itself shows is in the sentence."""
    before, after = flipped(2000, 0)
    odd = a_measurement(answers=after, audit=an_audit(findings=("Stored twice.",)))
    clause = judge(a_plan(), "x", a_measurement(answers=before), odd).clauses[-1]

    assert "Stored twice." in clause.because


@pytest.mark.parametrize(
    ("lost", "won", "rows", "limit"),
    [(5, 2, 400, 0.02), (4, 0, 800, 0.01), (12, 10, 800, 0.01), (22, 5, 900, 0.012)],
)
def test_as_many_more_rows_as_asked_for_settle_it(lost, won, rows, limit):
    """At the rates seen so far, four cases in five are settled; with a third of it, fewer are."""
    first = drop_of_proportions(lost, won, rows)
    more = more_rows(first, limit)
    rng = np.random.default_rng(0)

    def settled(extra):
        new = rng.multinomial(extra, [lost / rows, won / rows, 1 - (lost + won) / rows], 300)
        drops = [drop_of_proportions(lost + n[0], won + n[1], rows + extra) for n in new]
        return np.mean([d.high <= limit or d.low > limit for d in drops])

    assert first.low <= limit < first.high
    assert 0.74 <= settled(more) <= 0.95
    assert settled(more // 3) < 0.74


def test_no_number_of_rows_settles_a_loss_on_the_limit():
    """The loss is exactly what is allowed."""
    assert more_rows(drop_of_proportions(10, 0, 1000), 0.01) is None


def test_tango_s_bound_has_its_closed_forms():
    """Without changes z^2 / (n + z^2); without wins it is Wilson's bound on the share lost."""
    from scipy.stats import binomtest, norm

    level = 2 * norm.cdf(Z_TANGO) - 1
    square = Z_TANGO**2

    assert _tango(0, 0, 500) == pytest.approx(square / (500 + square))
    wilson = binomtest(7, 500).proportion_ci(level, method="wilson").high
    assert _tango(7, 0, 500) == pytest.approx(wilson, abs=1e-6)


def test_the_bounds_are_a_mirror():
    """Swapping before and after swaps the ends."""
    there, back = drop_of_proportions(12, 2, 68), drop_of_proportions(2, 12, 68)

    assert (there.low, there.high) == (-back.high, -back.low)


def test_a_few_rows_without_a_loss_are_not_enough():
    """290 rows: Tango's bound alone would pass a model that loses one in a hundred too often."""
    assert _tango(0, 0, 290) < 0.01 < drop_of_proportions(0, 0, 290).high


def test_a_model_that_scores_all_pairs_alike_has_lost_everything():
    """Constant scores have no rank correlation; the verdict is a MISS, not a crash."""
    target = tuple(float(i % 50) for i in range(200))
    before = some_answers(200, truth=(), predicted=(1,), scores=target, target=target)
    after = some_answers(200, truth=(), predicted=(1,), scores=(0.5,) * 200, target=target)
    clause = quality(before, after)

    assert clause.verdict is Verdict.MISS
    assert clause.low == pytest.approx(100)


def test_few_rows_of_a_resampled_score_cannot_pass():
    """Sixty pairs, nothing lost: forty more at the least are asked for."""
    target = tuple(float(i) for i in range(60))
    same = some_answers(60, truth=(), predicted=(1,), scores=target, target=target)
    clause = quality(same, same)

    assert clause.verdict is Verdict.CANNOT_TELL
    assert clause.more_examples >= 40


def test_few_rows_ask_for_as_many_as_their_own_spread_needs():
    """96 pairs with a bound of five points: 4 more make a bootstrap honest, but settle nothing."""
    rng = np.random.default_rng(3)
    target = rng.normal(size=96)
    before, after = (target + spread * rng.normal(size=96) for spread in (0.5, 0.5))
    drop = drop_by_bootstrap(rank_loss(before, after, target), seed=0)

    assert drop.high > 0.03
    assert more_rows(drop, drop.value + 0.01) > 100


def test_what_is_offered_is_enough():
    """Whoever allows what a MISS asks for gets a PASS, for each kind of clause."""
    before, after = flipped(2000, 47)
    needs = {"latency": 1.234, "size": 4.321, "drop": 1.0}
    changed = {"megabytes": 4.9137, "latency": a_latency(1.9871)}
    plan = a_plan(needs=some_needs(**needs))
    original, candidate = a_measurement(answers=before), a_measurement(answers=after, **changed)
    missed = judge(plan, "x", original, candidate).clauses
    offered = [float(clause.next.split()[1]) for clause in missed]
    names = ("latency", "size", "drop")
    again = a_plan(needs=some_needs(**dict(zip(names, offered, strict=True))))

    assert [clause.verdict for clause in missed] == [Verdict.MISS] * 3
    assert judge(again, "x", original, candidate).overall is Verdict.PASS


def test_large_numbers_are_written_out():
    """1,234 megabytes are not 1.23e+03."""
    before, after = flipped(2000, 0)
    plan = a_plan(needs=some_needs(size=2000))
    candidate = a_measurement(answers=after, megabytes=1234.5)
    clause = judge(plan, "x", a_measurement(answers=before), candidate).clauses[0]

    assert clause.because.startswith("1234 megabytes")


def test_a_miss_on_a_busy_machine_must_be_a_clear_one():
    """2 ms where 1.5 is allowed may be the others' fault; 2 ms where 0.5 is allowed is not."""
    before, after = flipped(2000, 0)
    busy = a_measurement(answers=after, latency=a_latency(2.0, noise=1.02, busy=True))
    verdicts = [
        judge(a_plan(needs=some_needs(latency=limit)), "x", a_measurement(answers=before), busy)
        .clauses[0]
        .verdict
        for limit in (1.5, 0.5)
    ]

    assert verdicts == [Verdict.CANNOT_TELL, Verdict.MISS]


def test_a_speed_up_is_told_with_its_interval():
    """Three times faster, and between what."""
    before, after = flipped(2000, 0)
    candidate = a_measurement(answers=after, latency=a_latency(1.0), against=a_latency(3.0))
    plan = a_plan(needs=some_needs(latency=5.0))
    clause = judge(plan, "x", a_measurement(answers=before), candidate).clauses[0]

    assert "3 times faster than the original (" in clause.because


def test_a_candidate_that_gains_nothing_is_told_as_such():
    """Same size, same speed: the original was as good."""
    before, after = flipped(2000, 0)
    original = a_measurement(answers=before)
    same = a_measurement(answers=after, against=a_latency(2.0))
    plan = a_plan(needs=some_needs(latency=5.0))
    comparison = compare(plan, original, {"x": same}, {"x": judge(plan, "x", original, same)})

    assert comparison.headline.startswith("Nothing tried improves on the original")


@pytest.mark.parametrize(
    ("times", "chosen", "said"),
    [
        ((1.0, 1.06, 1.3), "b", "Nothing tried is faster, and this is the smallest"),
        ((1.0, 1.15, 1.3), "a", "Nothing tried is faster"),
        ((0.5, 1.06, 1.3), "a", "1 ms on this machine, 2 times faster"),
    ],
)
def test_where_nothing_is_faster_the_smallest_at_about_the_same_speed_is_taken(times, chosen, said):
    """A tenth longer is about as fast; more is not, and with a faster one speed decides."""
    before, answers = flipped(2000, 0)
    original = a_measurement(answers=before, megabytes=10.0)
    plan = a_plan(needs=some_needs(latency=5.0))
    found = {
        name: a_measurement(
            answers=answers,
            latency=a_latency(2.0 * share),
            against=a_latency(2.0),
            megabytes=size,
        )
        for name, share, size in zip("abc", times, (10.0, 3.0, 1.0), strict=True)
    }
    verdicts = {name: judge(plan, name, original, one) for name, one in found.items()}
    comparison = compare(plan, original, found, verdicts)

    assert comparison.chosen == chosen
    assert comparison.headline.startswith(said)


def test_losses_just_too_large_rarely_pass():
    """400 simulated models that lose exactly what is allowed: at most 5 % (and luck) pass."""
    rng = np.random.default_rng(0)
    passed = 0
    for _ in range(400):
        lost, won = rng.multinomial(800, [0.025, 0.005, 0.97])[:2]
        passed += drop_of_proportions(int(lost), int(won), 800).high <= 0.02

    assert passed / 400 <= 0.05 + 0.018


def test_the_bootstrap_finds_a_planted_loss_of_rank():
    """Noise added to the scores lowers Spearman's rho; the bound covers the true loss."""
    rng = np.random.default_rng(3)
    target = rng.normal(size=800)
    before = target + 0.3 * rng.normal(size=800)
    after = target + 0.9 * rng.normal(size=800)
    drop = drop_by_bootstrap(rank_loss(before, after, target), seed=1, resamples=2000)

    assert drop.low > 0
    assert drop.low < drop.value < drop.high


def test_the_bootstrap_is_the_same_every_time():
    """Seeded: the same rows give the same bounds."""
    loss = mean_loss([0.99, 0.98, 0.97, 1.0] * 50)
    first, second = (drop_by_bootstrap(loss, seed=5, resamples=500) for _ in range(2))

    assert first == second
