"""A graph without its weights: nothing lost, nothing read, and it still runs."""

import numpy as np
import onnx
import pytest

from tests import strategy_models as models
from wizard.measure import skeleton
from wizard.nouns import Step
from wizard.strategies import _contract as contract


def made(folder, technique):
    step = Step(strategy=technique)
    return contract.apply_step(step, models.exported("text"), models.a_bench(folder)).path


@pytest.mark.parametrize("technique", ["int8_dynamic", "int8_static", "int4_weights", "float16"])
def test_everything_but_large_weights_is_read_and_those_are_found(tmp_path, technique):
    """Node for node and number for number what the library reads whole."""
    path = made(tmp_path, technique)
    whole, bare = onnx.load(str(path)), skeleton.load(path)

    assert bare.graph.node == whole.graph.node
    assert bare.opset_import == whole.opset_import
    assert max(len(one.raw_data) for one in bare.graph.initializer) <= skeleton.LARGE
    for one, other in zip(whole.graph.initializer, bare.graph.initializer, strict=True):
        left, right = onnx.numpy_helper.to_array(one), skeleton.numbers(other, path.parent)
        assert np.array_equal(left, right), one.name


def test_a_bare_graph_answers_like_the_whole_file(tmp_path):
    """Written beside a second name of the file, it runs on the file's own bytes."""
    path = models.exported("text").path
    room = tmp_path / "room"
    room.mkdir()
    skeleton.beside(path, room)
    (room / "bare.onnx").write_bytes(skeleton.load(path).SerializeToString())
    feed = models.a_feed("text")

    assert np.array_equal(models.answers(path, feed), models.answers(room / "bare.onnx", feed))
    assert (room / "bare.onnx").stat().st_size < 0.8 * path.stat().st_size


def test_weights_that_lie_beside_the_file_stay_there(tmp_path):
    """Their place is taken over as it is."""
    model = onnx.load(str(models.exported("text").path))
    path = tmp_path / "m.onnx"
    onnx.save(model, str(path), save_as_external_data=True, location="m.onnx.data")
    bare = skeleton.load(path)
    first = next(one for one in bare.graph.initializer if one.data_location == skeleton.EXTERNAL)
    whole = next(one for one in onnx.load(str(path)).graph.initializer if one.name == first.name)

    assert first.external_data[0].value == "m.onnx.data"
    assert np.array_equal(skeleton.numbers(first, tmp_path), onnx.numpy_helper.to_array(whole))
