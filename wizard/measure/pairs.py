"""Which processes are timed in turns: a file beside itself, a candidate beside the original.

Covers: a second process of the original, one number of threads where both suit it, a second pair of
processes where the first says that a file is a little faster or slower.
Does not cover: the blocks and their noise (speed.py), whether a ratio stands out (compare).
A process can be unlucky with its memory for as long as it lives: one file was 15 % slower than
itself through a whole session, with an interval of 10 to 19 (DECISIONS.md, 2026-11-30).
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from wizard import limits
from wizard.measure import paces, quality, threads
from wizard.measure.process import Process
from wizard.nouns import Artifact, Measurement, Workload

# Larger files are not opened a second time while the first pair is: a job's memory would tell.
BYTES_AT_MOST = quality.BYTES_OF_COPIES
# Nor in two processes to see how far those are apart: these weights are most of a job's memory.
BYTES_OF_ONE_PROCESS = limits.ONE_FILE_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Original:
    """What a candidate is timed beside. `feeds` are the rows as the original reads them."""

    measured: Measurement
    feeds: Path
    threads: int


def of_itself(
    process: Process, artifact: Artifact, workload: Workload, seconds: float, *, writes: bool
) -> paces.Paces:
    """A file's times, half of them from a second fresh process: the session's A/A.

    Large files have one process: a second would double what a job needs.
    """
    if artifact.bytes > BYTES_OF_ONE_PROCESS:
        return paces.of_itself(process, process, workload, seconds, writes=writes)
    with Process(artifact.path, process.feeds, process.threads) as again:
        return paces.of_itself(process, again, workload, seconds, writes=writes)


def beside(
    process: Process,
    artifact: Artifact,
    original: Original,
    workload: Workload,
    seconds: float,
    *,
    writes: bool,
) -> paces.Paces:
    """The candidate's times and the original's of the same session.

    `process` holds the candidate, and may go on with another number of threads. `writes`: each
    further token has a time of its own.
    """
    before = original.measured
    its_own = (before.artifact.path, original.feeds)
    with Process(*its_own, original.threads) as first:
        threads.settle_both(first, process, workload, cached=writes)
        shared = first.threads
        taken = paces.in_turns(first, process, workload, seconds, writes=writes, original=before)
    if not taken.close or max(before.artifact.bytes, artifact.bytes) > BYTES_AT_MOST:
        return taken
    with (
        Process(*its_own, shared) as first,
        Process(artifact.path, process.feeds, process.threads) as again,
    ):
        more = paces.in_turns(first, again, workload, seconds, writes=writes, original=before)
    return taken.and_again(more, before)
