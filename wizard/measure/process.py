"""Starts measuring processes and talks to them.

Covers: a clean environment (no tokens), processes started before they are needed, a time limit
for every answer, the last words of a process that died, two of them on the same core.
Does not cover: what is asked (speed, memory, quality).
"""

from __future__ import annotations

import atexit
import json
import os
import queue
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO, Any

from wizard.errors import WorkerFailed

SECONDS_TO_START = 120.0
SECONDS_TO_ANSWER = 600.0
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "SYSTEMROOT", "TEMP", "TMP", "LANG", "HOME", "USERPROFILE")


@dataclass(frozen=True, slots=True)
class _Started:
    """A process without a model yet, and where its last words go."""

    process: subprocess.Popen[bytes]
    errors: IO[bytes]

    def loads(self) -> None:
        """Wait until it says that it has loaded the runtime, or is ended."""
        assert self.process.stdout is not None  # noqa: S101 - it is a pipe
        with suppress(OSError, ValueError):  # closed by `end`
            self.process.stdout.readline()

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()
        self.errors.close()


_loading: list[_Started] = []
_ready: list[_Started] = []
_lock = threading.Lock()
_enough = threading.Event()


def get_ready(count: int) -> None:
    """Have up to so many processes loaded, one after the other, until the first one is taken.

    For when something is at work that leaves a core free.
    """
    _enough.clear()
    threading.Thread(target=_fill, args=(count,), daemon=True).start()


def _fill(count: int) -> None:
    while not _enough.is_set() and len(_loading) + len(_ready) < count:
        started = _start()
        with _lock:
            _loading.append(started)
        started.loads()
        with _lock:
            if started in _loading:  # it was not ended meanwhile
                _loading.remove(started)
                _ready.append(started)


def stand_down() -> None:
    """End those that were not needed."""
    _enough.set()
    with _lock:
        for started in (*_loading, *_ready):
            started.end()
        _loading.clear()
        _ready.clear()


atexit.register(stand_down)


def _taken() -> _Started | None:
    """One that was started before, if any is left; it may have been ended meanwhile."""
    _enough.set()
    with _lock:
        while _ready:
            started = _ready.pop(0)
            if started.process.poll() is None:
                return started
            started.end()
    return None


def _start() -> _Started:
    worker = Path(__file__).with_name("worker.py")
    environment = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    environment["OMP_NUM_THREADS"] = "1"  # numpy's; the runtime is told its threads
    errors = tempfile.TemporaryFile()  # noqa: SIM115 - closed with the process
    # -P keeps this folder's names (memory, speed) off the child's path.
    process = subprocess.Popen(
        [sys.executable, "-P", str(worker)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        env=environment,
    )
    return _Started(process, errors)


class Process:
    """One measuring process with one model in it; used as a context."""

    def __init__(self, model: Path, feeds: Path, threads: int) -> None:
        self.feeds, self.threads = feeds, threads
        taken = _taken()
        started = taken or _start()
        self._process, self._errors = started.process, started.errors
        self._lines: queue.Queue[bytes] = queue.Queue()
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()
        try:
            if taken is None:
                self._receive("starting", SECONDS_TO_START)
            self._say({"model": str(model), "feeds": str(feeds), "threads": threads})
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
        self._say({"do": do, **request})
        return self._receive("measuring", seconds)

    def _say(self, words: dict[str, Any]) -> None:
        assert self._process.stdin is not None  # noqa: S101 - it is a pipe
        try:
            self._process.stdin.write(json.dumps(words).encode() + b"\n")
            self._process.stdin.flush()
        except BrokenPipeError as error:
            raise WorkerFailed(what="measuring", because=self._last_words()) from error

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
