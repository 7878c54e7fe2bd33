"""Processor seconds of a whole verdict over 10,000 rows, without inference, by kind of score."""

import time

import numpy as np

from tests.factories import a_measurement, a_plan, a_quantity, some_needs
from wizard.compare import compare, judge
from wizard.measure import macro
from wizard.nouns import Answers, Quality

ROWS = 10_000


def classes(metric, count, flips=0.02, wrong=0.1):
    """Answers of a classifier with `count` labels: before, after."""
    rng = np.random.default_rng(0)
    shares = 1 / np.arange(1, count + 1)
    truth = rng.choice(count, ROWS, p=shares / shares.sum())
    before = np.where(rng.random(ROWS) < wrong, rng.integers(0, count, ROWS), truth)
    after = np.where(rng.random(ROWS) < flips, rng.integers(0, count, ROWS), before)
    return tuple(
        Quality(
            metric=metric,
            value=macro.macro_f1(truth, said),
            answers=Answers(
                rows=tuple(range(ROWS)),
                predicted=tuple(said.tolist()),
                truth=tuple(truth.tolist()),
                agreement=tuple((said == before).astype(float).tolist()),
            ),
        )
        for said in (before, after)
    )


def vectors(metric):
    """Cosines of pairs beside a target, or of rows with themselves: before, after."""
    rng = np.random.default_rng(0)
    target = rng.normal(size=ROWS)
    scores = [target + spread * rng.normal(size=ROWS) for spread in (0.5, 0.51)]
    same = tuple((1 - rng.exponential(0.002, ROWS)).tolist())
    ranked = metric == "spearman"
    return tuple(
        Quality(
            metric=metric,
            value=a_quantity(0.9, "share"),
            answers=Answers(
                rows=tuple(range(ROWS)),
                scores=tuple(one.tolist()),
                target=tuple(target.tolist()) if ranked else (),
                agreement=same,
            ),
        )
        for one in scores
    )


def counted(metric, columns):
    """Features of rows, the first of them less by a fiftieth in the candidate: before, after."""
    rng = np.random.default_rng(0)
    units = rng.integers(2, 9, ROWS).astype(float)
    before = np.repeat(units[:, None], columns, axis=1)
    before[:, 0] = rng.binomial(units.astype(int), 0.9)
    after = before.copy()
    after[:, 0] = rng.binomial(before[:, 0].astype(int), 0.98)
    return tuple(
        Quality(
            metric=metric,
            value=a_quantity(0.9, "share"),
            answers=Answers(rows=tuple(range(ROWS)), features=tuple(map(tuple, one.tolist()))),
        )
        for one in (before, after)
    )


KINDS = {
    "accuracy": lambda: classes("accuracy", 20),
    "macro-F1, 20 labels": lambda: classes(macro.NAME, 20),
    "macro-F1, 1,000 labels": lambda: classes(macro.NAME, 1000),
    "rank correlation": lambda: vectors("spearman"),
    "cosine": lambda: vectors("agreement with the original"),
    "span F1": lambda: counted("span F1", 3),
    "BLEU": lambda: counted("BLEU", 10),
}


def seconds(kind):
    """Of judging one candidate by every clause and choosing, at 10,000 rows."""
    before, after = KINDS[kind]()
    plan = a_plan(needs=some_needs(latency=5.0, size=10, memory=100, drop=1.0))
    original, candidate = (a_measurement(quality=one) for one in (before, after))
    began = time.process_time()
    judged = judge(plan, "x", original, candidate)
    compare(plan, original, {"x": candidate}, {"x": judged})
    return time.process_time() - began
