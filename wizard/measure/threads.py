"""How many threads a model is worth: the fewest that answer as soon as more would.

Covers: quick requests timed in turns with one, two, four ... threads, in the model's own process.
Does not cover: the times that are told (speed.py takes them afresh, so this choice flatters none).
A small model's operators end sooner than another thread is woken: 8-bit `intents` takes 1.1 ms with
two threads and 0.77 with one (DECISIONS.md, 2026-11-30).
"""

from __future__ import annotations

from collections.abc import Mapping

from wizard.measure.process import Process
from wizard.nouns import Workload

# Of those this near to the quickest, the fewest threads are taken: the others are left to others.
AS_SOON = 1.05
# Slower requests keep all threads at work.
QUICK_MS = 20.0
ROUNDS, BLOCK_MS, RUNS_AT_LEAST, RUNS_AT_MOST = 6, 8.0, 2, 20


def settle(process: Process, workload: Workload, *, cached: bool) -> int:
    """From now on the process answers with the fewest threads that are as quick; how many.

    `cached` looks at one more token after the workload's were read, for models that write.
    """
    if process.threads == 1:
        return 1
    process.ask("shape", batch=workload.batch, tokens=workload.length, cached=cached)
    once = float(min(process.ask("time", runs=RUNS_AT_LEAST)["ms"]))
    if once > QUICK_MS:
        return process.threads
    counts = up_to(process.threads)
    runs = min(RUNS_AT_MOST, max(RUNS_AT_LEAST, int(BLOCK_MS / max(once, 1e-3))))
    taken = process.ask("by_threads", counts=counts, rounds=ROUNDS, runs=runs)["ms"]
    process.threads = fewest(dict(zip(counts, taken, strict=True)))
    process.ask("go_on_with", threads=process.threads)
    return process.threads


def up_to(every: int) -> list[int]:
    """One, two, four ... and all that there are."""
    return [*(2**power for power in range(every.bit_length()) if 2**power < every), every]


def fewest(taken: Mapping[int, float]) -> int:
    """The fewest threads within AS_SOON of the quickest, from milliseconds by threads."""
    least = min(taken.values())
    return min(count for count, ms in taken.items() if ms <= AS_SOON * least)
