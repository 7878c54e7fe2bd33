"""The traps of torch -> ONNX -> ONNX Runtime, one test each; and what makes each technique safe."""

import dataclasses
import json
import subprocess
import sys
import threading

import numpy as np
import pytest

from tests import strategy_models as models
from wizard.errors import (
    CalibrationTooSmall,
    ExportFailed,
    NotSupported,
    PickleOnly,
    PromiseBroken,
    UnknownArchitecture,
)
from wizard.nouns import Step
from wizard.strategies import _checkpoint, _file, _graph, _nbits, _rows, _torch, lossless, to_onnx
from wizard.strategies import _contract as contract


def apply(name, artifact, bench, **settings):
    return contract.apply_step(Step(strategy=name, settings=settings), artifact, bench)


def text(name, folder, **settings):
    """The technique on the tiny text model."""
    return apply(name, models.exported("text"), models.a_bench(folder), **settings)


def likeness(artifact, model="text"):
    """Cosine of the artifact's answers with the export's."""
    feed, original = models.a_feed(model), models.exported(model)
    names = {value.name for value in _graph.load(original.path).graph.input}
    feed = {name: value for name, value in feed.items() if name in names}
    return models.likeness(models.answers(artifact.path, feed), models.answers(original.path, feed))


def operators(artifact):
    return _graph.operators(_graph.load(artifact.path))


# --------------------------------------------------------------------------- export


def test_batch_and_sequence_are_free():
    """One file serves one short sentence and a batch of long ones."""
    artifact = models.exported("text")
    shapes = [v.type.tensor_type.shape.dim for v in _graph.load(artifact.path).graph.input]

    assert all([d.dim_param for d in shape] == ["batch", "sequence"] for shape in shapes)


@pytest.mark.parametrize(("model", "tried"), [("text", (3, 33)), ("image", (3, 3, 16, 16))])
def test_agreement_is_checked_at_shapes_the_exporter_never_saw(model, tried):
    """The proof lies beside the file: the difference and the shapes."""
    folder = models.exported(model).path.parent
    parity = json.loads((folder / "parity.json").read_text())

    assert parity["largest_difference"] < 1e-4
    assert list(tried) in parity["shapes"]


def test_an_export_that_does_not_agree_is_refused(tmp_path, monkeypatch):
    """A wrong file is worse than none; nothing enters the cache."""
    wrong = _torch.Parity(largest_difference=0.5, shapes=((1, 7),))
    monkeypatch.setattr(to_onnx, "checked_export", lambda *given, **named: wrong)
    bench = models.a_bench(tmp_path, cache=tmp_path / "cache")

    with pytest.raises(ExportFailed):
        apply("to_onnx", contract.artifact_of(models.checkpoint("text")), bench)
    assert not list((tmp_path / "cache" / "exports").iterdir())


def test_the_second_export_comes_from_the_cache_without_torch(tmp_path):
    """A hit costs a link; torch, 750 MB, stays unloaded."""
    models.exported("text")
    cache = models.cache()
    code = f"""
import sys
sys.path.append({str(models.Path(models.__file__).parents[1])!r})
from pathlib import Path
from tests import strategy_models as models
from wizard.strategies import _contract as contract
from wizard.nouns import Step
bench = models.a_bench(Path({str(tmp_path)!r}), cache=Path({str(cache)!r}))
source = contract.artifact_of(Path({str(models.checkpoint("text"))!r}))
made = contract.apply_step(Step(strategy="to_onnx"), source, bench)
print("torch" in sys.modules, made.sha256)
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.split() == ["False", models.exported("text").sha256]


def test_other_weights_are_another_cache_entry(tmp_path):
    """The key is the content: config, weights, versions, task, opset."""
    bench, settings = models.a_bench(tmp_path), to_onnx.Settings()
    one = contract.artifact_of(models.checkpoint("text"))
    two = contract.artifact_of(models.a_bert(tmp_path / "other", hidden_size=32))

    keys = {
        to_onnx.key_of(one, settings, bench),
        to_onnx.key_of(two, settings, bench),
        to_onnx.key_of(one, to_onnx.Settings(opset=21), bench),
    }
    assert len(keys) == 3


@pytest.mark.slow
def test_an_export_is_silent_repeatable_and_works_off_the_main_thread(tmp_path, capfd):
    """The exporter prints steps, logs and warns; a damaged cache entry is made again, the same."""
    original = models.exported("text")
    source = contract.artifact_of(models.checkpoint("text"))
    bench = models.a_bench(tmp_path, cache=tmp_path / "cache")
    entry = tmp_path / "cache" / "exports" / to_onnx.key_of(source, to_onnx.Settings(), bench)
    entry.mkdir(parents=True)
    (entry / "model.onnx").write_bytes(b"\x08damaged")
    (entry / "parity.json").write_text(json.dumps({"sha256": "0", "largest_difference": 0}))
    made = []
    worker = threading.Thread(target=lambda: made.append(apply("to_onnx", source, bench)))
    capfd.readouterr()  # making the checkpoint shows a bar
    worker.start()
    worker.join()

    assert made[0].sha256 == original.sha256
    assert capfd.readouterr() == ("", "")


def test_missing_head_weights_are_refused_rather_than_made_up(tmp_path):
    """transformers would fill a missing classifier with random numbers and only warn."""
    from transformers import BertConfig, BertModel

    tiny = {"hidden_size": 16, "num_hidden_layers": 1, "num_attention_heads": 1}
    models.saved(BertModel(BertConfig(vocab_size=20, intermediate_size=16, **tiny)), tmp_path / "m")

    with pytest.raises(ExportFailed) as caught:
        apply("to_onnx", contract.artifact_of(tmp_path / "m"), models.a_bench(tmp_path))
    assert "classifier" in caught.value.facts["because"]


def test_pickled_weights_are_never_opened(tmp_path):
    """Unpickling runs code."""
    (tmp_path / "config.json").write_text("{}")
    (tmp_path / "pytorch_model.bin").write_bytes(b"\x80")

    with pytest.raises(PickleOnly):
        apply("to_onnx", contract.artifact_of(tmp_path), models.a_bench(tmp_path))


def test_an_architecture_nobody_knows_is_said(tmp_path):
    """One sentence instead of a traceback of pages."""
    folder = models.a_bert(tmp_path / "m", hidden_size=16, num_hidden_layers=1)
    config = json.loads((folder / "config.json").read_text())
    config.update(model_type="zorblax", architectures=["ZorblaxForSequenceClassification"])
    (folder / "config.json").write_text(json.dumps(config))

    with pytest.raises(UnknownArchitecture) as caught:
        apply("to_onnx", contract.artifact_of(folder), models.a_bench(tmp_path))
    assert caught.value.facts["architecture"] == "ZorblaxForSequenceClassification"


def test_reasons_are_one_line_without_colours():
    """The exporter's errors are pages with escape codes; the cause is what counts."""
    cause = ValueError("\x1b[31mbad shape\x1b[0m\n" + "graph " * 10_000)
    error = RuntimeError("long story")
    error.__cause__ = cause

    assert _checkpoint.reason(error) == "ValueError: bad shape"


def test_pictures_are_exported_at_the_size_they_are_prepared_in():
    """The image processor's file decides, as it does for the rows."""
    from wizard import library

    folder = library.assets_folder() / "samples" / "digits" / "model"
    processor = json.loads((folder / "preprocessor_config.json").read_text())

    assert _torch._side(folder, None) == (processor["size"]["height"], processor["size"]["width"])


# --------------------------------------------------------------------------- graphs


def test_a_gemm_becomes_a_matmul_with_the_same_answers(tmp_path):
    """The quantizers skip Gemm without a word; the rewrite is exact."""
    gemm = models.a_gemm(tmp_path / "gemm.onnx")
    model = _graph.load(gemm.path)
    count = _graph.gemm_to_matmul(model)
    _graph.save(model, tmp_path / "matmul.onnx")

    feed = {"x": models.weights(3, 64, seed=1)}
    before = models.answers(gemm.path, feed)
    assert count == 1
    assert np.allclose(before, models.answers(tmp_path / "matmul.onnx", feed), atol=1e-5)


def test_a_weight_behind_a_transpose_is_found(tmp_path):
    """Folded into the file, so that quantizers see a stored matrix."""
    from onnx import helper

    nodes = [
        helper.make_node("Transpose", ["w"], ["t"], perm=[1, 0]),
        helper.make_node("MatMul", ["x", "t"], ["y"], name="m"),
    ]
    hidden = models.a_graph(tmp_path / "h.onnx", nodes, {"w": models.weights(512, 64)})

    after = apply("int8_dynamic", hidden, models.a_bench(tmp_path))
    assert operators(after)["MatMulInteger"] == 1


@pytest.mark.parametrize("name", ["int8_dynamic", "int8_weights", "int4_weights", "lossless"])
def test_a_tied_table_is_never_there_twice_in_full(name, tmp_path):
    """It stays one, or becomes two of few bits that are smaller together than one was."""
    tied = models.a_tied(tmp_path / "tied.onnx")
    bench = models.a_bench(tmp_path, calibration=None)
    after = apply(name, tied, bench)

    tables = [
        one
        for one in _graph.load(after.path).graph.initializer
        if sorted(one.dims) == [64, 1000] and one.data_type == 1
    ]
    assert len(tables) == (1 if name == "lossless" else 0)
    assert after.bytes <= (1 if name == "lossless" else 0.65) * tied.bytes


def test_equal_values_are_stored_once_and_constants_computed(tmp_path):
    """Lossless: 3 copies become 1, a chain of constants becomes a number, answers stay."""
    from onnx import helper

    w = models.weights(64, 64)
    nodes = [
        helper.make_node("MatMul", ["x", "a"], ["p"], name="p"),
        helper.make_node("MatMul", ["p", "b"], ["q"], name="q"),
        helper.make_node("Add", ["c", "c"], ["two"], name="two"),
        helper.make_node("Mul", ["two", "c"], ["four"], name="four"),
        helper.make_node("Mul", ["q", "four"], ["y"], name="y"),
    ]
    stored = {"a": w, "b": w, "unused": w, "c": np.float32([0.5])}
    wasteful = models.a_graph(tmp_path / "w.onnx", nodes, stored)
    after = apply("lossless", wasteful, models.a_bench(tmp_path, calibration=None))

    feed = {"x": models.weights(2, 64, seed=3)}
    assert after.bytes < 0.4 * wasteful.bytes
    assert operators(after) == {"MatMul": 2, "Mul": 1}
    assert np.array_equal(models.answers(wasteful.path, feed), models.answers(after.path, feed))


def test_a_tidied_file_with_one_other_bit_is_refused(tmp_path, monkeypatch):
    """Lossless means lossless."""

    def nudges(model):
        from onnx import numpy_helper

        first = next(t for t in model.graph.initializer if len(t.dims) == 2)
        first.CopyFrom(numpy_helper.from_array(numpy_helper.to_array(first) * 1.001, first.name))

    monkeypatch.setattr(lossless, "merge_duplicates", nudges)
    with pytest.raises(NotSupported):
        text("lossless", tmp_path)


def test_a_file_written_weight_by_weight_reads_back_equal(tmp_path):
    """Also numbers that are not kept as raw bytes, and every other field of the model."""
    import onnx

    model = _graph.load(models.exported("text").path)
    model.graph.initializer.append(onnx.helper.make_tensor("typed", 1, [2], [1.5, 2.5]))
    model.metadata_props.add(key="made_by", value="us")
    written = _graph.save(model, tmp_path / "model.onnx")

    assert onnx.load(str(written)) == model


def test_a_model_too_large_for_one_file_gets_a_data_file(tmp_path, monkeypatch):
    """Protobuf ends at 2 GB; both files count as the artifact."""
    monkeypatch.setattr(_file, "EXTERNAL_ABOVE", 10_000)
    after = text("int8_dynamic", tmp_path)

    names = sorted(one.name for one in after.path.parent.iterdir())
    assert names == ["model_quantized.onnx", "model_quantized.onnx.data"]
    assert after.bytes > after.path.stat().st_size
    assert likeness(after) > 0.99


def test_external_data_leaves_the_cache_as_a_copy(tmp_path, monkeypatch):
    """onnx.load refuses a data file with a second name (a hard link)."""
    kept, target = tmp_path / "model.onnx.data", tmp_path / "there.onnx.data"
    kept.write_bytes(b"data")
    to_onnx._place(kept, target)

    assert target.stat().st_nlink == 1


# --------------------------------------------------------------------------- 8 bits


def test_dynamic_int8_refuses_convolutions(tmp_path):
    """They run ten times slower that way (ConvInteger)."""
    with pytest.raises(NotSupported) as caught:
        apply("int8_dynamic", models.exported("image"), models.a_bench(tmp_path, "image"))
    assert "convolutions" in caught.value.facts["because"]


def test_dynamic_int8_rounds_every_stored_matrix_and_table(tmp_path):
    """Classifier heads (Gemm) included; embeddings have one scale per row."""
    after = text("int8_dynamic", tmp_path)
    was = _graph.footprint(models.exported("text").path)
    left = _graph.footprint(after.path)

    assert was.matmul > 0
    assert left.matmul == 0
    assert left.embedding == 4 * was.rows  # the scales
    assert operators(after)["MatMulInteger"] == was.matrices


def test_embeddings_may_stay_in_full_precision(tmp_path):
    """The setting does what it says."""
    small, large = text("int8_dynamic", tmp_path), text("int8_dynamic", tmp_path, embeddings=False)
    table = _graph.footprint(large.path).embedding

    assert table > 0
    assert large.bytes > small.bytes


def test_reduce_range_keeps_weights_in_seven_bits(tmp_path):
    """AVX2 without VNNI adds two products in 16 bits, which 8-bit weights can overflow."""
    from onnx import numpy_helper

    after = text("int8_dynamic", tmp_path, reduce_range=True, embeddings=False)
    stored = _graph.load(after.path).graph.initializer
    largest = max(np.abs(numpy_helper.to_array(t)).max() for t in stored
                  if t.data_type == 3 and len(t.dims) == 2)  # fmt: skip

    assert largest <= 64


@pytest.mark.parametrize("method", ["minmax", "percentile", "entropy"])
def test_every_calibration_method_takes_texts_of_unequal_length(method, tmp_path):
    """Ragged batches stop two of the three; ours are padded to one length."""
    assert likeness(text("int8_static", tmp_path, method=method)) > 0.99


def test_static_int8_leaves_the_attention_mask_alone(tmp_path):
    """Rounding -inf gives an infinite scale and destroys the model: only heavy layers are done."""
    model = _graph.load(text("int8_static", tmp_path).path)
    heavy = [n for n in model.graph.node if n.op_type in ("MatMul", "Gemm", "Conv")]
    touched = {name for n in heavy for name in (*n.input, *n.output)}
    rounding = [n for n in model.graph.node if n.op_type == "QuantizeLinear"]
    expanded = {n.input[0]: n.output[0] for n in model.graph.node if n.op_type[:2] == "De"}

    assert len(rounding) > len(heavy) / 2
    for node in rounding:
        assert node.input[0] in touched or expanded[node.output[0]] in touched
    assert not _bad_scales(model)


def _bad_scales(model):
    from onnx import numpy_helper

    scales = [t for t in model.graph.initializer if t.name.endswith("_scale")]
    return [t.name for t in scales if not np.isfinite(numpy_helper.to_array(t)).all()]


def test_an_infinite_range_breaks_the_promise(tmp_path):
    """Should it ever happen, the file does not get through."""
    from onnx import helper

    node = helper.make_node("Mul", ["x", "mask_scale"], ["y"])
    bad = models.a_graph(tmp_path / "bad.onnx", [node], {"mask_scale": np.float32([np.inf])})

    with pytest.raises(PromiseBroken):
        _graph.must_be_finite(_graph.load(bad.path), "Static int8")


def test_static_int8_pairs_unsigned_activations_with_signed_weights(tmp_path):
    """S8S8 is slower than float32 on CPUs; U8S8 has the kernels."""
    image = models.exported("image")
    after = apply("int8_static", image, models.a_bench(tmp_path, "image"))
    model = _graph.load(after.path)
    zeros = {t.name: t.data_type for t in model.graph.initializer}
    kinds = {zeros[n.input[2]] for n in model.graph.node if n.op_type == "QuantizeLinear"}
    conv_weights = {t.data_type for t in model.graph.initializer if len(t.dims) == 4}

    assert kinds == {2}  # uint8
    assert conv_weights == {3}  # int8


def clipped(path):
    """Two convolutions with a ceiling of six between them, as MobileNets have it."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Conv", ["pixel_values", "first"], ["a"], name="first"),
        helper.make_node("Clip", ["a", "floor", "ceiling"], ["b"], name="between"),
        helper.make_node("Conv", ["b", "second"], ["logits"], name="second"),
    ]
    stored = {
        "first": 3 * models.weights(32, 3, 3, 3),
        "second": models.weights(48, 32, 3, 3),
        "floor": np.float32(0),
        "ceiling": np.float32(6),
    }
    size = ["batch", 3, models.SIDE, models.SIDE]
    inputs = {"pixel_values": (TensorProto.FLOAT, size)}
    return models.a_graph(path, nodes, stored, inputs=inputs, outputs=("logits",))


@pytest.mark.parametrize("kind", ["Relu", "Clip"])
def test_a_filter_and_what_cuts_its_output_are_rounded_once(kind, tmp_path):
    """With a range of its own between the two, each ran as four operators instead of one."""
    made = models.exported("image") if kind == "Relu" else clipped(tmp_path / "clipped.onnx")
    # Weights of 7 bits, so that no processor's sums overflow.
    settings = {"embeddings": False, "reduce_range": True}
    after = apply("int8_static", made, models.a_bench(tmp_path, "image"), **settings)
    was, model = _graph.load(made.path), _graph.load(after.path)
    makers = {name: node.op_type for node in model.graph.node for name in node.output}
    feed = {"pixel_values": models.a_feed("image")["pixel_values"]}
    both = [models.answers(one.path, feed) for one in (made, after)]

    assert kind in {node.op_type for node in was.graph.node}
    cut = [node for node in model.graph.node if node.op_type == kind]
    assert not [node for node in cut if makers[node.input[0]] == "DequantizeLinear"]
    assert models.likeness(*both) > 0.99


def test_every_calibration_row_counts(tmp_path):
    """An extreme row in the last batch widens the range (the library's own limit forgets rows)."""
    bench = models.a_bench(tmp_path, "image")
    with np.load(bench.calibration) as file:
        arrays = dict(file)
    arrays["pixel_values.rescale"] = np.float32(1 / 255)
    calm = tmp_path / "calm.npz"
    arrays["pixel_values.rows"][:] = 128
    np.savez(calm, **arrays)
    arrays["pixel_values.rows"][np.random.default_rng(bench.seed).permutation(24)[-1]] = 255
    wild = tmp_path / "wild.npz"
    np.savez(wild, **arrays)

    ranges = [
        _input_scale(apply("int8_static", models.exported("image"),
                           dataclasses.replace(bench, calibration=rows)))
        for rows in (calm, wild)
    ]  # fmt: skip
    assert ranges[1] > 10 * ranges[0]


def _input_scale(artifact):
    from onnx import numpy_helper

    model = _graph.load(artifact.path)
    first = next(n for n in model.graph.node
                 if n.op_type == "QuantizeLinear" and n.input[0] == "pixel_values")  # fmt: skip
    return float(numpy_helper.to_array(_graph.stored(model)[first.input[1]]))


def test_static_int8_needs_eight_rows(tmp_path):
    """Seven rows, or none: refused with what is needed."""
    few = models.text_feeds(tmp_path / "few.npz", rows=7)
    for calibration in (few, None):
        bench = models.a_bench(tmp_path, calibration=calibration)
        with pytest.raises(CalibrationTooSmall) as caught:
            apply("int8_static", models.exported("text"), bench)
        assert caught.value.facts["needed"] == 8


def test_layers_can_be_left_in_full_precision(tmp_path):
    """A sensitivity check names them by pattern."""
    every, some = (
        text("int8_static", tmp_path, exclude=patterns) for patterns in ([], ["bert.encoder.*"])
    )

    assert some.bytes > every.bytes


def test_another_seed_draws_other_rows(tmp_path):
    """The sample of calibration rows is the seed's, and only the seed's."""
    bench = models.a_bench(tmp_path)
    one, two = (
        apply("int8_static", models.exported("text"), models.with_seed(bench, seed), samples=8)
        for seed in (0, 1)
    )

    assert one.sha256 != two.sha256


# --------------------------------------------------------------------------- weights only


@pytest.mark.parametrize(("name", "bits"), [("int8_weights", 8), ("int4_weights", 4)])
def test_weights_of_a_gemm_are_quantized_too(name, bits, tmp_path):
    """MatMulNBits does nothing on Gemm and returns success; ours rewrites first and counts."""
    gemm = models.a_gemm(tmp_path / "gemm.onnx")
    after = apply(name, gemm, models.a_bench(tmp_path))

    feed = {"x": models.weights(3, 64, seed=1)}
    assert operators(after)["MatMulNBits"] == 1
    assert _nbits.quantized_nodes(_graph.load(after.path), bits) == 1
    before, found = (models.answers(path, feed) for path in (gemm.path, after.path))
    assert models.likeness(before, found) > 0.98


def test_four_bits_refuse_convolutions(tmp_path):
    """The kernel takes matrices only; a file of the same size is no result."""
    with pytest.raises(NotSupported):
        apply("int4_weights", models.exported("image"), models.a_bench(tmp_path, "image"))


def test_convolutions_in_eight_bits_are_expanded_at_load(tmp_path):
    """A quarter of the size; ONNX Runtime computes the float weights once, so nothing is slower."""
    image = models.exported("image")
    after = apply("int8_weights", image, models.a_bench(tmp_path, "image"))

    assert after.bytes < 0.45 * image.bytes
    assert likeness(after, "image") > 0.999
    assert operators(after)["DequantizeLinear"] == 0
    assert "Cast" not in _optimized_operators(after.path, tmp_path)


def _optimized_operators(path, folder):
    """What ONNX Runtime really runs: the graph after its own optimizations."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.optimized_model_filepath = str(folder / "optimized.onnx")
    options.log_severity_level = 4
    onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    return _graph.operators(_graph.load(folder / "optimized.onnx"))


@pytest.mark.parametrize(("bits", "close"), [(8, 0.9999), (4, 0.99)])
def test_embeddings_in_few_bits_look_up_the_same_rows(bits, close, tmp_path):
    """GatherBlockQuantized, uint8 storage: the model's opset stays as it was."""
    from onnx import TensorProto, helper

    ids = {"ids": (TensorProto.INT64, ["batch", "sequence"])}
    node = helper.make_node("Gather", ["table", "ids"], ["y"], name="lookup")
    plain = models.a_graph(
        tmp_path / "p.onnx", [node], {"table": models.weights(50, 64)}, inputs=ids
    )
    model = _graph.load(plain.path)
    count = _nbits.quantize_embeddings(model, bits=bits, block=32)
    _graph.save(model, tmp_path / "q.onnx")

    feed = {"ids": np.arange(50)[None]}
    found = models.answers(tmp_path / "q.onnx", feed)
    assert (count, model.opset_import[0].version) == (1, 20)
    assert models.likeness(models.answers(plain.path, feed), found) > close


def test_a_row_of_zeros_survives_rounding(tmp_path):
    """The padding row has no largest value to scale by."""
    values = np.zeros((2, 32), np.float32)

    codes, scale = _nbits.rounded_blocks(values, 4, 32)
    assert np.isfinite(scale).all()
    assert (codes == 8).all()


def test_row_scales_lose_little(tmp_path):
    """8-bit tables in standard operators agree to four digits."""
    tied = models.a_tied(tmp_path / "tied.onnx")
    assert _rows.embeddings_to_int8(_graph.load(tied.path)) == 0

    model = _graph.load(models.exported("text").path)
    assert _rows.embeddings_to_int8(model) >= 2


# --------------------------------------------------------------------------- half precision


def test_half_precision_keeps_inputs_and_outputs(tmp_path):
    """Half the weights' bytes, the same interface, nearly the same answers."""
    image = models.exported("image")
    after = apply("float16", image, models.a_bench(tmp_path, "image"))
    graph = _graph.load(after.path).graph

    assert {v.type.tensor_type.elem_type for v in (*graph.input, *graph.output)} == {1}
    assert likeness(after, "image") > 0.9999


def test_half_precision_twice_is_refused(tmp_path):
    """There is nothing left to halve."""
    once = text("float16", tmp_path)

    with pytest.raises(NotSupported):
        apply("float16", once, models.a_bench(tmp_path))


def test_weights_beyond_half_precision_are_refused(tmp_path):
    """70 000 would become infinite."""
    from onnx import helper

    node = helper.make_node("MatMul", ["x", "w"], ["y"], name="m")
    large = models.a_graph(tmp_path / "l.onnx", [node], {"w": models.weights(64, 64) * 70_000})

    with pytest.raises(NotSupported):
        apply("float16", large, models.a_bench(tmp_path))


# --------------------------------------------------------------------------- families


def a_zoo():
    """One tiny model of each shape that the exporter treats differently."""
    import transformers as t

    small = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 2}
    words = {"vocab_size": 100, "intermediate_size": 32, "max_position_embeddings": 40}
    side = {"image_size": 32}
    return {
        "distilbert": (t.DistilBertForSequenceClassification, t.DistilBertConfig(
            vocab_size=100, dim=32, n_layers=1, n_heads=2, hidden_dim=32), models.TEXT),
        "roberta": (t.RobertaForSequenceClassification, t.RobertaConfig(
            **small, **words, type_vocab_size=1, pad_token_id=1), models.TEXT),
        "bert": (t.BertModel, t.BertConfig(**small, **words), models.EMBEDDING),
        "vit": (t.ViTForImageClassification, t.ViTConfig(
            **small, **side, patch_size=8, intermediate_size=32), models.IMAGE),
        "mobilenet_v2": (t.MobileNetV2ForImageClassification, t.MobileNetV2Config(
            **side, depth_multiplier=0.35), models.IMAGE),
        "gpt2": (t.GPT2ForSequenceClassification, t.GPT2Config(
            vocab_size=100, n_embd=32, n_layer=1, n_head=2, pad_token_id=0), models.TEXT),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", ["distilbert", "roberta", "bert", "vit", "mobilenet_v2", "gpt2"])
def test_other_families_are_exported_and_quantized(name, tmp_path):
    """Export agrees with PyTorch; at least one 8-bit technique keeps its promise."""
    kind, config, task = a_zoo()[name]
    models.saved(kind(config), tmp_path / "m")
    which = "image" if task is models.IMAGE else "text"
    bench = models.a_bench(tmp_path, which, calibration=None, cache=tmp_path / "cache")
    bench = dataclasses.replace(
        bench, profile=models.a_profile(task, image_size=32 if which == "image" else None)
    )
    exported = apply("to_onnx", contract.artifact_of(tmp_path / "m"), bench)

    assert apply("int8_weights", exported, bench).bytes < 0.8 * exported.bytes
