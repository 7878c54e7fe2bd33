"""Several labels at once: each holds where its own share is above a half.

Covers: F1 of labels over all rows (micro), rows with exactly the right labels; agreement is the
share of rows with the same labels as the original's; no label any more, or all of them.
Does not cover: other thresholds; whether a loss is within tolerance (compare).
Source: scikit-learn, `f1_score(average="micro")`, which is the same number.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.measure.answered import Answered
from wizard.measure.metrics import EXACT_MATCH, LABEL_F1
from wizard.measure.scorers import _rows
from wizard.nouns import ExampleSet, Glance, Json, ModelProfile, Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

LABELS_SHOWN = 5
NONE = "none of the labels"


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """Labels right, said and true in each row, or rows that have exactly the right ones."""
    import numpy as np

    chosen = _chosen(answered)
    said = _named(chosen, profile)
    counted: dict[str, _rows.Rows] = {}
    if examples.answers:
        pairs = [({*one}, {*other}) for one, other in zip(said, examples.answers, strict=True)]
        counted[LABEL_F1] = [(len(one & other), len(one), len(other)) for one, other in pairs]
        counted[EXACT_MATCH] = [(float(one == other),) for one, other in pairs]
    before = _chosen(first) if first is not None else None
    same = None if before is None else (chosen == before).all(axis=1).astype(float)
    found = _rows.Evidence(
        said=[_told(one) for one in said],
        expected=[_told(sorted(one, key=profile.labels.index)) for one in examples.answers],
        counted=counted,
        agreement=None if same is None else np.asarray(same),
    )
    theirs = None if before is None else [_told(one) for one in _named(before, profile)]
    return _rows.quality(answered, examples, found, theirs, asked)


def _chosen(answered: Answered) -> Array:
    """Which labels hold, [rows, labels]: the share is above a half where the logit is above 0."""
    import numpy as np

    return np.asarray(np.nan_to_num(answered.stacked("logits")) > 0)


def _named(chosen: Array, profile: ModelProfile) -> list[list[str]]:
    return [
        [label for label, holds in zip(profile.labels, row, strict=True) if holds]
        for row in chosen.tolist()
    ]


def _told(labels: list[str]) -> str:
    return ", ".join(labels) or NONE


def glance(raw: Answered, original: Answered) -> Glance:
    """Rows with other labels than before."""
    changed = int((_chosen(raw) != _chosen(original)).any(axis=1).sum())
    return Glance(rows=len(raw), changed=changed)


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The likeliest labels, each with its own share."""
    import numpy as np

    logits = np.nan_to_num(raw.stacked("logits")[0]).astype(float)
    shares = 1 / (1 + np.exp(-np.clip(logits, -60.0, 60.0)))
    ranked = sorted(enumerate(shares.tolist()), key=lambda pair: -pair[1])[:LABELS_SHOWN]
    return {"answers": [[profile.labels[index], float(share)] for index, share in ranked]}
