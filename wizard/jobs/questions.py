"""Small questions answered in a short-lived child: a model's card, a look into a data file.

Covers: starting the child with a wall-clock and a memory limit, bringing its answer or its
error back. Does not cover: jobs. A file from a stranger is opened in the child, never here, and
torch is imported in the child, never in the web process.
"""

from __future__ import annotations

import json
import subprocess
import sys
import traceback

from wizard import errors
from wizard.errors import WizardError, WorkerFailed
from wizard.jobs import caller
from wizard.jobs.control import child_environment
from wizard.limits import limits
from wizard.nouns import Json, jsonable


def ask(question: str, arguments: Json, seconds: float | None = None) -> Json:
    """The answer to one of answers.ANSWERS, called with `arguments` in a child process.

    Raises the WizardError that the child raised, or WorkerFailed when it died or took too long.
    """
    seconds = seconds or limits().child_seconds
    said = {"arguments": arguments, "token": caller.token()}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "wizard.jobs.questions", question],
            input=json.dumps(said).encode(),
            capture_output=True,
            timeout=seconds,
            check=False,
            env=child_environment(),
        )
    except subprocess.TimeoutExpired as error:
        because = f"it took more than {seconds:.0f} seconds"
        raise WorkerFailed(what=_words(question), because=because) from error
    return _answer(question, done)


def _answer(question: str, done: subprocess.CompletedProcess[bytes]) -> Json:
    line = done.stdout.rsplit(b"\n", 2)[-2:]
    text = b"".join(line).decode("utf-8", "replace")
    try:
        reply = json.loads(text)
    except json.JSONDecodeError as error:
        last = done.stderr.decode("utf-8", "replace").strip().rsplit("\n", 1)[-1][:200]
        because = last or f"its process ended with status {done.returncode}"
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


def main(question: str) -> int:
    """Answer one question: arguments on standard input, one JSON line on standard output."""
    _limit_memory()
    said = json.loads(sys.stdin.read())
    reply: dict[str, Json]
    try:
        from wizard import hub
        from wizard.jobs.answers import ANSWERS

        hub.sign_in(said["token"])
        reply = {"answer": jsonable(ANSWERS[question](**said["arguments"]))}
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


def _limit_memory() -> None:
    if sys.platform != "linux":
        return
    import resource

    # RLIMIT_DATA counts private memory; RLIMIT_AS would count the libraries' empty reservations.
    allowed = limits().child_memory_bytes
    resource.setrlimit(resource.RLIMIT_DATA, (allowed, allowed))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1]))
