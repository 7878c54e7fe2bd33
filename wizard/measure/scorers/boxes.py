"""Boxes: which things are found, and where.

Covers: F1 over all things at half certainty and half overlap, the same between two models;
collapse (NaN, nothing found any more).
Does not cover: mean average precision, which is no function of means over rows, so its loss has
no paired bound; whether a loss is within tolerance (compare).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wizard.measure import metrics
from wizard.measure.answered import Answered
from wizard.measure.intervals import mean, whole
from wizard.measure.quality import AGREEMENT, AGREEMENT_ASKED, ROWS_TO_SUSPECT
from wizard.nouns import Answers, ExampleSet, Glance, Json, ModelProfile, Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

SURE, OVERLAP = 0.5, 0.5
BOXES_SHOWN, BOXES_DRAWN = 4, 40
BLIND_SHARE = 0.5  # of the pictures in which the original saw something


def glance(raw: Answered, original: Answered) -> Glance:
    """Pictures in which not the same things are found."""
    return Glance(rows=len(raw), changed=int((_same(raw, original) < 1).sum()))


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The things found, surest first; `boxes` to draw, `true` ones too where they are known.

    Each is `[name, label's number, left, top, width, height]`, in shares of the sides.
    """
    boxes = _sure(raw)[0]
    found: dict[str, Json] = {"boxes": _drawn(boxes, profile.labels)}
    if typed.answers:
        found["true"] = _drawn(_true(typed.answers[0], profile.labels), profile.labels)
    if not len(boxes):
        return {**found, "said": "(nothing found)"}
    ranked: Json = [
        [profile.labels[int(one[0])], float(one[1]), int(one[0])]
        for one in boxes[:BOXES_SHOWN].tolist()
    ]
    return {**found, "answers": ranked}


def _drawn(boxes: Array, labels: Sequence[str]) -> Json:
    rows = boxes[:BOXES_DRAWN].tolist()
    names = [labels[int(one[0])] if one[0] >= 0 else "?" for one in rows]
    return [
        [name, max(0, int(one[0])), *(round(part, 4) for part in one[2:])]
        for name, one in zip(names, rows, strict=True)
    ]


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """F1 of the things found, or the likeness to what the original finds."""
    import numpy as np

    same = _same(answered, first) if first is not None else np.array([])
    agreement = mean(same) if len(same) else None
    features: list[tuple[float, float, float]] = []
    if not examples.answers or asked == AGREEMENT_ASKED:
        metric, value = AGREEMENT, agreement or whole(len(answered))
    else:
        metric = metrics.DETECTION_F1
        truths = (_true(marks, profile.labels) for marks in examples.answers)
        features = [_counted(*pair) for pair in zip(_sure(answered), truths, strict=True)]
        value = metrics.measured(metric, metrics.features_of(features))
    answers = Answers(
        rows=examples.rows,
        features=tuple(features),
        said=tuple(_told(boxes, profile.labels) for boxes in _sure(answered)),
        expected=tuple(
            _told(_true(marks, profile.labels), profile.labels) for marks in examples.answers
        ),
        agreement=tuple(round(float(one), 6) for one in same),
        collapse=_collapsed(answered, first),
    )
    return Quality(metric=metric, value=value, answers=answers, agreement=agreement)


def _sure(answered: Answered) -> list[Array]:
    """The boxes of each picture that count, surest first."""
    import numpy as np

    return [
        boxes[boxes[:, 1] >= SURE][np.argsort(-boxes[boxes[:, 1] >= SURE][:, 1], kind="stable")]
        for boxes in answered.of("boxes")
    ]


def _true(marks: Sequence[str], labels: Sequence[str]) -> Array:
    """`left top width height name` of each thing as boxes [n, 6]; an unknown name is -1."""
    import numpy as np

    places = {label.casefold(): at for at, label in enumerate(labels)}
    rows = []
    for mark in marks:
        *numbers, name = mark.split(" ", 4)
        rows.append([places.get(name.casefold(), -1), 1.0, *map(float, numbers)])
    return np.array(rows, np.float32).reshape(-1, 6)


def _counted(found: Array, true: Array) -> tuple[float, float, float]:
    """Right, said, true."""
    free, right = list(range(len(true))), 0
    for box in found:
        fits = [at for at in free if true[at, 0] == box[0] and _overlap(box, true[at]) >= OVERLAP]
        if fits:
            free.remove(max(fits, key=lambda at: _overlap(box, true[at])))
            right += 1
    return float(right), float(len(found)), float(len(true))


def _overlap(one: Array, other: Array) -> float:
    """Intersection over union."""
    import numpy as np

    low, high = (
        np.maximum(one[2:4], other[2:4]),
        np.minimum(one[2:4] + one[4:], other[2:4] + other[4:]),
    )
    both = float(np.prod(np.maximum(high - low, 0)))
    either = float(np.prod(one[4:]) + np.prod(other[4:])) - both
    return both / either if either > 0 else 0.0


def _same(answered: Answered, first: Answered) -> Array:
    """F1 of each picture's things with the original's as the truth; 1 where neither finds any."""
    import numpy as np

    found = []
    for now, was in zip(_sure(answered), _sure(first), strict=True):
        right, said, true = _counted(now, was)
        found.append(2 * right / (said + true) if said + true else 1.0)
    return np.array(found)


def _told(boxes: Array, labels: Sequence[str]) -> str:
    names = [labels[int(one)] if one >= 0 else "?" for one in boxes[:, 0]]
    return ", ".join(sorted(names)) or "(nothing)"


def _collapsed(answered: Answered, first: Answered | None) -> tuple[str, ...]:
    bad = answered.not_finite()
    if bad:
        return (f"{bad} of {len(answered)} answers are not numbers.",)
    if first is None or len(answered) < ROWS_TO_SUSPECT:
        return ()
    pairs = list(zip(_sure(answered), _sure(first), strict=True))
    seen = sum(len(was) > 0 for _, was in pairs)
    blind = sum(len(was) > 0 and not len(now) for now, was in pairs)
    if not seen or blind < BLIND_SHARE * seen:
        return ()
    return (f"It finds nothing in {blind} of {seen} pictures in which the original found things.",)
