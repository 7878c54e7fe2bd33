"""Outlines: which label each pixel gets.

Covers: mean intersection over union over the labels, all pictures together; the share of pixels
on which both models agree; collapse (NaN, one label for everything).
Does not cover: whether a loss is within tolerance (compare).
Source: Long, Shelhamer, Darrell 2015, arXiv 1411.4038 (mean IU).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.measure import metrics
from wizard.measure.answered import Answered
from wizard.measure.intervals import mean, whole
from wizard.measure.quality import AGREEMENT, AGREEMENT_ASKED, ROWS_TO_SUSPECT
from wizard.nouns import Answers, ExampleSet, Glance, Json, ModelProfile, Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

CHANGED_SHARE = 0.01  # of a picture's pixels: below that nobody would see it
LABELS_SHOWN = 5
FINEST = 160  # points a side of what is drawn


def glance(raw: Answered, original: Answered) -> Glance:
    """Pictures in which one pixel of a hundred has another label."""
    return Glance(rows=len(raw), changed=int((_same(raw, original) < 1 - CHANGED_SHARE).sum()))


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The labels that cover most, with the share of the picture each has; `map` to draw."""
    import numpy as np

    found = raw.of("map")[0]
    shares = np.bincount(found.ravel(), minlength=len(profile.labels)) / found.size
    ranked = np.argsort(-shares, kind="stable")[:LABELS_SHOWN].tolist()
    steps = [-(-side // FINEST) for side in found.shape]
    return {
        "answers": [[profile.labels[at], float(shares[at]), at] for at in ranked if shares[at]],
        "map": found[:: steps[0], :: steps[1]].tolist(),
    }


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """The mean IoU with the true outlines, or the likeness to the original's."""
    import numpy as np

    same = _same(answered, first) if first is not None else np.array([])
    agreement = mean(same) if len(same) else None
    features: tuple[tuple[float, ...], ...] = ()
    if examples.masks is None or asked == AGREEMENT_ASKED:
        metric, value = AGREEMENT, agreement or whole(len(answered))
    else:
        metric = metrics.MEAN_IOU
        areas = answered.stacked("areas")
        features = tuple(tuple(row) for row in areas.tolist())
        value = metrics.measured(metric, areas.astype(float))
    answers = Answers(
        rows=examples.rows,
        features=features,
        agreement=tuple(round(float(one), 6) for one in same),
        collapse=_collapsed(answered, first),
    )
    return Quality(metric=metric, value=value, answers=answers, agreement=agreement)


def _same(answered: Answered, first: Answered) -> Array:
    """The share of each picture's pixels with the same label."""
    import numpy as np

    pairs = zip(answered.of("map"), first.of("map"), strict=True)
    return np.array([float((now == was).mean()) for now, was in pairs])


def _collapsed(answered: Answered, first: Answered | None) -> tuple[str, ...]:
    bad = answered.not_finite()
    if bad:
        return (f"{bad} of {len(answered)} answers are not numbers.",)
    if first is None or len(answered) < ROWS_TO_SUSPECT:
        return ()
    now, was = (
        {int(one) for row in them.of("map") for one in set(row.flat)} for them in (answered, first)
    )
    if len(now) == 1 < len(was):
        return ("It gives one label to every pixel of every picture.",)
    return ()
