"""What sample rows were seen to do is found once per model and rows."""

import dataclasses

import numpy as np
import onnx
import pytest

from tests import strategy_models as tiny
from wizard.strategies import _kept

PARTS = {"samples": 24, "values": ["/layer/0/out"]}


class Looker:
    """Two arrays, and how often they were looked for."""

    def __init__(self):
        self.times = 0

    def __call__(self):
        self.times += 1
        return {"low /layer/0/out": np.arange(3, dtype=np.float32), "file": np.eye(2)}


@pytest.fixture
def bench(tmp_path):
    return dataclasses.replace(tiny.a_bench(tmp_path / "bench"), cache=tmp_path / "cache")


@pytest.fixture
def model(tmp_path):
    return onnx.load(tiny.a_gemm(tmp_path / "model.onnx").path)


def test_the_same_look_is_taken_once(bench, model):
    """The second time the same arrays come from the shelf, to the last bit."""
    look = Looker()
    first = _kept.remembered(model, bench, PARTS, look)
    second = _kept.remembered(model, bench, PARTS, look)

    assert look.times == 1
    assert list(first) == list(second)
    for name, array in first.items():
        assert array.dtype == second[name].dtype
        assert np.array_equal(array, second[name])


@pytest.mark.parametrize("what", ["rows", "weights", "samples", "seed"])
def test_another_look_is_taken(bench, model, what):
    """Other rows, another weight, fewer samples, another draw."""
    look, parts = Looker(), dict(PARTS)
    _kept.remembered(model, bench, PARTS, look)
    if what == "rows":
        tiny.text_feeds(bench.calibration, rows=25)
    elif what == "weights":
        first = model.graph.initializer[0]
        changed = onnx.numpy_helper.to_array(first) * np.float32(1.001)
        first.CopyFrom(onnx.numpy_helper.from_array(changed, first.name))
    elif what == "samples":
        parts["samples"] = 8
    else:
        bench = tiny.with_seed(bench, 1)
    _kept.remembered(model, bench, parts, look)

    assert look.times == 2


def test_a_damaged_look_is_taken_again(bench, model):
    """A file that was cut short is never read."""
    look = Looker()
    _kept.remembered(model, bench, PARTS, look)
    kept = next(bench.cache.rglob("arrays.npz"))
    kept.write_bytes(kept.read_bytes()[:-40])
    _kept.remembered(model, bench, PARTS, look)

    assert look.times == 2


def test_what_is_too_large_to_be_worth_it_is_not_kept(bench, model, monkeypatch):
    """Beyond the limit every look is taken anew."""
    monkeypatch.setattr(_kept, "MOST_BYTES", 10)
    look = Looker()
    for _ in range(2):
        _kept.remembered(model, bench, PARTS, look)

    assert look.times == 2
