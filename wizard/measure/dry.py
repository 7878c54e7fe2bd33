"""Size, memory and speed of one file, while its answers mean nothing: a dry run on random weights.

Covers: the file's own facts, a fresh process's memory, speed alone or in turns with the original.
Does not cover: quality; the answers of random weights are not looked at.
"""

from __future__ import annotations

from pathlib import Path

from wizard.measure import audit as auditing
from wizard.measure import memory, speed
from wizard.measure.leftovers import must_be_what_was_made
from wizard.measure.process import Process
from wizard.nouns import (
    Answers,
    Artifact,
    Basis,
    HostFacts,
    Latency,
    Measurement,
    Quality,
    Quantity,
    Workload,
)

NOT_MEASURED = "not measured"
NO_QUALITY = Quality(
    metric=NOT_MEASURED,
    value=Quantity(value=0.0, unit="", basis=Basis.ESTIMATED, n=0),
    answers=Answers(rows=()),
)


def weigh(
    artifact: Artifact,
    feeds: Path,
    workload: Workload,
    host: HostFacts,
    *,
    threads: int,
    beside: Artifact | None = None,
) -> Measurement:
    """What a file weighs and how quick it is; its speed in turns with the file `beside`.

    `quality` of the answer is NO_QUALITY. Raises WorkerFailed or PromiseBroken as a full
    measurement does.
    """
    looked = auditing.audit(artifact.path)
    must_be_what_was_made(artifact, looked)
    before: Latency | None = None
    with Process(artifact.path, feeds, threads) as process:
        needed = memory.of_process(process, workload)
        if beside is None:
            taken = speed.alone(process, workload)
        else:
            with Process(beside.path, feeds, threads) as first:
                before, taken = speed.in_turns(first, process, workload)
    size = memory.size_of(artifact)
    return Measurement(
        artifact=artifact,
        size=size,
        zipped=size,  # random numbers do not shrink as trained ones do, so nobody is told
        latency=taken,
        memory=needed,
        quality=NO_QUALITY,
        audit=looked,
        host=host,
        against=before,
    )
