"""Starts measuring processes and talks to them.

Covers: a clean environment (no tokens), a time limit for every answer, the last words of a
process that died, two of them on the same core. Does not cover: what is asked (speed, memory,
quality).
"""

from __future__ import annotations

import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Any

from wizard.errors import WorkerFailed

SECONDS_TO_START = 120.0
SECONDS_TO_ANSWER = 600.0
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "LANG", "HOME", "USERPROFILE")


class Process:
    """One measuring process with one model in it; used as a context."""

    def __init__(self, model: Path, feeds: Path, threads: int) -> None:
        worker = Path(__file__).with_name("worker.py")
        environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
        environment["OMP_NUM_THREADS"] = str(threads)
        self.threads = threads
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed in __exit__
        # -P keeps this folder's names (memory, speed) off the child's path.
        self._process = subprocess.Popen(
            [sys.executable, "-P", str(worker), str(model), str(feeds), str(threads)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._errors,
            env=environment,
        )
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            self._receive("opening the model", SECONDS_TO_START)
        except WorkerFailed:
            self.close()
            raise

    def _listen(self) -> None:
        assert self._process.stdout is not None  # noqa: S101 - it is a pipe
        for line in self._process.stdout:
            self._lines.put(line)
        self._lines.put(b"")

    def ask(self, do: str, seconds: float = SECONDS_TO_ANSWER, **request: Any) -> dict[str, Any]:
        """One question, one answer. Raises WorkerFailed when none comes."""
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(json.dumps({"do": do, **request}).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerFailed(what="measuring", because=self._last_words()) from error
        return self._receive("measuring", seconds)

    def _receive(self, what: str, seconds: float) -> dict[str, Any]:
        try:
            line = self._lines.get(timeout=seconds)
        except queue.Empty as error:
            because = f"it did not answer within {seconds:.0f} seconds"
            raise WorkerFailed(what=what, because=because) from error
        if not line:
            raise WorkerFailed(what=what, because=self._last_words())
        answer: dict[str, Any] = json.loads(line)
        return answer

    @property
    def pid(self) -> int:
        """The process as the system knows it."""
        return self._process.pid

    def _last_words(self) -> str:
        self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode("utf-8", "replace").strip().splitlines()
        return (
            lines[-1][:300].rstrip(".")
            if lines
            else f"it ended with status {self._process.returncode}"
        )

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the process and give back its pipes."""
        if self._process.stdin is not None:
            self._process.stdin.close()
        try:
            self._process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._listener.join(timeout=5)
        if self._process.stdout is not None:
            self._process.stdout.close()
        self._errors.close()


@contextmanager
def on_the_same_core(processes: Sequence[Process]) -> Iterator[None]:
    """Their first threads stay where the first one's runs now; afterwards they are free again.

    What is asked in turns is then slowed alike by whoever shares that core. Only where the system
    holds threads one by one (Linux); elsewhere, and where it refuses, nothing changes.
    """
    import psutil

    free: list[tuple[int, set[int]]] = []
    if hasattr(os, "sched_setaffinity"):
        with suppress(OSError, psutil.Error):
            core = psutil.Process(processes[0].pid).cpu_num()
            for one in processes:
                free.append((one.pid, os.sched_getaffinity(one.pid)))
                os.sched_setaffinity(one.pid, {core})
    try:
        yield
    finally:
        for pid, cores in free:
            with suppress(OSError):
                os.sched_setaffinity(pid, cores)
