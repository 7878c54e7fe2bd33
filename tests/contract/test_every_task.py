"""Every task's card leads to what it names, and every kind of answer keeps the same promises."""

import importlib
import re

import numpy as np
import pytest

from wizard import library, tasks
from wizard.bundle.pack import TEMPLATES, run_script
from wizard.measure import answered, metrics
from wizard.measure.quality import AGREEMENT_ASKED
from wizard.nouns import Task

CARDS = tasks.cards()
PARTS = ("calibration", "test")


@pytest.mark.parametrize("task", sorted(CARDS))
def test_what_a_card_names_is_there(task):
    """Preparer, reducer, scorer, script, measures, the sample that stands in."""
    card = CARDS[task]
    prepare = importlib.import_module(f"wizard.examples.preparers.{card.prepare}").prepare
    reduce = importlib.import_module(f"wizard.measure.reducers.{card.reduce}").reduce
    scorer = importlib.import_module(f"wizard.measure.scorers.{card.score}")

    assert callable(prepare)
    assert callable(reduce)
    assert all(callable(getattr(scorer, name)) for name in ("score", "glance", "shown"))
    assert (TEMPLATES / card.script).is_file()
    assert set(card.metrics) - {AGREEMENT_ASKED} <= set(metrics.METRICS)
    assert AGREEMENT_ASKED in card.metrics
    assert all(list(library.rows_of(card.bundled).glob(f"{part}*")) for part in PARTS)


@pytest.mark.parametrize("task", sorted(CARDS))
def test_transformers_has_the_class_of_a_task(task):
    """A misspelt class would be found by the first user."""
    import transformers

    assert hasattr(transformers, CARDS[task].auto_class)


@pytest.mark.parametrize("task", sorted(CARDS))
def test_a_task_that_reads_tables_knows_their_columns(task):
    """Each layout has names for its texts, in lower case as they are compared."""
    card = CARDS[task]
    names = [name for one in card.layouts for known in (*one.texts, one.answer) for name in known]

    assert bool(card.layouts) == (card.rows == "table")
    assert names == [name.casefold() for name in names]


@pytest.mark.parametrize("task", sorted(one for one in CARDS if CARDS[one].asks))
def test_nothing_is_left_to_fill_in_in_a_script(task, tmp_path):
    """But the model's name; a placeholder would be sent to the model as a text."""
    (tmp_path / "preprocessor_config.json").write_text("{}")
    script = run_script(CARDS[task], tmp_path)

    assert set(re.findall(r"@[A-Z]+@", script)) == {"@MODEL@"}
    compile(script, "run.py", "exec")


def test_every_task_has_a_card_or_is_not_named():
    """A member of Task without a card would be called ours and fail."""
    assert set(CARDS) == set(Task)


def test_a_card_may_name_a_task_of_its_architecture_only():
    """A README's pipeline_tag tells sentence similarity from vectors, and does nothing else."""
    assert tasks.refined("feature-extraction", "sentence-similarity") == "sentence-similarity"
    assert tasks.refined("text-classification", "zero-shot-classification") == (
        "zero-shot-classification"
    )
    assert tasks.refined("text-classification", "fill-mask") == "text-classification"
    assert tasks.refined(None, "fill-mask") is None
    assert tasks.refined("text-classification", "anything") == "text-classification"


def test_answers_come_back_from_their_file(tmp_path):
    """Ragged ones, words and empty rows too; parts joined, first rows cut."""
    rows = {
        "spans": [np.array([[1, 2]]), np.zeros((0, 2), int), np.array([[3, 4], [5, 6]])],
        "words": [np.array(["a"]), np.array(["bb", "c"]), np.array(["d"])],
    }
    answered.Answered(rows).save(tmp_path / "a.npz")
    back = answered.joined([answered.load(tmp_path / "a.npz")] * 2)

    assert len(back) == 6
    assert [one.tolist() for one in back.of("spans")[:3]] == [one.tolist() for one in rows["spans"]]
    assert back.first(2).of("words")[1].tolist() == ["bb", "c"]
    assert back.not_finite() == 0
