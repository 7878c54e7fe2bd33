"""The label whose text fits the picture best.

Covers: the share of rows with the right label, agreement with the original's choice (as for
texts), shares of one or chances of their own for the playground.
Does not cover: whether a loss is within tolerance (compare).
"""

from __future__ import annotations

from wizard.measure.answered import Answered
from wizard.measure.scorers.choices import score
from wizard.measure.scorers.classes import LABELS_SHOWN, glance, probabilities
from wizard.nouns import ExampleSet, Json, ModelProfile


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The labels with their shares, or with the chance of each where it is judged by itself."""
    import numpy as np

    logits = raw.stacked("logits")
    alone = bool(raw.of("alone")[0][0])
    found = 1 / (1 + np.exp(-logits[0])) if alone else probabilities(logits)[0]
    ranked = sorted(zip(typed.candidates, found, strict=True), key=lambda pair: -pair[1])
    return {"answers": [[label, float(share)] for label, share in ranked[:LABELS_SHOWN]]}


__all__ = ["glance", "score", "shown"]
