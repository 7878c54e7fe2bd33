"""Static int8 for transformers: smoothing, ranges by output error, biases, what is left alone."""

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests import strategy_models as models
from wizard.errors import CalibrationTooSmall, NotSupported
from wizard.nouns import Step
from wizard.strategies import _activations, _graph, _smoothing
from wizard.strategies import _contract as contract

NAME = "int8_static_smooth"


def apply(artifact, bench, name=NAME, **settings):
    return contract.apply_step(Step(strategy=name, settings=settings), artifact, bench)


def outlying(positions=300, channels=64, factor=60.0):
    """Inputs [positions, channels] whose third channel is 60 times louder than the rest."""
    values = models.weights(positions, channels)
    values[:, 3] *= factor
    return _activations.Seen(low=values.min(axis=0), high=values.max(axis=0), values=values)


def fitted(seen, shares=_smoothing.SHARES, percentile=99.9):
    return _smoothing.fitted(seen, [models.weights(64, 32, seed=2)], 127, shares, percentile)


def test_smoothing_changes_nothing_before_rounding():
    """What divides the input multiplies the weight."""
    seen, weight = outlying(), models.weights(64, 32, seed=2)
    smooth = fitted(seen).smooth

    again = (seen.values / smooth) @ _smoothing.smoothed(weight, smooth)
    assert np.allclose(again, seen.values @ weight, rtol=1e-3, atol=1e-3)


def test_a_loud_channel_is_smoothed_and_another_multiplication_is_earned():
    """A third of the error at most with an outlier; without, a tenth less or no smoothing."""
    loud, even = outlying(), outlying(factor=1.0)
    plain, best = fitted(even, shares=(), percentile=100.0), fitted(even, percentile=100.0)

    assert fitted(loud).error < 0.3 * fitted(loud, shares=()).error
    assert fitted(loud).smooth.argmax() == 3
    assert best.smooth is None or best.error < 0.9 * plain.error
    assert fitted(even, shares=(0.05,), percentile=100.0).smooth is None


def test_rare_extremes_are_cut_off_only_where_the_outputs_gain():
    """One wild number is worth less than the steps of all others; a full range is kept whole."""
    seen = outlying(factor=1.0)
    seen.values[7, 5] = seen.high[5] = 40.0
    cut, whole = fitted(seen, shares=(), percentile=99.9), fitted(seen, shares=(), percentile=100.0)

    assert cut.error <= whole.error
    assert whole.scale * 255 >= 40


def test_an_average_error_is_found_for_each_output():
    """Taking it off leaves errors without a mean."""
    seen, weight = outlying(), models.weights(64, 32, seed=2)
    code = fitted(seen)
    error = _smoothing.bias_error(seen, weight, code, 127)

    rounded = _smoothing.rounded_weight(_smoothing.smoothed(weight, code.smooth), 127)
    left = _smoothing.rounded_input(seen.values, code) @ rounded - seen.values @ weight - error
    assert np.abs(left.mean(axis=0)).max() < 1e-3


def a_loud_graph(path, *, shared=False):
    """LayerNormalization with a loud channel, MatMul, bias; `shared`: the norm is an output too."""
    gain = np.ones(64, np.float32)
    gain[3] = 60
    nodes = [
        helper.make_node("LayerNormalization", ["x", "gain", "shift"], ["n"], name="norm"),
        helper.make_node("MatMul", ["n", "w"], ["m"], name="dense"),
        helper.make_node("Add", ["m", "bias"], ["s"], name="add"),
        helper.make_node("Add", ["s", "n"] if shared else ["s", "s"], ["y"], name="last"),
    ]
    values = {
        "gain": gain, "shift": np.zeros(64, np.float32), "w": models.weights(64, 64, seed=4),
        "bias": np.zeros(64, np.float32),
    }  # fmt: skip
    inputs = {"pixel_values": (TensorProto.FLOAT, ["batch", 3, 16, 16])}
    nodes.insert(0, helper.make_node("Reshape", ["pixel_values", "shape"], ["x"], name="flat"))
    return models.a_graph(path, nodes, values | {"shape": np.array([-1, 64])}, inputs=inputs)


@pytest.mark.parametrize(("shared", "inserted"), [(False, 0), (True, 1)])
def test_smoothing_goes_into_the_norm_when_nothing_else_reads_it(shared, inserted, tmp_path):
    """A multiplication of its own only where a residual needs the norm as it is."""
    before = a_loud_graph(tmp_path / "loud.onnx", shared=shared)
    bench = models.a_bench(tmp_path, "image")
    smooth, plain = (apply(before, bench, smooth=wanted) for wanted in (True, False))

    feed = {"pixel_values": models.a_feed("image")["pixel_values"]}
    expected = models.answers(before.path, feed)
    off = [np.abs(models.answers(one.path, feed) - expected).mean() for one in (smooth, plain)]
    assert _graph.operators(_graph.load(smooth.path))["Mul"] == inserted
    assert off[0] < off[1]


def test_only_inputs_of_stored_matrices_are_rounded(tmp_path):
    """Mask, softmax and products of two activations keep float32; weights are signed."""
    model = _graph.load(apply(models.exported("text"), models.a_bench(tmp_path)).path)
    rounded = {n.output[0] for n in model.graph.node if n.op_type == "DequantizeLinear"}
    readers = {n.op_type for n in model.graph.node if rounded & set(n.input)}
    kinds = {t.data_type for t in model.graph.initializer if t.name.endswith("_zero_point")}

    assert readers == {"MatMul"}
    assert kinds == {TensorProto.UINT8, TensorProto.INT8}


def test_a_layer_that_stays_wrong_keeps_full_precision(tmp_path):
    """`worst` is a limit of each layer's own error; at nothing, no layer passes."""
    after = apply(models.exported("text"), models.a_bench(tmp_path), worst=0.0078)
    whole = apply(models.exported("text"), models.a_bench(tmp_path))

    assert after.bytes > whole.bytes


def test_seven_bits_where_sums_could_overflow(tmp_path):
    """reduce_range keeps weights within 63."""
    after = apply(models.exported("text"), models.a_bench(tmp_path), reduce_range=True)
    stored = _graph.load(after.path).graph.initializer
    codes = [numpy_helper.to_array(t) for t in stored
             if t.name.endswith("_int8") and "embedding" not in t.name]  # fmt: skip

    assert max(np.abs(one).max() for one in codes) == 63


def test_convolutions_and_too_few_rows_are_refused(tmp_path):
    """Each with its reason."""
    with pytest.raises(NotSupported):
        apply(models.exported("image"), models.a_bench(tmp_path, "image"))
    few = models.text_feeds(tmp_path / "few.npz", rows=7)
    with pytest.raises(CalibrationTooSmall):
        apply(models.exported("text"), models.a_bench(tmp_path, calibration=few))
