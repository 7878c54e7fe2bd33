"""A second contract for the same model: less work, the same answers, honest about its times.

Does not cover: how much less (`python tests/benchmarks/figures.py second`).
"""

import json

import pytest

from tests.slow.test_command_line import wizard

pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]
FIRST = ("--latency-ms", "50", "--max-drop", "1")
SECOND = ("--latency-ms", "20", "--max-drop", "2")


@pytest.fixture(scope="module")
def both(home):
    """Two jobs in one new home: the object on stdout of each."""
    return [ran(home, str(at), *words) for at, words in enumerate((FIRST, SECOND))], home


def ran(home, name, *words):
    done = wizard(
        "run", "sample:intents", *words, "--out", str(home / name), "--json", "--quiet", home=home
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


def reused(answer, what):
    return {one["of"] for one in answer["reused"] if one["what"] == what}


def test_a_second_contract_makes_and_asks_nothing_twice(both):
    """Files and answers of every candidate both tried come from the first job."""
    first, second = both[0]
    tried = [
        {one["id"] for one in answer["candidates"] if one["measured"]} for answer in (first, second)
    ]

    assert first["reused"] == []
    assert reused(second, "answers") == {"original", *(tried[0] & tried[1])}
    assert reused(second, "file") >= reused(second, "answers")


def test_what_was_used_again_is_the_same_to_the_last_answer(both):
    """Score, agreement, layers and audit are those of the first job."""
    first, second = (
        {one["id"]: one["measured"] for one in answer["candidates"] if one["measured"]}
        for answer in both[0]
    )
    for name in first.keys() & second.keys():
        for part in ("sha256", "size", "memory", "quality", "layers", "audit"):
            assert first[name][part] == second[name][part], (name, part)


def test_the_original_is_timed_in_every_job_and_the_rest_says_when(both):
    """The original never has another job's speed; the result tells what was taken from where."""
    answer = both[0][1]
    said = " ".join(answer["notes"])

    assert "original" not in reused(answer, "timing")
    assert "measured before" in said
    assert ("ago" in said) == bool(reused(answer, "timing"))


def test_afresh_measures_everything_again(both):
    """`--afresh` takes nothing from earlier jobs but the export, and its command says so."""
    answer = ran(both[1], "afresh", *SECOND, "--only", "int8_dynamic", "--afresh")

    assert answer["reused"] == []
    recipe = json.loads((both[1] / "afresh" / "recipe.json").read_text("utf-8"))
    assert "--afresh" in recipe["command"]
