"""What the tests of models that write share: one job from end to end, and what its bundle says."""

import csv
import itertools
import json
import subprocess
import sys

from tests.slow.test_command_line import wizard
from wizard import library


def job_of(sample, home, out, *options):
    """`wizard run` on the sample: the result object, and the folder of the bundle."""
    words = (*options, "--max-drop", "2", "--json", "--quiet", "--out", str(out))
    done = wizard("run", f"sample:{sample}", *words, home=home)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout), out


def right_of_five(sample, bundle, column):
    """How many of the first five rows run.py answers as expected; check.py must find no fault."""
    rows = library.samples()[sample].folder / "data" / "test.csv"
    with rows.open(encoding="utf-8", newline="") as file:
        first = list(itertools.islice(csv.DictReader(file), 5))
    right = 0
    for row in first:
        said = python(bundle, "run.py", row["text"])
        assert said.returncode == 0, said.stderr
        right += row[column] in said.stdout
    checked = python(bundle, "check.py")
    assert checked.returncode == 0, checked.stderr
    return right


def python(folder, *arguments):
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)
