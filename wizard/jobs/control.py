"""Starting, following and ending jobs from outside their child process.

Covers: admission (how many may wait), spawning, reading, cancelling within a second or two,
noticing a child that died, sweeping old folders.
Does not cover: what happens inside the child (child.py).
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import IO

from wizard.errors import JobNotFound, JobOfAnotherVersion, QueueFull
from wizard.jobs import caller, store
from wizard.jobs.store import JobState, JobStatus, Request
from wizard.nouns import Ending, Finished, JobStarted, RunEvent

WAITING_ALLOWED = 4
# A child that was just spawned has not written its process id yet.
BIRTH_SECONDS = 15.0
# No number of a process is given again that soon; whole seconds are what the kernel tells the
# machine's own start in, and its two readings may lie on both sides of one.
SAME_BIRTH_SECONDS = 2.5
POLL_SECONDS = 0.15


def start(root: Path, request: Request) -> str:
    """Make the job's folder and its child process. Raises QueueFull; nothing is then written.

    One job per owner at a time, WAITING_ALLOWED waiting in all; the child itself waits its turn.
    """
    active = [status(root, job) for job in jobs_of(root)]
    busy = [one for one in active if one.state in {JobState.WAITING, JobState.RUNNING}]
    mine = [one for one in busy if store.read_request(root / one.id).owner == request.owner]
    if mine:
        hint = f", or stop it with: wizard jobs {mine[0].id} --cancel"
        raise QueueFull(waiting=len(busy), hint=hint)
    if len(busy) > WAITING_ALLOWED:
        # The others are not this owner's to see, and an id opens and cancels a job.
        raise QueueFull(waiting=len(busy), hint="")
    job = store.create(root, request)
    _spawn(root / job)
    return job


_ready: list[subprocess.Popen[bytes]] = []


def get_ready(*, exports: bool = True) -> None:
    """Start the next job's process now: it loads the libraries while the plan is made.

    And the process of its first step, which loads PyTorch, if the job is the one that exports.
    """
    if not _ready:
        _ready.append(_child(subprocess.DEVNULL, *(("--exports",) if exports else ())))


def taken(ready: list[subprocess.Popen[bytes]]) -> subprocess.Popen[bytes] | None:
    """The process that was started ahead, unless it is gone; several visitors may want it."""
    try:
        process = ready.pop()
    except IndexError:
        return None
    if process.poll() is None:
        return process
    process.communicate()
    return None


def at_work() -> bool:
    """Whether a job that this process started is at work: nothing else should be, meanwhile."""
    return any(one.poll() is None for one in _children.values())


def _spawn(folder: Path) -> None:
    process = taken(_ready)
    if process is None:
        with (folder / store.LOG).open("ab") as log:
            process = _child(log)
    assert process.stdin is not None  # noqa: S101 - it is a pipe
    said = {"folder": str(folder), "token": caller.token()}
    with suppress(BrokenPipeError), process.stdin:
        process.stdin.write(json.dumps(said).encode() + b"\n")
    # The child outlives us on purpose; reading its status later reaps it.
    _children[process.pid] = process


def _child(log: IO[bytes] | int, *words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "wizard.jobs.child", *words],
        stdin=subprocess.PIPE,
        stdout=log,
        stderr=log,
        start_new_session=True,
        env=child_environment(),
    )


_children: dict[int, subprocess.Popen[bytes]] = {}


def child_environment() -> dict[str, str]:
    """Ours without tokens, the package found wherever we were started from, one thread pool."""
    package_root = str(Path(__file__).resolve().parents[2])
    path = os.environ.get("PYTHONPATH")
    return {
        # PyTorch's threads that spin long for each other stall where other programs want the
        # cores (DECISIONS.md, 2026-11-29). Other OpenMP libraries than GNU's do not read it.
        "GOMP_SPINCOUNT": "5000",
        **caller.environment(),
        "PYTHONPATH": package_root if not path else os.pathsep.join((package_root, path)),
        "PYTHONUNBUFFERED": "1",
        "TOKENIZERS_PARALLELISM": "false",
        "HF_HUB_DISABLE_TELEMETRY": "1",
        # With a threshold that does not grow, glibc gives a freed weight back to the system
        # (DECISIONS.md, 2026-11-29). Other systems do not read it.
        "MALLOC_MMAP_THRESHOLD_": "8388608",
    }


def jobs_of(root: Path) -> tuple[str, ...]:
    """Every job id under `root`, oldest first; not those of another version of the wizard."""
    return tuple(one.name for one in _folders(root) if _readable(one))


def _folders(root: Path) -> list[Path]:
    if not root.is_dir():
        return []
    folders = [f for f in root.iterdir() if (f / store.REQUEST).is_file()]
    return sorted(folders, key=lambda f: (f / store.REQUEST).stat().st_mtime)


def _readable(folder: Path) -> bool:
    try:
        store.read_request(folder)
    except (JobOfAnotherVersion, FileNotFoundError):
        return False
    return True


def listing(root: Path, owner: str | None = None) -> tuple[JobStatus, ...]:
    """Every job at a glance, or those of one owner only, newest first."""
    found = [
        job
        for job in reversed(jobs_of(root))
        if owner is None or store.read_request(root / job).owner == owner
    ]
    return tuple(status(root, job) for job in found)


def events(root: Path, job: str) -> tuple[RunEvent, ...]:
    """What has happened so far. A child found dead gets its last event written here."""
    folder = store.folder_of(root, job)
    status(root, job)
    return store.read_events(folder)


def follow(root: Path, job: str) -> Iterator[RunEvent]:
    """Every event, as it comes, until the last one."""
    seen = 0
    while True:
        happened = events(root, job)
        yield from happened[seen:]
        seen = len(happened)
        if happened and isinstance(happened[-1], Finished):
            return
        time.sleep(POLL_SECONDS)


def status(root: Path, job: str) -> JobStatus:
    """A job at a glance; also where a dead child is noticed."""
    folder = store.folder_of(root, job)
    request = store.read_request(folder)
    happened = store.read_events(folder)
    state = _state(folder, request, happened)
    last = happened[-1] if happened else None
    return JobStatus(
        id=job,
        state=state,
        created=request.created,
        model=str(request.plan.profile.ref),
        device=request.plan.device.name,
        command=request.command,
        position=_position(root, request) if state is JobState.WAITING else 0,
        sentence=last.sentence if isinstance(last, Finished) else "",
    )


def _state(folder: Path, request: Request, happened: tuple[RunEvent, ...]) -> JobState:
    last = happened[-1] if happened else None
    if isinstance(last, Finished):
        return JobState.INTERRUPTED if last.code == "interrupted" else JobState.ENDED
    if _alive(folder, request):
        began = any(isinstance(event, JobStarted) for event in happened)
        return JobState.RUNNING if began else JobState.WAITING
    if store.claim_the_end(folder):
        _write_the_end(folder, Ending.FAILED, "interrupted")
        return JobState.INTERRUPTED
    return JobState.ENDED


def _position(root: Path, request: Request) -> int:
    """How many unfinished jobs were created before this one."""
    older = [
        one
        for one in jobs_of(root)
        if not store.has_ended(root / one)
        and store.read_request(root / one).created < request.created
    ]
    return len(older)


def _alive(folder: Path, request: Request) -> bool:
    unborn = not (folder / store.CHILD).exists()  # asked first: it may be born meanwhile
    if _process(folder) is not None:
        return True
    return unborn and time.time() - request.created < BIRTH_SECONDS


def _process(folder: Path) -> object | None:
    """The child as a psutil.Process, if it is still the one we started."""
    import psutil

    from wizard.jobs.clock import birth

    path = folder / store.CHILD
    if not path.exists():
        return None
    child = json.loads(path.read_text(encoding="utf-8"))
    reap = _children.get(child["pid"])
    if reap is not None and reap.poll() is not None:
        _children.pop(child["pid"], None)
        return None
    try:
        process = psutil.Process(child["pid"])
        same = abs(birth(process) - child["started"]) < SAME_BIRTH_SECONDS
        return process if same and process.status() != psutil.STATUS_ZOMBIE else None
    except psutil.NoSuchProcess:
        return None


def cancel(root: Path, job: str) -> None:
    """Stop a job and everything it started; what it had found stays readable."""
    folder = store.folder_of(root, job)
    if store.has_ended(folder):
        return
    mine = store.claim_the_end(folder)
    _kill_tree(folder)
    if mine:
        _write_the_end(folder, Ending.CANCELLED, "cancelled")


def _kill_tree(folder: Path) -> None:
    import psutil

    deadline = time.time() + 2.0
    while not (folder / store.CHILD).exists() and time.time() < deadline:
        time.sleep(0.05)
    process = _process(folder)
    if process is None:
        return
    assert isinstance(process, psutil.Process)  # noqa: S101 - narrows the type for mypy
    family = [process]
    try:
        family += process.children(recursive=True)
    except psutil.NoSuchProcess:
        return
    for member in family:
        try:
            member.kill()
        except psutil.NoSuchProcess:
            continue
    psutil.wait_procs(family, timeout=2.0)


def _write_the_end(folder: Path, ending: Ending, code: str) -> None:
    from wizard import library
    from wizard.errors import Cancelled, Interrupted

    explained = library.explain(Cancelled() if code == "cancelled" else Interrupted())
    store.append(
        folder,
        Finished(
            at=time.time(),
            ending=ending,
            code=code,
            sentence=explained.message,
            next=explained.next,
        ),
    )


def request_of(root: Path, job: str) -> Request:
    """What a job was asked to do."""
    return store.read_request(store.folder_of(root, job))


def sweep(root: Path, older_than_seconds: float, now: float) -> tuple[str, ...]:
    """Delete the folders of ended jobs older than that; the ids that went."""
    gone = []
    for folder in _folders(root):
        try:
            created, ended = store.read_request(folder).created, store.has_ended(folder)
        except JobOfAnotherVersion:
            created, ended = (folder / store.REQUEST).stat().st_mtime, True
        except (JobNotFound, FileNotFoundError):
            continue
        if ended and now - created > older_than_seconds:
            shutil.rmtree(folder, ignore_errors=True)
            gone.append(folder.name)
    return tuple(gone)
