"""Written texts: how right they are, and how likely the right ones are to the model.

Covers: exact match with what was expected, perplexity, agreement of the likeliest tokens with the
original's, place by place; texts that repeat themselves or stay empty.
Does not cover: writing them (reducers/written.py), the measures themselves (metrics.py).
Perplexity and agreement are teacher-forced: each token is judged after the expected ones, so that
one early difference does not count again at every later place. Where nothing is expected, words
are compared, as they are aligned best.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from wizard.measure.answered import Answered
from wizard.measure.intervals import mean, whole
from wizard.measure.metrics import EXACT_MATCH, PERPLEXITY, measured
from wizard.measure.quality import AGREEMENT, AGREEMENT_ASKED, ROWS_TO_SUSPECT
from wizard.measure.repeats import repeating
from wizard.measure.scorers.transcripts import alike
from wizard.nouns import Answers, ExampleSet, Glance, Json, ModelProfile, Quality, Quantity

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

# A share of texts without a word is a collapse above this, and at three times the original's.
EMPTY_SHARE, FACTOR = 0.1, 3.0
# What a likelihood that is no number counts as: a token with a chance of one in e^1000.
IMPOSSIBLE = 1e3


def glance(raw: Answered, original: Answered) -> Glance:
    """Texts that are no longer the same."""
    pairs = zip(raw.of("text"), original.of("text"), strict=True)
    return Glance(rows=len(raw), changed=sum(one.tobytes() != was.tobytes() for one, was in pairs))


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """The text, and the milliseconds to its first token and to each further one."""
    each = raw.of("ms")[0]
    further = float(each[1:].mean()) if len(each) > 1 else None
    told: dict[str, Json] = {"said": _texts(raw)[0], "first_ms": float(each[0])}
    return told | ({"each_ms": further} if further is not None else {})


def score(
    answered: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    first: Answered | None,
    asked: str,
) -> Quality:
    """Exact match where texts were expected and no other metric is asked for, else agreement."""
    return score_by(EXACT_MATCH, {EXACT_MATCH: exact}, answered, examples, first, asked)


def exact(said: Sequence[str], expected: Sequence[Sequence[str]]) -> Array:
    """1 where a text is one of those expected, letter by letter, else 0; [rows, 1]."""
    import numpy as np

    right = [
        text in {one.strip() for one in any_of} for text, any_of in zip(said, expected, strict=True)
    ]
    return np.asarray(right, dtype=float)[:, None]


def score_by(
    usual: str,
    counts: Mapping[str, Callable[[Sequence[str], Sequence[Sequence[str]]], Array]],
    answered: Answered,
    examples: ExampleSet,
    first: Answered | None,
    asked: str,
) -> Quality:
    """By the measure `usual` where texts were expected and no other is asked for, else agreement.

    `counts`: by measure, what is counted in each row, from the texts said and those expected.
    """
    import numpy as np

    said = tuple(_texts(answered))
    expected = tuple(one[0].strip() for one in examples.answers)
    unlikely = np.array([float(one.sum()) for one in answered.of("unlikely")])
    tokens = np.array([len(one) for one in answered.of("unlikely")])
    counted: dict[str, Array] = {}
    if tokens.any():
        counted |= {PERPLEXITY: np.stack([_finite(unlikely), tokens], axis=1)}
    if expected:
        counted |= {name: count(said, examples.answers) for name, count in counts.items()}
    same = _same(answered, first) if first is not None else np.array([])
    agreement = mean(same, "share") if len(same) else None
    chosen = _chosen(asked, counted, usual)
    answers = Answers(
        rows=examples.rows,
        agreement=tuple(round(float(one), 6) for one in same),
        features=tuple(map(tuple, counted[chosen].round(6).tolist())) if chosen in counted else (),
        said=said,
        expected=expected,
        collapse=_collapse(answered, first),
    )
    also = {name: measured(name, one) for name, one in counted.items() if name != chosen}
    value = _value(chosen, counted, agreement, len(said))
    return Quality(metric=chosen, value=value, answers=answers, agreement=agreement, also=also)


def _value(
    chosen: str, counted: Mapping[str, Array], agreement: Quantity | None, rows: int
) -> Quantity:
    if chosen in counted:
        return measured(chosen, counted[chosen])
    return agreement or whole(rows)


def _chosen(asked: str, counted: Mapping[str, Array], usual: str) -> str:
    if asked in counted:
        return asked
    return usual if usual in counted and asked != AGREEMENT_ASKED else AGREEMENT


def _texts(answered: Answered) -> list[str]:
    return [one.tobytes().decode() for one in answered.of("text")]


def _finite(values: Array) -> Array:
    import numpy as np

    return np.nan_to_num(values, nan=IMPOSSIBLE, posinf=IMPOSSIBLE)


def _same(answered: Answered, first: Answered) -> Array:
    """Per row, the share of places with the original's likeliest token; empty if cut otherwise.

    Where no place was judged, for nothing is expected: the share of the same words.
    """
    import numpy as np

    pairs = list(zip(answered.of("top"), first.of("top"), strict=True))
    if any(len(one) != len(was) for one, was in pairs):  # another model's tokens
        return np.array([])
    texts = zip(_texts(answered), _texts(first), strict=True)
    return np.array(
        [
            float((one == was).mean()) if len(one) else alike(*said)
            for (one, was), said in zip(pairs, texts, strict=True)
        ]
    )


def _collapse(answered: Answered, first: Answered | None) -> tuple[str, ...]:
    """What no mean would say as plainly."""
    import numpy as np

    bad = sum(not np.isfinite(one).all() for one in answered.of("unlikely"))
    if bad:
        return (f"{bad} of {len(answered)} texts have a likelihood that is not a number.",)
    if first is None or len(answered) < ROWS_TO_SUSPECT:
        return ()
    now, was = ([one.tolist() for one in some.of("said")] for some in (answered, first))
    found = repeating(now, was)
    empty, before = (sum(not one for one in some) / len(some) for some in (now, was))
    if empty > EMPTY_SHARE and empty >= FACTOR * before:
        found.append(
            f"It writes nothing in {empty:.0%} of the texts; the original in {before:.0%}."
        )
    return tuple(found)
