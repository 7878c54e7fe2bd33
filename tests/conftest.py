"""What every test gets: its own home, one thread, no network but loopback."""

import itertools
import os
from pathlib import Path

import pytest

os.environ.setdefault("OMP_NUM_THREADS", "1")
os.environ.setdefault("TOKENIZERS_PARALLELISM", "false")
os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")
os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
HOMES = itertools.count()


@pytest.fixture(scope="session", autouse=True)
def one_run(tmp_path_factory):
    """Workers of one test run share what is dear to make; pytest clears it away."""
    own = tmp_path_factory.getbasetemp()
    os.environ["WIZARD_TEST_RUN"] = str(own.parent if "PYTEST_XDIST_WORKER" in os.environ else own)


@pytest.fixture(scope="session")
def homes(tmp_path_factory):
    """Where homes are made; numbered by us, since pytest looks at every folder to number one."""
    return tmp_path_factory.mktemp("homes")


@pytest.fixture(autouse=True)
def own_home(homes, monkeypatch):
    """No test sees the user's jobs, models or tokens."""
    home = homes / str(next(HOMES))
    home.mkdir()
    monkeypatch.setenv("WIZARD_HOME", str(home / "wizard"))
    monkeypatch.setenv("HF_HOME", str(home / "hf"))
    for name in ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "HF_ENDPOINT", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    return home


def pytest_runtest_setup():
    """Sockets reach loopback only."""
    from pytest_socket import socket_allow_hosts

    socket_allow_hosts(["127.0.0.1", "::1", "localhost"], allow_unix_socket=True)


def pytest_terminal_summary(terminalreporter):
    """The ten largest files, so that everyone sees them grow."""
    root = Path(__file__).resolve().parents[1]
    sizes = [(len(p.read_text("utf-8").splitlines()), p) for p in (root / "wizard").rglob("*.py")]
    told = [f"{path.relative_to(root)} {lines}" for lines, path in sorted(sizes, reverse=True)[:10]]
    terminalreporter.write_line("largest: " + ", ".join(told))
