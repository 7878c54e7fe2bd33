"""Zeros: as many as asked for, where they matter least, and good for zipping alone."""

import numpy as np
import pytest
from onnx import helper, numpy_helper

from tests import strategy_models as models
from wizard.errors import NotSupported
from wizard.measure.memory import zipped_size_of
from wizard.nouns import Step
from wizard.strategies import _contract as contract
from wizard.strategies import _expanded, _graph, unstructured_sparsity


def zeroed(folder, artifact=None, name="text", **settings):
    step = Step(strategy="unstructured_sparsity", settings=settings)
    bench = models.a_bench(folder, name)
    return contract.apply_step(step, artifact or models.exported(name), bench)


def stored(artifact, name):
    return numpy_helper.to_array(_graph.stored(_graph.load(artifact.path))[name])


def a_layer(path):
    return models.a_graph(
        path, [helper.make_node("MatMul", ["x", "w"], ["y"])], {"w": models.weights(64, 32)}
    )


@pytest.mark.parametrize("name", ["text", "image"])
def test_only_the_zipped_download_shrinks(tmp_path, name):
    """The file is as large as before; zipped, it is smaller."""
    after = zeroed(tmp_path, name=name, share=0.5)
    before = models.exported(name)

    assert after.bytes == pytest.approx(before.bytes, rel=0.01)
    assert zipped_size_of(after).value < 0.85 * zipped_size_of(before).value


def test_every_output_keeps_its_largest_numbers(tmp_path):
    """Half of each column is zero, the smaller half; the others did not move."""
    before = a_layer(tmp_path / "m.onnx")
    was, now = (stored(one, "w") for one in (before, zeroed(tmp_path, before, share=0.5)))

    assert ((now == 0).sum(axis=0) == 32).all()
    for old, new in zip(was.T, now.T, strict=True):
        assert np.abs(old[new == 0]).max() < np.abs(new[new != 0]).min()
        assert np.array_equal(old[new != 0], new[new != 0])


def test_a_loud_input_saves_a_small_number():
    """Size times loudness decides where the rows are looked at."""
    weight = _expanded.Weight(
        name="w", node=helper.make_node("MatMul", ["x", "w"], ["y"]), turned=True, alone=True,
        table=False,
    )  # fmt: skip
    values = np.array([[1.0], [0.1]], np.float32)
    loud = unstructured_sparsity._thinned(weight, values, np.array([1.0, 10_000.0]), 0.5)
    plain = unstructured_sparsity._thinned(weight, values, None, 0.5)

    assert loud.tolist() == [[0.0], [values[1, 0]]]
    assert plain.tolist() == [[1.0], [0.0]]


def test_rows_are_looked_at_when_asked(tmp_path):
    """The zeros fall elsewhere than by size alone."""
    one, other = (zeroed(tmp_path / by, by=by, share=0.5) for by in ("size", "loudness"))

    assert one.sha256 != other.sha256


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_a_share_that_makes_no_sense_is_refused(tmp_path, share):
    """Nothing, or nothing left."""
    with pytest.raises(NotSupported, match="share of zeros"):
        zeroed(tmp_path, share=share)
