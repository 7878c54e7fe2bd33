"""Who pays for the compression: the answers that changed, and the parts of the data that lost.

Covers: parts with what they lost, the one sentence that names who pays, or that nobody does.
Does not cover: the parts (slices.py), the statistics (losses.py), changed answers (flips.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from wizard.compare import losses, slices
from wizard.compare.flips import changed_answers
from wizard.compare.paired import ROWS_TO_RESAMPLE
from wizard.measure.metrics import Metric, features_of, named
from wizard.measure.quality import AGREEMENT
from wizard.nouns import (
    Answers,
    Basis,
    ExampleSet,
    Measurement,
    Quantity,
    SliceLoss,
    WhoPays,
)

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SLICES_KEPT = 120
SURE = 0.05
# A part must have lost a point more than the rest: what "normal" tolerance allows a whole model.
POINTS_WORTH_TELLING = 1.0
NOBODY = "No part of the data lost more than the rest, beyond chance."
TOO_FEW = "There are too few examples to tell whether a part of the data pays more than the rest."


def who_pays(
    before: Measurement,
    after: Measurement,
    rows: ExampleSet,
    labels: Sequence[str],
    seed: int,
    languages: Mapping[str, str] | None = None,
) -> WhoPays:
    """Flips, parts and one sentence about the same `rows` answered by both.

    `labels` are the model's, by index; `languages` turns codes into names (de -> German). Points
    are hundredths of the measure; of perplexity, hundredths of the original's.
    """
    was, now = before.quality.answers, after.quality.answers
    metric = _metric(after)
    counted = now.predicted or metric.proportion
    least = losses.ROWS_TO_COUNT if counted else ROWS_TO_RESAMPLE
    parts, too_small = slices.parts_of(rows, was, labels, languages or {}, least)
    found = _losses(was, now, metric.name, parts, seed)
    corrected = losses.holm(found.p, found.least_p, SURE)
    accused = _accused(found, corrected)
    worst = _worst(parts, found, accused)
    kept = _ordered(parts, found, accused, worst)
    flips, total = changed_answers(was, now, rows, labels, metric)
    return WhoPays(
        sentence=_sentence(parts, found, worst, rows, now, metric),
        slices=tuple(
            replace(
                _slice(parts[at], found, at, metric),
                p=float(corrected[at]),
                clear=bool(accused[at]),
            )
            for at in kept[:SLICES_KEPT]
        ),
        flips=flips,
        flips_total=total,
        too_small=too_small,
    )


def _metric(after: Measurement) -> Metric:
    """What is lost: the measure of the rows' features where they decide, else of the answers."""
    decide = after.quality.answers.features and after.quality.metric != AGREEMENT
    return named(after.quality.metric if decide else AGREEMENT)


def _losses(
    was: Answers, now: Answers, metric: str, parts: Sequence[slices.Part], seed: int
) -> losses.Losses:
    import numpy as np

    members = [part.members for part in parts]
    if metric != AGREEMENT:
        features = features_of(was.features), features_of(now.features)
        return losses.of_features(metric, features, members, seed)
    if now.truth:
        truth = np.asarray(now.truth)
        first, second = (np.asarray(one.predicted) == truth for one in (was, now))
        return losses.of_right_answers(first, second, members)
    if now.predicted:
        same = np.asarray(was.predicted) == np.asarray(now.predicted)
        return losses.of_same_answers(same, members)
    if now.target:
        scores = np.asarray(was.scores), np.asarray(now.scores)
        return losses.of_ranks(scores, np.asarray(now.target), members, seed)
    return losses.of_cosines(np.asarray(now.agreement), members, seed)


def _accused(found: losses.Losses, corrected: Array) -> Array:
    import numpy as np

    more = 100 * (found.drop - found.rest) >= POINTS_WORTH_TELLING
    return np.asarray((corrected <= SURE) & more & (found.drop > 0))


def _slice(part: slices.Part, found: losses.Losses, at: int, metric: Metric) -> SliceLoss:
    """What a part lost by the metric; not yet accused."""
    drop = Quantity(
        value=100 * float(found.drop[at]),
        unit=metric.unit_of_loss,
        basis=Basis.MEASURED,
        low=100 * float(found.low[at]),
        high=100 * float(found.high[at]),
        n=len(part.members),
    )
    return SliceLoss(
        column=part.column,
        value=part.value,
        rows=len(part.members),
        before=metric.hundredths * float(found.before[at]),
        after=metric.hundredths * float(found.after[at]),
        drop=drop,
        p=1.0,
        clear=False,
    )


def _worst(parts: Sequence[slices.Part], found: losses.Losses, accused: Array) -> int | None:
    """The accused part that stands out most; how sure the original was explains least."""
    named = [at for at in range(len(parts)) if accused[at]]
    if not named:
        return None
    first = max(named, key=lambda at: (not _by_confidence(parts[at]), found.strength[at]))
    return _narrowed(first, named, parts, found)


def _ordered(
    parts: Sequence[slices.Part], found: losses.Losses, accused: Array, worst: int | None
) -> list[int]:
    """The named part, other accused ones by strength, pairs inside those, then by what was lost."""
    alone = {parts[at].parts[0] for at in range(len(parts)) if accused[at] and _single(parts[at])}

    def rank(at: int) -> tuple[bool, bool, bool, float]:
        inside = not _single(parts[at]) and bool(alone & set(parts[at].parts))
        weight = found.strength[at] if accused[at] else found.low[at]
        return at != worst, not accused[at], bool(accused[at]) and inside, -float(weight)

    return sorted(range(len(parts)), key=rank)


def _single(part: slices.Part) -> bool:
    return len(part.parts) == 1


def _sentence(
    parts: Sequence[slices.Part],
    found: losses.Losses,
    worst: int | None,
    rows: ExampleSet,
    now: Answers,
    metric: Metric,
) -> str:
    """Who pays, in points; or that nobody does, or that nobody could be looked at."""
    if not parts:
        return TOO_FEW
    if worst is None:
        return NOBODY
    who = slices.subject(parts[worst], _noun(rows))
    lost, rest = 100 * float(found.drop[worst]), 100 * float(found.rest[worst])
    said = f"{who[0].upper()}{who[1:]} "
    if now.predicted and not now.truth:
        return (
            f"{said}got another answer in {lost:.1f} % of cases, all others {_others(rest, '%')}."
        )
    what = "" if now.truth else " of rank correlation" if now.target else " of likeness"
    points = _points(lost)
    if metric.name != AGREEMENT:
        what = f" by {metric.noun}"
        points = f"{_number(lost)} %" if metric.relative else points
    return f"{said}lost {points}{what}, all others together {_others(rest, '')}."


def _narrowed(
    worst: int, named: Sequence[int], parts: Sequence[slices.Part], found: losses.Losses
) -> int:
    """The pair of values inside the part `worst` that explains it: without it the part is well."""
    rows = {at: len(parts[at].members) for at in named}
    for at in sorted(named, key=lambda one: -found.strength[one]):
        if not set(parts[worst].parts) < set(parts[at].parts):
            continue
        left = rows[worst] - rows[at]
        remains = (found.drop[worst] * rows[worst] - found.drop[at] * rows[at]) / left
        if 100 * (remains - found.rest[worst]) < POINTS_WORTH_TELLING:
            return at
    return worst


def _by_confidence(part: slices.Part) -> bool:
    return part.parts[0][0] == slices.CONFIDENCE


def _others(rest: float, unit: str) -> str:
    if unit:
        return "in under 1 %" if rest < 1 else f"in {rest:.1f} %"
    return "under 1" if rest < 1 else f"{rest:.1f}"


def _points(lost: float) -> str:
    shown = _number(lost)
    return f"{shown} point{'' if shown == '1.0' else 's'}"


def _number(lost: float) -> str:
    return f"{lost:.1f}" if lost < 10 else f"{lost:.0f}"


def _noun(rows: ExampleSet) -> str:
    return "pictures" if rows.images else "pairs" if rows.pairs else "texts"
