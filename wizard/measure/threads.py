"""How many threads a model is worth: the fewest that answer as soon as more would.

Covers: quick requests timed in turns with one, two, four ... threads, in the model's own process;
two models that would differ in it looked at side by side, as one file must not beat itself.
Does not cover: the times that are told (speed.py takes them afresh, so this choice flatters none).
A small model's operators end sooner than another thread is woken: 8-bit `intents` takes 1.1 ms with
two threads and 0.77 with one (DECISIONS.md, 2026-11-30).
"""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median

from wizard.measure.process import Process, on_the_same_core
from wizard.nouns import Workload

# Of those this near to the quickest, the fewest threads are taken: the others are left to others.
AS_SOON, NEARLY = 1.05, 1.15
# Slower requests keep all threads at work.
QUICK_MS = 20.0
ROUNDS, BLOCK_MS, RUNS_AT_LEAST, RUNS_AT_MOST = 6, 8.0, 2, 20


def settle(process: Process, workload: Workload, *, cached: bool) -> int:
    """From now on the process answers with the fewest threads that are as quick; how many.

    `cached` looks at one more token after the workload's were read, for models that write.
    """
    every = process.threads
    if every == 1:
        return 1
    runs = _quick(process, workload, cached=cached)
    if not runs:
        return every
    _go_on(process, fewest(_tried(process, up_to(every), ROUNDS, runs)))
    return process.threads


def settle_both(first: Process, second: Process, workload: Workload, *, cached: bool) -> None:
    """Two that settled on different numbers try both in turns, and share one that suits both.

    Each number was taken at its own moment: what others did on the machine just then would be
    told as a ratio of the files. Slow requests keep what they have.
    """
    both = (first, second)
    if first.threads == second.threads:
        return
    runs = [_quick(process, workload, cached=cached) for process in both]
    if not all(runs):
        return
    counts = sorted({process.threads for process in both})
    taken: list[dict[int, list[float]]] = [{count: [] for count in counts} for _ in both]
    # Opened while the processes are free, as a session's threads stay on their maker's core.
    for process in both:
        _tried(process, counts, 1, 1)
    with on_the_same_core(both):  # as their times will be taken
        for _ in range(ROUNDS):
            for process, often, kept in zip(both, runs, taken, strict=True):
                for count, ms in _tried(process, counts, 1, often).items():
                    kept[count].append(ms)
    usual = [{count: median(ms) for count, ms in kept.items()} for kept in taken]
    for process, count in zip(both, of_two(*usual), strict=True):
        _go_on(process, count)


def _quick(process: Process, workload: Workload, *, cached: bool) -> int:
    """How many requests make a block; none where one takes longer than QUICK_MS."""
    process.ask("shape", batch=workload.batch, tokens=workload.length, cached=cached)
    once = float(min(process.ask("time", runs=RUNS_AT_LEAST)["ms"]))
    if once > QUICK_MS:
        return 0
    return min(RUNS_AT_MOST, max(RUNS_AT_LEAST, int(BLOCK_MS / max(once, 1e-3))))


def _tried(process: Process, counts: list[int], rounds: int, runs: int) -> dict[int, float]:
    """Milliseconds of a request by threads."""
    taken = process.ask("by_threads", counts=counts, rounds=rounds, runs=runs)["ms"]
    return dict(zip(counts, taken, strict=True))


def _go_on(process: Process, count: int) -> None:
    process.threads = count
    process.ask("go_on_with", threads=count)


def up_to(every: int) -> list[int]:
    """One, two, four ... and all that there are."""
    return [*(2**power for power in range(every.bit_length()) if 2**power < every), every]


def fewest(taken: Mapping[int, float]) -> int:
    """The fewest threads within AS_SOON of the quickest, from milliseconds by threads."""
    least = min(taken.values())
    return min(count for count, ms in taken.items() if ms <= AS_SOON * least)


def of_two(original: Mapping[int, float], candidate: Mapping[int, float]) -> tuple[int, int]:
    """The fewest threads that are as quick for both; where none are, the fewest for each.

    A candidate gives up NEARLY its best for a number that it shares: its gain is told too small
    rather than noise told as a gain.
    """
    for near in (AS_SOON, NEARLY):
        shared = [
            count
            for count in original
            if original[count] <= AS_SOON * min(original.values())
            and candidate[count] <= near * min(candidate.values())
        ]
        if shared:
            return min(shared), min(shared)
    return fewest(original), fewest(candidate)
