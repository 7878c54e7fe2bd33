"""The measures of quality: what each is a function of, which way is better, how it is written.

Covers: measures that are a function of means over rows (exact match, F1 of answers, of marked spans
and of labels, error rates of words and characters, perplexity, BLEU, IoU, similarity), one model's
score with its interval; names, directions and units of all measures, those of other files included.
Does not cover: counting the features of a row (quality.py), the loss between two models
(compare/by_rows.py).
Every measure is absolute, one point being 0.01 of it, but perplexity, whose scale is the data's
own: its loss is in per cent of the original's.
Sources: Papineni et al. 2002 (BLEU, corpus level); Rajpurkar et al. 2016 (exact match and F1 of
answers); Tjong Kim Sang and De Meulder 2003 (F1 of spans, over all rows together).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from wizard.nouns import Basis, Quantity

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

RESAMPLES, ROWS_AT_ONCE = 2000, 1_000_000
TINY = 1e-12
# Perplexity has no worst row: an unseen one may cost this many times what the worst seen one does.
UNSEEN_TIMES = 2.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Metric:
    """A measure of quality: a function of the means of what is counted in each row.

    `columns` says what a row's features are; `score` takes their means [k, m] and gives [k];
    `ruined` takes both models' features [rows, m] and gives the features before and after of the
    most harmful row there could be. A `proportion` is counted right (1) or wrong (0) in every
    row. `relative`: a loss is in per cent of the original's score, not in points.
    """

    name: str
    noun: str
    columns: tuple[str, ...] = ()
    score: Callable[[Array], Array] | None = None
    ruined: Callable[[Array, Array], tuple[Array, Array]] | None = None
    higher_is_better: bool = True
    proportion: bool = False
    relative: bool = False
    percent: bool = True

    @property
    def direction(self) -> str:
        return "higher is better" if self.higher_is_better else "lower is better"

    @property
    def scale(self) -> str:
        """What a tolerance of it counts."""
        return "in per cent of the original's" if self.relative else "in absolute points"

    @property
    def unit_of_loss(self) -> str:
        """What a tolerance of it counts, as a unit."""
        return "per cent" if self.relative else "points"

    def amount(self, points: float) -> str:
        """So much of a loss: `1 point`, `2.5 points`, `3 %`."""
        if self.relative:
            return f"{points:g} %"
        return f"{points:g} point" + ("" if points == 1 else "s")

    def worse_by(self, points: float) -> str:
        """So much harm by its own name and direction: `2 points of loss in accuracy`."""
        if self.higher_is_better:
            what = f" in {self.noun}" if self.noun else ""
            return f"{self.amount(points)} of loss{what}"
        return f"a {self.noun} higher by {self.amount(points)}"

    @property
    def hundredths(self) -> float:
        """What a score is multiplied by where it is drawn and tabled: 100 for shares."""
        return 1.0 if self.relative else 100.0

    def allowed(self, original: float, points: float) -> float:
        """The worst score, times `hundredths`, that a tolerance of `points` leaves."""
        score = self.hundredths * original
        lost = points * score / 100 if self.relative else points
        return score - lost if self.higher_is_better else score + lost

    def shown(self, value: float) -> str:
        """As a sentence says it: `91.20 %`, `0.9120`, `12.31`."""
        if self.percent:
            return f"{100 * value:.2f} %"
        return f"{value:.4f}" if abs(value) <= 1 else f"{value:.2f}"

    def loss(self, before: Array, after: Array) -> Array:
        """What is lost (positive) from scores before to scores after, as a share."""
        import numpy as np

        gap = before - after if self.higher_is_better else after - before
        return np.asarray(gap / np.maximum(np.abs(before), TINY) if self.relative else gap)


WORST_NATS = 100.0  # a token; beyond that a model says nothing, and e to it is no number


def _mean(means: Array) -> Array:
    return means[:, 0]


def _share(means: Array) -> Array:
    """The first column per unit of the second."""
    import numpy as np

    return np.asarray(means[:, 0] / np.maximum(means[:, 1], TINY))


def _f1(means: Array) -> Array:
    import numpy as np

    right, said, true = means.T
    return np.asarray(2 * right / np.maximum(said + true, TINY))


def _exp(means: Array) -> Array:
    import numpy as np

    return np.asarray(np.exp(np.minimum(_share(means), WORST_NATS)))


def _bleu(means: Array) -> Array:
    """Corpus BLEU of (matches of 1 to 4 words, n-grams of 1 to 4, words, reference words)."""
    import numpy as np

    precisions = means[:, :4] / np.maximum(means[:, 4:8], TINY)
    logs = np.log(np.maximum(precisions, TINY)).mean(axis=1)
    shorter = 1 - means[:, 9] / np.maximum(means[:, 8], TINY)
    return np.asarray(np.exp(logs + np.minimum(0.0, shorter)))


def _iou(means: Array) -> Array:
    """The mean over classes of (intersection of each class, then union of each class)."""
    import numpy as np

    inside, union = np.split(means, 2, axis=1)
    there = union > TINY
    each = np.where(there, inside / np.maximum(union, TINY), 0.0)
    return np.asarray(each.sum(axis=1) / np.maximum(there.sum(axis=1), 1))


def _all_or_nothing(before: Array, after: Array) -> tuple[Array, Array]:
    import numpy as np

    return np.ones(1), np.zeros(1)


def _nothing_right(before: Array, after: Array) -> tuple[Array, Array]:
    """An average row: all its units right before, none after."""
    import numpy as np

    units = float(before[:, 1].mean())
    return np.array([units, units]), np.array([0.0, units])


def _all_errors(before: Array, after: Array) -> tuple[Array, Array]:
    was, now = _nothing_right(before, after)
    return now, was


def _no_span_right(before: Array, after: Array) -> tuple[Array, Array]:
    import numpy as np

    true = float(before[:, 2].mean())
    return np.array([true, true, true]), np.array([0.0, true, true])


def _no_word_right(before: Array, after: Array) -> tuple[Array, Array]:
    was = before.mean(axis=0)
    now = was.copy()
    now[:4] = 0.0
    return was, now


def _nothing_inside(before: Array, after: Array) -> tuple[Array, Array]:
    """An average row in which nothing that was inside stays so."""
    import numpy as np

    was = before.mean(axis=0)
    inside, union = np.split(was, 2)
    return was, np.concatenate([np.zeros(len(inside)), union + inside])


def _twice_the_worst(before: Array, after: Array) -> tuple[Array, Array]:
    """An average row that pays `UNSEEN_TIMES` as much as the one that paid most."""
    was = before.mean(axis=0)
    now = was.copy()
    most = ((after - before)[:, 0] / before[:, 1].clip(min=TINY)).max()
    now[0] += UNSEEN_TIMES * max(0.0, float(most)) * was[1]
    return was, now


def _kind(
    columns: tuple[str, ...],
    score: Callable[[Array], Array],
    ruined: Callable[[Array, Array], tuple[Array, Array]],
) -> Callable[..., Metric]:
    """Measures of one form, to be named."""

    def named(name: str, noun: str, **more: bool) -> Metric:
        return Metric(name=name, noun=noun, columns=columns, score=score, ruined=ruined, **more)

    return named


MEAN = _kind(("score of the row, 0 to 1",), _mean, _all_or_nothing)
SHARE = _kind(("right units", "units"), _share, _nothing_right)
ERRORS = _kind(("errors", "units of the reference"), _share, _all_errors)
SPANS = _kind(("right", "said", "true"), _f1, _no_span_right)
LIKELIHOOD = _kind(("negative log-likelihood", "tokens"), _exp, _twice_the_worst)
WORDS = _kind(
    (
        *(f"matches of {n}" for n in "1234"),
        *(f"grams of {n}" for n in "1234"),
        "words",
        "reference",
    ),
    _bleu,
    _no_word_right,
)
AREAS = _kind(("intersection of each class", "union of each class"), _iou, _nothing_inside)

LABEL_F1 = "label F1"
EXACT_MATCH, ANSWER_F1, SPAN_F1, DETECTION_F1 = (
    "exact match",
    "answer F1",
    "span F1",
    "detection F1",
)
TOP_1, MRR = "top-1 accuracy", "MRR"
TOKEN_ACCURACY, SIMILARITY, ROUGE, BLEU = "token accuracy", "similarity", "ROUGE-L", "BLEU"
WER, CER, PERPLEXITY, MEAN_IOU = "WER", "CER", "perplexity", "mean IoU"

_BY_ROWS = (
    MEAN(EXACT_MATCH, "exact match", proportion=True),
    MEAN(TOP_1, "top-1 accuracy", proportion=True),
    MEAN(ANSWER_F1, "answer F1"),
    MEAN(SIMILARITY, "similarity"),
    MEAN(ROUGE, "ROUGE-L"),
    SPANS(SPAN_F1, "span F1"),
    SPANS(LABEL_F1, "label F1"),
    SPANS(DETECTION_F1, "detection F1"),
    SHARE(TOKEN_ACCURACY, "token accuracy"),
    SHARE(MRR, "mean reciprocal rank"),
    ERRORS(WER, "word error rate", higher_is_better=False),
    ERRORS(CER, "character error rate", higher_is_better=False),
    WORDS(BLEU, "BLEU"),
    AREAS(MEAN_IOU, "mean IoU"),
    LIKELIHOOD(PERPLEXITY, "perplexity", higher_is_better=False, relative=True, percent=False),
)
# Scored from answers as they are, by quality.py and macro.py.
_BY_ANSWERS = (
    Metric(name="accuracy", noun="accuracy"),
    Metric(name="macro-F1", noun="macro-F1", percent=False),
    Metric(name="spearman", noun="rank correlation", percent=False),
    Metric(name="agreement with the original", noun="agreement"),
)
METRICS = {one.name: one for one in (*_BY_ROWS, *_BY_ANSWERS)}


def measured(name: str, features: Array) -> Quantity:
    """The score of one model by its rows' `features` [rows, m], with a 95 % interval.

    Wilson's for a proportion, else the percentile bootstrap's (seeded). Raises KeyError for a
    measure that is not of means over rows.
    """
    import numpy as np

    metric = by_rows(name)
    rows = len(features)
    value = score_of(metric, features)
    if metric.proportion:
        from wizard.measure.quality import wilson

        return wilson(float(features[:, 0].sum()), rows)
    rng = np.random.default_rng(0)
    size = max(1, min(RESAMPLES, ROWS_AT_ONCE // rows))
    drawn = []
    for _ in range(0, RESAMPLES, size):
        times = rng.multinomial(rows, np.full(rows, 1 / rows), size=size)
        drawn.append(scores(metric, times @ features / rows))
    low, high = (float(one) for one in np.percentile(np.concatenate(drawn), (2.5, 97.5)))
    return Quantity(
        value=value,
        unit="share" if metric.percent else metric.name,
        basis=Basis.MEASURED,
        low=min(low, value),
        high=max(high, value),
        n=rows,
    )


def by_rows(name: str) -> Metric:
    """The measure of means over rows by this name. Raises KeyError for any other."""
    metric = METRICS[name]
    if metric.score is None:
        raise KeyError(name)
    return metric


def score_of(metric: Metric, features: Array) -> float:
    """One model's score over all rows of `features` [rows, m]."""
    return float(scores(metric, features.mean(axis=0)[None])[0])


def scores(metric: Metric, means: Array) -> Array:
    """The scores [k] of means [k, m]; of a row's own features, what that row alone would score."""
    import numpy as np

    if metric.score is None:
        raise KeyError(metric.name)
    return np.asarray(metric.score(means))


def named(metric: str) -> Metric:
    """What is known of a measure; one that nobody named here is a share, better when higher."""
    return METRICS.get(metric, Metric(name=metric, noun=metric))


def features_of(rows: Sequence[Sequence[float]] | Array) -> Array:
    """Features as [rows, m]."""
    import numpy as np

    return np.asarray(rows, dtype=float)
