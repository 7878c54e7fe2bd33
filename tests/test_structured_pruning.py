"""Structured pruning on tiny models: real shapes, small loss, clear refusals."""

import json

import pytest
import torch
import transformers
from safetensors import safe_open

from tests import strategy_models as models
from wizard.errors import CalibrationTooSmall, NotSupported, PromiseBroken
from wizard.nouns import Step, Task
from wizard.strategies import _checkpoint, _groups, _importance, structured_pruning
from wizard.strategies import _contract as contract

NAME = "structured_pruning"
SIZES = {"vocab_size": 400, "num_labels": 5, "max_position_embeddings": 40}
WIDE = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4}


def pruned(folder, source=None, name="text", bench=None, **settings):
    source = source or contract.artifact_of(models.checkpoint(name))
    return contract.apply_step(
        Step(strategy=NAME, settings=settings), source, bench or models.a_bench(folder, name)
    )


def loaded(artifact, name="text"):
    return _checkpoint.load(artifact.path, models.TASKS[name])


def logits(model):
    rows = torch.arange(10, 38).reshape(2, 14)
    with torch.no_grad():
        return model(input_ids=rows).logits


def a_sibling(kind, folder):
    """A random two-layer model of another family with the parts of BERT."""
    config = {
        "distilbert": lambda: transformers.DistilBertConfig(
            dim=64, n_layers=2, n_heads=4, hidden_dim=128, **SIZES
        ),
        "roberta": lambda: transformers.RobertaConfig(intermediate_size=128, **SIZES, **WIDE),
        "xlm-roberta": lambda: transformers.XLMRobertaConfig(
            intermediate_size=128, **SIZES, **WIDE
        ),
        "camembert": lambda: transformers.CamembertConfig(intermediate_size=128, **SIZES, **WIDE),
        "electra": lambda: transformers.ElectraConfig(
            intermediate_size=128, embedding_size=32, **SIZES, **WIDE
        ),
    }[kind]()
    model = transformers.AutoModelForSequenceClassification.from_config(config)
    return contract.artifact_of(models.saved(model, folder))


def test_the_weights_themselves_get_smaller(tmp_path):
    """Half the arithmetic: rows of the makers and columns of the readers are gone from the file."""
    after = pruned(tmp_path, macs=0.5)
    note = json.loads((after.path / structured_pruning.NOTE_FILE).read_text())

    assert 0.3 < note["macs"] <= 0.5
    with safe_open(after.path / "model.safetensors", "np") as file:
        for group in note["groups"]:
            wanted = group["kept"] * group["width"]
            assert file.get_slice(f"{group['reader']}.weight").get_shape()[1] == wanted
            assert file.get_slice(f"{group['makers'][0]}.weight").get_shape()[0] == wanted


@pytest.mark.parametrize("kind", ["distilbert", "roberta", "xlm-roberta", "camembert", "electra"])
def test_the_kin_of_bert_comes_back_smaller_with_like_answers(kind, tmp_path):
    """Each family's own names for heads and neurons are known; the note opens the folder again."""
    before = a_sibling(kind, tmp_path / "source")
    after = pruned(tmp_path, before, macs=0.7)

    original, smaller = loaded(before), loaded(after)
    assert after.bytes < before.bytes
    assert models.likeness(logits(smaller).numpy(), logits(original).numpy()) > 0.9


@pytest.mark.parametrize(
    ("head", "task"),
    [
        ("BertForQuestionAnswering", Task.QUESTION_ANSWERING),
        ("BertForTokenClassification", Task.TOKEN_CLASSIFICATION),
        ("BertForMaskedLM", Task.FILL_MASK),
    ],
)
def test_what_answers_for_every_token_gets_smaller_too(head, task, tmp_path):
    """A span's beginning and end, tags, words: each row of logits counts."""
    torch.manual_seed(0)
    config = transformers.BertConfig(intermediate_size=128, **{**SIZES, "num_labels": 2}, **WIDE)
    model = getattr(transformers, head)(config)
    before = contract.artifact_of(models.saved(model, tmp_path / "source"))

    bench = models.a_bench(tmp_path, profile=models.a_profile(task))
    after = pruned(tmp_path, before, bench=bench, macs=0.6)

    assert after.bytes < 0.9 * before.bytes


def test_heads_alone_leave_the_neurons_alone(tmp_path):
    """What is switched off is not touched."""
    after = loaded(pruned(tmp_path, macs=0.9, neurons=False))
    groups = _groups.groups_of(after)

    assert {one.units for one in groups if one.kind == _groups.NEURONS} == {128}
    assert min(one.units for one in groups if one.kind == _groups.HEADS) == 1
    assert after.bert.encoder.layer[0].attention.self.num_attention_heads in {1, 2}


def test_a_whole_layer_can_leave(tmp_path):
    """One of two layers is half the arithmetic; the note says which one stayed."""
    after = pruned(tmp_path, macs=0.5, layers=1)

    kept = _checkpoint.shape_of(after.path).kept["bert.encoder.layer"]
    assert len(kept) == len(loaded(after).bert.encoder.layer) == 1


def test_a_pruned_model_can_be_pruned_again(tmp_path):
    """The second note counts in the original's numbers, so the folder still opens."""
    once = pruned(tmp_path / "one", macs=0.8)
    twice = pruned(tmp_path / "two", once, macs=0.8, layers=1)

    assert twice.bytes < once.bytes
    assert torch.isfinite(logits(loaded(twice))).all()


def test_a_layer_out_of_a_list_keeps_its_number():
    """What was layer 2 before layer 1 left is still called layer 2."""
    shape = _checkpoint.Shape(kept={"encoder.layer": [0, 2]})

    assert _checkpoint.as_numbered_before("encoder.layer.1.dense", shape) == "encoder.layer.2.dense"
    assert _checkpoint.as_numbered_before("classifier", shape) == "classifier"


def test_channels_leave_a_residual_block(tmp_path):
    """The convolution, its norm and the next convolution agree, and pictures still pass."""
    after = loaded(pruned(tmp_path, name="image", macs=0.9), "image")
    (first, *_) = [one for one in _groups.groups_of(after) if one.units < 64]
    norm = after.get_submodule(first.norm)

    assert norm.num_features == len(norm.running_mean) == first.units
    with torch.no_grad():
        assert torch.isfinite(after(pixel_values=torch.rand(2, 3, 16, 16)).logits).all()


@pytest.mark.parametrize(
    ("settings", "because"),
    [
        ({"macs": 0.01}, "more than 1%"),
        ({"macs": 1.5}, "leaves nothing to do"),
        ({"macs": 0.5, "layers": 2}, "at least one must stay"),
        ({"macs": 0.5, "heads": False, "neurons": False}, "more than 50%"),
    ],
)
def test_what_cannot_be_done_is_refused_in_a_sentence(settings, because, tmp_path):
    """A budget out of reach, a share that means nothing, every layer gone, nothing allowed."""
    with pytest.raises(NotSupported) as caught:
        pruned(tmp_path, **settings)

    assert because in str(caught.value.facts["because"])


def test_another_family_is_refused_by_its_name(tmp_path):
    """Where nobody knows what hangs on a part, none is taken out."""
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "config.json").write_text('{"model_type": "deberta-v2"}')

    with pytest.raises(NotSupported) as caught:
        pruned(tmp_path, contract.artifact_of(tmp_path / "other"))
    assert "deberta-v2" in str(caught.value.facts["because"])


@pytest.mark.parametrize("rows", [None, 15])
def test_too_few_rows_are_refused(rows, tmp_path):
    """What matters shows on examples; fifteen do not show enough."""
    feeds = None if rows is None else models.text_feeds(tmp_path / "few.npz", rows)

    with pytest.raises(CalibrationTooSmall):
        pruned(tmp_path, bench=models.a_bench(tmp_path, calibration=feeds))


def test_the_rest_makes_up_for_what_left(tmp_path, monkeypatch):
    """Without the fit by least squares the answers move at least twice as far."""
    original = logits(loaded(contract.artifact_of(models.checkpoint("text"))))
    fitted = logits(loaded(pruned(tmp_path / "fitted", macs=0.6)))
    monkeypatch.setattr(structured_pruning._refit, "refit", lambda *given: None)
    cut = logits(loaded(pruned(tmp_path / "cut", macs=0.6)))

    assert 2 * (fitted - original).norm() < (cut - original).norm()


def test_a_file_that_kept_its_shapes_is_caught(tmp_path):
    """The promise is read from the weights, not from the note."""
    after = pruned(tmp_path, macs=0.5)
    note = after.path / structured_pruning.NOTE_FILE
    said = json.loads(note.read_text())
    said["groups"][1]["kept"] -= 8
    note.write_text(json.dumps(said))

    with pytest.raises(PromiseBroken):
        structured_pruning.ensures(
            contract.artifact_of(models.checkpoint("text")),
            after,
            structured_pruning.Settings(macs=0.5),
        )


def test_what_costs_least_per_arithmetic_goes_first():
    """A cheap large part before a dear small one, and a budget out of reach is None."""
    groups = [
        _groups.Group(kind=kind, block="b", units=2, width=1, makers=(), reader=kind, sum_at="")
        for kind in (_groups.HEADS, _groups.CHANNELS)
    ]
    work = [_groups.Work(macs=90.0, groups=(0,)), _groups.Work(macs=10.0, groups=(1,))]
    orders = [
        [_importance.Removal(units=(1,), loss=1.0)],
        [_importance.Removal(units=(0,), loss=1.0)],
    ]

    assert _importance.search(work, groups, orders, 0.9) == [[0], [0, 1]]
    assert _importance.search(work, groups, orders, 0.1) is None
