"""Memory of a fresh process, load time, first answer; file size as stored and zipped.

Covers: peak (VmHWM) and steady memory after load, a first and some further requests.
Does not cover: the memory of the job itself.
"""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

from wizard.measure.process import Process
from wizard.nouns import Artifact, Basis, Memory, Quantity, Workload

FURTHER_RUNS = 8
PIECE, ZIPPED_UP_TO = 1 << 18, 32_000_000


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
    """Megabytes after deflate; of more than 32 MB, pieces from all over stand for the rest.

    They miss the size of the whole by 0.3 % at most (14 files of 67 to 267 MB, DECISIONS.md,
    2026-11-29). Each piece is squeezed by itself, on all cores: as one stream it would be within
    0.04 % (13 files, 2026-11-30).
    """
    with ThreadPoolExecutor() as pool:  # zlib lets other threads work meanwhile
        parts = list(pool.map(_squeezed, _pieces(artifact)))
    seen, squeezed = sum(before for before, _ in parts), sum(after for _, after in parts)
    basis = Basis.MEASURED if seen >= artifact.bytes else Basis.ESTIMATED
    share = artifact.bytes / max(1, seen)
    return Quantity(value=squeezed * share / 1e6, unit="MB", basis=basis)


def _squeezed(piece: bytes) -> tuple[int, int]:
    """Bytes before and after."""
    return len(piece), len(zlib.compress(piece, 1))


def _pieces(artifact: Artifact) -> Iterator[bytes]:
    """All of the file and its external data in order, or pieces that are equally far apart."""
    apart = PIECE * max(1.0, artifact.bytes / ZIPPED_UP_TO)
    for path in _files(artifact.path):
        with path.open("rb") as file:
            for at in count():
                file.seek(int(at * apart))
                if not (piece := file.read(PIECE)):
                    break
                yield piece


def _files(path: Path) -> list[Path]:
    beside = path.with_name(path.name + ".data")
    return [path, beside] if beside.exists() else [path]
