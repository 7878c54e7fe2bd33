"""Populations of answers whose true loss is known, to draw rows from: the truth behind a verdict.

Covers: macro-F1 over uneven labels, cosines, ranks; each set so that the loss is a given number.
Does not cover: what a verdict says of them.
"""

import numpy as np
from scipy.optimize import brentq
from scipy.stats import spearmanr


class Labels:
    """(truth, before, after) with shares, losing exactly `loss` of macro-F1.

    `right` is the share of right answers before; `breaks` says in which labels answers break, and
    how much more often than in others; `mends` is the share of wrong answers that are mended.
    """

    def __init__(self, shares, right, breaks, mends, loss):
        self.shares, self.right, self.mends = np.array(shares), right, mends
        self.breaks = np.array(breaks, float)
        at = brentq(lambda s: self._loss(s) - loss, 0, 0.999 / self.breaks.max())
        self.cells, self.chances = self._cells(at)

    def _cells(self, scale):
        cells, chances = [], []
        for truth, share in enumerate(self.shares):
            other = (truth + 1) % len(self.shares)
            broken = scale * self.breaks[truth]
            for before, after, chance in (
                (truth, truth, self.right * (1 - broken)),
                (truth, other, self.right * broken),
                (other, other, (1 - self.right) * (1 - self.mends)),
                (other, truth, (1 - self.right) * self.mends),
            ):
                cells.append((truth, before, after))
                chances.append(share * chance)
        return np.array(cells), np.array(chances) / np.sum(chances)

    def _loss(self, scale):
        cells, chances = self._cells(scale)
        return self._macro_f1(cells, chances, 1) - self._macro_f1(cells, chances, 2)

    def _macro_f1(self, cells, chances, which):
        scores = []
        for label in range(len(self.shares)):
            true, said = cells[:, 0] == label, cells[:, which] == label
            scores.append(
                2 * chances[true & said].sum() / (chances[true].sum() + chances[said].sum())
            )
        return np.mean(scores)

    def draw(self, rng, rows):
        """Truth, before and after of `rows` rows."""
        return np.repeat(self.cells, rng.multinomial(rows, self.chances), axis=0).T


def cosines(kind, loss):
    """A function (rng, rows) -> cosines whose true mean is 1 - loss."""

    def draw(rng, rows):
        if kind == "exponential":
            return 1 - np.minimum(rng.exponential(loss, rows), 2)
        if kind == "heavy":
            return 1 - np.minimum(loss * np.exp(1.5 * rng.normal(size=rows) - 1.125), 1)
        broken = 1.6 * loss  # a few rows lose half of what they can
        rest = 0.2 * loss / (1 - broken)
        return 1 - np.where(rng.random(rows) < broken, 0.5, rest)

    return draw


class Ranks:
    """Scores before and after and a target, losing exactly `loss` of Spearman's correlation."""

    def __init__(self, kind, loss):
        self.kind = kind
        self.at = brentq(lambda s: self._loss(s) - loss, 0.001, 0.9, xtol=1e-3)

    def _scores(self, rng, rows, at):
        target = rng.normal(size=rows)
        before = target + 0.5 * rng.normal(size=rows)
        if self.kind == "all moved a little":
            return before, before + at * rng.normal(size=rows), target
        if self.kind == "some moved far":
            return before, before + at * rng.standard_t(2, size=rows), target
        near = before + 0.02 * rng.normal(size=rows)
        lost = 1.1 * rng.normal(size=rows)
        return before, np.where(rng.random(rows) < at, lost, near), target

    def _loss(self, at):
        before, after, target = self._scores(np.random.default_rng(7), 400_000, at)
        return spearmanr(before, target).statistic - spearmanr(after, target).statistic

    def draw(self, rng, rows):
        """Before, after and target of `rows` rows."""
        return self._scores(rng, rows, self.at)
