"""Checkpoints in and out of PyTorch: models smaller than their config says come back whole."""

import json

import pytest
import torch

from tests import strategy_models as models
from wizard.errors import ExportFailed
from wizard.nouns import Task
from wizard.strategies import _checkpoint as checkpoint

TASK = Task.TEXT_CLASSIFICATION


def smaller(folder):
    """The tiny text model without its first layer and with half the neurons of the next."""
    source = models.checkpoint("text")
    model = checkpoint.load(source, TASK)
    layers = model.bert.encoder.layer
    inner, out = layers[1].intermediate.dense, layers[1].output.dense
    half = inner.out_features // 2
    inner.weight = torch.nn.Parameter(inner.weight[:half])
    inner.bias = torch.nn.Parameter(inner.bias[:half])
    out.weight = torch.nn.Parameter(out.weight[:, :half])
    model.bert.encoder.layer = layers[1:]
    shape = checkpoint.Shape(kept={"bert.encoder.layer": [1]})
    return model, checkpoint.save(model, shape, source, folder)


def answers(model):
    rows = torch.arange(10, 24).reshape(2, 7)
    with torch.no_grad():
        return model(input_ids=rows).logits


def test_a_smaller_model_comes_back_as_it_was_saved(tmp_path):
    """One layer of two, half the neurons: same answers, and the layers say their sizes."""
    model, folder = smaller(tmp_path / "made")
    again = checkpoint.load(folder, TASK)

    assert torch.equal(answers(again), answers(model))
    assert len(again.bert.encoder.layer) == 1
    dense = again.bert.encoder.layer[0].intermediate.dense
    assert (dense.out_features, dense.in_features) == tuple(dense.weight.shape)


def test_a_smaller_model_keeps_its_tokenizer_and_config(tmp_path):
    """All small files come along; the weights are safetensors; the note can be read."""
    _, folder = smaller(tmp_path / "made")
    source = models.checkpoint("text")

    names = {one.name for one in folder.iterdir()}
    assert {one.name for one in source.iterdir()} <= names
    assert json.loads((folder / checkpoint.SHAPE_FILE).read_text())["kept"]
    assert checkpoint.shape_of(folder).kept == {"bert.encoder.layer": [1]}


def test_a_note_that_does_not_fit_the_weights_is_refused(tmp_path):
    """Weights without a place would be dropped in silence."""
    _, folder = smaller(tmp_path / "made")
    (folder / checkpoint.SHAPE_FILE).write_text(
        '{"kept": {"bert.encoder.layer": []}, "attributes": {}}'
    )

    with pytest.raises(ExportFailed) as caught:
        checkpoint.load(folder, TASK)
    assert "has no place" in str(caught.value.facts["because"])
