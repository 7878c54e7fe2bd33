"""Latency of two models in turns, with the noise of the machine measured beside it.

Covers: blocks A B A B ... of two fresh processes, warm-up until stable, the median's and the 95th
percentile's intervals by block bootstrap, the A/A spread as noise floor, a busy machine noticed
by the scatter of like blocks and by the processor time that others took meanwhile.
Does not cover: verdicts (compare).
Source for interleaving and the noise floor: two runs one after the other differed 2 to 3 times
for the same model on a shared machine (measured).
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
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
# Processors that others may take from those a model wants: a browser takes a third of one.
OTHERS_MAY_TAKE = 0.5
SECONDS = 3.0
# Two fresh processes of one file differ by 1.8 % (standard deviation of 14 pairs), however long
# they are timed; each of them therefore by this from what the file takes.
PROCESS_ERROR = 0.018 / 2**0.5
# Fourteen blocks show too little of how slow a slow block can be: resampled alone, a 95th
# percentile that is just too high passed in up to 16 % of simulations with blocks 5 % apart. With
# this many deviations of the blocks' medians beside it, in at most 5 %.
TAIL_ERROR = 1.4


def alone(
    process: Process, workload: Workload, seconds: float = SECONDS, *, cached: bool = False
) -> Latency:
    """One model by itself; half of its blocks are held against the other half.

    `cached` times one more token after the workload's were read, for models that write.
    """
    process.ask("shape", batch=workload.batch, tokens=workload.length, cached=cached)
    runs = _runs(_warm(process), seconds / BLOCKS)
    began = _Clock.read([process])
    blocks = [process.ask("time", runs=runs)["ms"] for _ in range(BLOCKS)]
    return latency_of(blocks, spread(blocks), crowded=began.crowded([process]))


def in_turns(
    first: Process,
    second: Process,
    workload: Workload,
    seconds: float = SECONDS,
    *,
    cached: bool = False,
) -> tuple[Latency, Latency]:
    """Two models in turns (A B B A, so that a drift hits both alike), same session, same input."""
    for process in (first, second):
        process.ask("shape", batch=workload.batch, tokens=workload.length, cached=cached)
    share = seconds / (2 * BLOCKS)
    runs = [_runs(_warm(process), share) for process in (first, second)]
    taken: tuple[list[list[float]], list[list[float]]] = ([], [])
    began = _Clock.read([first, second])
    for block in range(BLOCKS):
        order = (0, 1) if block % 2 == 0 else (1, 0)
        for which in order:
            process = (first, second)[which]
            taken[which].append(process.ask("time", runs=runs[which])["ms"])
    noise = max(spread(taken[0]), spread(taken[1]))
    crowded = began.crowded([first, second])
    before, after = (latency_of(blocks, noise, crowded=crowded) for blocks in taken)
    return before, after


@dataclass(frozen=True, slots=True, kw_only=True)
class _Clock:
    """Seconds since some start: of the clock, of all processors' work, and of ours alone."""

    wall: float
    everyone: float
    ours: float
    processors: int

    @classmethod
    def read(cls, processes: Sequence[Process]) -> _Clock:
        import psutil

        me = psutil.Process()
        every = psutil.cpu_times(percpu=True)
        mine = me.cpu_affinity() if hasattr(me, "cpu_affinity") else range(len(every))
        usable = [every[at] for at in mine if at < len(every)]
        idle = sum(one.idle + getattr(one, "iowait", 0.0) for one in usable)
        # A guest's time is counted in its host's already.
        total = sum(sum(one) - getattr(one, "guest", 0.0) for one in usable)
        return cls(
            wall=time.perf_counter(),
            everyone=total - idle,
            ours=sum(os.times()[:2]) + sum(one.ask("cpu")["seconds"] for one in processes),
            processors=len(usable),
        )

    def crowded(self, processes: Sequence[Process]) -> bool:
        """Whether, since then, others took so much that a model's threads had to wait."""
        now = _Clock.read(processes)
        worked = (now.everyone - self.everyone) - (now.ours - self.ours)
        others = worked / max(now.wall - self.wall, 1e-9)
        wanted = max(one.threads for one in processes)
        return others > max(0, now.processors - wanted) + OTHERS_MAY_TAKE


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


def spread(blocks: Sequence[Sequence[float] | np.ndarray[Any, Any]], percentile: int = 50) -> float:
    """The A/A noise: even blocks against odd blocks, and the scatter between blocks.

    As a ratio of at least 1: twice the standard error of the blocks' medians (or percentiles).
    """
    import numpy as np

    levels = np.array([np.percentile(block, percentile) for block in blocks])
    halves = np.median(levels[0::2]) / np.median(levels[1::2])
    half = max(halves, 1 / halves)
    error = levels.std(ddof=1) / np.sqrt(len(levels)) / np.median(levels)
    return float(max(half, 1 + 2 * error))


def latency_of(
    blocks: Sequence[Sequence[float]], noise: float, *, crowded: bool = False
) -> Latency:
    """p50 and p95 with 95 % intervals: whole blocks resampled (seeded), and another process."""
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
        busy=crowded or quiet > BUSY_SPREAD,
    )


def _percentile(blocks: list[np.ndarray[Any, Any]], percent: int) -> Quantity:
    import numpy as np

    rng = np.random.default_rng(0)
    width = min(len(block) for block in blocks)
    table = np.stack([block[:width] for block in blocks])
    draws = rng.integers(0, len(blocks), (RESAMPLES, len(blocks)))
    resampled = np.percentile(table[draws].reshape(RESAMPLES, -1), percent, axis=1)
    value = float(np.percentile(np.concatenate(blocks), percent))
    below, above = np.abs(np.percentile(resampled, (2.5, 97.5)) - value)
    beside = 1.96 * PROCESS_ERROR * value
    if percent != 50:
        beside = float(np.hypot(beside, TAIL_ERROR * _scatter(table) * value))
    return Quantity(
        value=value,
        unit="ms",
        basis=Basis.MEASURED,
        low=value - float(np.hypot(below, beside)),
        high=value + float(np.hypot(above, beside)),
        n=sum(len(block) for block in blocks),
    )


def _scatter(table: np.ndarray[Any, Any]) -> float:
    """Standard deviation of the blocks' medians, as a share."""
    import numpy as np

    medians = np.median(table, axis=1)
    return float(medians.std(ddof=1) / np.median(medians))


def one(process: Process, out: Path) -> float:
    """Milliseconds of a single answer written to `out`, after one to warm up."""
    process.ask("answer", out=str(out), start=0, count=1)
    began = time.perf_counter()
    process.ask("answer", out=str(out), start=0, count=1)
    return 1000 * (time.perf_counter() - began)
