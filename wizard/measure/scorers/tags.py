"""Tags of words, and the spans that they make (B-, I-, E-, S- and the like).

Covers: F1 of whole spans over all rows (seqeval's), the share of words with the right tag;
agreement is the share of words with the original's tag. Words beyond the model's length count as
untagged. Does not cover: whether a loss is within tolerance (compare).
Source: seqeval; Tjong Kim Sang and De Meulder 2003.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wizard.measure.answered import Answered
from wizard.measure.metrics import SPAN_F1, TOKEN_ACCURACY
from wizard.measure.scorers import _rows
from wizard.nouns import ExampleSet, Glance, Json, ModelProfile, Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

NO_TAG = "O"
Span = tuple[str, int, int]


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """Spans right, said and true in each row, or words."""
    said = _named(answered, profile)
    counted: dict[str, _rows.Rows] = {}
    if examples.answers:
        spans = [_spans(tags) for tags in said]
        true = [_spans(list(tags)) for tags in examples.answers]
        counted[SPAN_F1] = [
            (len({*one} & {*other}), len(one), len(other))
            for one, other in zip(spans, true, strict=True)
        ]
        counted[TOKEN_ACCURACY] = [
            (sum(map(str.__eq__, one, other)), len(other))
            for one, other in zip(said, examples.answers, strict=True)
        ]
    texts = [text.split() for text in examples.inputs]
    before = _named(first, profile) if first is not None else None
    found = _rows.Evidence(
        said=[_told(tags, words) for tags, words in zip(said, texts, strict=True)],
        expected=[
            _told(list(tags), words) for tags, words in zip(examples.answers, texts, strict=False)
        ],
        counted=counted,
        agreement=_agreement(answered, first) if first is not None else None,
    )
    theirs = [_told(*one) for one in zip(before, texts, strict=True)] if before else None
    return _rows.quality(answered, examples, found, theirs, asked)


def _named(answered: Answered, profile: ModelProfile) -> list[list[str]]:
    """The tag of every word, by name."""
    return [
        [profile.labels[tag] if tag >= 0 else NO_TAG for tag in tags.tolist()]
        for tags in answered.of("tags")
    ]


def _spans(tags: list[str]) -> list[Span]:
    """(kind, first word, last word) of each span."""
    from seqeval.metrics.sequence_labeling import get_entities

    return [tuple(one) for one in get_entities(tags)]


def _told(tags: list[str], words: list[str]) -> str:
    """`TIME: half past seven; DAY: on Friday`, or nothing."""
    found = [f"{kind}: {' '.join(words[start : end + 1])}" for kind, start, end in _spans(tags)]
    return "; ".join(found) or "nothing"


def _agreement(answered: Answered, first: Answered) -> Array:
    import numpy as np

    pairs = zip(answered.of("tags"), first.of("tags"), strict=True)
    return np.array([float((now == before).mean()) if len(now) else 1.0 for now, before in pairs])


def glance(raw: Answered, original: Answered) -> Glance:
    """No more than that all answers are numbers."""
    return Glance(rows=len(raw))


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The spans that were found."""
    return {"said": _told(_named(raw, profile)[0], typed.inputs[0].split())}
