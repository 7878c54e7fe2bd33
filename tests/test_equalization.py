"""Channels of compact networks made even: the same answers, and 8 bits that keep them."""

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests import strategy_models as models
from wizard.nouns import Step
from wizard.strategies import _contract as contract
from wizard.strategies import _equal, _graph

CHANNELS = 24


def a_compact(path, *, spread=2.0, clip=None, residual=False):
    """1x1, depthwise 3x3, 1x1; channels up to 10^spread apart, which changes no answer."""
    random = np.random.default_rng(0)
    apart = 10 ** random.uniform(-spread / 2, spread / 2, CHANNELS).astype(np.float32)
    again = 10 ** random.uniform(-spread / 2, spread / 2, CHANNELS).astype(np.float32)
    deep = models.weights(CHANNELS, 1, 3, 3, seed=2) / apart[:, None, None, None]
    stored = {
        "w1": models.weights(CHANNELS, 3, 1, 1, seed=1) * apart[:, None, None, None],
        "b1": 0.3 * apart,
        "w2": deep * again[:, None, None, None],
        "b2": 0.3 * again,
        "w3": models.weights(CHANNELS, CHANNELS, 1, 1, seed=3) / again[None, :, None, None],
    } | ({"low": np.float32(0), "high": np.float32(clip)} if clip else {})
    act = ("Clip", ["low", "high"]) if clip else ("Relu", [])
    nodes = [
        helper.make_node("Conv", ["pixel_values", "w1", "b1"], ["c1"], name="expand"),
        helper.make_node(act[0], ["c1", *act[1]], ["r1"], name="a1"),
        helper.make_node("Conv", ["r1", "w2", "b2"], ["c2"], name="deep", group=CHANNELS,
                         pads=[1, 1, 1, 1]),
        helper.make_node(act[0], ["c2", *act[1]], ["r2"], name="a2"),
        *[helper.make_node("Add", ["r2", "r1"], ["s"], name="sum")][: int(residual)],
        helper.make_node("Conv", ["s" if residual else "r2", "w3"], ["y"], name="project"),
    ]  # fmt: skip
    pixels = {"pixel_values": (TensorProto.FLOAT, ["batch", 3, models.SIDE, models.SIDE])}
    return models.a_graph(path, nodes, stored, inputs=pixels)


def evened(artifact, folder, **how):
    bench = models.a_bench(folder, "image")
    bench.folder.mkdir(parents=True)
    model = _graph.load(artifact.path)
    count = _equal.equalize(model, 24, bench, **({"per_channel": True} | how))
    return count, _graph.save(model, folder / "even.onnx")


def in_8_bits(artifact, folder, **settings):
    step = Step(strategy="int8_static", settings=settings)
    return contract.apply_step(step, artifact, models.a_bench(folder, "image"))


def error(artifact, before):
    feed = models.a_feed("image", rows=8)
    found, expected = (models.answers(one.path, feed) for one in (artifact, before))
    return float(np.linalg.norm(found - expected) / np.linalg.norm(expected))


@pytest.mark.parametrize("per_channel", [True, False])
def test_evening_out_changes_no_answer(tmp_path, per_channel):
    """Two pairs, both factors cancel through Relu."""
    before = a_compact(tmp_path / "m.onnx")
    count, path = evened(before, tmp_path, per_channel=per_channel)
    feed = models.a_feed("image")

    assert count == 2
    expected = models.answers(before.path, feed)
    assert np.allclose(models.answers(path, feed), expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("per_channel", [True, False])
def test_badly_scaled_channels_are_kept_in_8_bits_once_even(tmp_path, per_channel):
    """The error falls to a fifth at least, with a scale per filter and with one for all."""
    before = a_compact(tmp_path / "m.onnx")
    how = {"per_channel": per_channel, "reduce_range": True}  # on any processor
    plain = in_8_bits(before, tmp_path / "plain", **how)
    even = in_8_bits(before, tmp_path / "even", **how, equalize=True)

    assert error(even, before) < 0.2 * error(plain, before)


def test_a_clip_stays_where_its_top_is_reached(tmp_path):
    """Never reached, it becomes a Relu; reached, it would change answers and stays."""
    never = evened(a_compact(tmp_path / "never.onnx", clip=1e6), tmp_path / "never")
    often = evened(a_compact(tmp_path / "often.onnx", clip=0.5), tmp_path / "often")

    assert never[0] == 2
    assert _graph.operators(_graph.load(never[1]))["Relu"] == 2
    assert often[0] < 2
    assert _graph.operators(_graph.load(often[1]))["Clip"] > 0


def test_channels_with_two_readers_are_left_alone(tmp_path):
    """A sum further on would see other numbers."""
    count, _ = evened(a_compact(tmp_path / "m.onnx", residual=True), tmp_path)

    assert count == 0


def test_many_small_filters_may_weigh_what_their_scales_weigh(tmp_path):
    """Fifty filters of one channel each: scales and quantizers are counted in what is promised."""
    names = ["pixel_values", *[f"h{at}" for at in range(49)], "y"]
    stored = {f"w{at}": models.weights(96, 1, 3, 3, seed=at) for at in range(1, 50)}
    stored["w0"] = models.weights(96, 3, 3, 3)
    nodes = [
        helper.make_node("Conv", [names[at], f"w{at}"], [names[at + 1]], name=f"a_long_name_{at}",
                         group=96 if at else 1, pads=[1, 1, 1, 1])
        for at in range(50)
    ]  # fmt: skip
    pixels = {"pixel_values": (TensorProto.FLOAT, ["batch", 3, models.SIDE, models.SIDE])}
    before = models.a_graph(tmp_path / "m.onnx", nodes, stored, inputs=pixels)

    assert in_8_bits(before, tmp_path).bytes < before.bytes
