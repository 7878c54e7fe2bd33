"""Who pays for the compression: the answers that changed, and the parts of the data that lost.

Covers: flips with their examples, parts with what they lost, the one sentence that names who
pays, or that nobody does. Does not cover: the parts (slices.py), the statistics (losses.py).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wizard.compare import losses, slices
from wizard.compare.paired import ROWS_TO_RESAMPLE
from wizard.nouns import (
    Answers,
    Basis,
    ExampleSet,
    Flip,
    Measurement,
    Quantity,
    SliceLoss,
    WhoPays,
)

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

BROKE, FIXED, CHANGED = "right to wrong", "wrong to right", "changed answer"
KINDS = (BROKE, CHANGED, FIXED)
FLIPS_KEPT, SLICES_KEPT = 300, 120
LONGEST_EXAMPLE = 300
SURE = 0.05
# A part must have lost a point more than the rest: what "normal" tolerance allows a whole model.
POINTS_WORTH_TELLING = 1.0
# A pair's score, or a vector's cosine with the original's, that moved by more than this counts as
# another answer: a twentieth of the scale (judgement).
MOVED = 0.05
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
    are hundredths: of answers, of a rank correlation, or of a cosine.
    """
    was, now = before.quality.answers, after.quality.answers
    least = losses.ROWS_TO_COUNT if now.predicted else ROWS_TO_RESAMPLE
    parts, too_small = slices.parts_of(rows, was, labels, languages or {}, least)
    found = _losses(was, now, parts, seed)
    corrected = losses.holm(found.p, found.least_p, SURE)
    accused = _accused(found, corrected)
    worst = _worst(parts, found, accused)
    kept = _ordered(parts, found, accused, worst)
    flips, total = _flips(was, now, rows, labels)
    return WhoPays(
        sentence=_sentence(parts, found, worst, rows, now),
        slices=tuple(
            _slice(parts[at], found, at, float(corrected[at]), clear=bool(accused[at]))
            for at in kept[:SLICES_KEPT]
        ),
        flips=flips,
        flips_total=total,
        too_small=too_small,
    )


def _losses(was: Answers, now: Answers, parts: Sequence[slices.Part], seed: int) -> losses.Losses:
    import numpy as np

    members = [part.members for part in parts]
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


def _slice(part: slices.Part, found: losses.Losses, at: int, p: float, *, clear: bool) -> SliceLoss:
    drop = Quantity(
        value=100 * float(found.drop[at]),
        unit="points",
        basis=Basis.MEASURED,
        low=100 * float(found.low[at]),
        high=100 * float(found.high[at]),
        n=len(part.members),
    )
    return SliceLoss(
        column=part.column,
        value=part.value,
        rows=len(part.members),
        before=100 * float(found.before[at]),
        after=100 * float(found.after[at]),
        drop=drop,
        p=p,
        clear=clear,
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
    return f"{said}lost {_points(lost)}{what}, all others together {_others(rest, '')}."


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
    shown = f"{lost:.1f}" if lost < 10 else f"{lost:.0f}"
    return f"{shown} point{'' if shown == '1.0' else 's'}"


def _noun(rows: ExampleSet) -> str:
    return "pictures" if rows.images else "pairs" if rows.pairs else "texts"


def _flips(
    was: Answers, now: Answers, rows: ExampleSet, labels: Sequence[str]
) -> tuple[tuple[Flip, ...], int]:
    """The answers that changed, those broken first and the surest of them first; their number."""
    import numpy as np

    if not now.predicted:
        return _moved(was, now, rows)
    before, after = np.asarray(was.predicted), np.asarray(now.predicted)
    changed = np.flatnonzero(before != after)
    truth = np.asarray(now.truth) if now.truth else None
    kinds = [_kind(before[at], after[at], None if truth is None else truth[at]) for at in changed]
    order = sorted(
        zip(changed.tolist(), kinds, strict=True),
        key=lambda one: (KINDS.index(one[1]), -was.confidence[one[0]]),
    )
    flips = tuple(
        Flip(
            row=was.rows[at],
            kind=kind,
            example=_example(rows, at),
            before=slices.name_of(int(before[at]), labels),
            after=slices.name_of(int(after[at]), labels),
            truth="" if truth is None else labels[truth[at]],
            confidence_before=was.confidence[at],
            confidence_after=now.confidence[at],
        )
        for at, kind in order[:FLIPS_KEPT]
    )
    return flips, len(changed)


def _kind(before: int, after: int, truth: int | None) -> str:
    if truth is None:
        return CHANGED
    return BROKE if before == truth else FIXED if after == truth else CHANGED


def _moved(was: Answers, now: Answers, rows: ExampleSet) -> tuple[tuple[Flip, ...], int]:
    """Pairs whose score moved, or texts whose vector did; the furthest first."""
    import numpy as np

    paired = bool(now.scores)
    after = np.asarray(now.scores if paired else now.agreement)
    before = np.asarray(was.scores) if paired else np.ones(len(after))
    distance = np.abs(after - before)
    changed = np.flatnonzero(distance > MOVED)
    order = changed[np.argsort(-distance[changed], kind="stable")].tolist()
    flips = tuple(
        Flip(
            row=now.rows[at],
            kind=CHANGED,
            example=_example(rows, at),
            before=f"{before[at]:.3f}",
            after=f"{after[at]:.3f}",
            truth=f"{now.target[at]:g}" if now.target else "",
        )
        for at in order[:FLIPS_KEPT]
    )
    return flips, len(changed)


def _example(rows: ExampleSet, at: int) -> str:
    if rows.pairs:
        return " / ".join(_short(one, LONGEST_EXAMPLE // 2) for one in rows.pairs[at])
    if rows.inputs:
        return _short(rows.inputs[at], LONGEST_EXAMPLE)
    return f"picture {rows.rows[at]}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"
