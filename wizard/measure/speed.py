"""Latency of two models in turns, with the noise of the machine measured beside it.

Covers: blocks A B A B ... of two fresh processes, warm-up until stable, the median's and the 95th
percentile's intervals by block bootstrap, the A/A spread as noise floor, a busy machine noticed.
Does not cover: verdicts (compare).
Source for interleaving and the noise floor: two runs one after the other differed 2 to 3 times
for the same model on a shared machine (measured).
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.measure.process import Process
from wizard.nouns import Basis, Latency, Quantity, Workload

if TYPE_CHECKING:
    import numpy as np

BLOCKS = 14
RUNS_AT_LEAST, RUNS_AT_MOST = 4, 60
WARM_UP_BLOCKS = 6
RESAMPLES = 2000
# Above this ratio between like blocks, the machine was doing something else.
BUSY_SPREAD = 1.35
SECONDS = 3.0


def alone(process: Process, workload: Workload, seconds: float = SECONDS) -> Latency:
    """One model by itself; half of its blocks are held against the other half."""
    process.ask("shape", batch=workload.batch, tokens=workload.tokens)
    runs = _runs(_warm(process), seconds / BLOCKS)
    blocks = [process.ask("time", runs=runs)["ms"] for _ in range(BLOCKS)]
    return latency_of(blocks, _spread(blocks))


def in_turns(
    first: Process, second: Process, workload: Workload, seconds: float = SECONDS
) -> tuple[Latency, Latency]:
    """Two models in turns (A B B A, so that a drift hits both alike), same session, same input."""
    for process in (first, second):
        process.ask("shape", batch=workload.batch, tokens=workload.tokens)
    share = seconds / (2 * BLOCKS)
    runs = [_runs(_warm(process), share) for process in (first, second)]
    taken: tuple[list[list[float]], list[list[float]]] = ([], [])
    for block in range(BLOCKS):
        order = (0, 1) if block % 2 == 0 else (1, 0)
        for which in order:
            process = (first, second)[which]
            taken[which].append(process.ask("time", runs=runs[which])["ms"])
    noise = max(_spread(taken[0]), _spread(taken[1]))
    return latency_of(taken[0], noise), latency_of(taken[1], noise)


def _warm(process: Process) -> float:
    """Run until two blocks in a row agree within 5 %; the usual milliseconds of one request."""
    import statistics

    before = float("inf")
    for _ in range(WARM_UP_BLOCKS):
        now = float(statistics.median(process.ask("time", runs=4)["ms"]))
        if abs(now - before) < 0.05 * before:
            return now
        before = now
    return before


def _runs(one_ms: float, block_seconds: float) -> int:
    wanted = int(1000 * block_seconds / max(one_ms, 1e-3))
    return min(RUNS_AT_MOST, max(RUNS_AT_LEAST, wanted))


def _spread(blocks: Sequence[Sequence[float]]) -> float:
    """The A/A noise: median of even blocks against odd blocks, and the scatter between blocks.

    As a ratio of at least 1: twice the standard error of the blocks' medians.
    """
    import numpy as np

    medians = np.array([np.median(block) for block in blocks])
    halves = np.median(medians[0::2]) / np.median(medians[1::2])
    half = max(halves, 1 / halves)
    error = medians.std(ddof=1) / np.sqrt(len(medians)) / np.median(medians)
    return float(max(half, 1 + 2 * error))


def latency_of(blocks: Sequence[Sequence[float]], noise: float) -> Latency:
    """p50 and p95 with 95 % intervals by resampling whole blocks (seeded)."""
    import numpy as np

    arrays = [np.asarray(block) for block in blocks]
    medians = np.array([np.median(block) for block in arrays])
    quiet = float(np.quantile(medians, 0.9) / max(np.quantile(medians, 0.1), 1e-9))
    flat = tuple(round(float(one), 4) for block in arrays for one in block)
    return Latency(
        p50=_percentile(arrays, 50),
        p95=_percentile(arrays, 95),
        samples_ms=flat,
        blocks=tuple(len(block) for block in arrays),
        noise=round(noise, 4),
        busy=quiet > BUSY_SPREAD,
    )


def _percentile(blocks: list[np.ndarray[Any, Any]], percent: int) -> Quantity:
    import numpy as np

    rng = np.random.default_rng(0)
    width = min(len(block) for block in blocks)
    table = np.stack([block[:width] for block in blocks])
    draws = rng.integers(0, len(blocks), (RESAMPLES, len(blocks)))
    resampled = np.percentile(table[draws].reshape(RESAMPLES, -1), percent, axis=1)
    low, high = np.percentile(resampled, (2.5, 97.5))
    value = float(np.percentile(np.concatenate(blocks), percent))
    return Quantity(
        value=value,
        unit="ms",
        basis=Basis.MEASURED,
        low=min(float(low), value),
        high=max(float(high), value),
        n=sum(len(block) for block in blocks),
    )


def ratio_of(before: Latency, after: Latency) -> tuple[float, float, float]:
    """The ratio after / before at the median, with a 95 % interval by resampling blocks of both."""
    import numpy as np

    rng = np.random.default_rng(0)
    first, second = _block_medians(before), _block_medians(after)
    draws = rng.integers(0, len(first), (RESAMPLES, len(first)))
    ratios = np.median(second[draws % len(second)], axis=1) / np.median(first[draws], axis=1)
    low, high = np.percentile(ratios, (2.5, 97.5))
    return float(np.median(second) / np.median(first)), float(low), float(high)


def _block_medians(latency: Latency) -> np.ndarray[Any, Any]:
    import numpy as np

    ends = np.cumsum(latency.blocks)[:-1]
    return np.array([np.median(part) for part in np.split(np.array(latency.samples_ms), ends)])


def one(process: Process, out: Path) -> float:
    """Milliseconds of a single answer written to `out`, after one to warm up."""
    import time

    process.ask("answer", out=str(out), start=0, count=1)
    began = time.perf_counter()
    process.ask("answer", out=str(out), start=0, count=1)
    return 1000 * (time.perf_counter() - began)
