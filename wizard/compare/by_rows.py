"""The loss of a measure that is a function of means over rows, between two models.

Covers: the paired statistic of any such measure, with its direction and scale and the worst row
there could be. Does not cover: the measures (measure/metrics.py), the bootstrap (paired.py).
That a model which loses just too much rarely passes is simulated for each form of measure in
tests/slow/test_calibration_of_metrics.py.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

from wizard.compare.paired import Drop, Statistic, drop_by_bootstrap, drop_of_proportions
from wizard.measure import metrics

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

Rows: TypeAlias = "Sequence[Sequence[float]] | Array"


def loss_by_rows(name: str, before: Rows, after: Rows) -> Statistic:
    """What the measure `name` loses from features `before` to `after`, each [rows, m]."""
    import numpy as np

    metric = metrics.by_rows(name)
    was, now = metrics.features_of(before), metrics.features_of(after)

    def loss(means: Array) -> Array:
        first, second = np.split(means, 2, axis=1)
        return metric.loss(metrics.scores(metric, first), metrics.scores(metric, second))

    worst = np.concatenate(metric.ruined(was, now)) if metric.ruined is not None else None
    return Statistic(features=np.concatenate([was, now], axis=1), loss=loss, worst=worst)


def drop_by_rows(name: str, before: Rows, after: Rows, seed: int) -> Drop:
    """The loss with its bounds: Tango's for a proportion, else the bootstrap's."""
    metric = metrics.by_rows(name)
    if not metric.proportion:
        return drop_by_bootstrap(loss_by_rows(name, before, after), seed)
    was, now = right(before), right(after)
    lost, won = int((was & ~now).sum()), int((now & ~was).sum())
    return drop_of_proportions(lost, won, len(was))


def right(rows: Rows) -> Array:
    """Which rows of a proportion are right."""
    import numpy as np

    return np.asarray(metrics.features_of(rows)[:, 0] > 0.5)
