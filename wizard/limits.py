"""How much of a stranger's file or repository is taken in; stricter where strangers are served.

Covers: the figures. Does not cover: holding anything to them (intake, examples, jobs).
"""

from __future__ import annotations

import os
from dataclasses import dataclass

HOSTED = "WIZARD_HOSTED"
# Weights in float32 above which they lie beside the graph (protobuf stops at 2 GB; the exporters'
# own advice is to leave room for the graph), models that write are exported weight by weight, and
# one process is timed instead of two.
ONE_FILE_BYTES = 1_500_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """`*_bytes` and `*_entries` bound one upload or download; `*_seconds` is wall-clock time."""

    download_bytes: int
    upload_bytes: int
    archive_entries: int
    unpacked_bytes: int
    graph_bytes: int
    child_memory_bytes: int
    child_seconds: float
    trial_seconds: float


OWN_MACHINE = Limits(
    download_bytes=400 * 10**9,
    upload_bytes=8 * 10**9,
    archive_entries=100_000,
    unpacked_bytes=16 * 10**9,
    graph_bytes=16 * 10**9,
    child_memory_bytes=6 * 2**30,
    child_seconds=120.0,
    trial_seconds=20.0,
)
# A Space of 16 GB memory and a disk that forgets, shared by several visitors.
FOR_STRANGERS = Limits(
    download_bytes=4 * 10**9,
    upload_bytes=500 * 10**6,
    archive_entries=10_000,
    unpacked_bytes=2 * 10**9,
    graph_bytes=2 * 10**9,
    child_memory_bytes=4 * 2**30,
    child_seconds=60.0,
    trial_seconds=10.0,
)


def serves_strangers() -> bool:
    """Whether this is a hosted app (WIZARD_HOSTED)."""
    return os.environ.get(HOSTED) == "1"


def limits() -> Limits:
    """Those that hold here."""
    return FOR_STRANGERS if serves_strangers() else OWN_MACHINE
