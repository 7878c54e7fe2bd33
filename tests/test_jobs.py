"""Job folders: readable whatever happens, one last word, never two heavy jobs at once."""

import json
import os
import signal
import sys
import time

import psutil
import pytest

from tests.factories import a_plan
from wizard import jobs
from wizard.errors import JobNotFound, JobOfAnotherVersion, QueueFull
from wizard.jobs import JobState, Request, clock, control, store
from wizard.nouns import Ending, Finished, Noted


def a_request(tmp_path, *, owner="somebody", created=None):
    return Request(
        owner=owner,
        created=time.time() if created is None else created,
        command="wizard run sample:intents --out out",
        memory_bytes=4 * 2**30,
        cache=tmp_path / "cache",
        plan=a_plan(),
    )


def a_job(tmp_path, **changes):
    root = tmp_path / "jobs"
    job = store.create(root, a_request(tmp_path, **changes))
    return root, job, root / job


def a_noted(sentence="Half of the rows were used."):
    return Noted(at=1.0, sentence=sentence)


def test_a_request_reads_back_as_it_was_written(tmp_path):
    """The child works on exactly the plan that was shown."""
    request = a_request(tmp_path, created=12.5)
    folder = tmp_path / "jobs" / store.create(tmp_path / "jobs", request)

    assert store.read_request(folder) == request


def test_events_read_back_in_order(tmp_path):
    """What was appended is read, oldest first."""
    _, _, folder = a_job(tmp_path)
    written = [a_noted("one"), a_noted("two")]
    for event in written:
        store.append(folder, event)

    assert store.read_events(folder) == tuple(written)


def test_a_line_cut_short_by_a_kill_is_left_out(tmp_path):
    """Half a line never stops anybody from reading the whole ones."""
    _, _, folder = a_job(tmp_path)
    store.append(folder, a_noted())
    with (folder / store.EVENTS).open("a") as file:
        file.write('{"event": "noted", "at": 2.0, "sen')

    assert store.read_events(folder) == (a_noted(),)


@pytest.mark.parametrize("name", ["../../etc", "nonsense", "", "0" * 24, "a/b"])
def test_a_job_id_never_leads_outside(tmp_path, name):
    """Only ids of our own making open a folder."""
    root, _, _ = a_job(tmp_path)

    with pytest.raises(JobNotFound):
        store.folder_of(root, name)


def test_job_ids_cannot_be_guessed(tmp_path):
    """Ninety-six random bits each."""
    ids = {store.create(tmp_path, a_request(tmp_path)) for _ in range(5)}

    assert len(ids) == 5
    assert all(len(one) == 24 for one in ids)


def test_only_one_writer_has_the_last_word(tmp_path):
    """Whoever claims the end first writes it; everybody else keeps silent."""
    _, _, folder = a_job(tmp_path)

    assert [store.claim_the_end(folder) for _ in range(3)] == [True, False, False]


def test_a_job_whose_child_died_says_so(tmp_path):
    """A killed child leaves a readable job with a last event that explains it."""
    root, job, folder = a_job(tmp_path, created=time.time() - 100)
    (folder / store.CHILD).write_text(json.dumps({"pid": 2**22 - 3, "started": 1.0}))

    last = jobs.events(root, job)[-1]

    assert isinstance(last, Finished)
    assert (last.ending, last.code) == (Ending.FAILED, "interrupted")
    assert jobs.status(root, job).state is JobState.INTERRUPTED


def test_a_reused_process_id_is_not_our_child(tmp_path):
    """The start time tells a stranger's process from ours."""
    root, job, folder = a_job(tmp_path, created=time.time() - 100)
    (folder / store.CHILD).write_text(json.dumps({"pid": os.getpid(), "started": 1.0}))

    assert jobs.status(root, job).state is JobState.INTERRUPTED


def test_a_child_that_is_born_while_somebody_looks_is_alive(tmp_path, monkeypatch):
    """It writes its name down between the look for the name and the look whether there is one."""
    root, job, folder = a_job(tmp_path)
    look = control._process

    def just_before(given):
        found = look(given)
        born = {"pid": os.getpid(), "started": clock.birth(psutil.Process())}
        (folder / store.CHILD).write_text(json.dumps(born), encoding="utf-8")
        return found

    monkeypatch.setattr(control, "_process", just_before)

    assert jobs.status(root, job).state is JobState.WAITING
    assert jobs.status(root, job).state is JobState.WAITING
    assert not store.has_ended(folder)


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="the kernel keeps wall time there")
def test_a_running_job_outlives_a_step_of_the_clock(tmp_path, monkeypatch):
    """A machine that was asleep or moved: wall time and the told start of the machine step."""
    root, job, folder = a_job(tmp_path, created=time.time() - 100)
    born = clock.birth(psutil.Process())
    (folder / store.CHILD).write_text(json.dumps({"pid": os.getpid(), "started": born}))
    start = psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: start + 3600)
    monkeypatch.setattr(psutil._pslinux, "boot_time", lambda: start + 3600)

    assert psutil.Process().create_time() > time.time() + 3000
    assert jobs.status(root, job).state is JobState.WAITING  # it has not said a word yet
    assert not store.has_ended(folder)


def test_seconds_of_a_job_are_not_moved_by_the_clock(monkeypatch):
    """They begin at wall time and go on at their own pace."""
    began = time.time()
    now = clock.steady()
    monkeypatch.setattr(time, "time", lambda: began + 3600)

    assert began <= now() < began + 60


def test_an_owner_has_one_job_at_a_time(tmp_path, monkeypatch):
    """A second job of the same owner is refused and leaves no folder."""
    monkeypatch.setattr(control, "_spawn", lambda folder: None)
    root = tmp_path / "jobs"
    jobs.start(root, a_request(tmp_path))

    with pytest.raises(QueueFull):
        jobs.start(root, a_request(tmp_path))
    assert len(jobs.jobs_of(root)) == 1


def test_a_queue_has_an_end(tmp_path, monkeypatch):
    """One running and four waiting; the next visitor is told to come back."""
    monkeypatch.setattr(control, "_spawn", lambda folder: None)
    root = tmp_path / "jobs"
    for number in range(control.WAITING_ALLOWED + 1):
        jobs.start(root, a_request(tmp_path, owner=f"visitor {number}"))

    with pytest.raises(QueueFull) as caught:
        jobs.start(root, a_request(tmp_path, owner="one too many"))
    assert not any(job in str(caught.value.facts) for job in jobs.jobs_of(root))


def test_a_waiting_job_knows_its_place(tmp_path, monkeypatch):
    """Position counts the unfinished jobs ahead."""
    monkeypatch.setattr(control, "_spawn", lambda folder: None)
    root = tmp_path / "jobs"
    now = time.time()
    jobs.start(root, a_request(tmp_path, owner="first", created=now - 1))
    second = jobs.start(root, a_request(tmp_path, owner="second", created=now))

    assert jobs.status(root, second).position == 1


def test_sweeping_takes_only_old_ended_jobs(tmp_path):
    """A running job is never swept, an ended one only after its time."""
    root, old, folder = a_job(tmp_path, created=1.0)
    store.claim_the_end(folder)
    running = store.create(root, a_request(tmp_path))

    gone = jobs.sweep(root, older_than_seconds=60, now=time.time())

    assert gone == (old,)
    assert jobs.jobs_of(root) == (running,)


def _sleeper(folder):
    """A child that only sleeps, born like a real one."""
    import subprocess
    import sys

    code = (
        "import sys, time, subprocess, pathlib\n"
        "from wizard.jobs.child import _be_born\n"
        "_be_born(pathlib.Path(sys.argv[1]))\n"
        "subprocess.Popen([sys.executable, '-c', 'import time; time.sleep(60)'])\n"
        "time.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(folder)], start_new_session=True)
    control._children[process.pid] = process
    while not (folder / store.CHILD).exists():
        time.sleep(0.02)
    return process


def test_cancel_kills_the_child_and_what_it_started_within_three_seconds(tmp_path):
    """Cancel is quick, final and leaves its own last event."""
    import psutil

    root, job, folder = a_job(tmp_path)
    process = _sleeper(folder)
    time.sleep(0.3)
    family = psutil.Process(process.pid).children(recursive=True)

    began = time.monotonic()
    jobs.cancel(root, job)

    assert time.monotonic() - began < 3
    assert not any(p.is_running() and p.status() != psutil.STATUS_ZOMBIE for p in family)
    assert jobs.events(root, job)[-1].ending is Ending.CANCELLED


def test_a_kill_from_outside_is_noticed(tmp_path):
    """kill -9 of the child turns a running job into an interrupted one."""
    root, job, folder = a_job(tmp_path)
    process = _sleeper(folder)
    assert jobs.status(root, job).state is JobState.WAITING

    os.killpg(process.pid, signal.SIGKILL)
    process.wait()

    assert jobs.status(root, job).state is JobState.INTERRUPTED


def test_cancelling_twice_is_harmless(tmp_path):
    """The second cancel finds the end written and does nothing."""
    root, job, folder = a_job(tmp_path)
    _sleeper(folder)
    jobs.cancel(root, job)
    before = jobs.events(root, job)

    jobs.cancel(root, job)

    assert jobs.events(root, job) == before


def of_another_version(folder):
    """A field is of another type than today."""
    kept = json.loads((folder / store.REQUEST).read_text("utf-8"))
    kept["plan"]["profile"]["labels"] = 5
    (folder / store.REQUEST).write_text(json.dumps(kept), "utf-8")


def test_a_job_of_another_version_is_told_as_one_and_stops_no_other(tmp_path):
    """After an update the history goes on without it; asked for by its id, a sentence says why."""
    root, old, folder = a_job(tmp_path)
    of_another_version(folder)
    new = store.create(root, a_request(tmp_path))

    assert [one.id for one in control.listing(root)] == [new]
    with pytest.raises(JobOfAnotherVersion):
        control.request_of(root, old)


def test_a_job_of_another_version_is_swept_when_it_is_old(tmp_path):
    """It is ended for certain: nobody is left who could go on with it."""
    root, old, folder = a_job(tmp_path)
    of_another_version(folder)

    assert control.sweep(root, 60.0, time.time()) == ()
    assert control.sweep(root, 60.0, time.time() + 120) == (old,)


def test_an_event_of_another_version_is_told_too(tmp_path):
    """Its name is one that no event has today."""
    _, _, folder = a_job(tmp_path)
    with (folder / store.EVENTS).open("a") as file:
        file.write('{"event": "of_old", "at": 1.0}\n')

    with pytest.raises(JobOfAnotherVersion):
        store.read_events(folder)


def test_somebody_sees_only_the_runs_of_their_own(tmp_path):
    """An id opens a run, so the list is by owner; without one it is everybody's, newest first."""
    root, mine, _ = a_job(tmp_path, owner="me")
    theirs = store.create(root, a_request(tmp_path, owner="them"))

    assert [one.id for one in jobs.listing(root, "me")] == [mine]
    assert {one.id for one in jobs.listing(root)} == {mine, theirs}
