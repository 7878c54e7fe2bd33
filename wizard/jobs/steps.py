"""Applies each step of a job in a process of its own.

Covers: giving a step's memory back when it is done (a whole export holds several copies of the
weights), a crash of a library that ends one candidate rather than the job, progress on the way.
Does not cover: what a step does (strategies), the limits of the whole job (child.py).

The processes are forked from a small server that has the libraries loaded (Linux, macOS), or
started afresh (Windows). One may be started ahead, to load PyTorch while the plan is made. A step
whose job is gone ends itself.
"""

from __future__ import annotations

import dataclasses
import importlib
import multiprocessing
import os
import pkgutil
import threading
import traceback
from multiprocessing.connection import Connection
from multiprocessing.context import BaseContext
from pathlib import Path
from typing import TYPE_CHECKING

from wizard import loading
from wizard.errors import WizardError, WorkerFailed
from wizard.jobs.questions import revive
from wizard.nouns import Artifact, Kind, Step
from wizard.strategies import _contract as contract

if TYPE_CHECKING:
    from collections.abc import Callable

TECHNIQUES = (
    f"{contract.__package__}.{one.name}"
    for one in pkgutil.iter_modules([str(Path(contract.__file__).parent)])
    if one.name[0] != "_"
)
# The job's own module is looked at again in every process that comes from the server.
JOB = "wizard.jobs.child"
PRELOADED = (contract.__name__, "onnx", "onnxruntime.quantization", *TECHNIQUES, JOB)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Started:
    """A process for one step, and our end of the pipe to it."""

    process: multiprocessing.process.BaseProcess
    pipe: Connection


_ahead: list[_Started] = []
_too_late = threading.Event()  # for one that the server would start only now
_lock = threading.Lock()


def warm_up(*, ahead: bool = False) -> None:
    """Start the server that later processes come from, and load what judges; returns at once.

    `ahead`: start the first step's process too; it loads PyTorch before the step is known.
    """
    # More than a second on a slow machine, needed only when the first answers are there.
    threading.Thread(target=importlib.import_module, args=("scipy.stats",), daemon=True).start()
    context = _context()
    _too_late.clear()
    if context.get_start_method() == "forkserver":
        context.set_forkserver_preload(list(PRELOADED))
        threading.Thread(target=_start_server, args=(ahead,), daemon=True).start()


def _start_server(ahead: bool) -> None:
    from multiprocessing import forkserver

    forkserver.ensure_running()
    with _lock:
        if ahead and not _too_late.is_set():
            _ahead.append(_start(loads_first=True))


def stand_down() -> None:
    """End a process that was started ahead and has no step, or that is about to be."""
    with _lock:
        _too_late.set()
        while _ahead:
            started = _ahead.pop()
            started.process.kill()
            started.process.join()
            started.pipe.close()


def apply_apart(step: Step, artifact: Artifact, bench: contract.Workbench) -> Artifact:
    """What contract.apply_step gives, from a process that ends with the step.

    Raises what the step raised, or WorkerFailed when its process died without a word.
    """
    if contract.discover()[step.strategy].accepts is not Kind.CHECKPOINT:
        stand_down()
    with _lock:
        started = _ahead.pop() if _ahead else _start(loads_first=False)
    alone = dataclasses.replace(bench, report=_silent)
    try:
        started.pipe.send((step, artifact, alone))
        return _listen(started.pipe, bench.report, step)
    except (EOFError, BrokenPipeError, ConnectionResetError) as error:
        started.process.join()
        because = f"its process ended with status {started.process.exitcode}"
        raise WorkerFailed(what=_title(step), because=because) from error
    finally:
        started.pipe.close()
        started.process.join()


def _start(*, loads_first: bool) -> _Started:
    context = _context()
    ours, theirs = context.Pipe()
    process = context.Process(  # type: ignore[attr-defined] # every context has it
        target=_work, args=(theirs, loads_first), daemon=True
    )
    process.start()
    theirs.close()
    return _Started(process=process, pipe=ours)


def _context() -> BaseContext:
    several = multiprocessing.get_all_start_methods()
    return multiprocessing.get_context("forkserver" if "forkserver" in several else "spawn")


def _listen(pipe: Connection, report: Callable[[float, str], None], step: Step) -> Artifact:
    while True:
        kind, content = pipe.recv()
        if kind == "progress":
            report(*content)
        elif kind == "made":
            assert isinstance(content, Artifact)  # noqa: S101 - narrows the type for mypy
            return content
        elif kind == "refused":
            raise revive(*content)
        elif kind == "machine":
            raise content
        else:
            raise WorkerFailed(what=_title(step), because=content)


def _title(step: Step) -> str:
    return contract.discover()[step.strategy].title


def _silent(fraction: float, detail: str) -> None:
    del fraction, detail


def _work(pipe: Connection, loads_first: bool) -> None:
    """In the step's own process: one artifact or one failure goes back through the pipe."""
    threading.Thread(target=_end_with_the_job, daemon=True).start()
    if loads_first:
        os.environ["HF_HUB_OFFLINE"] = "1"  # the Hub's client looks once; a step asks nobody
        loading.begin()
    try:
        step, artifact, bench = pipe.recv()
    except EOFError:  # there is no step after all
        return

    def report(fraction: float, detail: str) -> None:
        pipe.send(("progress", (fraction, detail)))

    try:
        made = contract.apply_step(step, artifact, dataclasses.replace(bench, report=report))
        pipe.send(("made", made))
    except WizardError as error:
        pipe.send(("refused", (error.code, dict(error.facts))))
    except (OSError, MemoryError) as error:
        traceback.print_exc()
        pipe.send(("machine", _plain(error)))
    except Exception as error:  # noqa: BLE001 - the top of a child process
        traceback.print_exc()
        pipe.send(("failed", f"{type(error).__name__}: {error}".split("\n", 1)[0][:200]))


def _plain(error: OSError | MemoryError) -> OSError | MemoryError:
    """Without what cannot travel between processes."""
    return OSError(error.errno, error.strerror) if isinstance(error, OSError) else MemoryError()


def _end_with_the_job() -> None:
    parent = multiprocessing.parent_process()
    if parent is not None:
        parent.join()
        os._exit(1)
