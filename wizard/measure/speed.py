"""Latency of two models in turns, with the noise of the machine measured beside it.

Covers: blocks A B B A ... of two fresh processes on one core, warm-up until stable, the median's
and the 95th percentile's intervals by block bootstrap, the A/A spread as noise floor: between the
blocks of one process, and between two fresh processes of the original, once in every session; a
busy machine noticed by the scatter of like blocks and by the processor time that others took
meanwhile.
Does not cover: verdicts (compare).
Source for interleaving and the noise floor: two runs one after the other differed 2 to 3 times
for the same model on a shared machine (measured).
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wizard.measure.process import Process, on_the_same_core
from wizard.nouns import Basis, Latency, Quantity, Workload

if TYPE_CHECKING:
    import numpy as np

BLOCKS = 14
# Of quick models a block of so many milliseconds or so many requests is enough, whichever is more:
# in simulations ten are judged no worse than forty, two no worse than four (DECISIONS.md,
# 2026-12-01). Of the quickest so many at most.
RUNS_AT_LEAST, RUNS_ENOUGH, RUNS_AT_MOST = 2, 10, 40
BLOCK_MS = 20.0
WARM_UP_BLOCKS = 6
WARM_UP_RUNS, WARM_UP_RUNS_SLOW, SLOW_MS = 4, 2, 25.0
RESAMPLES = 2000
# Above this ratio between like blocks, the machine was doing something else.
BUSY_SPREAD = 1.35
# Processors that others may take from those a model wants: a browser takes a third of one.
OTHERS_MAY_TAKE = 0.5
SECONDS = 2.0
# Two fresh processes of one file differ by 1.8 % (standard deviation of 14 pairs), however long
# they are timed; each of them therefore by this from what the file takes. Two that are measured
# may be alike by luck, so this is the least that is assumed.
PROCESSES_APART = 0.018
PROCESS_ERROR = PROCESSES_APART / 2**0.5
# Fourteen blocks show too little of how slow a slow block can be: resampled alone, a 95th
# percentile that is just too high passed in up to 16 % of simulations with blocks 5 % apart. With
# this many deviations of the blocks' medians beside it, in at most 5 %.
TAIL_ERROR = 1.4
# Ratios that another pair of processes looks at: below, nobody calls it a difference; above, no
# process was seen to be that unlucky (15 % at most).
CLOSE_FROM, CLOSE_TO = 1.04, 1.25


def of_itself(
    first: Process,
    second: Process,
    workload: Workload,
    seconds: float = SECONDS,
    *,
    cached: bool = False,
) -> Latency:
    """One file in two fresh processes in turns: its times, and how far the two are `apart`.

    A quarter of the requests does: half of the blocks, and half of the requests in a block where
    there are enough; in simulations no comparison is judged worse (DECISIONS.md, 2026-12-01).
    `cached` times one more token after the workload's were read, for models that write.
    """
    one, other, crowded = _taken(
        first, second, workload, seconds, rounds=BLOCKS // 2, cached=cached
    )
    blocks = [block for pair in zip(one, other, strict=True) for block in pair]
    found = latency_of(blocks, spread(blocks), crowded=crowded)
    return replace(found, apart=round(apart(one, other), 4))


def in_turns(
    first: Process,
    second: Process,
    workload: Workload,
    seconds: float = SECONDS,
    *,
    cached: bool = False,
    between: float = 1.0,
) -> tuple[Latency, Latency]:
    """Two models in turns, same session, same input.

    `between`: how far two fresh processes of the original were apart in this session.
    """
    *taken, crowded = _taken(first, second, workload, seconds, rounds=BLOCKS, cached=cached)
    noise = max(spread(taken[0]), spread(taken[1]))
    before, after = (
        latency_of(blocks, noise, crowded=crowded, between=between) for blocks in taken
    )
    return before, after


def close(before: Latency, after: Latency) -> bool:
    """Whether two are so near that the luck of two processes might be told as a difference."""
    ratio = after.p50.value / before.p50.value
    return CLOSE_FROM < max(ratio, 1 / ratio) < CLOSE_TO


def merged(
    first: tuple[Latency, Latency], second: tuple[Latency, Latency], between: float = 1.0
) -> tuple[Latency, Latency]:
    """Two pairs of processes of the same two files as one; how far the pairs were apart is kept.

    `between`: how far two fresh processes of the original were apart in this session.
    """
    between = max(between, pairs_apart(first, second))
    busy = any(one.busy for one in (*first, *second))
    blocks = [
        [*blocks_of(one), *blocks_of(other)] for one, other in zip(first, second, strict=True)
    ]
    noise = max(spread(one) for one in blocks)
    before, after = (
        replace(latency_of(one, noise, crowded=busy, between=between), apart=round(between, 4))
        for one in blocks
    )
    return before, after


def pairs_apart(first: tuple[Latency, Latency], second: tuple[Latency, Latency]) -> float:
    """How far two processes are apart, from the ratios of two pairs (four processes), at least 1.

    What the blocks' own scatter explains is taken off (as variances).
    """
    import numpy as np

    level, scatter = [], 0.0
    for pair in (first, second):
        parts = zip(*(blocks_of(one) for one in pair), strict=True)
        logs = np.log([np.median(after) / np.median(before) for before, after in parts])
        level.append(float(np.median(logs)))
        scatter += float(np.pi / 2 * logs.var(ddof=1) / len(logs))
    beyond = max(0.0, (level[0] - level[1]) ** 2 - scatter)
    return math.exp(math.sqrt(beyond / 2))


def blocks_of(latency: Latency) -> list[np.ndarray[Any, Any]]:
    """Milliseconds of each block."""
    import numpy as np

    return np.split(np.array(latency.samples_ms), np.cumsum(latency.blocks)[:-1])


Blocks: TypeAlias = list[list[float]]


def _taken(
    first: Process,
    second: Process,
    workload: Workload,
    seconds: float,
    *,
    rounds: int,
    cached: bool,
) -> tuple[Blocks, Blocks, bool]:
    """Blocks of both (A B B A, so that a drift hits both alike); whether others were at work."""
    both = (first, second)
    own = tuple(dict.fromkeys(both))  # a large file has one process
    for process in own:
        process.ask("shape", batch=workload.batch, tokens=workload.length, cached=cached)
    share, part = seconds / (2 * BLOCKS), rounds / BLOCKS
    taken: tuple[Blocks, Blocks] = ([], [])
    with on_the_same_core(own):
        usual = [_warm(process) for process in both]
        runs = [_runs(one_ms, share, part * _enough(one_ms)) for one_ms in usual]
        began = _Clock.read(own)
        for block in range(rounds):
            for which in (0, 1) if block % 2 == 0 else (1, 0):
                taken[which].append(both[which].ask("time", runs=runs[which])["ms"])
        return *taken, began.crowded(own)


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

    once = process.ask("time", runs=1)["ms"][0]
    runs = WARM_UP_RUNS if once < SLOW_MS else WARM_UP_RUNS_SLOW
    before = float("inf")
    for _ in range(WARM_UP_BLOCKS):
        now = float(statistics.median(process.ask("time", runs=runs)["ms"]))
        if abs(now - before) < 0.05 * before:
            return now
        before = now
    return before


def _enough(one_ms: float) -> float:
    """Requests of a block beyond which more would tell nothing."""
    return min(RUNS_AT_MOST, max(RUNS_ENOUGH, BLOCK_MS / max(one_ms, 1e-3)))


def _runs(one_ms: float, block_seconds: float, at_most: float) -> int:
    return max(RUNS_AT_LEAST, int(min(at_most, 1000 * block_seconds / max(one_ms, 1e-3))))


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


def apart(first: Sequence[Sequence[float]], second: Sequence[Sequence[float]]) -> float:
    """How far two processes of one file are apart, as a ratio of at least 1.

    What their blocks' own scatter explains is taken off (as variances), so that 1 means: no more.
    """
    import numpy as np

    pairs = zip(first, second, strict=True)
    logs = np.log([np.median(one) / np.median(other) for one, other in pairs])
    beyond = np.median(logs) ** 2 - np.pi / 2 * logs.var(ddof=1) / len(logs)
    return float(np.exp(np.sqrt(max(0.0, float(beyond)))))


def process_error(between: float) -> float:
    """By how much a process differs from what its file takes (standard deviation, as a share).

    `between` is how far two fresh processes of one file were apart in this session.
    """
    return max(PROCESS_ERROR, math.log(between) / 2**0.5)


def latency_of(
    blocks: Sequence[Sequence[float] | np.ndarray[Any, Any]],
    noise: float,
    *,
    crowded: bool = False,
    between: float = 1.0,
) -> Latency:
    """p50 and p95 with 95 % intervals: whole blocks resampled (seeded), and another process."""
    import numpy as np

    arrays = [np.asarray(block) for block in blocks]
    medians = np.array([np.median(block) for block in arrays])
    quiet = float(np.quantile(medians, 0.9) / max(np.quantile(medians, 0.1), 1e-9))
    flat = tuple(round(float(one), 4) for block in arrays for one in block)
    return Latency(
        p50=_percentile(arrays, 50, process_error(between)),
        p95=_percentile(arrays, 95, process_error(between)),
        samples_ms=flat,
        blocks=tuple(len(block) for block in arrays),
        noise=round(noise, 4),
        busy=crowded or quiet > BUSY_SPREAD,
    )


def _percentile(blocks: list[np.ndarray[Any, Any]], percent: int, error: float) -> Quantity:
    import numpy as np

    rng = np.random.default_rng(0)
    width = min(len(block) for block in blocks)
    table = np.stack([block[:width] for block in blocks])
    draws = rng.integers(0, len(blocks), (RESAMPLES, len(blocks)))
    resampled = np.percentile(table[draws].reshape(RESAMPLES, -1), percent, axis=1)
    value = float(np.percentile(np.concatenate(blocks), percent))
    below, above = np.abs(np.percentile(resampled, (2.5, 97.5)) - value)
    beside = 1.96 * error * value
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
