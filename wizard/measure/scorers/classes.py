"""Classes: the likeliest label of each row.

Covers: accuracy, or macro-F1 when the labels are uneven; agreement with the original; collapse
(NaN, constant answers, one class far above its base rate, saturated confidence).
Does not cover: whether a loss is within tolerance (compare).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.measure import macro
from wizard.measure.answered import Answered
from wizard.measure.intervals import whole, wilson
from wizard.measure.quality import AGREEMENT, AGREEMENT_ASKED, ROWS_TO_SUSPECT, not_finite
from wizard.nouns import Answers, ExampleSet, Glance, Json, ModelProfile, Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# A class is suspicious when it has half of the answers or more, a fifth more than the original
# gave it, and either three times its share or a third of what the other classes had.
CLASS_FACTOR, CLASS_LEAST, CLASS_MORE = 3.0, 0.5, 0.2
# With one class left: rows that the original gave to other classes.
OTHERS_AT_LEAST = 10
# Answers that vary less than this share of the original's do not depend on the input any more.
VARIES_AT_LEAST = 1e-3
SATURATED, SATURATED_SHARE = 0.9999, 0.98
LABELS_SHOWN = 5


def glance(raw: Answered, original: Answered) -> Glance:
    """Changed top answers."""
    now, before = raw.stacked("logits"), original.stacked("logits")
    changed = int((now.argmax(1) != before.argmax(1)).sum())
    return Glance(rows=len(raw), changed=changed)


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The likeliest labels with their shares."""
    shares = probabilities(raw.stacked("logits"))[0]
    ranked = sorted(enumerate(shares), key=lambda pair: -pair[1])[:LABELS_SHOWN]
    return {"answers": [[profile.labels[index], float(share)] for index, share in ranked]}


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """Right answers, or the same ones as the original's."""
    import numpy as np

    raw = answered.stacked("logits")
    original = first.stacked("logits") if first is not None else None
    predicted = _top(raw)
    sure = probabilities(raw).max(axis=1)
    index = {label: at for at, label in enumerate(profile.labels)}
    truth = np.array([index[label] for label in examples.labels], dtype=int)
    before = _top(original) if original is not None else None
    same = (predicted == before).astype(float) if before is not None else np.array([])
    agreement = wilson(float(same.sum()), len(same)) if before is not None else None
    if not len(truth) or asked == AGREEMENT_ASKED:
        metric, value = AGREEMENT, agreement or whole(len(predicted))
    elif asked == macro.NAME or (not asked and macro.uneven(truth)):
        metric, value = macro.NAME, macro.macro_f1(truth, predicted)
    else:
        metric, value = "accuracy", wilson(float((predicted == truth).sum()), len(truth))
    answers = Answers(
        rows=examples.rows,
        predicted=tuple(predicted.tolist()),
        confidence=tuple(round(float(one), 5) for one in sure),
        truth=tuple(truth.tolist()),
        agreement=tuple(same.tolist()),
        collapse=_collapsed_classes(raw, predicted, sure, original),
    )
    return Quality(metric=metric, value=value, answers=answers, agreement=agreement)


def _top(raw: Array) -> Array:
    import numpy as np

    return np.asarray(np.where(np.isfinite(raw), raw, -np.inf).argmax(axis=1))


def probabilities(raw: Array) -> Array:
    """Softmax of finite logits; rows that are not finite become uniform."""
    import numpy as np

    shifted = np.nan_to_num(raw, nan=0.0, posinf=1e4, neginf=-1e4)
    powers = np.exp(shifted - shifted.max(axis=1, keepdims=True))
    return np.asarray(powers / powers.sum(axis=1, keepdims=True))


def _collapsed_classes(
    raw: Array, predicted: Array, sure: Array, original: Array | None
) -> tuple[str, ...]:
    found = not_finite(raw)
    if found or original is None or len(predicted) < ROWS_TO_SUSPECT:
        return tuple(found)
    found += _constant(raw, original)
    found += crowded_class(predicted, _top(original))
    before = probabilities(original).max(axis=1)
    if (sure > SATURATED).mean() > SATURATED_SHARE > (before > SATURATED).mean() + 0.2:
        found.append("It is all but certain of every answer, right or wrong.")
    return tuple(found)


def _constant(raw: Array, original: Array) -> list[str]:
    import numpy as np

    varies, did = np.ptp(raw, axis=0).max(), np.ptp(original, axis=0).max()
    if did > 0 and varies < VARIES_AT_LEAST * did:
        return ["It gives the same answer to every row."]
    return []


def crowded_class(predicted: Array, before: Array) -> list[str]:
    """A class that has swallowed the others, held against the original's own answers."""
    import numpy as np

    classes = int(max(predicted.max(), before.max())) + 1
    counts, base = (np.bincount(one, minlength=classes) for one in (predicted, before))
    worst = int((counts - base).argmax())
    now, was = counts[worst] / len(predicted), base[worst] / len(predicted)
    alone = counts[worst] == len(predicted) and len(before) - base[worst] >= OTHERS_AT_LEAST
    swallowed = now >= CLASS_FACTOR * was or (1 - now) * CLASS_FACTOR <= 1 - was
    if not alone and not (now >= CLASS_LEAST and now - was > CLASS_MORE and swallowed):
        return []
    return [f"It gives one answer to {now:.0%} of the rows; the original gave it to {was:.0%}."]
