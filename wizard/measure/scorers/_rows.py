"""What scorers share whose measures count something in each row.

Covers: the score by the measure asked for or the task's first, agreement, answers in words, one
answer that has swallowed the others.
Does not cover: what is counted (the scorers beside it), the measures (metrics.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.measure import metrics
from wizard.measure.answered import Answered
from wizard.measure.intervals import mean, whole
from wizard.measure.quality import AGREEMENT, AGREEMENT_ASKED, ROWS_TO_SUSPECT
from wizard.measure.scorers.classes import crowded_class
from wizard.nouns import Answers, ExampleSet, Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Rows = Sequence[Sequence[float]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What was found in each row.

    `counted` maps each measure to its features a row, the usual one first; empty without right
    answers. `agreement` is the share of each answer that is the original's, None for that itself.
    """

    said: Sequence[str]
    expected: Sequence[str]
    counted: Mapping[str, Rows]
    agreement: Array | None


def quality(
    answered: Answered,
    examples: ExampleSet,
    found: Evidence,
    first: Sequence[str] | None,
    asked: str,
) -> Quality:
    """The score of the rows; `first` are the original's answers in words."""
    agreement = mean(found.agreement) if found.agreement is not None else None
    by_agreement = not found.counted or asked == AGREEMENT_ASKED
    metric = AGREEMENT if by_agreement else asked or next(iter(found.counted))
    rows = () if by_agreement else found.counted[metric]
    value = agreement or whole(len(answered))
    if rows:
        value = metrics.measured(metric, metrics.features_of(rows))
    answers = Answers(
        rows=examples.rows,
        features=tuple(tuple(float(one) for one in row) for row in rows),
        said=tuple(found.said),
        expected=tuple(found.expected),
        agreement=()
        if found.agreement is None
        else tuple(round(float(one), 6) for one in found.agreement),
        collapse=_collapsed(answered, found.said, first),
    )
    return Quality(metric=metric, value=value, answers=answers, agreement=agreement)


def _collapsed(
    answered: Answered, said: Sequence[str], first: Sequence[str] | None
) -> tuple[str, ...]:
    import numpy as np

    bad = answered.not_finite()
    if bad:
        return (f"{bad} of {len(answered)} answers are not numbers.",)
    if first is None or len(said) < ROWS_TO_SUSPECT:
        return ()
    numbered = {one: at for at, one in enumerate(sorted({*said, *first}))}
    now, before = (np.array([numbered[one] for one in words]) for words in (said, first))
    return tuple(crowded_class(now, before))
