"""The user's own rows are counted before a plan is made, because some recipes learn from them."""

import csv
from dataclasses import replace
from pathlib import Path

import pytest

from tests.factories import some_needs
from wizard import engine, jobs
from wizard.errors import DataNotFound

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture(scope="module")
def intents():
    return engine.examine(engine.parse_ref("sample:intents"))


def own_rows(folder, count):
    """A file of so many different texts."""
    path = folder / "rows.txt"
    path.write_text("\n".join(f"wake me at {at} o'clock" for at in range(count)), encoding="utf-8")
    return str(path)


def test_own_rows_open_recipes_that_learn_from_rows(intents, tmp_path):
    """Whoever brings enough rows is offered what needs them, as with ours."""
    needs = some_needs(device_id="cloud-avx512-vnni", data=own_rows(tmp_path, 200))

    plan = engine.advise(intents, needs)

    tried = {one.technique for one in (*plan.candidates, *plan.ladder)}
    assert plan.needs.calibration_rows >= 32
    assert "int8_static_smooth" in tried


def test_our_rows_are_known_and_not_counted(intents):
    """Only how often a model is asked when it is scored; what is known is not counted again."""
    told = jobs.counted(intents, some_needs())

    assert told == replace(some_needs(), requests=2400, row_tokens=told.row_tokens)
    assert 8 < told.row_tokens < 16
    assert jobs.counted(intents, told) is told


def test_a_pair_is_two_requests():
    """Both sentences are read."""
    sentences = engine.examine(engine.parse_ref("sample:sentences"))

    assert jobs.counted(sentences, some_needs()).requests == 3200


def test_a_question_and_its_text_are_one():
    """They are read together; how long a right answer is, its words tell."""
    answers = engine.examine(engine.parse_ref("sample:answers"))
    told = jobs.counted(answers, some_needs())
    rows = ROOT / "assets" / "samples" / "answers" / "data" / "test.csv"

    with rows.open(encoding="utf-8", newline="") as file:
        assert told.requests == sum(1 for _ in csv.DictReader(file))


def test_right_answers_tell_how_much_is_written():
    """By their words, as rows are."""
    told = jobs.counted(engine.examine(engine.parse_ref("sample:translations")), some_needs())

    assert 5 < told.written_tokens < 15


def test_pictures_have_no_tokens():
    """How large they are the model says, not the row."""
    digits = engine.examine(engine.parse_ref("sample:digits"))

    assert jobs.counted(digits, some_needs()).requests == 700
    assert jobs.counted(digits, some_needs()).row_tokens is None


def test_few_rows_are_scored_sooner_than_many(intents, tmp_path):
    """The forecast of a job looks at how many rows there are."""
    few, many = (
        engine.advise(intents, replace(some_needs(), data=own_rows(tmp_path, count)))
        for count in (100, 4000)
    )

    assert few.needs.requests < many.needs.requests
    assert few.needs.row_tokens == pytest.approx(2 + 1.35 * 5, rel=0.01)
    assert few.job.seconds.value < many.job.seconds.value - 5


def test_a_count_once_made_is_kept_when_the_file_has_gone(intents):
    """A job is judged again after its rows were deleted."""
    needs = replace(some_needs(), data="/gone/rows.csv", calibration_rows=64)

    assert jobs.counted(intents, needs) is needs


def test_missing_rows_are_said_before_any_work(intents, tmp_path):
    """The plan is the first to say that there is no such file."""
    needs = replace(some_needs(), data=str(tmp_path / "none.csv"))

    with pytest.raises(DataNotFound):
        engine.advise(intents, needs)
