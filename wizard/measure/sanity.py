"""Doubts about a measurement itself: is the original a yardstick, are both asked the same.

Covers: a file changed since it was measured; fewer answers than rows; an original no better than
chance, or right only with its labels in another order; word pieces the model does not know, one
piece everywhere, pictures out of range; calibration rows unlike the test rows; a candidate whose
answers are the original's in another order.
Does not cover: collapse (quality.py), the file's own facts (audit.py), verdicts (compare).
A doubt does not say that a candidate is bad; it says that a PASS would mean nothing.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.errors import CannotCompare
from wizard.nouns import Answers, Artifact, ExampleSet, ModelProfile, Quality

if TYPE_CHECKING:
    import numpy as np

    from wizard.examples.feeds import Feeds

    Array = np.ndarray[Any, Any]

CHUNK = 1 << 20
ANOTHER_EACH_TIME = "It gives another answer each time it is asked the same."
BY_OPTIMIZATION = "Its answers depend on ONNX Runtime's graph optimization."
# Too few rows say nothing about an order of labels or about chance.
ROWS_TO_DOUBT = 40
# One-sided: an original this likely to be guessing cannot be the yardstick; nor one whose kappa is
# "slight" at best (Landis and Koch 1977), however sure that is.
CHANCE, SLIGHT = 0.01, 0.2
# Share of rows that another order of the labels must explain, beyond those right now.
ORDER_EXPLAINS = 0.05
# A candidate's answers count as re-ordered when so many agree after, and so few before.
ORDER_AFTER, ORDER_BEFORE = 0.8, 0.5
# One word piece in this share of all text is not language (in English "the" has about 0.06).
ONE_PIECE_SHARE = 0.4
# Normalized pictures lie within about -3..3; raw ones within 0..255.
PIXELS_WITHIN = 20.0
# Kolmogorov-Smirnov distance of pixel values, and cosine of word piece counts, between
# calibration and test rows. The samples' own calibration rows: at most 0.01, at least 0.73.
PIXELS_DIFFER, PIECES_ALIKE = 0.5, 0.15
ROWS_LOOKED_AT = 200


def unchanged(artifact: Artifact) -> None:
    """Raises CannotCompare when the file is no longer the one that was made."""
    if digest(artifact.path) != artifact.sha256:
        because = f"{artifact.path.name} has changed since it was made; nothing can be held to it"
        raise CannotCompare(because=because)


def digest(path: Path) -> str:
    """sha256 of the file; with external data, of both files' digests."""
    beside = path.with_name(path.name + ".data")
    digests = [_digest(one) for one in ((path, beside) if beside.is_file() else (path,))]
    return (
        digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    )


def _digest(path: Path) -> str:
    hashed = hashlib.sha256()
    with path.open("rb") as file:
        while chunk := file.read(CHUNK):
            hashed.update(chunk)
    return hashed.hexdigest()


def same_rows(answered: int, examples: ExampleSet) -> None:
    """Raises CannotCompare unless every row was answered once."""
    wanted = len(examples)
    if answered != wanted:
        because = f"{answered} answers came back for {wanted} inputs; both need the same rows"
        raise CannotCompare(because=because)


# --------------------------------------------------------------------------- the original


def of_original(quality: Quality, labels: Sequence[str]) -> tuple[str, ...]:
    """Why the original may be no yardstick on these rows; empty when it is one."""
    answers = quality.answers
    if len(answers.rows) < ROWS_TO_DOUBT:
        return ()
    if answers.truth:
        return _order_of_labels(answers, labels) or _chance(answers)
    if answers.target and (quality.value.low or 0.0) <= 0:
        return (
            (
                f"The original's similarities have nothing to do with the grades in this data "
                f"(rank correlation {quality.value.value:.2f}): its tokenizer, its weights or the "
                f"data belong to something else."
            ),
        )
    return ()


def _order_of_labels(answers: Answers, labels: Sequence[str]) -> tuple[str, ...]:
    """Names of labels that another order would explain better, by the best assignment."""
    counted = _table(answers.truth, answers.predicted, len(labels))
    order = _best_order(counted)
    kept = counted.trace()
    gained = counted[range(len(order)), order].sum() - kept
    if gained < ORDER_EXPLAINS * len(answers.rows):
        return ()
    moved = [at for at, to in enumerate(order) if to != at and counted[at, to] > counted[at, at]]
    if not moved:
        return ()
    first = moved[0]
    return (
        (
            f"The labels seem to be in another order: where the data say '{labels[first]}', the "
            f"original answers '{labels[order[first]]}' ({len(moved)} labels are moved like this). "
            f"Compare id2label in config.json with your data."
        ),
    )


def _table(rows: Sequence[int], columns: Sequence[int], size: int) -> Array:
    import numpy as np

    counted = np.zeros((size, size), dtype=int)
    np.add.at(counted, (np.asarray(rows), np.asarray(columns)), 1)
    return counted


def _best_order(counted: Array) -> list[int]:
    """For each row of the table, the column of the assignment with most counts (Kuhn 1955)."""
    from scipy.optimize import linear_sum_assignment

    return [int(one) for one in linear_sum_assignment(counted, maximize=True)[1]]


def _chance(answers: Answers) -> tuple[str, ...]:
    """Against agreement expected from the two margins alone (Cohen 1960)."""
    import numpy as np
    from scipy.stats import binomtest

    truth, said = np.asarray(answers.truth), np.asarray(answers.predicted)
    size = int(max(truth.max(), said.max())) + 1
    expected = float(
        (np.bincount(truth, minlength=size) * np.bincount(said, minlength=size)).sum()
        / len(truth) ** 2
    )
    right = int((truth == said).sum())
    if len(np.unique(truth)) == 1 and right:
        return ()
    kappa = (right / len(truth) - expected) / max(1 - expected, 1e-9)
    luck = binomtest(right, len(truth), expected, alternative="greater").pvalue
    if luck < CHANCE and kappa >= SLIGHT:
        return ()
    return (
        (
            f"The original itself is hardly better than guessing on these rows "
            f"({right / len(truth):.0%} right): its tokenizer, its preprocessing or its weights do "
            f"not belong to this data."
        ),
    )


# --------------------------------------------------------------------------- the inputs


def of_inputs(feeds: Feeds, profile: ModelProfile) -> tuple[str, ...]:
    """What is wrong with prepared rows before any model has seen them.

    Raises CannotCompare for a word piece beyond the model's table, which no model can look up.
    """
    import numpy as np

    if feeds.has("pixel_values"):
        far = float(np.abs(_some_pixels(feeds)).max())
        if far <= PIXELS_WITHIN:
            return ()
        return (
            (
                f"Prepared pictures hold values up to {far:.0f}; models are trained on about -3 to "
                f"3. Look at do_rescale and do_normalize in preprocessor_config.json."
            ),
        )
    if not feeds.is_text:
        return ()
    pieces = _some_pieces(feeds)
    if profile.vocabulary and int(pieces.max(initial=0)) >= profile.vocabulary:
        because = (
            f"the tokenizer gives word piece {int(pieces.max())} and the model knows "
            f"{profile.vocabulary}: they do not belong together"
        )
        raise CannotCompare(because=because)
    share = float(np.bincount(pieces).max() / len(pieces)) if len(pieces) else 0.0
    if share <= ONE_PIECE_SHARE:
        return ()
    return (
        (
            f"{share:.0%} of all word pieces are one and the same, most likely 'unknown': the "
            f"tokenizer does not belong to this language or this model."
        ),
    )


def of_calibration(calibration: Feeds, test: Feeds) -> tuple[str, ...]:
    """Calibration rows that look nothing like what the model will see."""
    if test.has("pixel_values"):
        from scipy.stats import ks_2samp

        distance = float(ks_2samp(_some_pixels(calibration), _some_pixels(test)).statistic)
        if distance <= PIXELS_DIFFER:
            return ()
    elif (
        not test.is_text
        or _pieces_cosine(_some_pieces(calibration), _some_pieces(test)) >= PIECES_ALIKE
    ):
        return ()
    return (
        (
            "The calibration rows look nothing like the test rows, so ranges learnt from them may "
            "cut real inputs off."
        ),
    )


def _some_pixels(feeds: Feeds) -> Array:
    rows = list(range(min(len(feeds), ROWS_LOOKED_AT)))
    return feeds.padded(rows)["pixel_values"].ravel()[:2_000_000]


def _some_pieces(feeds: Feeds) -> Array:
    """Word pieces of the first rows, without the first and last of each (markers)."""
    import numpy as np

    rows = range(min(len(feeds), ROWS_LOOKED_AT))
    inner = [feeds.row(index)["input_ids"][0][1:-1] for index in rows]
    return np.concatenate(inner) if inner else np.zeros(0, np.int64)


def _pieces_cosine(one: Array, other: Array) -> float:
    import numpy as np

    if not len(one) or not len(other):
        return 1.0
    size = int(max(one.max(), other.max())) + 1
    a, b = (np.sqrt(np.bincount(each, minlength=size)) for each in (one, other))
    return float((a * b).sum() / np.sqrt((a**2).sum() * (b**2).sum()))


# --------------------------------------------------------------------------- the candidate


def reordered(before: Answers, after: Answers, labels: Sequence[str]) -> tuple[str, ...]:
    """The candidate says what the original says, under other names."""
    if len(after.predicted) < ROWS_TO_DOUBT or not before.predicted or not labels:
        return ()
    counted = _table(before.predicted, after.predicted, len(labels))
    order = _best_order(counted)
    rows = len(after.predicted)
    if counted.trace() > ORDER_BEFORE * rows:
        return ()
    if counted[range(len(order)), order].sum() < ORDER_AFTER * rows:
        return ()
    busiest = max(range(len(order)), key=lambda at: int(counted[at, order[at]]) * (order[at] != at))
    return (
        (
            f"Its answers are the original's with the labels in another order: "
            f"'{labels[busiest]}' has become '{labels[order[busiest]]}'."
        ),
    )
