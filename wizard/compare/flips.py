"""The answers that changed between two models on the same rows, with their examples.

Covers: answers that are labels, words, or numbers of their own (scores, vectors); which broke,
which were mended, which only changed; the worst first.
Does not cover: what the parts of the data lost (who_pays.py).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wizard.compare import slices
from wizard.measure.metrics import Metric, features_of, scores
from wizard.nouns import Answers, ExampleSet, Flip

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

BROKE, FIXED, CHANGED = "right to wrong", "wrong to right", "changed answer"
KINDS = (BROKE, CHANGED, FIXED)
FLIPS_KEPT = 300
LONGEST_EXAMPLE = 300
# A score that moved by more than this counts as another answer: a twentieth of the scale
# (judgement); of perplexity, a twentieth of the original's.
MOVED = 0.05
TINY = 1e-9

Flips = tuple[tuple[Flip, ...], int]


def changed_answers(
    was: Answers, now: Answers, rows: ExampleSet, labels: Sequence[str], metric: Metric
) -> Flips:
    """The first few hundred answers that changed, the worst first, and how many did in all."""
    import numpy as np

    if now.said:
        return _in_words(was, now, rows, metric)
    if now.predicted:
        return _labels(was, now, rows, labels)
    if metric.score is not None:
        first, second = _own_scores(was, now, metric)
        return _moved(now, rows, (first, second), metric)
    after, before = now.scores or now.agreement, was.scores if now.scores else ()
    both = np.asarray(before or (1.0,) * len(after)), np.asarray(after)
    return _moved(now, rows, both, metric)


def _labels(was: Answers, now: Answers, rows: ExampleSet, labels: Sequence[str]) -> Flips:
    """Broken answers first, the surest of them first."""
    import numpy as np

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


def _in_words(was: Answers, now: Answers, rows: ExampleSet, metric: Metric) -> Flips:
    """Other words than before: right to wrong where all was right, then by what the row lost."""
    changed = [
        at for at, pair in enumerate(zip(was.said, now.said, strict=True)) if len({*pair}) > 1
    ]
    lost = [1 - one for one in now.agreement] or [0.0] * len(now.said)
    kinds = [CHANGED] * len(now.said)
    if metric.score is not None:
        first, second = _own_scores(was, now, metric)
        lost = metric.loss(first, second).tolist()
        kinds = [_right(*one, metric) for one in zip(first, second, strict=True)]
    order = sorted(changed, key=lambda at: (KINDS.index(kinds[at]), -lost[at]))
    flips = tuple(
        Flip(
            row=now.rows[at],
            kind=kinds[at],
            example=_example(rows, at),
            before=_short(was.said[at], LONGEST_EXAMPLE),
            after=_short(now.said[at], LONGEST_EXAMPLE),
            truth=_short(now.expected[at], LONGEST_EXAMPLE) if now.expected else "",
        )
        for at in order[:FLIPS_KEPT]
    )
    return flips, len(changed)


def _right(before: float, after: float, metric: Metric) -> str:
    """Right is what cannot be better: all of it, or no error."""
    best = 1.0 if metric.higher_is_better else 0.0
    was, now = abs(before - best) < TINY, abs(after - best) < TINY
    return BROKE if was and not now else FIXED if now and not was else CHANGED


def _own_scores(was: Answers, now: Answers, metric: Metric) -> tuple[Array, Array]:
    """What each row would score alone, [rows] before and after."""
    first, second = (scores(metric, features_of(one.features)) for one in (was, now))
    return first, second


def _moved(now: Answers, rows: ExampleSet, both: tuple[Array, Array], metric: Metric) -> Flips:
    """Rows whose score moved, or whose vector did; the furthest first."""
    import numpy as np

    first, second = both
    distance = np.abs(metric.loss(first, second))
    changed = np.flatnonzero(distance > MOVED)
    order = changed[np.argsort(-distance[changed], kind="stable")].tolist()
    flips = tuple(
        Flip(
            row=now.rows[at],
            kind=CHANGED,
            example=_example(rows, at),
            before=f"{first[at]:.3f}",
            after=f"{second[at]:.3f}",
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
    return f"{'recording' if rows.sounds else 'picture'} {rows.rows[at]}"


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else text[: most - 1] + "\u2026"
