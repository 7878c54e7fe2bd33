"""A second contract for the same model: less work, the same answers, honest about its times."""

import json
import time

import pytest

from tests.slow.test_command_line import wizard

pytestmark = [pytest.mark.slow, pytest.mark.alone, pytest.mark.timeout(600)]
FIRST = ("--latency-ms", "50", "--max-drop", "1")
SECOND = ("--latency-ms", "20", "--max-drop", "2")
# Where another program disturbed the first job, every speed is taken again.
TIMES_LESS, TIMES_LESS_RETIMED = 2.0, 1.4


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """Two jobs in one new home: seconds and the object on stdout of each."""
    folder = tmp_path_factory.mktemp("second")
    return [ran(folder, str(at), *words) for at, words in enumerate((FIRST, SECOND))], folder


def ran(folder, name, *words):
    began = time.monotonic()
    done = wizard(
        "run", "sample:intents", *words, "--out", str(folder / name), "--json", "--quiet",
        home=folder / "home",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    return time.monotonic() - began, json.loads(done.stdout)


def reused(answer, what):
    return {one["of"] for one in answer["reused"] if one["what"] == what}


def test_a_second_contract_takes_less_than_half_the_time(both):
    """Files and answers of every candidate both tried come from the first job."""
    (long, first), (short, second) = both[0]
    tried = [
        {one["id"] for one in answer["candidates"] if one["measured"]} for answer in (first, second)
    ]
    less = TIMES_LESS if reused(second, "timing") else TIMES_LESS_RETIMED

    assert first["reused"] == []
    assert reused(second, "answers") == {"original", *(tried[0] & tried[1])}
    assert reused(second, "file") >= reused(second, "answers")
    assert long / short >= less


def test_what_was_used_again_is_the_same_to_the_last_answer(both):
    """Score, agreement, layers and audit are those of the first job."""
    first, second = (
        {one["id"]: one["measured"] for one in answer["candidates"] if one["measured"]}
        for _, answer in both[0]
    )
    for name in first.keys() & second.keys():
        for part in ("sha256", "size", "memory", "quality", "layers", "audit"):
            assert first[name][part] == second[name][part], (name, part)


def test_the_original_is_timed_in_every_job_and_the_rest_says_when(both):
    """The original never has another job's speed; the result tells what was taken from where."""
    answer = both[0][1][1]
    said = " ".join(answer["notes"])

    assert "original" not in reused(answer, "timing")
    assert "measured before" in said
    assert ("ago" in said) == bool(reused(answer, "timing"))


def test_afresh_measures_everything_again(both):
    """`--afresh` takes nothing from earlier jobs but the export, and its command says so."""
    _, answer = ran(both[1], "afresh", *SECOND, "--only", "int8_dynamic", "--afresh")

    assert answer["reused"] == []
    recipe = json.loads((both[1] / "afresh" / "recipe.json").read_text("utf-8"))
    assert "--afresh" in recipe["command"]
