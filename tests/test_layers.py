"""Where the damage is: each layer by the original's name, the one that adds most first."""

import onnx
import pytest
from onnx import numpy_helper

from tests import strategy_models as models
from tests.saturation_models import a_fragile_model, some_rows
from wizard.measure import layers
from wizard.measure.process import Process
from wizard.nouns import Step
from wizard.strategies import _contract as contract


def made(name, folder, technique, **settings):
    step = Step(strategy=technique, settings=settings)
    return contract.apply_step(step, models.exported(name), models.a_bench(folder, name)).path


def damage(folder, original, candidate, feeds):
    with Process(candidate, feeds, 1) as process:
        return layers.damage(process, original, candidate, feeds, folder)


def damage_of(name, folder, technique, **settings):
    """Layers of the tiny model after `technique`, on its 24 rows."""
    file = made(name, folder, technique, **settings)
    return damage(folder, models.exported(name).path, file, folder / "calibration.npz")


@pytest.mark.parametrize(
    ("technique", "operator"),
    [
        ("int8_dynamic", "MatMulInteger"),
        ("int8_static", "MatMul"),
        ("int8_weights", "MatMulNBits"),
        ("int4_weights", "MatMulNBits"),
        ("float16", "MatMul"),
    ],
)
def test_every_layer_goes_by_its_module_s_name(tmp_path, technique, operator):
    """Twelve matrices, the pooler, the head and three tables, whatever the file calls them."""
    found = {one.layer: one for one in damage_of("text", tmp_path, technique)}

    assert found["bert.encoder.layer.1.output.dense"].operator == operator
    assert {"bert.embeddings.word_embeddings", "bert.pooler.dense", "classifier"} <= set(found)
    assert len(found) == 17
    assert all(0 < one.relative_error < 1 for one in found.values() if "encoder" in one.layer)


@pytest.mark.parametrize("technique", ["int8_static", "int8_weights", "float16"])
def test_convolutions_are_layers_too(tmp_path, technique):
    """Named after the convolution, though a norm was folded into it."""
    found = damage_of("image", tmp_path, technique)

    assert "resnet.embedder.embedder.convolution" in {one.layer for one in found}
    assert "Conv" in {one.operator for one in found}


def test_an_untouched_file_has_no_damage(tmp_path):
    """The same file against itself: nothing moved, nothing clipped, nothing cut off."""
    path = models.exported("text").path
    feeds = models.text_feeds(tmp_path / "rows.npz")
    found = damage(tmp_path, path, path, feeds)

    assert {one.relative_error for one in found} == {0.0}
    assert {one.own_error for one in found} <= {0.0, None}
    assert {(one.clipped, one.saturated) for one in found} == {(None, None)}


def test_the_layer_that_adds_the_damage_comes_first(tmp_path):
    """Later layers inherit the error; only this one makes it."""
    name = "bert.encoder.layer.0.intermediate.dense"
    model = onnx.load(str(models.exported("text").path))
    node = next(one for one in model.graph.node if one.name == f"{name}/MatMul")
    weight = next(one for one in model.graph.initializer if one.name == node.input[1])
    wrong = numpy_helper.to_array(weight)[:, ::-1].copy()
    weight.CopyFrom(numpy_helper.from_array(wrong, weight.name))
    onnx.save(model, str(tmp_path / "wrong.onnx"))
    feeds = models.text_feeds(tmp_path / "rows.npz")

    first, *others = damage(tmp_path, models.exported("text").path, tmp_path / "wrong.onnx", feeds)

    assert first.layer == name
    assert first.own_error > 0.5
    assert {one.own_error for one in others} <= {0.0, None}
    assert max(one.relative_error for one in others) > 0.1


def test_a_layer_that_gives_no_numbers_is_the_worst(tmp_path):
    """Not a number counts as a thousand times the original, so that it can be ranked and stored."""
    model = onnx.load(str(models.exported("text").path))
    pooler = next(one for one in model.graph.node if one.name == "bert.pooler.dense/Gemm")
    pooler.input.append("broken")
    broken = models.weights(64) * float("nan")
    model.graph.initializer.append(numpy_helper.from_array(broken, "broken"))
    onnx.save(model, str(tmp_path / "nan.onnx"))
    feeds = models.text_feeds(tmp_path / "rows.npz")

    first, second, *_ = damage(tmp_path, models.exported("text").path, tmp_path / "nan.onnx", feeds)

    assert (first.layer, first.relative_error) == ("bert.pooler.dense", 1000.0)
    assert second.own_error in {0.0, None}


def test_a_range_learnt_too_narrow_shows_as_clipped(tmp_path):
    """Percentiles of activations cut the outliers off; the whole range cuts nothing."""
    whole = damage_of("text", tmp_path / "a", "int8_static", samples=24)
    narrow = damage_of("text", tmp_path / "b", "int8_static", method="percentile", percentile=95.0)

    assert max(one.clipped or 0 for one in whole) < 0.001
    assert max(one.clipped or 0 for one in narrow) > 0.02


def test_sums_that_would_overflow_are_counted(tmp_path):
    """The share of a layer's pair sums that a processor without VNNI cuts off."""
    artifact = a_fragile_model(tmp_path / "fragile.onnx")
    some_rows(tmp_path / "rows.npz", 20)
    step = Step(strategy="int8_dynamic")
    file = contract.apply_step(step, artifact, models.a_bench(tmp_path / "work")).path

    found = damage(tmp_path, artifact.path, file, tmp_path / "rows.npz")
    head = next(one for one in found if one.layer == "head")

    assert 0.02 < head.saturated < 0.1


def test_a_file_that_cannot_answer_the_rows_is_not_looked_into(tmp_path):
    """Whoever measures it says why; the look does not fail on its own."""
    other = a_fragile_model(tmp_path / "fragile.onnx").path
    feeds = models.text_feeds(tmp_path / "rows.npz")

    assert damage(tmp_path, models.exported("text").path, other, feeds) == ()


def test_a_large_model_is_not_looked_into(tmp_path, monkeypatch):
    """Three copies at once would need more memory than the look is worth."""
    monkeypatch.setattr(layers, "LOOKED_INTO_UP_TO", 1000)

    assert damage_of("text", tmp_path, "int8_dynamic") == ()


def test_nothing_is_left_behind(tmp_path):
    """The copies that show inner values are gone afterwards."""
    path = models.exported("text").path
    feeds = models.text_feeds(tmp_path / "rows.npz")
    damage(tmp_path, path, path, feeds)

    assert [one.name for one in tmp_path.iterdir()] == ["rows.npz"]
