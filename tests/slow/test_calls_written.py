"""A language model from end to end on the command line, once: `calls`, all its test rows.

Covers: both times with clauses of their own, exact match with perplexity and agreement beside it,
the bundle's run.py and check.py. Does not cover: other families (test_families_that_write.py).
"""

import pytest

from tests.slow.writers import job_of, right_of_five
from wizard import library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def job(home, tmp_path_factory):
    """The result object and the bundle of one run that tries everything the plan proposes."""
    out = tmp_path_factory.mktemp("out") / "bundle"
    limits = ("--latency-ms", "200", "--token-ms", "100")
    return job_of("calls", home, out, *limits)


def test_both_times_are_clauses_of_their_own(job):
    """The first token and each further one, with a limit and a measured figure each."""
    clauses = {one["name"]: one for one in job[0]["verdict"]["clauses"]}

    assert clauses["latency, median"]["limit"] == 200
    assert clauses["per token, median"]["limit"] == 100
    assert clauses["per token, median"]["basis"] == "measured here"
    assert clauses["per token, median"]["after"] < clauses["latency, median"]["after"]


def test_exact_matches_decide_and_likelihood_stands_beside(job):
    """The baseline is the maker's; perplexity and agreement are there for every candidate."""
    baseline = library.samples()["calls"].baseline
    clause = next(one for one in job[0]["verdict"]["clauses"] if one["name"] == "quality")
    tried = [one["measured"] for one in job[0]["candidates"] if one["measured"]]

    assert clause["metric"] == "exact match"
    assert clause["before"] == pytest.approx(100 * baseline, abs=0.5)
    assert len(tried) >= 3
    assert all(1 < one["quality"]["also"]["perplexity"]["value"] < 2 for one in tried)
    assert all(one["quality"]["agreement"]["value"] > 0.9 for one in tried)


def test_the_bundle_writes_what_the_row_expects(job):
    """run.py with onnxruntime, numpy and tokenizers only; check.py finds the same next tokens."""
    assert right_of_five("calls", job[1], "label") >= 4
