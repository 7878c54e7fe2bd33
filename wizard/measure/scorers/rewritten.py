"""Evidence from texts that stand for another: translations, summaries, other rewritings.

Covers: exact match, BLEU (matches of one to four words, counted as sacrebleu does) and ROUGE-L of
each row; the rest as for any written text (written.py): perplexity, agreement, collapse.
Does not cover: measures that ask another model (COMET, BERTScore); stemming.
Sources: Papineni et al. 2002 and Post 2018 (BLEU, sacrebleu's 13a words); Lin 2004 (ROUGE-L, the
F-measure of the longest common subsequence of lower-case words).
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wizard import tasks
from wizard.measure.answered import Answered
from wizard.measure.metrics import BLEU, EXACT_MATCH, ROUGE
from wizard.measure.scorers import written
from wizard.measure.scorers.written import glance as glance
from wizard.measure.scorers.written import shown as shown
from wizard.nouns import ExampleSet, ModelProfile, Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

WORD = re.compile(r"\w+")


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """By the task's first measure where texts were expected and no other is asked for."""
    known = {EXACT_MATCH: written.exact, BLEU: bleu, ROUGE: rouge}
    usual = tasks.card_of(profile.task).metrics[0]
    return written.score_by(usual, known, answered, examples, first, asked)


def bleu(said: Sequence[str], expected: Sequence[Sequence[str]]) -> Array:
    """What corpus BLEU is made of, row by row (metrics.WORDS): [rows, 10]."""
    import numpy as np
    from sacrebleu.metrics import bleu as by_words

    counter = by_words.BLEU(effective_order=True)
    rows = []
    for text, any_of in zip(said, expected, strict=True):
        found = counter.sentence_score(text, [one.strip() for one in any_of] or [""])
        rows.append([*found.counts, *found.totals, found.sys_len, found.ref_len])
    return np.asarray(rows, dtype=float)


def rouge(said: Sequence[str], expected: Sequence[Sequence[str]]) -> Array:
    """ROUGE-L of each row, that of the nearest text expected: [rows, 1]."""
    import numpy as np

    best = [
        max((_rouge(_words(text), _words(one)) for one in any_of), default=0.0)
        for text, any_of in zip(said, expected, strict=True)
    ]
    return np.asarray(best)[:, None]


def _words(text: str) -> list[str]:
    return WORD.findall(text.lower())


def _rouge(said: Sequence[str], expected: Sequence[str]) -> float:
    """Twice the longest common subsequence per word of both; 1 where both are empty."""
    if not said and not expected:
        return 1.0
    lengths = [0] * (len(expected) + 1)
    for word in said:
        before = 0
        for at, other in enumerate(expected, 1):
            kept = lengths[at]
            lengths[at] = before + 1 if word == other else max(kept, lengths[at - 1])
            before = kept
    return 2 * lengths[-1] / (len(said) + len(expected))
