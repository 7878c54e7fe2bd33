"""Two to four bits a weight: even columns, fitted blocks, tables of entries, and their files."""

import dataclasses
import os
import subprocess
import sys

import numpy as np
import pytest
from onnx import TensorProto, helper

from tests import strategy_models as models
from wizard.errors import CalibrationTooSmall, NotSupported
from wizard.measure import audit
from wizard.nouns import Step
from wizard.strategies import _carry, _codebook, _even, _expanded, _fit, _graph, _inputs, _lowbit
from wizard.strategies import _contract as contract


def apply(name, artifact, bench, **settings):
    return contract.apply_step(Step(strategy=name, settings=settings), artifact, bench)


def loud(rows=64, columns=96, every=32, factor=64.0):
    """A matrix [outputs, inputs] in which every 32nd input speaks 64 times louder."""
    values = models.weights(rows, columns)
    values[:, ::every] *= factor
    return values


def error(values, found):
    """The relative error where the columns are quiet."""
    quiet = np.arange(values.shape[1]) % 32 != 0
    lost = found[:, : values.shape[1]] - values
    return float(np.linalg.norm(lost[:, quiet]) / np.linalg.norm(values[:, quiet]))


# --------------------------------------------------------------------------- arithmetic


def test_evened_rows_and_columns_have_the_same_power():
    """Whatever scales were hidden in them."""
    values = models.weights(40, 30) * np.geomspace(0.01, 100, 30, dtype=np.float32)
    rows, columns = _even.balanced(values[:, :, None])
    even = values / rows[:, None] / columns

    assert np.allclose(np.square(even).mean(axis=0), 1, atol=0.05)
    assert np.allclose(np.square(even).mean(axis=1), 1, atol=0.05)


def test_a_multiplication_is_added_only_where_columns_are_uneven():
    """An even matrix gets no further operator."""
    assert _even.columns_of([models.weights(64, 96)]) is None
    assert _even.columns_of([loud(), loud()]).shape == (96,)


def test_a_row_and_a_column_of_zeros_stay_zero():
    """Padding rows of tables, dead channels: no division by nothing."""
    values = models.weights(8, 32)
    values[3], values[:, 5] = 0, 0
    rows, columns = _even.balanced(values[:, :, None])

    assert np.isfinite(values / rows[:, None] / columns).all()


def test_evening_loud_columns_saves_their_quiet_neighbours():
    """4 bits, blocks of 32, one loud number in each: the rest is all but lost without."""
    values = loud()
    columns = _even.columns_of([values])
    plain = _fit.fitted(values, bits=4, block=32, method="clipping").values()
    even = _fit.fitted(values / columns, bits=4, block=32, method="clipping").values() * columns

    assert error(values, plain) > 0.5
    assert error(values, even) < 0.15


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_fitted_blocks_are_no_worse_than_their_ends(bits):
    """The search starts from the ends of the block and takes a candidate only if it is better."""
    values = models.weights(32, 128)
    ends, fitted = (
        _fit.fitted(values, bits=bits, block=64, method=method).values()
        for method in ("nearest", "clipping")
    )

    assert np.linalg.norm(fitted - values) < np.linalg.norm(ends - values)


def test_scales_are_what_half_precision_holds():
    """They are stored so; tiny ones, which half precision would cut, stay in full."""
    for factor, half in ((1.0, True), (1e-7, False)):
        fit = _fit.fitted(factor * models.weights(4, 64), bits=4, block=32, method="nearest")
        assert bool(_fit.fits_half(fit.scales).all()) is half
        if half:
            assert np.array_equal(fit.scales, fit.scales.astype(np.float16).astype(np.float32))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_codes_share_bytes_lowest_first(bits):
    """As ONNX Runtime unpacks them; a last byte is filled with zeros."""
    codes = np.arange(7, dtype=np.uint8)[None] & ((1 << bits) - 1)
    whole = _lowbit.packed(codes, bits)
    unpacked = [whole[0, at * bits // 8] >> (at * bits % 8) & ((1 << bits) - 1) for at in range(7)]

    assert unpacked == codes[0].tolist()


def test_a_book_holds_the_numbers_it_was_learnt_from():
    """Up to 256 different ones come back exactly, in half precision."""
    numbers = np.float16(models.weights(200, 1)).astype(np.float32)
    book = _codebook.learnt(np.repeat(numbers, 8, axis=0), None, seed=0)
    found = book[_codebook.nearest(numbers, book)]

    assert np.abs(found - numbers).mean() < 0.02 * np.abs(numbers).mean()


def test_more_numbers_to_a_byte_lose_more():
    """One number a byte is exact to a hundredth; four are not."""
    values = models.weights(4096, 12)
    lost = []
    for together in (1, 2, 3, 4):
        vectors = values.reshape(-1, together)
        book = _codebook.learnt(vectors, None, seed=0)
        lost.append(np.linalg.norm(book[_codebook.nearest(vectors, book)] - vectors))

    assert lost == sorted(lost)
    assert lost[0] < 0.02 * np.linalg.norm(values)


def test_codes_chosen_by_what_a_layer_sees_lose_less_of_its_output():
    """Inputs that move together let later columns make good what earlier ones lost."""
    values, mixing = models.weights(32, 48), models.weights(48, 48, seed=1)
    seen = models.weights(400, 6, seed=2) @ mixing[:6] + 0.1 * models.weights(400, 48, seed=3)
    moments = seen.T.astype(np.float64) @ seen / len(seen)
    ones = np.ones(32, np.float32), np.ones(48, np.float32)
    book = _codebook.learnt(values.reshape(-1, 4), None, seed=0)
    blind = _codebook.nearest(values.reshape(-1, 4), book).reshape(32, -1)
    informed = _codebook.carried(values, *ones, moments, book)
    lost = [np.linalg.norm(seen @ (book[c].reshape(32, 48) - values).T) for c in (blind, informed)]

    assert lost[1] < 0.6 * lost[0]


def test_blocks_that_learn_from_rows_lose_less_in_the_output():
    """Later columns make good what earlier ones lost, also where columns do not fill a block."""
    seen = models.weights(400, 24) @ models.weights(24, 72)
    seen += 0.1 * models.weights(400, 72)
    values = models.weights(32, 72)
    how = {"bits": 4, "block": 32, "method": "clipping"}
    blind = _fit.fitted(values, **how)
    learnt = _carry.carried(values, seen.T @ seen / 400, **how)
    lost = [np.linalg.norm(seen @ (one.values()[:, :72] - values).T) for one in (blind, learnt)]

    assert learnt.codes.shape == blind.codes.shape
    assert learnt.codes.max() <= 15
    assert lost[1] < 0.6 * lost[0]


# --------------------------------------------------------------------------- inputs


def test_moments_of_a_convolution_are_those_of_its_patches(tmp_path):
    """Weight times moments times weight is the mean square of the layer's output."""
    weight = models.weights(4, 3, 3, 3)
    pixels = {"pixel_values": (TensorProto.FLOAT, ["batch", 3, models.SIDE, models.SIDE])}
    node = helper.make_node(
        "Conv", ["pixel_values", "w"], ["y"], name="c", pads=[1, 1, 1, 1], strides=[2, 2],
        kernel_shape=[3, 3],
    )  # fmt: skip
    conv = models.a_graph(tmp_path / "c.onnx", [node], {"w": weight}, inputs=pixels)
    bench = models.a_bench(tmp_path, "image")
    bench.folder.mkdir(parents=True)
    (found,) = _inputs.moments(_graph.load(conv.path), {"w": node}, 24, bench)

    from wizard import examples

    feed = examples.load_feeds(bench.calibration).padded(list(range(24)))
    power = np.square(models.answers(conv.path, feed)).mean(axis=(0, 2, 3))
    flat = weight.reshape(4, -1)
    assert np.allclose(((flat @ found["w"]) * flat).sum(axis=1), power, rtol=1e-3)


def test_layers_are_looked_at_a_few_at_a_time(tmp_path, monkeypatch):
    """Moments grow with the square of the width; they are held in groups."""
    monkeypatch.setattr(_inputs, "HELD_BYTES", 8 * 64 * 64)
    nodes = [helper.make_node("MatMul", [a, w], [b], name=b) for a, w, b in
             (("x", "w1", "h"), ("h", "w2", "y"))]  # fmt: skip
    stored = {"w1": models.weights(64, 64), "w2": models.weights(64, 64, seed=1)}
    model = _graph.load(models.a_graph(tmp_path / "m.onnx", nodes, stored).path)
    groups = list(_inputs._groups(model, {"w1": nodes[0], "w2": nodes[1]}))

    assert [list(one) for one in groups] == [["w1"], ["w2"]]


@pytest.mark.parametrize("technique", ["palettization", "low_bit_weights"])
def test_informed_codes_need_eight_rows(technique, tmp_path):
    """Seven rows, or none: refused with what is needed."""
    few = models.text_feeds(tmp_path / "few.npz", rows=7)
    for rows in (few, None):
        bench = models.a_bench(tmp_path, calibration=rows)
        with pytest.raises(CalibrationTooSmall) as caught:
            apply(technique, models.exported("text"), bench, informed=True)
        assert caught.value.facts["needed"] == 8


# --------------------------------------------------------------------------- files


def test_few_bits_that_learn_from_rows_are_closer_in_the_same_size(tmp_path):
    """The same operators and bytes; only the codes are better."""
    text, bench = models.exported("text"), models.a_bench(tmp_path)
    blind, learnt = (
        apply("low_bit_weights", text, bench, bits=2, embeddings=8, informed=one)
        for one in (False, True)
    )
    feeds = _inputs.enough_rows(bench)
    rows = [_for(text, feeds.row(at)) for at in range(16)]
    first, *others = (
        np.concatenate([models.answers(one.path, row) for row in rows])
        for one in (text, blind, learnt)
    )
    lost = [np.linalg.norm(one - first) for one in others]

    assert abs(learnt.bytes - blind.bytes) < 0.01 * blind.bytes
    assert lost[1] < lost[0]


@pytest.mark.parametrize(("bits", "least"), [(4, 0.985), (2, 0.7)])
def test_low_bit_files_hold_what_they_say(bits, least, tmp_path):
    """Every matrix and table in the asked bits but the last layer, which stays in eight."""
    text = models.exported("text")
    after = apply("low_bit_weights", text, models.a_bench(tmp_path), bits=bits, block=32)
    said = {
        _graph.attribute(node, "bits", 4)
        for node in _graph.load(after.path).graph.node
        if node.op_type == "MatMulNBits"
    }

    assert said == {bits, 8}
    assert audit.audit(after.path).weight_bits == bits
    feed = models.a_feed("text")
    answers = [models.answers(one.path, _for(one, feed)) for one in (text, after)]
    assert models.likeness(*answers) > least


def _for(artifact, feed):
    names = {value.name for value in _graph.load(artifact.path).graph.input}
    return {name: value for name, value in feed.items() if name in names}


def test_matrices_that_share_an_input_share_one_multiplication(tmp_path):
    """Query, key and value: their loud columns are taken out together."""
    nodes = [helper.make_node("MatMul", ["x", w], [f"{w}_y"], name=w) for w in ("q", "k", "v")]
    nodes.append(helper.make_node("Sum", ["q_y", "k_y", "v_y"], ["y"]))
    stored = {name: np.ascontiguousarray(loud(64, 64).T) for name in ("q", "k", "v")}
    shared = models.a_graph(tmp_path / "qkv.onnx", nodes, stored)
    after = apply("low_bit_weights", shared, models.a_bench(tmp_path), spare_last=False)
    counted = _graph.operators(_graph.load(after.path))

    assert (counted["Mul"], counted["MatMulNBits"]) == (1, 3)
    feed = {"x": models.weights(5, 64, seed=9)}
    assert models.likeness(*(models.answers(p.path, feed) for p in (shared, after))) > 0.99


@pytest.mark.parametrize("name", ["low_bit_weights", "palettization"])
def test_a_tied_table_is_stored_once(name, tmp_path):
    """The words' table is the last layer too: one storage serves both."""
    tied = models.a_tied(tmp_path / "tied.onnx")
    after = apply(name, tied, models.a_bench(tmp_path))
    table = 1000 * 64

    assert after.bytes < 0.8 * table  # half a byte a number, once
    assert audit.audit(after.path).findings == ()
    feed = {"ids": np.arange(40)[None]}
    assert models.likeness(*(models.answers(p.path, feed) for p in (tied, after))) > 0.97
    plain = models.plain_answers(after.path, feed)
    assert models.likeness(models.answers(after.path, feed), plain) > 0.99


def test_a_table_without_a_fitting_block_stays(tmp_path):
    """A width of 40 has no block of 16 or more; the promise counts that."""
    ids = {"ids": (TensorProto.INT64, ["batch", "sequence"])}
    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["h"], name="lookup"),
        helper.make_node("MatMul", ["h", "w"], ["y"], name="m"),
    ]
    stored = {"table": models.weights(300, 40), "w": models.weights(40, 64)}
    odd = models.a_graph(tmp_path / "odd.onnx", nodes, stored, inputs=ids)
    after = apply("low_bit_weights", odd, models.a_bench(tmp_path), spare_last=False)

    assert _graph.footprint(after.path).embedding == 4 * 300 * 40


@pytest.mark.parametrize("width", [192, 40])
def test_a_block_that_does_not_divide_the_inputs_is_made_to_fit(width, tmp_path):
    """192 inputs take blocks of 64 where 128 were asked; 40 are filled up, and counted so."""
    node = helper.make_node("MatMul", ["x", "w"], ["h"], name="m")
    after = helper.make_node("Relu", ["h"], ["y"])
    odd = models.a_graph(
        tmp_path / "odd.onnx", [node, after], {"w": models.weights(width, 2000)},
        inputs={"x": (TensorProto.FLOAT, ["batch", width])},
    )  # fmt: skip
    made = apply("low_bit_weights", odd, models.a_bench(tmp_path), block=128)
    product = next(n for n in _graph.load(made.path).graph.node if n.op_type == "MatMulNBits")

    assert _graph.attribute(product, "block_size", 0) == {192: 64, 40: 128}[width]
    feed = {"x": models.weights(3, width, seed=1)}
    assert models.likeness(*(models.answers(p.path, feed) for p in (odd, made))) > 0.98


@pytest.mark.parametrize("bits", [3, 5, 6])
def test_the_runtime_has_no_kernel_for_odd_bits(bits, tmp_path):
    """Why there is no 3-bit setting: ONNX Runtime refuses such a file. To be looked at anew."""
    from onnxruntime.capi import onnxruntime_pybind11_state as state

    node = helper.make_node(
        "MatMulNBits", ["x", "q", "s"], ["y"], domain="com.microsoft", K=64, N=8, bits=bits,
        block_size=32,
    )  # fmt: skip
    stored = {"q": np.zeros((8, 2, 4 * bits), np.uint8), "s": np.ones(16, np.float32)}
    file = models.a_graph(tmp_path / "odd.onnx", [node], stored)
    model = _graph.load(file.path)
    _graph.contrib(model)
    _graph.save(model, file.path)

    with pytest.raises((state.Fail, state.RuntimeException, state.InvalidGraph)):
        _graph.session(file.path)


def test_low_bits_refuse_convolutions(tmp_path):
    """No kernel takes them; codebooks do."""
    image = models.exported("image")
    with pytest.raises(NotSupported) as caught:
        apply("low_bit_weights", image, models.a_bench(tmp_path, "image"))
    assert "convolutions" in caught.value.facts["because"]


@pytest.mark.parametrize(("bits", "share"), [(8, 0.3), (4, 0.17), (3, 0.13), (2, 0.11)])
def test_codebooks_shrink_convolutions(bits, share, tmp_path):
    """One byte for one to four numbers; the label says so from the file alone."""
    image = models.exported("image")
    bench = models.a_bench(tmp_path, "image")
    after = apply("palettization", image, bench, bits=bits, informed=bits < 4)
    looked = audit.audit(after.path)

    assert after.bytes < share * image.bytes + 12_000
    assert looked.weight_bits == bits
    assert looked.label.startswith(f"{'2.7' if bits == 3 else bits}-bit codebook weights")
    assert looked.low_bit_mac_share > 0.99
    feed = models.a_feed("image")
    assert models.likeness(*(models.answers(p.path, feed) for p in (image, after))) > 0.9


def test_grouped_filters_keep_eight_bits(tmp_path):
    """Depthwise filters have nine numbers each and no neighbours to share a byte with."""
    weight = models.weights(64, 1, 3, 3)
    pixels = {"x": (TensorProto.FLOAT, ["batch", 64, 8, 8])}
    node = helper.make_node("Conv", ["x", "w"], ["h"], name="c", group=64, kernel_shape=[3, 3])
    head = helper.make_node("Conv", ["h", "v"], ["y"], name="d", kernel_shape=[1, 1])
    stored = {"w": weight, "v": models.weights(16, 64, 1, 1)}
    deep = models.a_graph(tmp_path / "d.onnx", [node, head], stored, inputs=pixels)
    after = apply("palettization", deep, models.a_bench(tmp_path), bits=2, spare=False)

    assert audit.audit(after.path).bits["Conv"] == pytest.approx((8 * 576 + 2 * 1024) / 1600, 0.01)


def test_codes_are_expanded_when_the_file_is_opened(tmp_path):
    """ONNX Runtime computes the weights once: no Gather of codes is left to run."""
    image = models.exported("image")
    after = apply("palettization", image, models.a_bench(tmp_path, "image"))
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(tmp_path / "optimized.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(after.path), options, providers=["CPUExecutionProvider"])
    run = _graph.operators(_graph.load(tmp_path / "optimized.onnx"))

    assert not {"Gather", "Cast", "Mul"} & set(run)
    assert _expanded.coded_weights(_graph.load(after.path)) > 5


def test_rows_that_do_not_come_out_even_are_cut(tmp_path):
    """64 inputs and three numbers a byte: the last byte stands for two too many."""
    gemm = models.a_gemm(tmp_path / "gemm.onnx")
    after = apply("palettization", gemm, models.a_bench(tmp_path), bits=3, spare=False)
    feed = {"x": models.weights(3, 64, seed=1)}

    assert _graph.operators(_graph.load(after.path))["Slice"] == 1
    assert models.likeness(*(models.answers(p.path, feed) for p in (gemm, after))) > 0.93


def test_a_table_for_each_layer_costs_its_size(tmp_path):
    """Shared by default; one a layer where asked."""
    one, many = (
        apply("palettization", models.exported("text"), models.a_bench(tmp_path), books=books)
        for books in ("model", "layer")
    )

    assert one.bytes + 5000 < many.bytes


def test_the_files_need_onnx_runtime_alone(tmp_path):
    """Without onnx, torch or this package behind it."""
    bench = models.a_bench(tmp_path)
    made = [
        apply(name, models.exported("text"), bench, **settings).path
        for name, settings in (("palettization", {"bits": 3}), ("low_bit_weights", {"bits": 2}))
    ]
    code = (
        "import sys, onnxruntime as o;"
        "[o.InferenceSession(p, providers=['CPUExecutionProvider']) for p in sys.argv[1:]];"
        "print(sorted({'onnx', 'torch', 'wizard'} & set(sys.modules)))"
    )
    alone = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    shown = subprocess.run(
        [sys.executable, "-c", code, *map(str, made)],
        capture_output=True, text=True, check=True, env=alone, cwd=tmp_path,
    )  # fmt: skip

    assert shown.stdout.strip() == "[]"


def test_another_seed_learns_another_table(tmp_path):
    """The entries are drawn by the seed, and only by the seed."""
    bench = models.a_bench(tmp_path)
    one, two = (
        apply("palettization", models.exported("text"), dataclasses.replace(bench, seed=seed))
        for seed in (0, 1)
    )

    assert one.sha256 != two.sha256


def test_the_part_that_reads_keeps_bits_of_its_own(tmp_path):
    """8 where it reads and 4 where it writes; refused where nothing reads apart."""
    names = ("model.encoder.layers.0.fc1", "model.decoder.layers.0.fc1", "lm_head")
    chain = ["x", "read", "written", "y"]
    nodes = [
        helper.make_node("MatMul", [chain[at], f"w{at}"], [chain[at + 1]], name=f"{name}/MatMul")
        for at, name in enumerate(names)
    ]
    stored = {f"w{at}": models.weights(64, 64, seed=at) for at in range(3)}
    two = models.a_graph(tmp_path / "two.onnx", nodes, stored)
    one = models.a_graph(tmp_path / "one.onnx", nodes[1:], {k: stored[k] for k in ("w1", "w2")},
                         inputs={"read": (TensorProto.FLOAT, ["batch", 64])})  # fmt: skip
    bench = models.a_bench(tmp_path)
    made = apply("low_bit_weights", two, bench, reading=8)
    products = [n for n in _graph.load(made.path).graph.node if n.op_type == "MatMulNBits"]

    assert [_graph.attribute(node, "bits", 4) for node in products] == [8, 4, 8]
    with pytest.raises(NotSupported):
        apply("low_bit_weights", one, dataclasses.replace(bench, folder=tmp_path / "b"), reading=8)
