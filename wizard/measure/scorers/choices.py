"""The candidate whose sentence follows most of all.

Covers: the share of rows with the right candidate; agreement with the original's choice.
Does not cover: whether a loss is within tolerance (compare).
"""

from __future__ import annotations

from wizard.measure.answered import Answered
from wizard.measure.metrics import TOP_1
from wizard.measure.scorers import _rows
from wizard.measure.scorers.classes import probabilities
from wizard.nouns import ExampleSet, Glance, Json, ModelProfile, Quality


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """Right choices."""
    import numpy as np

    said = _said(answered, examples)
    before = _said(first, examples) if first is not None else None
    counted: dict[str, _rows.Rows] = {}
    if examples.labels:
        right = zip(said, examples.labels, strict=True)
        counted[TOP_1] = [(float(one == other),) for one, other in right]
    agreement = None
    if before is not None:
        agreement = np.array([float(now == was) for now, was in zip(said, before, strict=True)])
    found = _rows.Evidence(
        said=said, expected=examples.labels, counted=counted, agreement=agreement
    )
    return _rows.quality(answered, examples, found, before, asked)


def _said(answered: Answered, examples: ExampleSet) -> list[str]:
    return [examples.candidates[int(one.argmax())] for one in answered.of("logits")]


def glance(raw: Answered, original: Answered) -> Glance:
    """No more than that all answers are numbers."""
    return Glance(rows=len(raw))


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The candidates with their shares."""
    shares = probabilities(raw.stacked("logits"))[0]
    ranked = sorted(zip(typed.candidates, shares, strict=True), key=lambda pair: -pair[1])[:5]
    return {"answers": [[label, float(share)] for label, share in ranked]}
