"""A model of two parts from end to end on the command line, once: `translations`.

Covers: BLEU with exact match, perplexity and agreement beside it, both times, the bundle's run.py
and check.py. Does not cover: other families (test_families_of_two_parts.py).
"""

import pytest

from tests.slow.writers import job_of, right_of_five
from wizard import library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


@pytest.fixture(scope="module")
def job(home, tmp_path_factory):
    """The result object and the bundle of one run that tries what the plan proposes."""
    out = tmp_path_factory.mktemp("out") / "bundle"
    limits = ("--latency-ms", "500", "--token-ms", "300")
    return job_of("translations", home, out, *limits)


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
    assert right_of_five("translations", job[1], "translation") >= 3
