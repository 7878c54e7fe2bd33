"""Whatever is wrong with what a user brings: exit 2, one sentence, no traceback, nothing begun.

The real command line in its own process; models that the test makes, a hub on loopback.
"""

import csv
import json
import shutil
import signal
import socket
import subprocess
import sys

import pytest

from tests.hub_server import a_hub
from tests.slow.test_command_line import ROOT, wizard
from tests.test_intake import BERT, a_weight_file

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
SAMPLE = ROOT / "assets" / "samples" / "intents"


@pytest.fixture
def home(new_home):
    """One for each test: whether a job was begun shows in it."""
    return new_home()


def refused(done, word):
    """One sentence on stderr that names what is wrong."""
    assert done.returncode == 2, done.stderr + done.stdout
    assert "Traceback" not in done.stderr
    sentences = [line for line in done.stderr.strip().splitlines() if not line.startswith("(job")]
    assert len(sentences) == 1
    assert word.lower() in sentences[0].lower(), sentences[0]


def begun(home):
    """Folders of jobs that were begun."""
    jobs = home / "jobs"
    return [one for one in jobs.iterdir() if one.is_dir()] if jobs.is_dir() else []


CODED = {**BERT, "auto_map": {"AutoModel": "modeling.Mine"}, "architectures": ["MineModel"]}
SPEAKS = {**BERT, "architectures": ["BertForMultipleChoice"]}
UNKNOWN = {"model_type": "never-heard-of", "architectures": ["NeverModel"]}
PICKLE = {"config.json": BERT, "pytorch_model.bin": b"\x80\x02}q\x00."}
FOLDERS = {
    "no config.json": ({"model.safetensors": a_weight_file()}, "config.json"),
    "a config that is no JSON": ({"config.json": b"{"}, "config.json"),
    "truncated weights": (
        {"config.json": BERT, "model.safetensors": a_weight_file()[:-1]},
        "model.safetensors",
    ),
    "corrupt weights": (
        {"config.json": BERT, "model.safetensors": b"\xff" * 400},
        "model.safetensors",
    ),
    "pickled weights only": (PICKLE, "safetensors"),
    "code of its own": ({"config.json": CODED, "model.safetensors": a_weight_file()}, "code"),
    "an unknown architecture": (
        {"config.json": UNKNOWN, "model.safetensors": a_weight_file()},
        "never-heard-of",
    ),
    "a task that is not here": (
        {"config.json": SPEAKS, "model.safetensors": a_weight_file()},
        "text-classification",
    ),
}


@pytest.mark.parametrize("case", sorted(FOLDERS))
def test_a_folder_we_cannot_use_is_refused(case, home, tmp_path):
    """Said by `wizard run`, with the file or the reason named; nothing is packed."""
    files, word = FOLDERS[case]
    folder, out = tmp_path / "model", tmp_path / "out"
    folder.mkdir()
    for name, content in files.items():
        raw = content if isinstance(content, bytes) else json.dumps(content).encode()
        (folder / name).write_bytes(raw)
    done = wizard("run", str(folder), "--out", str(out), "--quiet", home=home)

    refused(done, word)
    assert not out.exists()
    assert not any((job / "bundle").exists() for job in begun(home))


def test_an_output_that_cannot_be_written_is_refused_before_any_work(home, tmp_path):
    """A folder below a file: said at once, nobody waits for a job that cannot deliver."""
    (tmp_path / "file").write_text("mine")
    done = wizard("run", "sample:intents", "--out", str(tmp_path / "file" / "out"), home=home)

    refused(done, "out")
    assert begun(home) == []
    assert (tmp_path / "file").read_text() == "mine"


ROWS = {
    "one row": [("wake me at six", "set_alarm")],
    "unknown labels": [(f"say {n}", f"label {n}") for n in range(60)],
    "no such column": None,
}


@pytest.mark.parametrize("case", sorted(ROWS))
def test_rows_that_cannot_judge_are_refused(case, home, tmp_path):
    """Too few, foreign labels, the wrong columns: what is there and what is wanted."""
    data, out = tmp_path / "rows.csv", tmp_path / "out"
    rows = ROWS[case]
    header = ("text", "label") if rows else ("words", "kind")
    with data.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *(rows or [("a", "b")] * 60)])
    done = wizard(
        "run", "sample:intents", "--data", str(data), "--out", str(out), "--quiet", home=home
    )

    refused(done, {"one row": "few", "unknown labels": "label", "no such column": "column"}[case])
    assert not out.exists()


def test_a_second_job_waits_for_nobody_and_says_which_is_running(home, tmp_path):
    """Two jobs at once: the second is refused with the command that stops the first."""
    first = subprocess.Popen(
        [sys.executable, "-m", "wizard", "run", "sample:intents", "--out", str(tmp_path / "one")],
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        env={**_environment(), "WIZARD_HOME": str(home)},
    )
    try:
        first.stderr.readline()  # the first phase has begun
        done = wizard("run", "sample:digits", "--out", str(tmp_path / "two"), home=home)
    finally:
        first.send_signal(signal.SIGINT)
        first.communicate(timeout=60)

    refused(done, "--cancel")
    assert len(begun(home)) == 1
    assert not (tmp_path / "two").exists()


def _environment():
    import os

    return {**os.environ, "PYTHONPATH": str(ROOT)}


def test_a_port_that_is_taken_is_named(home):
    """`wizard app --port`: the number, and what to do."""
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        port = str(taken.getsockname()[1])
        refused(wizard("app", "--no-browser", "--port", port, home=home), port)


@pytest.mark.parametrize(
    ("case", "word"),
    [("missing", "has no model"), ("gated", "log in"), ("unreachable", "Hub")],
)
def test_a_hub_that_does_not_give_is_one_sentence(case, word, home, tmp_path):
    """Through the real client: missing, gated, and no answer at all."""
    with a_hub() as hub:
        hub.repositories["me/gated"] = {"config.json": json.dumps(BERT).encode()}
        hub.faults["me/gated"] = "gated"
        hub.faults["me/unreachable"] = 503
        address = {"HF_ENDPOINT": hub.url, "HF_HOME": str(home / "hf")}
        done = wizard("run", f"me/{case}", "--out", str(tmp_path / "out"), home=home, **address)

    refused(done, word)
    assert begun(home) == []


def test_a_tokenizer_of_another_kind_of_file_is_a_sentence(home, tmp_path):
    """A folder whose tokenizer.json is a picture."""
    folder = tmp_path / "model"
    shutil.copytree(SAMPLE / "model", folder)
    (folder / "tokenizer.json").write_bytes(b"\x89PNG\r\n\x1a\n" + b"\0" * 64)
    done = wizard("run", str(folder), "--out", str(tmp_path / "out"), "--quiet", home=home)

    refused(done, "tokenizer")
