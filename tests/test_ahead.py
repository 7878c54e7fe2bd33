"""Children started before they are needed: used once, gone when nobody needs them."""

import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor

import psutil
import pytest
from filelock import FileLock
from pydantic import TypeAdapter

from tests import strategy_models as models
from tests.factories import a_profile
from wizard import engine, intake, jobs
from wizard.errors import WizardError
from wizard.jobs import ahead, control, exporting, questions, steps, store
from wizard.nouns import ModelProfile, ModelRef, ParameterCount, Source, Step, jsonable
from wizard.strategies import _contract as contract
from wizard.strategies import to_onnx

SAMPLE = {
    "ref": jsonable(ModelRef(source=Source.SAMPLE, name="digits")),
    "workload": None,
    "cache": None,
}


@pytest.fixture(autouse=True)
def _nothing_is_left():
    """No test leaves a process ready for the next one."""
    yield
    questions.stand_down()
    questions.stop_going_on()
    ahead._serving.clear()
    while control._ready:
        control._ready.pop().communicate()
    steps.stand_down()


def _waited(condition, seconds=30.0):
    until = time.time() + seconds
    while not condition() and time.time() < until:
        time.sleep(0.05)
    return condition()


@pytest.mark.slow
def test_the_child_that_was_ready_makes_the_card():
    """The same card as from a child of its own, by the process that was started before."""
    plain = jobs.ask("examine", SAMPLE)
    jobs.get_ready()
    (child,) = questions._ready

    assert jobs.ask("examine", SAMPLE) == plain
    assert child.returncode == 0
    assert not questions._ready


def test_other_questions_leave_the_ready_child_alone(tmp_path):
    """It has loaded PyTorch, which a look into a file does not need."""
    jobs.get_ready()

    with pytest.raises(WizardError):
        jobs.ask("take", {"path": str(tmp_path / "none.zip"), "root": str(tmp_path)})

    assert [one.poll() for one in questions._ready] == [None]


def test_a_ready_child_that_died_is_no_loss():
    """Another one is asked."""
    jobs.get_ready()
    questions._ready[0].kill()
    questions._ready[0].wait()

    assert jobs.ask("examine", SAMPLE)["title"]


def test_a_ready_child_that_is_asked_nothing_leaves_by_itself():
    """Its input ends when whoever started it is gone, however that came."""
    jobs.get_ready()
    child = questions._ready.pop()

    child.communicate(timeout=20)

    assert child.returncode == 0


def test_a_known_card_sends_the_ready_child_away_but_where_many_are_served():
    """A command needs it no more; an app keeps one for the next visitor."""
    jobs.get_ready()
    (child,) = questions._ready
    jobs.settle()
    assert child.poll() is not None
    assert not questions._ready

    jobs.keep_ready(for_jobs=False)
    jobs.settle()
    assert [one.poll() for one in questions._ready] == [None]


def test_no_process_is_made_ready_while_a_job_is_at_work(monkeypatch):
    """It would disturb what is being timed."""
    with subprocess.Popen([sys.executable, "-c", "input()"], stdin=subprocess.PIPE) as busy:
        monkeypatch.setitem(control._children, busy.pid, busy)
        jobs.keep_ready(for_jobs=True)
        assert not control._ready
        busy.communicate()
    assert not control.at_work()


def test_a_ready_job_that_does_not_come_leaves_nothing_behind():
    """Neither it nor the server and the step that it had started."""
    control.get_ready()
    child = psutil.Process(control._ready[0].pid)
    assert _waited(lambda: len(child.children(recursive=True)) >= 2)
    family = child.children(recursive=True)

    control._ready.pop().communicate(timeout=20)

    _, alive = psutil.wait_procs(family, timeout=20)
    assert not alive


def test_a_command_that_fails_early_leaves_no_process(tmp_path):
    """`wizard run` of something that is no model: one sentence, and nobody waits for a job."""
    environment = {**os.environ, "WIZARD_HOME": str(tmp_path / "home")}
    words = ["run", "sample:nothing", "--max-drop", "1", "--out", str(tmp_path / "out")]
    done = subprocess.run(
        [sys.executable, "-m", "wizard", *words],
        env=environment, capture_output=True, text=True,
    )  # fmt: skip

    assert done.returncode == 2
    assert "Traceback" not in done.stderr
    assert _waited(lambda: not _of(tmp_path / "home"))


def _of(home):
    """Processes that work in that home."""
    found = []
    for one in psutil.process_iter(["cmdline"]):
        try:
            named = one.environ().get("WIZARD_HOME") == str(home)
        except (psutil.NoSuchProcess, psutil.AccessDenied):
            continue
        if named and one.status() != psutil.STATUS_ZOMBIE:
            found.append(one)
    return found


def test_a_job_told_of_a_folder_writes_its_log_there(tmp_path):
    """What the child and its libraries say is beside the events, though it started before."""
    control.get_ready()
    folder = tmp_path / "0123456789abcdef01234567"
    folder.mkdir()
    (folder / store.REQUEST).write_text("{}", encoding="utf-8")
    (folder / store.EVENTS).touch()
    process = control._ready[0]

    control._spawn(folder)

    assert control._children.pop(process.pid) is process
    assert process.wait(timeout=30) == 1
    assert "JobOfAnotherVersion" in (folder / store.LOG).read_text(encoding="utf-8")
    assert json.loads((folder / store.CHILD).read_text(encoding="utf-8"))["pid"] == process.pid


@pytest.mark.slow
def test_the_step_that_was_started_ahead_makes_the_export(tmp_path):
    """The first step that reads a checkpoint; the file is the one that another process makes."""
    step, start = Step(strategy="to_onnx"), contract.artifact_of(models.checkpoint("text"))
    steps.warm_up(ahead=True)
    assert _waited(lambda: bool(steps._ahead))
    (started,) = steps._ahead

    fresh = models.a_bench(tmp_path, cache=tmp_path / "cache")
    made = steps.apply_apart(step, start, fresh)

    assert made.sha256 == models.exported("text").sha256
    assert started.process.exitcode == 0
    assert not steps._ahead


def test_a_process_that_would_start_too_late_is_not_started():
    """A job that finds its file on the shelf is timing already when the server is up."""
    steps.warm_up(ahead=True)
    steps.stand_down()
    steps._start_server(ahead=True)

    assert not steps._ahead


@pytest.mark.slow
def test_a_step_that_needs_no_pytorch_ends_the_one_that_waits(tmp_path):
    """It would hold its memory, and the cores, for nothing."""
    steps.warm_up(ahead=True)
    assert _waited(lambda: bool(steps._ahead))
    (started,) = steps._ahead

    step = Step(strategy="int8_weights")
    steps.apply_apart(step, models.exported("text"), models.a_bench(tmp_path))

    assert started.process.exitcode is not None
    assert not steps._ahead


def going_on(tmp_path, cache=None):
    """What the child of a card goes on with, and where."""
    cache = cache or tmp_path / "cache"
    return {"cache": str(cache), "turn": str(tmp_path / "jobs" / store.TURN)}


def exports_in(folder):
    """Whole exports; what is being made has another name."""
    return [one for one in (folder / "exports").glob("*") if one.name[0] != "."]


def key_of(card, tmp_path):
    """The name of the export that a job of the model would look for."""
    profile = TypeAdapter(ModelProfile).validate_python(card)
    checkpoint = contract.artifact_of(intake.folder_here(profile.ref))
    bench = models.a_bench(tmp_path, profile=profile)
    return to_onnx.key_of(checkpoint, to_onnx.Settings(), bench)


@pytest.mark.slow
def test_the_child_of_a_card_goes_on_with_the_export(tmp_path):
    """The job finds the very file it would have made; nothing half-made is left."""
    card = jobs.ask("examine", SAMPLE, then=going_on(tmp_path))
    (child,) = questions._going_on
    assert jobs.memory_of_those_going_on() > 0
    child.wait(timeout=60)

    assert card == jobs.ask("examine", SAMPLE)
    (made,) = exports_in(tmp_path / "cache")
    assert {one.name for one in made.iterdir()} >= {"model.onnx", "parity.json"}
    assert not list((tmp_path / "cache" / "exports").glob(".making-*"))
    assert made.name == key_of(card, tmp_path)
    assert jobs.memory_of_those_going_on() == 0


@pytest.mark.slow
def test_a_child_that_goes_on_ends_when_it_is_told(tmp_path):
    """A command that ends does not leave it behind."""
    jobs.ask("examine", SAMPLE, then=going_on(tmp_path))
    (child,) = questions._going_on

    questions.stop_going_on()

    assert child.returncode is not None
    assert not questions._going_on
    assert not exports_in(tmp_path / "cache")


@pytest.mark.slow
def test_a_child_that_goes_on_ends_with_whoever_asked(tmp_path):
    """Though that was killed, which leaves no time to tell it; the export itself takes for ever."""
    key = key_of(jobs.ask("examine", SAMPLE), tmp_path)
    locks = tmp_path / "cache" / to_onnx.LOCKS
    locks.mkdir(parents=True)
    code = (
        "import json, os, signal, sys; from wizard import jobs;"
        "jobs.ask('examine', json.loads(sys.argv[1]), then=json.loads(sys.argv[2]));"
        "from wizard.jobs import questions;"
        "print(questions._going_on[0].pid, flush=True); os.kill(os.getpid(), signal.SIGKILL)"
    )
    words = [json.dumps(SAMPLE), json.dumps(going_on(tmp_path))]
    with FileLock(str(locks / key)):
        asked = subprocess.run([sys.executable, "-c", code, *words], capture_output=True, text=True)
        child = int(asked.stdout)
        assert _waited(lambda: not psutil.pid_exists(child), 10)


@pytest.fixture
def exported(monkeypatch):
    """The profiles whose export was begun."""
    begun = []
    monkeypatch.setattr(exporting, "_export", lambda profile, cache: begun.append(profile))
    return begun


def test_an_export_begins_ahead_where_nothing_speaks_against_it(tmp_path, exported):
    """And what goes wrong in it is left for the job to say."""
    exporting.begin(a_profile(), **going_on(tmp_path))

    assert len(exported) == 1


def test_a_large_model_waits_for_its_job(tmp_path, exported):
    """Which knows what else is in memory."""
    many = ParameterCount(linear=200_000_000, embedding=0, conv=0, other=0)
    exporting.begin(a_profile(parameters=many), **going_on(tmp_path))

    assert not exported


def test_no_export_begins_while_a_job_is_at_work(tmp_path, exported):
    """It would disturb what is being timed."""
    there = going_on(tmp_path)
    (tmp_path / "jobs").mkdir()
    with FileLock(there["turn"]):
        exporting.begin(a_profile(), **there)
    assert not exported

    exporting.begin(a_profile(), **there)
    assert len(exported) == 1


def test_a_failing_export_ahead_says_nothing(tmp_path, monkeypatch):
    """The job meets the same and has the words for it."""

    def fails(*_):
        raise RuntimeError("no such operation")

    monkeypatch.setattr(exporting, "_export", fails)
    exporting.begin(a_profile(), **going_on(tmp_path))


class Asked:
    """Notes what was started for a job, and what the card's child goes on with."""

    def __init__(self):
        self.exports, self.goes_on = None, None

    def get_ready(self, *, for_job, exports):
        self.exports = exports

    def ask(self, question, arguments, *, then):
        self.goes_on = then is not None
        return jsonable(a_profile())


@pytest.mark.parametrize(
    ("source", "known", "exports"),
    [
        (Source.SAMPLE, False, False),
        (Source.FOLDER, False, False),
        (Source.HUB, False, True),  # the job downloads it first
        (Source.SAMPLE, True, True),  # no child looks at the model any more
    ],
)
def test_either_the_cards_child_or_the_job_exports(monkeypatch, source, known, exports):
    """PyTorch is loaded once for it, beside the plan, whoever does it."""
    asked = Asked()
    monkeypatch.setattr(jobs, "get_ready", asked.get_ready)
    monkeypatch.setattr(jobs, "ask", asked.ask)
    monkeypatch.setattr(intake, "cached", lambda *_: a_profile() if known else None)

    engine.examine(ModelRef(source=source, name="x"), runs=True)

    assert asked.exports is exports
    assert asked.goes_on is (None if known else not exports)


@pytest.mark.slow
def test_who_comes_second_waits_for_an_export_that_was_begun(tmp_path, monkeypatch):
    """And takes it; it is not made twice."""
    start = contract.artifact_of(models.checkpoint("text"))
    said, made = [], []
    bench = models.a_bench(
        tmp_path, cache=tmp_path / "cache", report=lambda part, what: said.append(what)
    )
    key = to_onnx.key_of(start, to_onnx.Settings(), bench)
    whole = to_onnx._export_into

    def counted(*given):
        made.append(1)
        whole(*given)

    monkeypatch.setattr(to_onnx, "_export_into", counted)
    locks = tmp_path / "cache" / to_onnx.LOCKS
    locks.mkdir(parents=True)
    with ThreadPoolExecutor(1) as other:
        with FileLock(str(locks / key)):
            second = other.submit(contract.apply_step, Step(strategy="to_onnx"), start, bench)
            assert _waited(lambda: "reading the computation" in said)
            assert not second.done()
            to_onnx._export_into(bench.cache / "exports" / key, start, to_onnx.Settings(), bench)
        found = second.result(timeout=60)

    assert made == [1]
    assert found.sha256 == models.exported("text").sha256
