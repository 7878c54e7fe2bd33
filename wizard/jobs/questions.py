"""Small questions answered in a short-lived child: a model's card, a look into a data file.

Covers: starting the child with a wall-clock and a memory limit, also ahead of its question,
bringing its answer or its error back. Does not cover: jobs. A file from a stranger is opened in
the child, never here, and torch is imported in the child, never in the web process.

The child that made a card may go on with what a job of that model needs first (exporting.py).
"""

from __future__ import annotations

import atexit
import contextlib
import json
import os
import subprocess
import sys
import threading
import time
import traceback
from collections.abc import Callable
from concurrent import futures
from typing import IO

from wizard import errors, loading
from wizard.errors import WizardError, WorkerFailed
from wizard.jobs import caller
from wizard.jobs.control import child_environment, taken
from wizard.limits import limits
from wizard.nouns import Json, ModelProfile, jsonable

# The question that needs PyTorch; a child told to get ready loads it before it is asked.
EXAMINE = "examine"

_ready: list[subprocess.Popen[bytes]] = []
_going_on: list[subprocess.Popen[bytes]] = []
WATCH_SECONDS, LEAVE_SECONDS = 0.5, 5.0


def get_ready() -> None:
    """Start the child of a first `examine` now: it loads the libraries while nobody waits yet."""
    if not _ready:
        _ready.append(_child("--ready"))
        atexit.unregister(stand_down)
        atexit.register(stand_down)


def stand_down() -> None:
    """End a child that was started ahead and not asked."""
    while (child := taken(_ready)) is not None:
        child.kill()
        child.communicate()


def ask(question: str, arguments: Json, seconds: float | None = None, *, then: Json = None) -> Json:
    """The answer to EXAMINE or one of answers.ANSWERS, called with `arguments` in a child process.

    `then` is what the child goes on with once it has answered EXAMINE, for exporting.begin; it ends
    with this process at the latest. Raises the WizardError that the child raised, or WorkerFailed
    when it died or took too long.
    """
    seconds = seconds or limits().child_seconds
    said = {"question": question, "arguments": arguments, "token": caller.token(), "then": then}
    child = (taken(_ready) if question == EXAMINE else None) or _child()
    heard_all = False
    try:
        out, heard = _hear(child, json.dumps(said).encode(), seconds)
        heard_all = True
    except TimeoutError as error:
        because = f"it took more than {seconds:.0f} seconds"
        raise WorkerFailed(what=_words(question), because=because) from error
    finally:
        if then is not None and heard_all:
            _let_go_on(child)
        else:
            _end(child)
    return _answer(question, out, heard, child)


def _hear(child: subprocess.Popen[bytes], said: bytes, seconds: float) -> tuple[bytes, bytes]:
    """What it says, and on standard error, until it says no more. Raises TimeoutError."""
    assert child.stdin is not None  # noqa: S101 - all three are pipes
    assert child.stdout is not None  # noqa: S101 - likewise
    assert child.stderr is not None  # noqa: S101 - likewise
    with futures.ThreadPoolExecutor(max_workers=2) as readers:
        heard = [readers.submit(_read, one) for one in (child.stdout, child.stderr)]
        with contextlib.suppress(BrokenPipeError), child.stdin:
            child.stdin.write(said)
        try:
            done = [one.result(timeout=seconds) for one in heard]
        except BaseException:  # too late, or interrupted
            child.kill()  # the readers end with it
            raise
    return done[0], done[1]


def _read(pipe: IO[bytes]) -> bytes:
    with pipe:
        return pipe.read()


def _end(child: subprocess.Popen[bytes]) -> None:
    """A child that has nothing more to say; it may still be about to leave."""
    try:
        child.wait(timeout=LEAVE_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        child.wait()


def _let_go_on(child: subprocess.Popen[bytes]) -> None:
    _going_on[:] = [one for one in _going_on if one.poll() is None]
    _going_on.append(child)
    atexit.unregister(stop_going_on)
    atexit.register(stop_going_on)


def stop_going_on() -> None:
    """End the children that went on after their answer."""
    for child in _going_on:
        child.kill()
        child.wait()
    _going_on.clear()


def memory_of_those_going_on() -> int:
    """Bytes in memory of children that went on; they give them back before a job needs them."""
    import psutil

    total = 0
    for child in _going_on:
        with contextlib.suppress(psutil.NoSuchProcess):
            total += psutil.Process(child.pid).memory_info().rss
    return total


def _child(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "wizard.jobs.questions", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
    )


def _answer(question: str, out: bytes, heard: bytes, child: subprocess.Popen[bytes]) -> Json:
    line = out.rsplit(b"\n", 2)[-2:]
    text = b"".join(line).decode("utf-8", "replace")
    try:
        reply = json.loads(text)
    except json.JSONDecodeError as error:
        last = heard.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1][:200]
        because = last or f"its process ended with status {child.wait()}"
        raise WorkerFailed(what=_words(question), because=because) from error
    if "error" in reply:
        raise revive(reply["error"], reply["facts"])
    answer: Json = reply["answer"]
    return answer


def _words(question: str) -> str:
    return question.replace("_", " ")


def revive(code: str, facts: dict[str, object]) -> WizardError:
    """The error of another process, by its code and facts."""
    for kind in vars(errors).values():
        if isinstance(kind, type) and issubclass(kind, WizardError) and kind.code == code:
            return kind(**facts)
    return WorkerFailed(what="a question", because=code)


def main(*, ready: bool) -> int:
    """Answer one question: it comes on standard input, one JSON line goes to standard output."""
    _limit_memory()
    loading.skip_losses()
    if ready:
        loading.begin()
    heard = sys.stdin.read()
    if not heard:  # who started us had no question after all
        return 0
    said = json.loads(heard)
    question = said["question"]
    reply: dict[str, Json]
    found: object = None
    try:
        from wizard import hub

        hub.sign_in(said["token"])
        found = _answerer(question)(**said["arguments"])
        reply = {"answer": jsonable(found)}
    except WizardError as error:
        facts = {name: str(fact) for name, fact in error.facts.items()}
        reply = {"error": error.code, "facts": facts}
    except MemoryError:
        free = limits().child_memory_bytes // 10**6
        reply = {"error": "memory-full", "facts": {"needed_mb": "more", "free_mb": free}}
    except Exception as error:  # noqa: BLE001 - the top of a child process
        traceback.print_exc()
        facts = {
            "what": _words(question),
            "because": f"{type(error).__name__}: {error}".split("\n", 1)[0][:200],
        }
        reply = {"error": "worker-failed", "facts": facts}
    sys.stdout.write("\n" + json.dumps(reply) + "\n")
    if said["then"] is not None and isinstance(found, ModelProfile):
        _hang_up()
        from wizard.jobs import exporting

        exporting.begin(found, **said["then"])
    return 0


def _hang_up() -> None:
    """Nobody listens any longer; when whoever asked is gone, so are we."""
    sys.stdout.flush()
    sys.stderr.flush()
    nowhere = os.open(os.devnull, os.O_WRONLY)
    for stream in (sys.stdout, sys.stderr):
        os.dup2(nowhere, stream.fileno())
    threading.Thread(target=_end_with, args=(os.getppid(),), daemon=True).start()


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH_SECONDS)
    os._exit(1)


def _answerer(question: str) -> Callable[..., object]:
    """Who answers; a model's card needs one room, whose import takes half of that of them all."""
    if question == EXAMINE:
        from wizard.jobs import card

        return card.examine
    from wizard.jobs.answers import ANSWERS

    return ANSWERS[question]


def _limit_memory() -> None:
    if sys.platform != "linux":
        return
    import resource

    # RLIMIT_DATA counts private memory; RLIMIT_AS would count the libraries' empty reservations.
    allowed = limits().child_memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


if __name__ == "__main__":
    loading.leave(main(ready="--ready" in sys.argv))
