"""A model that hears and writes from end to end on the command line, once: `dictated`.

Covers: the word error rate with letters, perplexity and agreement beside it, both times, the
bundle's run.py and check.py. Does not cover: the family with random weights
(test_families_of_two_parts.py).
"""

import subprocess
import sys

import pytest

from tests.slow.writers import job_of
from wizard import library
from wizard.examples import as_wav, pick
from wizard.examples.sounds import read_bundled

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def job(home, tmp_path_factory):
    """The result object and the bundle of one run that tries what the plan proposes."""
    out = tmp_path_factory.mktemp("out") / "bundle"
    limits = ("--latency-ms", "500", "--token-ms", "300")
    return job_of("dictated", home, out, *limits)


def test_the_word_error_rate_decides_and_the_others_stand_beside(job):
    """The baseline is the maker's; both times are clauses of their own."""
    clauses = {one["name"]: one for one in job[0]["verdict"]["clauses"]}
    tried = [one["measured"] for one in job[0]["candidates"] if one["measured"]]

    assert clauses["quality"]["metric"] == "WER"
    assert clauses["quality"]["before"] == pytest.approx(
        100 * library.samples()["dictated"].baseline, abs=0.3
    )
    assert {"latency, median", "per token, median"} <= set(clauses)
    assert len(tried) >= 2
    assert all({"CER", "perplexity"} <= set(one["quality"]["also"]) for one in tried)
    assert all(one["quality"]["agreement"]["value"] > 0.9 for one in tried)


def test_the_bundle_writes_what_is_said(job, tmp_path):
    """run.py with onnxruntime, numpy and tokenizers only; check.py finds the same next tokens."""
    rows = read_bundled(library.rows_of("dictated"), "test")
    right = 0
    for row in range(5):
        (tmp_path / "said.wav").write_bytes(as_wav(pick(rows, [row])))
        said = _python(job[1], "run.py", str(tmp_path / "said.wav"))
        assert said.returncode == 0, said.stderr
        right += rows.answers[row][0] == said.stdout.splitlines()[0]
    checked = _python(job[1], "check.py")

    assert right >= 3
    assert checked.returncode == 0, checked.stderr


def _python(folder, *arguments):
    return subprocess.run([sys.executable, *arguments], cwd=folder, capture_output=True, text=True)
