"""Thin layers: exact where a layer is thin, fitted to what it sees, refused where useless."""

import dataclasses

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests import strategy_models as models
from wizard.errors import CalibrationTooSmall, NotSupported
from wizard.nouns import Step
from wizard.strategies import _contract as contract
from wizard.strategies import _graph, low_rank


def thinner(folder, artifact, bench=None, **settings):
    step = Step(strategy="low_rank", settings=settings)
    return contract.apply_step(step, artifact, bench or models.a_bench(folder))


def a_lookup_and(path, weight, table):
    """Words looked up, then one matrix and a head that is left alone."""
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["h"]),
        helper.make_node("MatMul", ["h", "w"], ["m"], name="middle"),
        helper.make_node("Relu", ["m"], ["r"]),
        helper.make_node("MatMul", ["r", "last"], ["y"], name="last"),
    ]
    stored = {"table": table, "w": weight, "last": models.weights(weight.shape[1], 5)}
    ids = {"input_ids": (TensorProto.INT64, ["batch", "sequence"])}
    return models.a_graph(path, nodes, stored, inputs=ids)


def test_a_layer_that_is_thin_already_is_split_without_loss(tmp_path):
    """Rank 16 of 64: half of the work, the same answers but for the last digits."""
    weight = models.weights(64, 16) @ models.weights(16, 128, seed=1)
    before = a_lookup_and(tmp_path / "m.onnx", weight, models.weights(models.VOCABULARY, 64))
    after = thinner(tmp_path, before, macs=0.5)
    feed = {"input_ids": np.arange(100)[None]}

    found = models.answers(after.path, feed)
    assert np.allclose(found, models.answers(before.path, feed), rtol=1e-3, atol=1e-3)
    assert low_rank.work_of(_graph.load(after.path)) < 0.5 * low_rank.work_of(
        _graph.load(before.path)
    )


def test_directions_are_kept_for_what_the_layer_sees():
    """Loud weights that meet silence are given up; without looking they would be kept."""
    weight = np.diag(np.array([10.0, 10, 1, 1], np.float32))
    seen = np.diag([0.0, 0.0, 1.0, 1.0])

    axes = low_rank._Axes.of(weight, seen)
    assert np.abs(axes.vectors[:2, :2]).max() < 1e-6
    assert axes.lost[2] == pytest.approx(0, abs=1e-9)


@pytest.mark.parametrize("shape", [(16, 48), (48, 16)])
def test_the_loss_foretold_is_the_loss_found(shape):
    """Whichever side is longer: the share of the outputs' power that is gone."""
    weight, inputs = models.weights(*shape), models.weights(400, shape[0], seed=3)
    axes = low_rank._Axes.of(weight, inputs.T @ inputs / len(inputs))
    kept = axes.vectors[:, :8]
    full = inputs @ weight

    gone = np.square(full - full @ kept @ kept.T).sum() / np.square(full).sum()
    assert axes.lost[8] == pytest.approx(gone, rel=1e-3)


def test_the_budget_of_work_is_kept(tmp_path):
    """However it is shared out among layers."""
    before = models.exported("text")
    after = thinner(tmp_path, before, macs=0.6)
    was, now = (low_rank.work_of(_graph.load(one.path)) for one in (before, after))

    assert 0.5 * was < now < 0.65 * was
    assert after.bytes < before.bytes


def test_work_that_is_not_in_matrices_is_refused(tmp_path):
    """Convolutions stay as they are, and are told why."""
    with pytest.raises(NotSupported, match="not in large matrices"):
        thinner(tmp_path, models.exported("image"), models.a_bench(tmp_path, "image"))


@pytest.mark.parametrize("macs", [0.01, 1.0])
def test_a_share_that_splitting_cannot_leave_is_refused(tmp_path, macs):
    """No gain, or less than the thinnest layers need."""
    with pytest.raises(NotSupported, match="no share"):
        thinner(tmp_path, models.exported("text"), macs=macs)


def test_without_rows_nothing_is_split(tmp_path):
    """What a layer sees decides; nothing was seen."""
    bench = dataclasses.replace(models.a_bench(tmp_path), calibration=None)
    with pytest.raises(CalibrationTooSmall):
        thinner(tmp_path, models.exported("text"), bench)
