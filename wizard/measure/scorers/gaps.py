"""Words for gaps.

Covers: the share of gaps with the right word first, the mean reciprocal rank of the right word;
agreement is the share of gaps with the original's word. Gaps whose word is no single piece of the
vocabulary count as wrong. Does not cover: whether a loss is within tolerance (compare).
"""

from __future__ import annotations

from wizard.measure.answered import Answered
from wizard.measure.metrics import MRR, TOKEN_ACCURACY
from wizard.measure.scorers import _rows
from wizard.nouns import ExampleSet, Glance, Json, ModelProfile, Quality


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """Gaps filled rightly in each row."""
    import numpy as np

    ranks = answered.of("rank")
    counted: dict[str, _rows.Rows] = {}
    if examples.answers or any(rank.any() for rank in ranks):
        counted[TOKEN_ACCURACY] = [((rank == 1).sum(), len(rank)) for rank in ranks]
        counted[MRR] = [
            (float((1 / rank[rank > 0].astype(float)).sum()), len(rank)) for rank in ranks
        ]
    agreement = None
    if first is not None:
        pairs = zip(answered.of("best"), first.of("best"), strict=True)
        agreement = np.array([float((now[:, 0] == was[:, 0]).mean()) for now, was in pairs])
    found = _rows.Evidence(
        said=_said(answered),
        expected=[" ".join(words.tolist()) for words in answered.of("wanted")] if counted else [],
        counted=counted,
        agreement=agreement,
    )
    before = _said(first) if first is not None else None
    return _rows.quality(answered, examples, found, before, asked)


def _said(answered: Answered) -> list[str]:
    return [" ".join(words[:, 0].tolist()) for words in answered.of("words")]


def glance(raw: Answered, original: Answered) -> Glance:
    """No more than that all answers are numbers."""
    return Glance(rows=len(raw))


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The likeliest words for the first gap."""
    words, sure = raw.of("words")[0][0], raw.of("sure")[0][0]
    pairs = zip(words.tolist(), sure.tolist(), strict=True)
    return {"answers": [[word, share] for word, share in pairs]}
