"""Transcripts: what was heard, in words.

Covers: word and character error rates (jiwer), agreement with the original's transcripts,
collapse (NaN, nothing written at all).
Does not cover: whether a rise is within tolerance (compare).
Case and punctuation do not count: a model without capitals would otherwise always be wrong.
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

KEPT = "' \u2019"
# Silent where the original wrote something, in so many of the rows: it hears nothing any more.
SILENT_SHARE = 0.5


def glance(raw: Answered, original: Answered) -> Glance:
    """Changed transcripts."""
    pairs = zip(_texts(raw), _texts(original), strict=True)
    return Glance(rows=len(raw), changed=sum(now != was for now, was in pairs))


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """What was written down."""
    return {"said": _texts(raw)[0] or "(nothing)"}


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """The share of words (or letters) that are wrong, or the likeness to the original's."""
    import numpy as np

    said = _texts(answered)
    same = np.array([])
    if first is not None:
        same = np.array([alike(now, was) for now, was in zip(said, _texts(first), strict=True)])
    agreement = mean(same) if len(same) else None
    right = [plain(texts[0]) for texts in examples.answers]
    features: list[tuple[float, float]] = []
    if not right or asked == AGREEMENT_ASKED:
        metric, value = AGREEMENT, agreement or whole(len(said))
    else:
        metric = asked or metrics.WER
        pairs = zip(said, right, strict=True)
        features = [errors(now, truth, letters=metric == metrics.CER) for now, truth in pairs]
        value = metrics.measured(metric, metrics.features_of(features))
    answers = Answers(
        rows=examples.rows,
        features=tuple(features),
        said=tuple(said),
        expected=tuple(texts[0] for texts in examples.answers),
        agreement=tuple(round(float(one), 6) for one in same),
        collapse=_collapsed(answered, said, first),
    )
    return Quality(metric=metric, value=value, answers=answers, agreement=agreement)


def _texts(answered: Answered) -> list[str]:
    return [plain("".join(map(chr, codes.tolist()))) for codes in answered.of("text")]


def plain(text: str) -> str:
    """Lower case, words apart by one space, no punctuation but apostrophes."""
    kept = "".join(one if one.isalnum() or one in KEPT else " " for one in text.casefold())
    return " ".join(kept.split())


def errors(said: str, right: str, *, letters: bool) -> tuple[float, float]:
    """Substituted, left out and added units, and the units of the right transcript."""
    import jiwer

    if not right:
        return float(len(said if letters else said.split())), 0.0
    count = jiwer.process_characters if letters else jiwer.process_words
    found = count(right, said)
    wrong = found.substitutions + found.deletions + found.insertions
    return float(wrong), float(found.hits + found.substitutions + found.deletions)


def alike(now: str, was: str) -> float:
    """1 for the same words, 0 for none of them."""
    wrong, words = errors(now, was, letters=False)
    return 1.0 if now == was else max(0.0, 1.0 - wrong / max(words, 1.0))


def _collapsed(answered: Answered, said: Sequence[str], first: Answered | None) -> tuple[str, ...]:
    bad = answered.not_finite()
    if bad:
        return (f"{bad} of {len(answered)} answers are not numbers.",)
    if first is None or len(said) < ROWS_TO_SUSPECT:
        return ()
    silent = sum(bool(was) and not now for now, was in zip(said, _texts(first), strict=True))
    if silent < SILENT_SHARE * len(said):
        return ()
    return (f"It writes nothing for {silent} of {len(said)} recordings in which it heard words.",)
