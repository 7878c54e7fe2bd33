"""Every family that is called ours is exported with random weights and answers as PyTorch does.

Covers: each family with one of its tasks, each task with some family, at three shapes;
`WIZARD_RECORD=1` tries all of them (six minutes) and writes the record anew that README's table is
made of.
"""

import json
import os
from pathlib import Path

import pytest

from tests.family_models import TEXT_MODELS, a_checkpoint
from wizard import library, tasks
from wizard.nouns import Task
from wizard.strategies._torch import checked_export

RECORD = library.presets_folder() / "exports.json"
LARGEST = 1e-3
ALL = bool(os.environ.get("WIZARD_RECORD"))


def cases():
    """(model type, task) of every text family; tasks of one architecture share an export."""
    for at, kind in enumerate(TEXT_MODELS):
        family = next(one for one in library.families().values() if kind in one.model_types)
        cards = [tasks.card_of(Task(name)) for name in family.tasks]
        own = [card.task for card in cards if not card.stands_in_for]
        yield from ((kind, task) for task in (own if ALL else [own[at % len(own)]]))


def record(kind, task, parity):
    """The largest difference, beside what was recorded before."""
    known = json.loads(RECORD.read_text("utf-8")) if RECORD.is_file() else {}
    known.setdefault(kind, {})[task.value] = float(f"{parity.largest_difference:.2g}")
    RECORD.write_text(json.dumps(known, indent=1, sort_keys=True) + "\n", encoding="utf-8")


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "task"), list(cases()), ids=str)
@pytest.mark.filterwarnings("ignore")
def test_a_family_answers_the_same_in_onnx(kind, task, tmp_path: Path):
    """Within a thousandth, at three shapes that the exporter never saw."""
    folder = a_checkpoint(tmp_path / "model", kind, tasks.card_of(task).auto_class)
    parity = checked_export(
        folder, task, tmp_path / "model.onnx", opset=20, image_size=None, report=lambda *_: None
    )

    assert parity.largest_difference <= LARGEST
    assert len(parity.shapes) == 3
    if ALL:
        record(kind, task, parity)
