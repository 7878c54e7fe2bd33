"""Data sets as people publish them on the Hub, and one fresh process that reads them.

Covers: Parquet and CSV files, a data set's card, the real client against a hub on loopback.
Does not cover: which data sets (the tests say).
"""

import csv
import io
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.hub_server import a_hub

pa = pytest.importorskip("pyarrow")

ROOT = Path(__file__).resolve().parents[1]


def parquet(columns):
    import pyarrow.parquet

    file = io.BytesIO()
    pyarrow.parquet.write_table(pa.table(columns), file)
    return file.getvalue()


def described(features, files):
    """A data set's card, as the Hub has it."""
    listed = "".join(f"  - split: {split}\n    path: {path}\n" for split, path in files.items())
    told = "\n".join(f"  {line}" for line in features.splitlines())
    configs = f"configs:\n- config_name: default\n  data_files:\n{listed}"
    return f"---\ndataset_info:\n{told}\n{configs}---\n".encode()


def table(rows):
    file = io.StringIO()
    csv.writer(file).writerows(rows)
    return file.getvalue().encode()


def answers_of(code, asked, home, put):
    """What `code` prints of `asked`, in a process of its own that talks to a hub of `put`."""
    with a_hub() as hub:
        put(hub)
        done = subprocess.run(
            [sys.executable, "-c", code],
            input=json.dumps(asked),
            capture_output=True,
            text=True,
            timeout=120,
            cwd=ROOT,
            env={
                **os.environ,
                "HF_HUB_OFFLINE": "0",  # exports made by other tests of this process set it
                "PYTHONPATH": str(ROOT),
                "HF_ENDPOINT": hub.url,
                "HF_HOME": str(home),
            },
        )
    assert done.stdout, done.stderr[-2000:]
    found = json.loads(done.stdout.splitlines()[-1])
    assert len(found) == len(asked)
    return found
