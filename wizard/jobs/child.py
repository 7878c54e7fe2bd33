"""The child process of a job: waits its turn, works under limits, has the last word.

Started as `python -m wizard.jobs.child`, told its folder on standard input; ahead of its job with
`--exports`, to load what the model's file is made with. Covers: the turn (one heavy job at a time
on a machine), the memory and time watchdog, turning any failure into one last event. When the
minutes are spent, what is being made or measured is ended and the best so far is packed.
Does not cover: the work itself (`run.walk`). The one broad `except` of the house is here.
"""

from __future__ import annotations

import errno
import json
import os
import sys
import threading
import time
import traceback
from collections.abc import Callable
from functools import partial
from pathlib import Path

from wizard import library
from wizard.errors import DiskFull, MemoryFull, TimeUp, Unexpected, WizardError
from wizard.jobs import steps, store
from wizard.nouns import Ending, Explained, Finished, Noted, RunEvent, StepDone
from wizard.run import Site, dry, pair, result_object, walk
from wizard.run.outcome import write_json

WATCH_SECONDS = 0.25
# For packing the best so far once the minutes are spent; then the job is ended.
GRACE_SECONDS = 20.0


class EventLog:
    """The job's event file; says nothing once somebody else has ended the job."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._lock = threading.Lock()

    def emit(self, event: RunEvent) -> None:
        """Append one event."""
        with self._lock:
            if not store.has_ended(self._folder):
                store.append(self._folder, event)

    def finish(self, event: Finished) -> None:
        """Append the last event, unless the job was ended from outside."""
        with self._lock:
            if store.claim_the_end(self._folder):
                store.append(self._folder, event)


def main(*, exports: bool) -> int:
    """Run the job that we are told of; the exit status is 0 when it got as far as an outcome."""
    steps.warm_up(ahead=exports)
    heard = sys.stdin.readline()
    if not heard:  # who started us has no job after all
        return 0
    said = json.loads(heard)
    folder = Path(said["folder"])
    _log_into(folder)
    _be_born(folder)
    _sign_in(said["token"])
    request = store.read_request(folder)
    log = EventLog(folder)
    try:
        with _turn(folder.parent, log):
            _watch(folder, request, log)
            return _work(folder, request, log)
    except TimeUp as error:
        log.finish(_failure(library.explain(error), Ending.TIMED_OUT))
    except WizardError as error:
        log.finish(_failure(library.explain(error)))
    except OSError as error:
        traceback.print_exc()
        log.finish(_failure(library.explain(_from_os(error, folder))))
    except MemoryError:
        log.finish(_failure(library.explain(_out_of_memory(request))))
    except Exception as error:  # noqa: BLE001 - the last word of a job, whatever happened
        traceback.print_exc()
        log.finish(_failure(library.explain(_mistake(error))))
    return 1


def _be_born(folder: Path) -> None:
    import psutil

    from wizard.jobs.clock import birth

    started = birth(psutil.Process())
    write_json(folder / store.CHILD, {"pid": os.getpid(), "started": started})


def _log_into(folder: Path) -> None:
    """What we and our libraries say from now on stands in the job's folder."""
    with (folder / store.LOG).open("ab") as log:
        for stream in (sys.stdout, sys.stderr):
            os.dup2(log.fileno(), stream.fileno())


def _sign_in(token: str | None) -> None:
    """Whose name the Hub is asked in, as told on standard input; only this process knows it."""
    from wizard import hub

    hub.sign_in(token)


def _turn(root: Path, log: EventLog) -> Turn:
    return Turn(root / store.TURN, log)


class Turn:
    """One heavy job at a time under one root: measuring two at once would measure neither."""

    def __init__(self, path: Path, log: EventLog) -> None:
        from filelock import FileLock

        self._lock = FileLock(str(path))
        self._log = log

    def __enter__(self) -> None:
        from filelock import Timeout

        try:
            self._lock.acquire(timeout=0.2)
        except Timeout:
            sentence = "Another job is running on this machine; this one starts when it is done."
            self._log.emit(Noted(at=time.time(), sentence=sentence))
            self._lock.acquire()

    def __exit__(self, *error: object) -> None:
        self._lock.release()


def _work(folder: Path, request: store.Request, log: EventLog) -> int:
    from wizard import intake
    from wizard.jobs.clock import steady

    host = intake.host_facts(folder)
    site = Site(
        folder=folder,
        cache=request.cache,
        host=host,
        threads=host.threads,
        clock=steady(),
        emit=_emitting(log),
        command=request.command,
        apply=steps.apply_apart,
        open=partial(intake.folder_of, seconds=60 * request.plan.needs.minutes),
    )
    if request.plan.dry_run:
        found = dry.walk(request.plan, site)
        log.finish(Finished(at=site.clock(), ending=Ending.FINISHED, sentence=found.sentence,
                            result=store.RESULT))  # fmt: skip
        return 0
    outcome, packed = walk(request.plan, pair.site_for(request.plan, site))
    write_json(folder / store.RESULT, result_object(outcome, packed))
    log.finish(
        Finished(
            at=site.clock(),
            ending=Ending.FINISHED,
            overall=outcome.comparison.overall,
            sentence=outcome.comparison.headline,
            result=store.RESULT,
        )
    )
    return 0


def _emitting(log: EventLog) -> Callable[[RunEvent], None]:
    """As the log does; after the first file is made, nothing is kept ready to make it."""

    def emit(event: RunEvent) -> None:
        if isinstance(event, StepDone):
            steps.stand_down()
        log.emit(event)

    return emit


def _watch(folder: Path, request: store.Request, log: EventLog) -> None:
    """Start the thread that ends the job when it takes too much memory or time."""
    over = time.monotonic() + request.plan.needs.minutes * 60
    threading.Thread(target=_guard, args=(request, log, over), daemon=True).start()


def _guard(request: store.Request, log: EventLog, over: float) -> None:
    import psutil

    me = psutil.Process()
    until = over + max(GRACE_SECONDS, 0.1 * request.plan.needs.minutes * 60)
    stopped = False
    while True:
        time.sleep(WATCH_SECONDS)
        if time.monotonic() > over and not stopped:
            stopped = True
            _stop_working(me)
        if _resident(me) > request.memory_bytes:
            _end_now(log, _failure(library.explain(_out_of_memory(request))))
        if time.monotonic() > until:
            explained = library.explain(TimeUp(minutes=request.plan.needs.minutes))
            _end_now(log, _failure(explained, Ending.TIMED_OUT))


def _stop_working(me: object) -> None:
    """End the processes that make or measure; the walk then packs the best so far.

    The server that steps are forked from and multiprocessing's own helper stay.
    """
    import psutil

    assert isinstance(me, psutil.Process)  # noqa: S101 - narrows the type for mypy
    for process in me.children(recursive=True):
        try:
            words = " ".join(process.cmdline())
            helper = "resource_tracker" in words
            server = "forkserver" in words and process.ppid() == me.pid
            if not helper and not server:
                process.kill()
        except psutil.NoSuchProcess:
            continue


def _resident(me: object) -> int:
    """Bytes in memory of this process and everything it started."""
    import psutil

    assert isinstance(me, psutil.Process)  # noqa: S101 - narrows the type for mypy
    total = 0
    for process in (me, *me.children(recursive=True)):
        try:
            total += process.memory_info().rss
        except psutil.NoSuchProcess:
            continue
    return total


def _end_now(log: EventLog, event: Finished) -> None:
    import psutil

    log.finish(event)
    for process in psutil.Process().children(recursive=True):
        process.kill()
    os._exit(1)


def _out_of_memory(request: store.Request) -> MemoryFull:
    allowed = request.memory_bytes // 10**6
    return MemoryFull(needed_mb=f"more than {allowed}", free_mb=allowed)


def _mistake(error: Exception) -> Unexpected:
    return Unexpected(because=f"{type(error).__name__}: {error}".split("\n", 1)[0][:200])


def _from_os(error: OSError, folder: Path) -> WizardError:
    import shutil

    if error.errno in {errno.ENOSPC, errno.EDQUOT}:
        free = shutil.disk_usage(folder).free // 10**6
        return DiskFull(path=str(folder), needed_mb="more", free_mb=free)
    return _mistake(error)


def _failure(explained: Explained, ending: Ending = Ending.FAILED) -> Finished:
    return Finished(
        at=time.time(),
        ending=ending,
        code=explained.code,
        sentence=explained.message,
        next=explained.next,
    )


if __name__ == "__main__":
    sys.exit(main(exports="--exports" in sys.argv))
