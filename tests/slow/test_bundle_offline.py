"""A bundle on a bare device: a fresh environment with onnxruntime and numpy, and no network.

The packages come from the index pip is set up with; where pip cannot install, the test fails and
says so, because skipping would leave the promise unproven.
"""

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wizard import library

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]
ROWS = 250
OF_TEXTS = ("answers", "intents", "sentences", "slots", "topics", "translations")
OFFLINE = (
    "import runpy, socket, sys\n"
    "def no(*rest): raise OSError('offline')\n"
    "socket.socket.connect = socket.getaddrinfo = no\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


def install(python, *names):
    """The versions we measure with. Fails with a sentence when pip cannot."""
    wanted = [f"{name}=={importlib.metadata.version(name)}" for name in names]
    command = [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", *wanted]
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode:
        pytest.fail(f"pip could not install {', '.join(wanted)}: {done.stderr[-500:]}")


@pytest.fixture(scope="module")
def bare(tmp_path_factory):
    """The python of an environment that holds onnxruntime and numpy."""
    folder = tmp_path_factory.mktemp("bare")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install(python, "onnxruntime", "numpy")
    return python


@pytest.fixture(scope="module")
def with_tokenizers(tmp_path_factory):
    """The same and tokenizers, for texts."""
    folder = tmp_path_factory.mktemp("texts")
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / ("Scripts" if os.name == "nt" else "bin") / "python"
    install(python, "onnxruntime", "numpy", "tokenizers")
    return python


@pytest.fixture(scope="module")
def bundles(home, tmp_path_factory):
    """A bundle of every sample with a verdict, made by the command line once."""
    out = tmp_path_factory.mktemp("out")
    made = {}
    for name in library.samples():
        words = some_rows(name, out) if name in OF_TEXTS else []
        done = subprocess.run(
            [sys.executable, "-m", "wizard", "run", f"sample:{name}", "--max-drop", "5",
             "--latency-ms", "500", "--only", "int8_weights", "--out", str(out / name), "--quiet",
             *words],
            cwd=ROOT,
            capture_output=True,
            text=True,
            env={**os.environ, "WIZARD_HOME": str(home)},
        )  # fmt: skip
        assert done.returncode in {0, 3, 4}, done.stderr[-2000:]
        assert (out / name / "MANIFEST.json").is_file(), done.stderr[-2000:]
        made[name] = out / name
    return made


def some_rows(sample, folder):
    """The first of its rows as a user's file: what a bundle holds does not depend on how many."""
    whole = (library.samples()[sample].folder / "data" / "test.csv").read_text("utf-8")
    path = folder / f"{sample}.csv"
    path.write_text("".join(whole.splitlines(keepends=True)[: ROWS + 1]), encoding="utf-8")
    return ["--data", str(path)]


def offline(python, folder, script):
    return subprocess.run(
        [str(python), "-I", "-c", OFFLINE, script],
        cwd=folder,
        capture_output=True,
        text=True,
        env={name: os.environ[name] for name in ("PATH", "SYSTEMROOT") if name in os.environ},
    )


@pytest.mark.parametrize("sample", sorted(library.samples()))
def test_check_needs_onnxruntime_and_numpy_only(bare, bundles, sample):
    """check.py runs there and finds the same answers; its receipt verifies here."""
    done = offline(bare, bundles[sample], "check.py")
    assert done.returncode == 0, done.stderr
    receipt = bundles[sample] / "receipt.json"
    verified = subprocess.run(
        [sys.executable, "-m", "wizard", "verify", str(bundles[sample]),
         "--receipt", str(receipt), "--json"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )  # fmt: skip

    assert json.loads(done.stdout)["same_answers"] == json.loads(done.stdout)["rows"]
    assert json.loads(verified.stdout)["verdict"] in {"PASS", "CANNOT TELL"}, verified.stderr


@pytest.mark.parametrize("sample", sorted(library.samples()))
def test_run_answers_with_no_more_than_it_says(bare, with_tokenizers, bundles, sample):
    """Pictures and sounds need two packages, texts three; without it a sentence names the third."""
    text = "tokenizers" in (bundles[sample] / "run.py").read_text("utf-8")
    done = offline(with_tokenizers if text else bare, bundles[sample], "run.py")
    assert done.returncode == 0, done.stderr
    poor = offline(bare, bundles[sample], "run.py")

    assert done.stdout.strip()
    assert poor.returncode == (1 if text else 0)
    assert ("tokenizers" in poor.stderr) == text
