"""Size, memory and speed of one file, while its answers mean nothing: a dry run on random weights.

Covers: the file's own facts, a fresh process's memory, speed alone or in turns with the original.
Does not cover: quality; the answers of random weights are not looked at.
"""

from __future__ import annotations

from pathlib import Path

from wizard.measure import audit as auditing
from wizard.measure import memory, pairs, speed
from wizard.measure.leftovers import must_be_what_was_made
from wizard.measure.process import Process
from wizard.measure.threads import settle
from wizard.nouns import (
    Answers,
    Artifact,
    Basis,
    HostFacts,
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


def weigh(  # noqa: PLR0913 - with what and where a file is weighed
    artifact: Artifact,
    feeds: Path,
    workload: Workload,
    host: HostFacts,
    *,
    threads: int,
    writes: bool,
    beside: Measurement | None = None,
) -> Measurement:
    """What a file weighs and how quick it is; its speed in turns with the one `beside`.

    `writes`: each further token has a time of its own.

    `quality` of the answer is NO_QUALITY. Raises WorkerFailed or PromiseBroken as a full
    measurement does.
    """
    looked = auditing.audit(artifact.path)
    must_be_what_was_made(artifact, looked)
    with Process(artifact.path, feeds, threads) as process:
        needed = memory.of_process(process, workload)
        settle(process, workload, cached=writes)
        if beside:
            first = pairs.Original(measured=beside, feeds=feeds, threads=beside.threads or threads)
            seconds = speed.SECONDS
            taken = pairs.beside(process, artifact, first, workload, seconds, writes=writes)
        else:
            taken = pairs.of_itself(process, artifact, workload, speed.SECONDS, writes=writes)
        used = process.threads
    size = memory.size_of(artifact)
    found = Measurement(
        artifact=artifact,
        size=size,
        zipped=size,  # random numbers do not shrink as trained ones do, so nobody is told
        latency=taken.latency,
        memory=needed,
        quality=NO_QUALITY,
        audit=looked,
        host=host,
        threads=used,
    )
    return taken.of(found)
