"""Memory of a fresh process, load time, first answer; file size as stored and zipped.

Covers: peak (VmHWM) and steady memory after load, a first and some further requests.
Does not cover: the memory of the job itself.
"""

from __future__ import annotations

import zlib
from pathlib import Path

from wizard.measure.process import Process
from wizard.nouns import Artifact, Basis, Memory, Quantity, Workload

FURTHER_RUNS = 8
ZIPPED_UP_TO = 300_000_000


def of_process(process: Process, workload: Workload) -> Memory:
    """What a process that has just opened the model needs."""
    process.ask("shape", batch=workload.batch, tokens=workload.length)
    found = process.ask("memory", runs=FURTHER_RUNS)

    def quantity(name: str, unit: str) -> Quantity:
        return Quantity(value=round(found[name], 3), unit=unit, basis=Basis.MEASURED)

    return Memory(
        peak=quantity("peak_mb", "MB"),
        steady=quantity("steady_mb", "MB"),
        load_ms=quantity("load_ms", "ms"),
        first_ms=quantity("first_ms", "ms"),
    )


def size_of(artifact: Artifact) -> Quantity:
    """Megabytes (10**6 bytes) of the file and its external data."""
    return Quantity(value=artifact.bytes / 1e6, unit="MB", basis=Basis.CONFIG)


def zipped_size_of(artifact: Artifact) -> Quantity:
    """Megabytes after deflate; beyond 300 MB the first 300 MB stand for the rest."""
    squeezed = seen = 0
    packer = zlib.compressobj(1)
    for path in _files(artifact.path):
        with path.open("rb") as file:
            while seen < ZIPPED_UP_TO and (chunk := file.read(1 << 20)):
                squeezed += len(packer.compress(chunk))
                seen += len(chunk)
    squeezed += len(packer.flush())
    whole = seen >= artifact.bytes
    share = artifact.bytes / max(1, seen)
    basis = Basis.MEASURED if whole else Basis.ESTIMATED
    return Quantity(value=squeezed * share / 1e6, unit="MB", basis=basis)


def _files(path: Path) -> list[Path]:
    beside = path.with_name(path.name + ".data")
    return [path, beside] if beside.exists() else [path]
