"""Small questions answered in a short-lived child: a model's card, a look into a data file.

Covers: starting the child with a wall-clock and a memory limit, also ahead of its question,
bringing its answer or its error back. Does not cover: jobs. A file from a stranger is opened in
the child, never here, and torch is imported in the child, never in the web process.
"""

from __future__ import annotations

import atexit
import json
import subprocess
import sys
import traceback
from collections.abc import Callable

from wizard import errors, loading
from wizard.errors import WizardError, WorkerFailed
from wizard.jobs import caller
from wizard.jobs.control import child_environment, taken
from wizard.limits import limits
from wizard.nouns import Json, jsonable

# The question that needs PyTorch; a child told to get ready loads it before it is asked.
EXAMINE = "examine"

_ready: list[subprocess.Popen[bytes]] = []


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


def ask(question: str, arguments: Json, seconds: float | None = None) -> Json:
    """The answer to EXAMINE or one of answers.ANSWERS, called with `arguments` in a child process.

    Raises the WizardError that the child raised, or WorkerFailed when it died or took too long.
    """
    seconds = seconds or limits().child_seconds
    said = {"question": question, "arguments": arguments, "token": caller.token()}
    child = (taken(_ready) if question == EXAMINE else None) or _child()
    try:
        out, heard = child.communicate(json.dumps(said).encode(), timeout=seconds)
    except subprocess.TimeoutExpired as error:
        because = f"it took more than {seconds:.0f} seconds"
        raise WorkerFailed(what=_words(question), because=because) from error
    finally:
        if child.poll() is None:
            child.kill()
            child.communicate()
    return _answer(question, out, heard, child.returncode)


def _child(*words: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-m", "wizard.jobs.questions", *words],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=child_environment(),
    )


def _answer(question: str, out: bytes, heard: bytes, status: int) -> Json:
    line = out.rsplit(b"\n", 2)[-2:]
    text = b"".join(line).decode("utf-8", "replace")
    try:
        reply = json.loads(text)
    except json.JSONDecodeError as error:
        last = heard.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1][:200]
        because = last or f"its process ended with status {status}"
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
    try:
        from wizard import hub

        hub.sign_in(said["token"])
        reply = {"answer": jsonable(_answerer(question)(**said["arguments"]))}
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
    return 0


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
