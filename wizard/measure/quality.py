"""What a model answers, row by row, and how right it is.

Covers: accuracy, or macro-F1 when the labels are uneven; Spearman's correlation for pairs;
agreement with the original; collapse (NaN, constant answers, one class far above its base rate,
vectors in a cone, saturated confidence). No task here writes text, so none can repeat tokens.
Does not cover: whether a loss is within tolerance (compare).
Rows are answered one at a time: a dynamic 8-bit model's scale depends on its whole batch.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.errors import BadNeeds
from wizard.measure import macro
from wizard.measure.process import Process
from wizard.nouns import (
    Answers,
    Basis,
    ExampleSet,
    Glance,
    ModelProfile,
    Quality,
    Quantity,
    Task,
)

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

AGREEMENT, AGREEMENT_ASKED = "agreement with the original", "agreement"
ROWS_PER_QUESTION = 200
# Where the minutes are short: how often the clock is looked at, and rows below which no loss is
# worth naming. Both even, for pairs.
ROWS_BY_THE_CLOCK, ROWS_AT_LEAST = 50, 100
RESAMPLES = 2000
# A class is suspicious when it has half of the answers or more, a fifth more than the original
# gave it, and either three times its share or a third of what the other classes had.
CLASS_FACTOR, CLASS_LEAST, CLASS_MORE = 3.0, 0.5, 0.2
ROWS_TO_SUSPECT = 20
# With one class left: rows that the original gave to other classes.
OTHERS_AT_LEAST = 10
# Answers that vary less than this share of the original's do not depend on the input any more.
VARIES_AT_LEAST = 1e-3
# Vectors are in a cone when their mean cosine is above this and a fifth of the original's spread
# (one minus its mean cosine) is left; some healthy models have a mean cosine of 0.9 themselves.
CONE_COSINE, CONE_SPREAD = 0.95, 0.2
SATURATED, SATURATED_SHARE = 0.9999, 0.98


def outputs(
    process: Process,
    out: Path,
    report: Callable[[float, str], None],
    rows: int,
    seconds: float | None = None,
) -> Array:
    """Answers to the first `rows` rows as float32 [rows, classes or dimensions]; kept in `out`.

    Fewer rows, at least a hundred, where all would take more than `seconds`.
    """
    import numpy as np

    parts: list[Array] = []
    start, total = 0, 1
    part = out.with_suffix(".part.npy")
    began, each = time.perf_counter(), ROWS_PER_QUESTION if seconds is None else ROWS_BY_THE_CLOCK
    while start < total:
        late = seconds is not None and time.perf_counter() - began > seconds
        if late and start >= ROWS_AT_LEAST:
            break
        said = process.ask("answer", out=str(part), start=start, count=min(each, rows - start))
        total = min(said["of"], rows)
        parts.append(np.load(part, allow_pickle=False))
        start += said["rows"]
        report(start / total, f"{start} of {total} rows")
    part.unlink(missing_ok=True)
    whole = np.concatenate(parts)
    np.save(out, whole)
    return whole


def first_outputs(process: Process, out: Path, rows: int) -> Array:
    """The answers to the first rows only, as `outputs` gives them; `out` is removed again."""
    import numpy as np

    process.ask("answer", out=str(out), start=0, count=rows)
    first: Array = np.load(out, allow_pickle=False)
    out.unlink()
    return first


def glance(raw: Array, original: Array, profile: ModelProfile) -> Glance:
    """Changed top answers, or the mean cosine of embeddings, over the rows of `raw`."""
    import numpy as np

    rows = len(raw)
    if not np.isfinite(raw).all():
        return Glance(rows=rows, not_numbers=True)
    if profile.task is not Task.FEATURE_EXTRACTION:
        return Glance(rows=rows, changed=int((raw.argmax(1) != original.argmax(1)).sum()))
    lengths = np.linalg.norm(raw, axis=1) * np.linalg.norm(original, axis=1)
    cosines = (raw * original).sum(axis=1) / np.maximum(lengths, 1e-30)
    return Glance(rows=rows, cosine=float(cosines.mean()))


def score(
    raw: Array,
    examples: ExampleSet,
    profile: ModelProfile,
    original: Array | None,
    metric: str = "",
) -> Quality:
    """The score of answers `raw`, and their agreement with the original's when that is given.

    `metric` as in Tolerance. Raises BadNeeds when the examples lack what it needs.
    """
    check_metric(metric, examples)
    if profile.task is Task.FEATURE_EXTRACTION:
        return _embeddings(raw, examples, original, metric)
    return _classes(raw, examples, profile, original, metric)


def check_metric(metric: str, examples: ExampleSet) -> None:
    """Raises BadNeeds for a metric that needs right answers where the examples have none."""
    if not metric or metric == AGREEMENT_ASKED or examples.labels or examples.pairs:
        return
    because = "it needs examples with right answers, and these have none; leave the metric out"
    raise BadNeeds(name="The metric", value=metric, because=because)


def _classes(
    raw: Array,
    examples: ExampleSet,
    profile: ModelProfile,
    original: Array | None,
    asked: str,
) -> Quality:
    import numpy as np

    predicted = _top(raw)
    sure = probabilities(raw).max(axis=1)
    index = {label: at for at, label in enumerate(profile.labels)}
    truth = np.array([index[label] for label in examples.labels], dtype=int)
    before = _top(original) if original is not None else None
    same = (predicted == before).astype(float) if before is not None else np.array([])
    agreement = wilson(float(same.sum()), len(same)) if before is not None else None
    if not len(truth) or asked == AGREEMENT_ASKED:
        metric, value = AGREEMENT, agreement or _whole(len(predicted))
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


def _embeddings(raw: Array, examples: ExampleSet, original: Array | None, asked: str) -> Quality:
    import numpy as np

    unit = _unit(raw)
    pairs = bool(examples.pairs)
    same = (unit * _unit(original)).sum(axis=1) if original is not None else np.array([])
    if pairs and len(same):
        same = (same[0::2] + same[1::2]) / 2
    agreement = _mean(same) if len(same) else None
    if pairs:
        cosine = (unit[0::2] * unit[1::2]).sum(axis=1)
        metric, value = "spearman", _spearman(cosine, np.array(examples.target))
    else:
        cosine = (unit * np.roll(unit, -1, axis=0)).sum(axis=1)
    if not pairs or asked == AGREEMENT_ASKED:
        metric, value = AGREEMENT, agreement or _whole(len(raw))
    answers = Answers(
        rows=examples.rows,
        scores=tuple(round(float(one), 6) for one in cosine),
        target=examples.target,
        agreement=tuple(round(float(one), 6) for one in same),
        collapse=_collapsed_vectors(raw, unit, original),
    )
    return Quality(metric=metric, value=value, answers=answers, agreement=agreement)


def _unit(raw: Array) -> Array:
    import numpy as np

    finite = np.nan_to_num(raw, nan=0.0, posinf=0.0, neginf=0.0)
    return np.asarray(finite / np.maximum(np.linalg.norm(finite, axis=1, keepdims=True), 1e-12))


def _collapsed_classes(
    raw: Array, predicted: Array, sure: Array, original: Array | None
) -> tuple[str, ...]:
    found = _not_finite(raw)
    if found or original is None or len(predicted) < ROWS_TO_SUSPECT:
        return tuple(found)
    found += _constant(raw, original)
    found += _crowded_class(predicted, _top(original))
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


def _crowded_class(predicted: Array, before: Array) -> list[str]:
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


def _not_finite(raw: Array) -> list[str]:
    import numpy as np

    bad = int((~np.isfinite(raw)).any(axis=1).sum())
    return [f"{bad} of {len(raw)} answers are not numbers."] if bad else []


def _collapsed_vectors(raw: Array, unit: Array, original: Array | None) -> tuple[str, ...]:
    found = _not_finite(raw)
    if original is None or len(unit) < ROWS_TO_SUSPECT:
        return tuple(found)
    if not unit.any():
        found.append("All vectors are zero.")
    now, before = _cone(unit), _cone(_unit(original))
    if now > CONE_COSINE and 1 - now < CONE_SPREAD * (1 - before):
        found.append(
            f"All vectors point the same way (mean cosine {now:.2f}; the original's {before:.2f})."
        )
    return tuple(found)


def _cone(unit: Array) -> float:
    """Mean cosine between different rows."""
    count = len(unit)
    total = float((unit.sum(axis=0) ** 2).sum())
    return (total - count) / (count * (count - 1))


def wilson(right: float, rows: int) -> Quantity:
    """A share with Wilson's 95 % score interval (Wilson 1927)."""
    from scipy.stats import binomtest

    if rows == 0:
        return _whole(0)
    interval = binomtest(round(right), rows).proportion_ci(0.95, method="wilson")
    return Quantity(
        value=right / rows,
        unit="share",
        basis=Basis.MEASURED,
        low=float(interval.low),
        high=float(interval.high),
        n=rows,
    )


def _whole(rows: int) -> Quantity:
    """The original agrees with itself."""
    return Quantity(value=1.0, unit="share", basis=Basis.MEASURED, low=1.0, high=1.0, n=rows)


def _mean(values: Array) -> Quantity:
    import numpy as np

    error = 1.96 * float(values.std(ddof=1)) / np.sqrt(len(values)) if len(values) > 1 else 0.0
    mean = float(values.mean())
    return Quantity(
        value=mean,
        unit="cosine",
        basis=Basis.MEASURED,
        low=mean - float(error),
        high=min(1.0, mean + float(error)),
        n=len(values),
    )


def _spearman(cosine: Array, target: Array) -> Quantity:
    """Spearman's rho with a 95 % percentile bootstrap interval (seeded)."""
    import numpy as np
    from scipy.stats import rankdata, spearmanr

    if np.ptp(cosine) == 0 or np.ptp(target) == 0:  # no ranks, no correlation
        return Quantity(value=0.0, unit="rho", basis=Basis.MEASURED, n=len(cosine))
    rho = float(spearmanr(cosine, target).statistic)
    first, second = rankdata(cosine), rankdata(target)
    rng = np.random.default_rng(0)
    rhos = []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(first), len(first))
        a, b = first[rows] - first[rows].mean(), second[rows] - second[rows].mean()
        rhos.append((a * b).sum() / max(np.sqrt((a**2).sum() * (b**2).sum()), 1e-12))
    low, high = np.percentile(rhos, (2.5, 97.5))
    return Quantity(
        value=rho,
        unit="rho",
        basis=Basis.MEASURED,
        low=min(float(low), rho),
        high=max(float(high), rho),
        n=len(first),
    )
