"""What `wizard inspect` says of every text family, task by task, and of kinds that are not listed.

Covers: the level of support and its reason, from a config alone.
Does not cover: that an export works (tests/slow/test_every_family_exports.py), pictures, sound.
"""

import json

import pytest

from tests.family_models import PLAIN, TEXT, TEXT_MODELS
from wizard import intake, library, tasks
from wizard.nouns import SupportLevel, Task

HEADS = {
    Task.TEXT_CLASSIFICATION: "SequenceClassification",
    Task.ZERO_SHOT_CLASSIFICATION: "SequenceClassification",
    Task.TOKEN_CLASSIFICATION: "TokenClassification",
    Task.QUESTION_ANSWERING: "QuestionAnswering",
    Task.FILL_MASK: "MaskedLM",
    Task.FEATURE_EXTRACTION: "Model",
    Task.SENTENCE_SIMILARITY: "Model",
}
# Encoders that transformers has and no card of ours names.
UNLISTED = (
    "ernie", "roformer", "nystromformer", "megatron-bert", "convbert", "rembert", "big_bird",
    "longformer", "ibert", "data2vec-text", "roberta-prelayernorm", "xlm-roberta-xl", "fnet",
    "luke", "esm", "layoutlm", "xmod", "mra", "yoso", "lilt", "deberta",
)  # fmt: skip


def looked_at(folder, kind, task, config):
    """The card of a folder with this config."""
    from transformers.models.auto.modeling_auto import MODEL_MAPPING_NAMES

    base = MODEL_MAPPING_NAMES[kind].removesuffix("Model")
    head = HEADS[task]
    name = f"{base}Model" if head == "Model" else f"{base}For{head}"
    names = {"0": "contradiction", "1": "neutral", "2": "entailment"}
    labels = {"id2label": names} if tasks.card_of(task).labels else {}
    whole = {"model_type": kind, "architectures": [name], **labels, **config}
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(whole))
    (folder / "README.md").write_text(f"---\npipeline_tag: {task.value}\n---\n")
    return intake.examine(intake.parse_ref(str(folder)))


@pytest.mark.parametrize("kind", TEXT_MODELS)
def test_a_text_family_is_ours_for_each_of_its_tasks(tmp_path, kind):
    """The right task, a level that the record bears out, and a count of its parameters."""
    family = next(one for one in library.families().values() if kind in one.model_types)
    config = TEXT_MODELS[kind] if kind in PLAIN else TEXT | TEXT_MODELS[kind]
    assert set(family.tasks) == {task.value for task in HEADS}
    for task in HEADS:
        profile = looked_at(tmp_path / task.value, kind, task, config)
        card = tasks.card_of(task)
        tested = any(tasks.alike(library.sample_task(one), task) for one in family.tested)

        assert profile.task is task
        assert profile.support.level is (
            SupportLevel.TESTED if tested else SupportLevel.SHOULD_WORK
        ), profile.support.because
        assert profile.parameters.linear > 0
        assert profile.macs > 0
        assert bool(profile.labels) == card.labels


@pytest.mark.parametrize("kind", UNLISTED)
def test_an_unlisted_encoder_should_work(tmp_path, kind):
    """It can be built and is fed with texts; nobody tried it, and the card says so."""
    profile = looked_at(tmp_path / "m", kind, Task.TEXT_CLASSIFICATION, TEXT)

    assert profile.support.level is SupportLevel.SHOULD_WORK
    assert kind in profile.support.because


def test_what_should_work_names_the_recorded_difference(tmp_path):
    """The reason is a measurement where there is one."""
    kind = "deberta-v2"
    config = TEXT | TEXT_MODELS[kind]
    profile = looked_at(tmp_path / "m", kind, Task.TEXT_CLASSIFICATION, config)

    assert "as PyTorch does" in profile.support.because


def test_every_recorded_export_is_within_a_thousandth():
    """And of a family and task that we call ours."""
    for kind, found in library.exports().items():
        family = next(one for one in library.families().values() if kind in one.model_types)
        assert set(found) <= set(family.tasks)
        assert max(found.values()) <= 1e-3
