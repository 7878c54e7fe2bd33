"""Has each of them make its file: the wizard through its own command, peers by their adapters.

Covers: wall time, peak memory of everything that a command starts, the reason of a failure, and
evaluation, which a verdict needs (the wizard's is in its own time). What was made is kept, so
that a bench that was stopped goes on where it was.
Does not cover: comparing the files (weighing.py).
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path
from statistics import mean

import psutil

from tests.benchmarks.peers.environments import Peer, PeerFailed, python_of
from tests.benchmarks.peers.works import ROOT, Work

ADAPTERS = Path(__file__).with_name("adapters")
SECONDS = 420  # for any one command; whoever needs longer is a row that says so
THREADS = 2
POLL = 0.25


@dataclass(frozen=True, slots=True, kw_only=True)
class Made:
    """One file and what it cost; without a `file`, `because` says why there is none.

    Seconds: `export` of the float32 file, `make` of the small one, `verdict` until one may say
    whether it holds (export and evaluation included), `whole` of the wizard's job.
    """

    by: str
    title: str
    file: str = ""
    because: str = ""
    export: float = 0.0
    make: float = 0.0
    verdict: float = 0.0
    whole: float = 0.0
    peak_mb: float = 0.0
    load: float = 0.0
    versions: dict[str, str] = field(default_factory=dict)
    recipe: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    """Where everything is kept."""

    cache: Path

    def folder(self, work: Work, by: str) -> Path:
        """What one of them makes of one model."""
        return self.cache / "works" / f"{work.id}-{work.rows}" / by


@dataclass(frozen=True, slots=True, kw_only=True)
class Contract:
    """Ours: one contract of `wizard run`."""

    id: str
    title: str
    words: tuple[str, ...] = ()


OURS = (
    Contract(id="wizard", title="**wizard**, fastest"),
    Contract(
        id="wizard-smallest",
        title="**wizard**, smallest",
        words=("--priority", "smallest"),
    ),
)


def kept(folder: Path, make: Callable[[], Made]) -> Made:
    """What was made before, else made now and kept; a peer's failure is kept, ours tried again."""
    path = folder / "made.json"
    if path.is_file():
        before = Made(**json.loads(path.read_text(encoding="utf-8")))
        if before.file or not before.by.startswith("wizard"):
            return before
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    made = make()
    path.write_text(json.dumps(asdict(made), indent=1), encoding="utf-8")
    return made


def model_made(bench: Bench, work: Work) -> Path:
    """The folder with the model and its rows."""
    folder = bench.folder(work, "model")
    if work.make is not None and not (folder / "complete").is_file():
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        work.make(folder, work.rows)
        (folder / "complete").touch()
    return folder


def ours(bench: Bench, work: Work, contract: Contract) -> Made:
    """`wizard run` in a home of its own: what it delivers, and when it first had a verdict."""
    folder = bench.folder(work, contract.id)
    home, out = folder / "home", folder / "bundle"
    words = [*work.arguments(model_made(bench, work)), *contract.words]
    command = [sys.executable, "-m", "wizard", "run", *words, "--json", "--quiet"]
    began = time.time()
    done = watched([*command, "--out", str(out)], {}, home=home)
    whole = time.time() - began
    if done.status not in {0, 3, 4}:
        return Made(by=contract.id, title=contract.title, because=_said(done))
    told = json.loads(done.output)
    named = told["chosen"] or told["nearest"]
    best = next(one for one in told["candidates"] if one["id"] == named)
    steps = [one["strategy"] for one in best["steps"] if one["strategy"] != "to_onnx"]
    return Made(
        by=contract.id,
        title=contract.title,
        file=str(next((out / "onnx").glob("*.onnx"))),
        export=told["seconds"]["export"],
        make=whole,
        verdict=_first_verdict(job_of(bench, work, contract.id)) - began,
        whole=whole,
        peak_mb=done.peak_mb,
        load=done.load,
        versions={"compression-wizard": told["host"]["versions"]["compression-wizard"]},
        recipe=f"{' + '.join(steps)}, {told['verdict']['overall']}",
    )


def _said(done: Done) -> str:
    """Why a command of ours gave nothing: with --json its sentence is on standard output."""
    if done.status == TIMED_OUT:
        return f"not done within {SECONDS / 60:.0f} minutes"
    try:
        return str(json.loads(done.output)["message"])[:160]
    except (ValueError, KeyError):
        return last_line(done.errors) or f"ended with status {done.status}"


def job_of(bench: Bench, work: Work, by: str) -> Path:
    """The job's folder: rows, the float32 file, the outcome."""
    return next((bench.folder(work, by) / "home" / "jobs").glob("*/outcome.json")).parent


def has_started(bench: Bench, work: Work) -> bool:
    """Whether a job of ours measured the original, which all others start from."""
    return any((bench.folder(work, "wizard") / "home" / "jobs").glob("*/outcome.json"))


def _first_verdict(job: Path) -> float:
    """When a candidate first kept the contract; when the last was judged, if none does."""
    at = 0.0
    for line in (job / "events.jsonl").read_text(encoding="utf-8").splitlines():
        event = json.loads(line)
        if event["event"] == "best_so_far":
            at = event["at"]
            if event["overall"] == "PASS":
                break
    return at


def theirs(bench: Bench, work: Work, peer: Peer) -> Made:
    """The peer's adapter in its environment on the wizard's own float32 file and rows."""
    folder = bench.folder(work, peer.id)
    try:
        job = _job(bench, work, folder)
        python = python_of(peer, bench.cache)
        seconds, done = _adapter(python, peer.adapter, job)
        evaluated, _ = _adapter(python, "evaluate", job)
    except PeerFailed as error:
        return Made(by=peer.id, title=peer.title, because=str(error))
    told = json.loads(done.output.splitlines()[-1])
    export = told.get("export", json.loads(job.read_text())["export"])
    make = seconds - told.get("export", 0.0)
    return Made(
        by=peer.id,
        title=peer.title,
        file=str(folder / "model.onnx"),
        export=export,
        make=make,
        verdict=export + make + evaluated,
        whole=export + make + evaluated,
        peak_mb=done.peak_mb,
        load=done.load,
        versions=told["versions"],
    )


def _job(bench: Bench, work: Work, folder: Path) -> Path:
    """The job file, from what the wizard's own job lies on."""
    made = job_of(bench, work, "wizard")
    outcome = json.loads((made / "outcome.json").read_text(encoding="utf-8"))
    profile, answers = outcome["plan"]["profile"], outcome["original"]["quality"]["answers"]
    measured = next(iter(outcome["measurements"].values()))
    path = folder / "job.json"
    facts = {
        "model": str(outcome["original"]["artifact"]["path"]),
        "folder": str(work.model(model_made(bench, work))),
        "calibration": str(made / "calibration.npz"),
        "test": str(made / "test.npz"),
        "rows": len(answers["rows"]) * (2 if answers["target"] else 1),
        "labels": answers["truth"],
        "out": str(folder / "model.onnx"),
        "task": profile["task"],
        "shape": work.shape,
        "points": work.points,
        "requests": {
            "model": len(measured["against"]["samples_ms"]),
            "out": len(measured["latency"]["samples_ms"]),
        },
        "tokens": outcome["plan"]["needs"]["workload"]["tokens"],
        "threads": THREADS,
        "export": _seconds_to_export(bench, work, made),
    }
    path.write_text(json.dumps(facts), encoding="utf-8")
    return path


def _seconds_to_export(bench: Bench, work: Work, job: Path) -> float:
    """Of the float32 file by itself, from the start of Python on: what a peer's user waits for."""
    folder = bench.folder(work, "export")
    path = folder / "seconds.json"
    if not path.is_file():
        folder.mkdir(parents=True, exist_ok=True)
        words = ["-m", "tests.benchmarks.peers.exporting", str(job)]
        with tempfile.TemporaryDirectory() as scratch:
            began = time.perf_counter()
            done = watched([sys.executable, *words, scratch], {})
            taken = time.perf_counter() - began
        if done.status:
            raise PeerFailed(f"no export: {last_line(done.errors)}")
        path.write_text(json.dumps(taken), encoding="utf-8")
    return float(json.loads(path.read_text(encoding="utf-8")))


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What a command said and needed, and the mean load average of the machine meanwhile."""

    status: int
    output: str
    errors: str
    peak_mb: float
    load: float


def _adapter(python: Path, name: str, job: Path) -> tuple[float, Done]:
    """Seconds and last words of one adapter. Raises PeerFailed with its reason."""
    began = time.perf_counter()
    done = watched([str(python), str(ADAPTERS / f"{name}.py"), str(job)], {})
    if done.status == TIMED_OUT:
        raise PeerFailed(f"not done within {SECONDS / 60:.0f} minutes")
    if done.status:
        raise PeerFailed(last_line(done.errors) or f"ended with status {done.status}")
    return time.perf_counter() - began, done


def last_line(text: str) -> str:
    """The last line that says something, cut to a table's width, without this machine's paths."""
    lines = [one.strip() for one in text.splitlines() if one.strip()]
    return (lines[-1] if lines else "").replace(str(Path.home()), "~")[:160]


TIMED_OUT = -1000


def watched(command: list[str], more: dict[str, str], home: Path | None = None) -> Done:
    """Run a command; its peak is the proportional memory of all it starts.

    Proportional memory is counted whenever all of them together hold more than ever before, for
    counting takes 15 ms of three processes with PyTorch. Jobs of the wizard live in sessions of
    their own and are known by the `home` they work in.
    """
    environment = {**os.environ, "OMP_NUM_THREADS": str(THREADS), "HF_HUB_OFFLINE": "1", **more}
    if home:
        environment["WIZARD_HOME"] = str(home)
    running = psutil.Popen(
        command,
        cwd=ROOT,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    over, peak, loads = threading.Event(), [0.0], [psutil.getloadavg()[0]]

    def watch() -> None:
        most = 0.0
        while not over.wait(POLL):
            loads.append(psutil.getloadavg()[0])
            family = list(_family(running, home))
            held = sum(_resident_mb(one) for one in family)
            if held > most:
                most = held
                peak[0] = max(peak[0], sum(_proportional_mb(one) for one in family))

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        output, errors = running.communicate(timeout=SECONDS)
        status = running.returncode
    except subprocess.TimeoutExpired:
        for one in _family(running, home):
            with contextlib.suppress(psutil.NoSuchProcess):
                one.kill()
        (output, errors), status = running.communicate(), TIMED_OUT
    finally:
        over.set()
        watcher.join()
    return Done(status=status, output=output, errors=errors, peak_mb=peak[0], load=mean(loads))


def _family(running: psutil.Process, home: Path | None) -> Iterator[psutil.Process]:
    heads = [running, *(jobs_in(home) if home else ())]
    seen = {}
    for head in heads:
        with contextlib.suppress(psutil.NoSuchProcess):
            seen |= {one.pid: one for one in (head, *head.children(recursive=True))}
    return iter(seen.values())


def jobs_in(home: Path) -> Iterator[psutil.Process]:
    """The processes of the wizard's jobs whose WIZARD_HOME that is."""
    for one in psutil.process_iter(["cmdline"]):
        if "wizard.jobs.child" not in (one.info["cmdline"] or ()):
            continue
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            if one.environ().get("WIZARD_HOME") == str(home):
                yield one


def _resident_mb(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return float(process.memory_info().rss) / 1e6
    return 0.0


def _proportional_mb(process: psutil.Process) -> float:
    with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
        return float(process.memory_full_info().pss) / 1e6
    return 0.0
