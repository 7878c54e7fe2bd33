"""What a file says of itself, word by word of what an audit promises."""

import dataclasses
import json

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests import strategy_models as models
from wizard import measure
from wizard.errors import CannotCompare, PromiseBroken
from wizard.measure import audit, sanity
from wizard.measure.process import Process
from wizard.nouns import Step
from wizard.strategies import _contract as contract


def made(name, folder, technique, **settings):
    step = Step(strategy=technique, settings=settings)
    return contract.apply_step(step, models.exported(name), models.a_bench(folder, name))


def changed(artifact, folder, change):
    """A copy of the file after `change(model)`, still called what it was made as."""
    model = onnx.load(str(artifact.path))
    change(model)
    onnx.save(model, str(folder / "changed.onnx"))
    return dataclasses.replace(artifact, path=folder / "changed.onnx")


@pytest.mark.parametrize(
    ("technique", "bits"),
    [("int8_dynamic", 8), ("int8_static", 8), ("int8_weights", 8), ("int4_weights", 4)],
)
def test_bits_are_told_by_operator_type(tmp_path, technique, bits):
    """Mean stored bits of what is multiplied and of what is looked up."""
    looked = audit.audit(made("text", tmp_path, technique).path)
    product = next(name for name in looked.bits if "MatMul" in name)

    assert looked.bits[product] == bits
    assert looked.bits["Gather"] == bits
    assert looked.low_bit_weight_share > 0.99


def test_half_precision_does_the_original_s_arithmetic(tmp_path):
    """As many weights at as many places of a picture, in a file whose operators are in order."""
    half = made("image", tmp_path, "float16").path
    looked, original = (audit.audit(one) for one in (half, models.exported("image").path))

    assert looked.work == original.work > looked.weights
    onnx.checker.check_model(str(half))


@pytest.fixture(scope="module")
def vision_transformer(tmp_path_factory):
    """Sixteen patches: one small convolution, then matrices that work on every patch."""
    from transformers import ViTConfig, ViTForImageClassification

    folder = tmp_path_factory.mktemp("vit")
    sizes = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    config = ViTConfig(
        **sizes, intermediate_size=128, image_size=models.SIDE, patch_size=4, num_labels=5
    )
    models.saved(ViTForImageClassification(config), folder / "model")
    side = {"height": models.SIDE, "width": models.SIDE}
    (folder / "model" / "preprocessor_config.json").write_text(json.dumps({"size": side}))
    bench = models.a_bench(folder / "work", "image")
    checkpoint = contract.artifact_of(folder / "model")
    return contract.apply_step(Step(strategy="to_onnx"), checkpoint, bench), bench


@pytest.mark.parametrize("technique", ["int8_dynamic", "int8_weights"])
def test_arithmetic_is_counted_at_every_patch(vision_transformer, technique):
    """The convolution is 4 % of the work, though it is counted at every position too."""
    artifact, bench = vision_transformer
    looked = audit.audit(contract.apply_step(Step(strategy=technique), artifact, bench).path)

    assert looked.low_bit_mac_share > 0.95


def test_layers_left_in_floating_point_are_named(tmp_path):
    """By the module's name; a file of full precision has nothing to name."""
    every, some = (
        audit.audit(made("text", tmp_path, "int8_static", exclude=patterns).path)
        for patterns in ([], ["bert.encoder.layer.0.output.*"])
    )

    assert every.fallbacks == ()
    assert some.fallbacks == ("bert.encoder.layer.0.output.dense",)
    assert audit.audit(models.exported("text").path).fallbacks == ()


def test_a_word_table_stored_again_as_last_layer_is_named(tmp_path):
    """Untied: eight bits for looking up, 32 for multiplying; no content is equal."""
    table = models.weights(2000, 64)
    scale = np.abs(table).max(axis=1, keepdims=True) / 127
    stored = {
        "words": np.rint(table / scale).astype(np.int8),
        "scale": scale,
        "last": table.T.copy(),
        "other": models.weights(64, 2000, seed=5),
    }
    nodes = [
        helper.make_node("Gather", ["words", "ids"], ["codes"], name="lookup"),
        helper.make_node("Gather", ["scale", "ids"], ["step"], name="scales"),
        helper.make_node("Cast", ["codes"], ["whole"], to=TensorProto.FLOAT),
        helper.make_node("Mul", ["whole", "step"], ["h"]),
        helper.make_node("MatMul", ["h", "last"], ["y"], name="last"),
        helper.make_node("MatMul", ["h", "other"], ["z"], name="other"),
    ]
    ids = {"ids": (TensorProto.INT64, ["batch", "sequence"])}
    path = tmp_path / "untied.onnx"
    models.a_graph(path, nodes, stored, inputs=ids, outputs=("y", "z"))

    assert audit.audit(path).findings == (
        "The word table words is stored again for the last layer.",
    )


def test_weights_that_nothing_reads_are_found(tmp_path):
    """A copy of the original left in an 8-bit file, for instance."""
    big = models.weights(300, 300)

    def leave(model):
        model.graph.initializer.append(numpy_helper.from_array(big, "left"))

    artifact = changed(made("text", tmp_path, "int8_dynamic"), tmp_path, leave)

    assert audit.audit(artifact.path).findings == ("0.4 MB of its weights are used by nothing.",)


HEALTHY = [("text", one) for one in ("int8_dynamic", "int8_static", "int8_weights")]
HEALTHY += [("text", one) for one in ("int4_weights", "float16", "lossless")]
HEALTHY += [("image", one) for one in ("int8_static", "int8_weights", "float16", "lossless")]


@pytest.mark.parametrize(("name", "technique"), HEALTHY)
def test_a_healthy_file_has_no_finding_and_keeps_its_promise(tmp_path, name, technique):
    """Nothing is accused that was made as it should be."""
    artifact = made(name, tmp_path, technique)
    looked = audit.audit(artifact.path)

    assert looked.findings == ()
    measure.must_be_what_was_made(artifact, looked)


@pytest.mark.parametrize("technique", ["int8_dynamic", "int4_weights", "float16"])
def test_an_unchanged_file_called_compressed_breaks_its_promise(technique):
    """The name says what it was made as, the file what it is."""
    artifact = dataclasses.replace(models.exported("text"), made_by=technique)

    with pytest.raises(PromiseBroken) as caught:
        measure.must_be_what_was_made(artifact, audit.audit(artifact.path))
    assert caught.value.facts["found"] == "32-bit weights, not compressed"


def test_opset_domains_and_operators_are_told(tmp_path):
    """As the file declares them."""
    looked = audit.audit(made("text", tmp_path, "int4_weights").path)

    assert looked.opset == 20
    assert looked.domains == ("ai.onnx", "com.microsoft")
    assert looked.operators["MatMulNBits"] > 10


def beside(artifact, folder):
    """The same model with its weights in a file of their own."""
    model = onnx.load(str(artifact.path))
    path = folder / "beside.onnx"
    onnx.save(
        model,
        str(path),
        save_as_external_data=True,
        location="beside.onnx.data",
        size_threshold=0,
    )
    return contract.artifact_of(path)


def test_weights_exchanged_after_they_were_made_are_refused(tmp_path):
    """Same length, other numbers: the hash of what was made tells."""
    artifact = beside(models.exported("text"), tmp_path)
    data = tmp_path / "beside.onnx.data"
    sanity.unchanged(artifact)
    data.write_bytes(data.read_bytes()[::-1])

    with pytest.raises(CannotCompare):
        sanity.unchanged(artifact)


def test_external_weights_cut_short_are_found(tmp_path):
    """A file of data that ends too early is named."""
    artifact = beside(models.exported("text"), tmp_path)
    data = tmp_path / "beside.onnx.data"
    data.write_bytes(data.read_bytes()[:-100])
    looked = audit.audit(artifact.path)

    assert not looked.external_data_complete
    assert "beside.onnx.data is missing or cut short" in looked.findings[0]


def test_optimization_on_and_off_agree_on_healthy_files(tmp_path):
    """In a clean process that holds nothing but the file: hardly any difference, no finding."""
    artifact = made("text", tmp_path, "int8_static", reduce_range=True)  # on any processor
    with Process(artifact.path, tmp_path / "calibration.npz", 1) as process:
        looked = measure._checked(audit.audit(artifact.path), process, artifact)

    assert looked.optimization_max_difference < 0.1
    assert looked.findings == ()


def test_an_answer_that_changes_from_time_to_time_is_found(tmp_path):
    """Random numbers inside: no seed of ours makes it repeatable."""

    def shake(model):
        last = model.graph.node[-1]
        name, last.output[0] = last.output[0], "steady"
        model.graph.node.extend(
            [
                helper.make_node("RandomNormalLike", ["steady"], ["noise"], scale=5.0, dtype=1),
                helper.make_node("Add", ["steady", "noise"], [name]),
            ]
        )

    artifact = changed(models.exported("text"), tmp_path, shake)
    feeds = models.text_feeds(tmp_path / "rows.npz")
    with Process(artifact.path, feeds, 1) as process:
        looked = measure._checked(audit.audit(artifact.path), process, artifact)

    assert looked.findings == ("It gives another answer each time it is asked the same.",)


def test_one_graph_at_a_time_says_the_same_and_the_process_goes_on(tmp_path):
    """A large file is closed before its plain graph is opened, and answers again afterwards."""
    artifact = made("text", tmp_path, "int8_static", reduce_range=True)
    with Process(artifact.path, tmp_path / "calibration.npz", 1) as process:
        both, one = (process.ask("plain", rows=4, one_at_a_time=way) for way in (False, True))

        assert one == both
        process.ask("shape", batch=1, tokens=8, cached=False)
        assert process.ask("by_threads", counts=[1], rounds=1, runs=1)["ms"][0] > 0


class Said:
    """A process that has compared the plain graph with the optimized one already."""

    def __init__(self, difference, flips):
        self._said = {"difference": difference, "flips": flips, "scale": 10.0, "again": 0.0}

    def ask(self, do, **request):
        assert (do, request) == (
            "plain",
            {"rows": measure.ROWS_UNOPTIMIZED, "one_at_a_time": False},
        )
        return self._said


@pytest.mark.parametrize(
    ("difference", "flips", "found"),
    [(0.15, 0, 0), (0.15, 2, 0), (0.6, 0, 0), (0.6, 1, 1), (2, 0, 1)],
)
def test_answers_that_depend_on_graph_optimization_are_found(difference, flips, found):
    """More than a twentieth of the largest output with another answer, or a tenth without."""
    looked = audit.audit(models.exported("text").path)
    checked = measure._checked(looked, Said(difference, flips), models.exported("text"))

    assert ["graph optimization" in one for one in checked.findings] == [True] * found
