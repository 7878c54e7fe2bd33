"""Evidence from what was heard and written token by token.

Covers: errors of words and of letters (jiwer), counted as those of any transcript
(transcripts.py); the rest as for any written text (written.py): perplexity, agreement, collapse.
Does not cover: times at which a word is said.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from wizard.measure.answered import Answered
from wizard.measure.metrics import CER, WER
from wizard.measure.scorers import transcripts, written
from wizard.measure.scorers.written import glance as glance
from wizard.measure.scorers.written import shown as shown
from wizard.nouns import ExampleSet, ModelProfile, Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """The word error rate where transcripts are given and no other measure is asked for."""
    return written.score_by(WER, {WER: words, CER: letters}, answered, examples, first, asked)


def words(said: Sequence[str], expected: Sequence[Sequence[str]]) -> Array:
    """Wrong words and words of the transcript in each row: [rows, 2]."""
    return _counted(said, expected, by_letters=False)


def letters(said: Sequence[str], expected: Sequence[Sequence[str]]) -> Array:
    """Wrong letters and letters of the transcript in each row: [rows, 2]."""
    return _counted(said, expected, by_letters=True)


def _counted(said: Sequence[str], expected: Sequence[Sequence[str]], *, by_letters: bool) -> Array:
    """Of the transcript that is nearest, where there are several."""
    import numpy as np

    plain = transcripts.plain
    rows = [
        min(
            (transcripts.errors(plain(text), plain(one), letters=by_letters) for one in any_of),
            default=(0.0, 0.0),
        )
        for text, any_of in zip(said, expected, strict=True)
    ]
    return np.asarray(rows, dtype=float)
