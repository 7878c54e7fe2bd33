"""One number a row: how relevant, how alike, how good.

Covers: Spearman's correlation with the numbers of the data; without them the order of rows, by
pairs: in how many it is as before; collapse (not a number, the same number for every row).
Does not cover: whether a loss is within tolerance (compare); the numbers' own scale.
Source of the share of pairs: Kendall 1938, a concordance; a tie is half of either order.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.measure.answered import Answered
from wizard.measure.intervals import mean, whole
from wizard.measure.quality import AGREEMENT, AGREEMENT_ASKED, not_finite
from wizard.measure.scorers.vectors import spearman
from wizard.nouns import Answers, ExampleSet, Glance, Json, ModelProfile, Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# Each row is held against so many others; the spread below which all numbers are one.
OTHERS, VARIES_AT_LEAST = 200, 1e-3


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """The rank correlation with the data's numbers, or how many pairs of rows keep their order."""
    import numpy as np

    numbers = _numbers(answered)
    before = _numbers(first) if first is not None else None
    same = _in_order(numbers, before) if before is not None else np.array([])
    agreement = mean(same) if len(same) else None
    if not examples.target or asked == AGREEMENT_ASKED:
        metric, value = AGREEMENT, agreement or whole(len(numbers))
    else:
        metric, value = "spearman", spearman(numbers, np.array(examples.target))
    answers = Answers(
        rows=examples.rows,
        scores=tuple(round(float(one), 6) for one in numbers),
        target=examples.target,
        agreement=tuple(round(float(one), 6) for one in same),
        collapse=_collapsed(answered, numbers, before),
    )
    return Quality(metric=metric, value=value, answers=answers, agreement=agreement)


def _numbers(answered: Answered) -> Array:
    import numpy as np

    return np.asarray(np.nan_to_num(answered.stacked("logits")[:, 0].astype(float)))


def _in_order(now: Array, before: Array) -> Array:
    """For each row the share of other rows on the side of it where the original has them."""
    import numpy as np

    rows = len(now)
    if rows == 1:
        return np.ones(1)
    chance = np.random.default_rng(0)
    steps = chance.permutation(np.arange(1, rows))[:OTHERS]
    total = np.zeros(rows)
    for step in steps.tolist():
        was, found = (np.sign(one - np.roll(one, -step)) for one in (before, now))
        total += 1 - np.abs(was - found) / 2
    return np.asarray(total / len(steps))


def _collapsed(answered: Answered, numbers: Array, before: Array | None) -> tuple[str, ...]:
    import numpy as np

    found = not_finite(answered.stacked("logits"))
    if before is None or not np.ptp(before) or np.ptp(numbers) >= VARIES_AT_LEAST * np.ptp(before):
        return tuple(found)
    return tuple(found or ["It gives the same number to every row."])


def glance(raw: Answered, original: Answered) -> Glance:
    """No more than that all answers are numbers."""
    return Glance(rows=len(raw))


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The number as it came out."""
    return {"said": f"{float(_numbers(raw)[0]):.3f}"}
