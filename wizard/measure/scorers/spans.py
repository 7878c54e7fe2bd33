"""Answers that are a piece of the text.

Covers: exact match and F1 by words, both as SQuAD's own script counts them (case, punctuation and
English articles apart; the best of several right answers); agreement is the F1 with the original's
answer. Does not cover: questions without an answer; whether a loss is within tolerance (compare).
Source: Rajpurkar et al. 2016, SQuAD.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence

from wizard.measure.answered import Answered
from wizard.measure.metrics import ANSWER_F1, EXACT_MATCH
from wizard.measure.scorers import _rows
from wizard.nouns import ExampleSet, Glance, Json, ModelProfile, Quality

ARTICLES = re.compile(r"\b(a|an|the)\b")
NO_PUNCTUATION = str.maketrans("", "", string.punctuation)


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """How much of each answer is right."""
    import numpy as np

    said = _texts(answered, examples)
    before = _texts(first, examples) if first is not None else None
    counted: dict[str, _rows.Rows] = {}
    if examples.answers:
        pairs = list(zip(said, examples.answers, strict=True))
        counted[ANSWER_F1] = [(max(f1(one, right) for right in rights),) for one, rights in pairs]
        counted[EXACT_MATCH] = [
            (float(normal(one) in {normal(right) for right in rights}),) for one, rights in pairs
        ]
    found = _rows.Evidence(
        said=said,
        expected=[rights[0] for rights in examples.answers],
        counted=counted,
        agreement=np.array([f1(*one) for one in zip(said, before, strict=True)])
        if before is not None
        else None,
    )
    return _rows.quality(answered, examples, found, before, asked)


def _texts(answered: Answered, examples: ExampleSet) -> list[str]:
    """The answers as they stand in the texts."""
    spans = answered.of("span")
    texts: Sequence[str] = [text for _, text in examples.pairs]
    return [text[span[0] : span[1]] for span, text in zip(spans, texts, strict=True)]


def normal(text: str) -> str:
    """Lower case, without punctuation, articles and further spaces."""
    return " ".join(ARTICLES.sub(" ", text.lower().translate(NO_PUNCTUATION)).split())


def f1(said: str, right: str) -> float:
    """The harmonic mean of the shares of common words, 0 to 1."""
    one, other = normal(said).split(), normal(right).split()
    common = sum((Counter(one) & Counter(other)).values())
    if not one or not other:
        return float(one == other)
    return 2 * common / (len(one) + len(other))


def glance(raw: Answered, original: Answered) -> Glance:
    """No more than that all answers are numbers."""
    return Glance(rows=len(raw))


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The answer."""
    return {"said": _texts(raw, typed)[0] or "nothing"}
