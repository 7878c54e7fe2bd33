"""A model of two parts from end to end on the command line, once: `translations`.

Covers: BLEU with exact match, perplexity and agreement beside it, both times, the bundle's run.py
and check.py. Does not cover: other families (test_families_of_two_parts.py).
"""

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from wizard import library

ROOT = Path(__file__).resolve().parents[2]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def job(tmp_path_factory):
    """The result object and the bundle of one run that tries what the plan proposes."""
    out = tmp_path_factory.mktemp("out") / "bundle"
    done = subprocess.run(
        [sys.executable, "-m", "wizard", "run", "sample:translations", "--latency-ms", "500",
         "--token-ms", "300", "--max-drop", "2", "--json", "--quiet", "--out", str(out)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        env={**os.environ, "WIZARD_HOME": str(tmp_path_factory.mktemp("home"))},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout), out


def test_bleu_decides_and_the_others_stand_beside(job):
    """The baseline is the maker's; both times are clauses of their own."""
    clauses = {one["name"]: one for one in job[0]["verdict"]["clauses"]}
    tried = [one["measured"] for one in job[0]["candidates"] if one["measured"]]
    also = [one["quality"]["also"] for one in tried]

    assert clauses["quality"]["metric"] == "BLEU"
    assert clauses["quality"]["before"] == pytest.approx(
        100 * library.samples()["translations"].baseline, abs=0.5
    )
    assert {"latency, median", "per token, median"} <= set(clauses)
    assert len(tried) >= 2
    assert all({"exact match", "ROUGE-L", "perplexity"} <= set(one) for one in also)
    assert all(one["quality"]["agreement"]["value"] > 0.9 for one in tried)


def test_the_bundle_says_what_the_row_expects(job):
    """run.py with onnxruntime, numpy and tokenizers only; check.py finds the same next tokens."""
    rows = library.samples()["translations"].folder / "data" / "test.csv"
    with rows.open(encoding="utf-8", newline="") as file:
        first = [row for row, _ in zip(csv.DictReader(file), range(5), strict=False)]
    right = 0
    for row in first:
        said = subprocess.run(
            [sys.executable, "run.py", row["text"]], cwd=job[1], capture_output=True, text=True
        )
        assert said.returncode == 0, said.stderr
        right += row["translation"] in said.stdout
    checked = subprocess.run(
        [sys.executable, "check.py"], cwd=job[1], capture_output=True, text=True
    )

    assert right >= 3
    assert checked.returncode == 0, checked.stderr
