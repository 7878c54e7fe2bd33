"""The job folder: what lies in it and how it is read and written.

    request.json      owner, command, plan, limits: everything the child needs
    child.json        the child's process id and its start time (so that a reused id is noticed)
    events.jsonl      one event a line, append-only; the last is `finished`
    outcome.json      everything measured so far (written by `run`)
    result.json       the wizard.run/1 object
    bundle/           the bundle; bundle.zip beside it
    log.txt           what the child printed
    ended             made once, by whoever writes the last event

Covers: the layout and its reading. Does not cover: processes (control.py, child.py).
"""

from __future__ import annotations

import json
import re
import secrets
import shutil
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from wizard.errors import JobNotFound, JobOfAnotherVersion
from wizard.nouns import Outcome, Plan, RunEvent, jsonable

if TYPE_CHECKING:
    from pydantic import TypeAdapter

T = TypeVar("T")

REQUEST, CHILD, EVENTS, LOG = "request.json", "child.json", "events.jsonl", "log.txt"
OUTCOME, RESULT, BUNDLE, ENDED = "outcome.json", "result.json", "bundle", "ended"
TURN = ".turn"  # in the folder of all jobs: whose turn it is


class JobState(StrEnum):
    """Where a job is. INTERRUPTED: the child died without a last word."""

    WAITING = "waiting"
    RUNNING = "running"
    ENDED = "ended"
    INTERRUPTED = "interrupted"


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """What a job is asked to do.

    `memory_bytes` bounds the child and what it starts; exported models are kept in `cache`.
    """

    owner: str
    created: float
    command: str
    memory_bytes: int
    cache: Path
    plan: Plan


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStatus:
    """A job at a glance. `position` counts the jobs ahead of a waiting one."""

    id: str
    state: JobState
    created: float
    model: str
    device: str
    command: str
    position: int = 0
    sentence: str = ""


def create(root: Path, request: Request) -> str:
    """Make the folder of a new job; its id cannot be guessed."""
    job = secrets.token_hex(12)
    folder = root / job
    folder.mkdir(parents=True)
    (folder / REQUEST).write_text(json.dumps(jsonable(request)), encoding="utf-8")
    (folder / EVENTS).touch()
    return job


def folder_of(root: Path, job: str) -> Path:
    """The folder of a job. Raises JobNotFound; a job id never leads outside `root`."""
    folder = root / job
    if not re.fullmatch(r"[0-9a-f]{24}", job) or not (folder / REQUEST).is_file():
        raise JobNotFound(job=job)
    return folder


def read_request(folder: Path) -> Request:
    """The request as it was written; read once, for it is never changed.

    Raises JobOfAnotherVersion.
    """
    return _request_in(folder, (folder / REQUEST).stat().st_mtime_ns)


@lru_cache(maxsize=64)
def _request_in(folder: Path, written: int) -> Request:
    del written
    return _read(_requests(), (folder / REQUEST).read_bytes(), folder.name)


def _read(adapter: TypeAdapter[T], raw: bytes, job: str) -> T:
    from pydantic import ValidationError

    try:
        return adapter.validate_json(raw)
    except ValidationError as error:
        raise JobOfAnotherVersion(job=job) from error


def append(folder: Path, event: RunEvent) -> None:
    """Add one event as one line in one write."""
    line = json.dumps(jsonable(event), ensure_ascii=False) + "\n"
    with (folder / EVENTS).open("a", encoding="utf-8") as file:
        file.write(line)


def read_events(folder: Path) -> tuple[RunEvent, ...]:
    """Every whole line; a line that a kill cut short is left out. Raises JobOfAnotherVersion."""
    raw = (folder / EVENTS).read_bytes()
    lines = raw.split(b"\n")[:-1]
    return tuple(_event_in(line, folder.name) for line in lines if line.startswith(b"{"))


@lru_cache(maxsize=8192)
def _event_in(line: bytes, job: str) -> RunEvent:
    """Whoever follows a job reads its lines again and again."""
    return _read(_events(), line, job)


def keep_outcome(folder: Path, outcome: Outcome) -> None:
    """Another conclusion from the same measurements; a bundle of the former one goes first."""
    shutil.rmtree(folder / BUNDLE, ignore_errors=True)
    for name in (f"{BUNDLE}.zip", RESULT):
        (folder / name).unlink(missing_ok=True)
    temporary = folder / f"{OUTCOME}.partial"
    temporary.write_text(json.dumps(jsonable(outcome), ensure_ascii=False), encoding="utf-8")
    temporary.replace(folder / OUTCOME)


def claim_the_end(folder: Path) -> bool:
    """True for exactly one caller: the one who may write the last event."""
    try:
        (folder / ENDED).touch(exist_ok=False)
    except FileExistsError:
        return False
    return True


def has_ended(folder: Path) -> bool:
    """Whether somebody wrote, or is writing, the last event."""
    return (folder / ENDED).exists()


@lru_cache(maxsize=1)
def _events() -> TypeAdapter[RunEvent]:
    from pydantic import TypeAdapter

    return TypeAdapter(RunEvent)


@lru_cache(maxsize=1)
def _requests() -> TypeAdapter[Request]:
    from pydantic import TypeAdapter

    return TypeAdapter(Request)
