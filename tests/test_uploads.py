"""Models that come as files: taken in when they are what they say, else refused and why."""

import dataclasses
import json
import os
import stat
import struct
import zipfile

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.test_intake import BERT, a_weight_file
from wizard import intake, library, limits
from wizard.errors import PickleOnly, UploadRefused, WeightsDamaged
from wizard.intake import given, graph, unpack, uploads
from wizard.nouns import ModelRef, Source, SupportLevel, Task

RNG = np.random.default_rng(0)


@pytest.fixture
def strict(monkeypatch):
    """Limits that a test reaches at once."""
    few = dataclasses.replace(
        limits.OWN_MACHINE,
        archive_entries=50,
        unpacked_bytes=2_000_000,
        trial_seconds=0.5,
        graph_bytes=10**9,
    )
    monkeypatch.setattr(limits, "OWN_MACHINE", few)
    return few


def refused(path, tmp_path, kind=UploadRefused):
    """The sentence; nothing was left behind."""
    with pytest.raises(kind) as caught:
        uploads.take(path, tmp_path / "taken")
    assert not list((tmp_path / "taken").glob("*"))
    return library.explain(caught.value).message


# ------------------------------------------------------------------ ZIP


def a_zip(tmp_path, files, name="model.zip"):
    """An archive of {name or ZipInfo: bytes}."""
    path = tmp_path / name
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for entry, content in files.items():
            archive.writestr(entry, content)
    return path


MODEL = {"mine/config.json": json.dumps(BERT), "mine/model.safetensors": a_weight_file()}


def test_a_zip_of_a_model_folder_is_a_model(tmp_path):
    """Whatever the folder inside is called; what a model does not need stays in the archive."""
    files = {**MODEL, "mine/tokenizer.json": b"{}", "mine/run.py": b"print()", "other.txt": b""}
    folder = uploads.take(a_zip(tmp_path, files), tmp_path / "taken")

    assert sorted(one.name for one in folder.iterdir()) == [
        "config.json",
        "model.safetensors",
        "tokenizer.json",
    ]
    assert uploads.take(tmp_path / "model.zip", tmp_path / "taken") == folder


def a_link():
    link = zipfile.ZipInfo("mine/tokenizer.json")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    return link


@pytest.mark.parametrize(
    ("extra", "words"),
    [
        ({"../../evil.json": b"{}"}, "outside"),
        ({"/etc/evil.json": b"{}"}, "outside"),
        ({"C:\\evil.json": b"{}"}, "outside"),
        ({"..\\..\\evil.json": b"{}"}, "outside"),
        ({a_link(): b"/etc/passwd"}, "links"),
        ({"mine/model.txt": b"0" * 3_000_000}, "unpacked"),
        ({f"mine/{i}.txt": b"" for i in range(60)}, "more than 50 entries"),
    ],
    ids=["slip", "absolute", "drive", "backslashes", "link", "bomb", "entries"],
)
def test_an_archive_that_means_harm_is_refused_whole(tmp_path, strict, extra, words):
    """Nothing of it is unpacked, not even what looks well."""
    assert words in refused(a_zip(tmp_path, {**MODEL, **extra}), tmp_path)


def test_a_million_entries_are_refused_before_they_are_read(tmp_path):
    """The end of the archive says how many; reading them would take a gigabyte."""
    path = a_zip(tmp_path, MODEL)
    raw = bytearray(path.read_bytes())
    at = raw.rfind(unpack.END)
    raw[at + 10 : at + 16] = struct.pack("<HI", 65_535, 0xFFFFFFFF)
    record = struct.pack("<4sQHHIIQQQQ", unpack.END_64, 44, 45, 45, 0, 0, 10**6, 10**6, 10**8, 0)
    path.write_bytes(bytes(raw[:at]) + record + bytes(raw[at:]))

    assert "more than 100,000 entries" in refused(path, tmp_path)


def test_an_entry_that_holds_more_than_it_says_is_stopped(tmp_path, strict):
    """A bomb lies about its size; what counts is what comes out."""
    path = a_zip(tmp_path, {**MODEL, "mine/vocab.txt": b"0" * 1_500_000})
    raw = path.read_bytes()
    path.write_bytes(raw.replace(struct.pack("<I", 1_500_000), struct.pack("<I", 1_000)))

    assert refused(path, tmp_path)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"not a zip", "no ZIP"), (b"", "no ZIP"), (b"PK\x05\x06" + b"\0" * 18, "neither")],
    ids=["text", "empty", "no entries"],
)
def test_what_is_no_archive_of_a_model_is_told(tmp_path, content, words):
    """A renamed file, an empty one, an empty archive."""
    path = tmp_path / "model.zip"
    path.write_bytes(content)

    assert words in refused(path, tmp_path)


def test_a_damaged_archive_is_told(tmp_path):
    """Bytes changed on the way."""
    path = a_zip(tmp_path, {"config.json": os.urandom(4_000), "model.safetensors": b"x" * 900})
    raw = bytearray(path.read_bytes())
    raw[100:140] = b"\xff" * 40
    path.write_bytes(bytes(raw))

    assert "damaged" in refused(path, tmp_path)


def test_an_archive_with_a_pickle_says_so(tmp_path):
    """It is not unpacked, and the way out is named."""
    path = a_zip(tmp_path, {"config.json": json.dumps(BERT), "pytorch_model.bin": b"x"})

    assert "pickle" in refused(path, tmp_path, PickleOnly)


def test_weights_cut_short_are_told_and_thrown_away(tmp_path):
    """As for a folder."""
    path = a_zip(tmp_path, {**MODEL, "mine/model.safetensors": a_weight_file()[:-4]})

    assert refused(path, tmp_path, WeightsDamaged)


# ------------------------------------------------------------------ ONNX


def weight(name, *shape):
    return numpy_helper.from_array(RNG.standard_normal(shape).astype(np.float32), name)


def an_eye(
    *, batch="b", side=16, channels=3, name="images", extra=(), stored=(), domains=(), width=5
):
    """A small network for pictures under names of its own."""
    node = helper.make_node
    nodes = [
        node("Conv", [name, "w"], ["a"], pads=[1, 1, 1, 1]),
        node("GlobalAveragePool", ["a"], ["c"]),
        node("Flatten", ["c"], ["d"]),
        node("MatMul", ["d", "v"], ["scores"]),
        *extra,
    ]
    value = helper.make_tensor_value_info
    given_in = value(name, TensorProto.FLOAT, [batch, channels, side, side])
    out = value("scores", TensorProto.FLOAT, [batch, width])
    kept = [weight("w", 8, channels, 3, 3), weight("v", 8, width), *stored]
    made = helper.make_graph(nodes, "eye", [given_in], [out], kept)
    opsets = [helper.make_opsetid("", 17), *(helper.make_opsetid(one, 1) for one in domains)]
    return helper.make_model(made, opset_imports=opsets, ir_version=10)


def a_reader(*, tokens="s"):
    """A small network for texts."""
    node, value = helper.make_node, helper.make_tensor_value_info
    nodes = [
        node("Gather", ["table", "input_ids"], ["a"]),
        node("ReduceMean", ["a"], ["b"], axes=[1], keepdims=0),
        node("MatMul", ["b", "head"], ["logits"]),
    ]
    inputs = [value("input_ids", TensorProto.INT64, ["b", tokens])]
    out = [value("logits", TensorProto.FLOAT, ["b", 3])]
    kept = [weight("table", 50, 8), weight("head", 8, 3)]
    if tokens != "s":  # a graph that holds its length
        nodes.insert(1, node("Add", ["a", "places"], ["a2"]))
        nodes[2].input[0] = "a2"
        kept.append(weight("places", tokens, 8))
    made = helper.make_graph(nodes, "reader", inputs, out, kept)
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)


def a_file(tmp_path, model, name="mine.onnx"):
    path = tmp_path / "given" / name
    path.parent.mkdir(exist_ok=True)
    onnx.save(model, str(path))
    return path


def card_of(folder):
    return intake.examine(ModelRef(source=Source.FOLDER, name=str(folder)))


def test_an_onnx_file_for_pictures_is_a_model_without_torch(tmp_path):
    """Task, classes and side are found; what nobody said is written down and told."""
    folder = uploads.take(a_file(tmp_path, an_eye()), tmp_path / "taken")
    card = card_of(folder)

    assert card.task is Task.IMAGE_CLASSIFICATION
    assert card.given
    assert card.support.level is SupportLevel.SHOULD_WORK
    assert "ImageNet" in card.support.because
    assert len(card.labels) == 5
    assert card.image_size == 16
    assert card.parameters.conv == 8 * 3 * 9
    assert card.parameters.linear == 40
    assert card.macs == 40 + 8 * 3 * 9 * 16 * 16
    model = onnx.load(str(folder / "model.onnx"))
    assert model.graph.input[0].name == "pixel_values"
    assert model.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"


def test_a_batch_that_the_graph_holds_is_found_and_told(tmp_path):
    """It is run with two pictures at once; one that cannot keeps its one."""
    fixed = helper.make_node("Reshape", ["scores0", "one"], ["scores"])
    model = an_eye(
        batch=1, extra=[fixed], stored=[numpy_helper.from_array(np.array([1, 5]), "one")]
    )
    model.graph.node[3].output[0] = "scores0"
    folder = uploads.take(a_file(tmp_path, model), tmp_path / "taken")

    assert "fixed at one" in card_of(folder).support.because


def test_an_onnx_file_for_texts_needs_its_tokenizer(tmp_path):
    """With it beside the file it is a model; alone it is none."""
    path = a_file(tmp_path, a_reader())
    assert "tokenizer.json" in refused(path, tmp_path)
    (path.parent / "tokenizer.json").write_text("{}")
    card = card_of(uploads.take(path, tmp_path / "taken"))

    assert card.task is Task.TEXT_CLASSIFICATION
    assert card.labels == ("LABEL_0", "LABEL_1", "LABEL_2")
    assert card.parameters.embedding == 400


def test_a_config_beside_it_names_the_labels(tmp_path):
    """And the family, so that its rules hold."""
    path = a_file(tmp_path, a_reader())
    (path.parent / "tokenizer.json").write_text("{}")
    names = {"0": "no", "1": "yes", "2": "maybe"}
    (path.parent / "config.json").write_text(json.dumps({**BERT, "id2label": names}))
    card = card_of(uploads.take(path, tmp_path / "taken"))

    assert card.labels == ("no", "yes", "maybe")
    assert card.family == "bert"


def test_weights_in_a_file_beside_it_come_along(tmp_path):
    """External data, under whatever name."""
    path = tmp_path / "given" / "mine.onnx"
    path.parent.mkdir()
    onnx.save_model(
        an_eye(), str(path), save_as_external_data=True, location="w.bin", size_threshold=0
    )
    folder = uploads.take(path, tmp_path / "taken")

    assert given.read(folder).counts["conv"] == 216
    assert sorted(one.name for one in folder.glob("model*")) == ["model.onnx"]


def test_a_zip_with_an_onnx_file_is_a_model(tmp_path):
    """In the layout of Optimum and transformers.js."""
    path = a_file(tmp_path, a_reader())
    files = {"a/config.json": json.dumps(BERT), "a/tokenizer.json": b"{}"}
    zipped = a_zip(tmp_path, {**files, "a/onnx/model.onnx": path.read_bytes()})
    folder = uploads.take(zipped, tmp_path / "taken")

    assert card_of(folder).given
    assert not (folder / "onnx" / "model.onnx").exists()


def external(location):
    """A model whose weights are said to lie somewhere."""
    model = an_eye()
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    entry = tensor.external_data.add()
    entry.key, entry.value = "location", location
    return model


@pytest.mark.parametrize("location", ["/etc/passwd", "../../secret", "a/../../b", "C:\\x"])
def test_weights_outside_the_folder_are_refused(tmp_path, location):
    """Whatever lies there is not the model's."""
    assert "outside" in refused(a_file(tmp_path, external(location)), tmp_path)


@pytest.mark.parametrize("link", ["symlink", "hard link"])
def test_weights_that_are_a_link_are_refused(tmp_path, link):
    """A link may point at what only this machine's owner may read."""
    path = a_file(tmp_path, external("w.bin"))
    secret = tmp_path / "secret"
    secret.write_bytes(b"0" * 864)
    (path.parent / "w.bin").unlink(missing_ok=True)
    (os.symlink if link == "symlink" else os.link)(secret, path.parent / "w.bin")

    assert "link" in refused(path, tmp_path)


def test_missing_weights_are_told(tmp_path):
    """The commonest accident of two-file models."""
    assert "missing" in refused(a_file(tmp_path, external("w.bin")), tmp_path)


def test_operators_of_nobody_are_refused(tmp_path):
    """They would need a library of their own."""
    strange = helper.make_node("Steal", ["scores"], ["x"], domain="com.evil")
    said = refused(a_file(tmp_path, an_eye(extra=[strange], domains=["com.evil"])), tmp_path)

    assert "com.evil" in said


def test_a_constant_of_terabytes_is_refused_before_it_runs(tmp_path):
    """ONNX Runtime would load it and fail at the first answer."""
    shape = numpy_helper.from_array(np.array([10**6, 10**6]), "huge")
    node = helper.make_node("ConstantOfShape", ["huge"], ["x"])
    said = refused(a_file(tmp_path, an_eye(extra=[node], stored=[shape])), tmp_path)

    assert "4 TB" in said


def test_a_tensor_that_claims_terabytes_is_refused(tmp_path):
    """Its header is a lie, and nothing is allocated for it."""
    model = an_eye()
    model.graph.initializer[0].dims[:] = [10**6, 10**6]

    assert "TB" in refused(a_file(tmp_path, model), tmp_path)


def test_an_endless_loop_is_ended(tmp_path, strict):
    """A graph is a program; one that does not end is stopped by the clock."""
    value = helper.make_tensor_value_info
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["on2"]),
            helper.make_node("Sin", ["x"], ["y"]),
        ],
        "body",
        [
            value("i", TensorProto.INT64, []),
            value("on", TensorProto.BOOL, []),
            value("x", TensorProto.FLOAT, None),
        ],
        [value("on2", TensorProto.BOOL, []), value("y", TensorProto.FLOAT, None)],
    )
    loop = helper.make_node("Loop", ["times", "", "scores0"], ["scores"], body=body)
    model = an_eye(extra=[loop], stored=[numpy_helper.from_array(np.array(10**12), "times")])
    model.graph.node[3].output[0] = "scores0"

    assert "more than 0 seconds" in refused(a_file(tmp_path, model), tmp_path)


def test_a_length_that_the_graph_holds_is_refused_with_the_way_out(tmp_path):
    """Every text would have to be as long as that."""
    path = a_file(tmp_path, a_reader(tokens=7))
    (path.parent / "tokenizer.json").write_text("{}")

    assert "dynamic_axes" in refused(path, tmp_path)


@pytest.mark.parametrize("content", [b"", b"hello", b"\x08\x0a" + b"\xff" * 40])
def test_what_is_no_onnx_file_is_told(tmp_path, content):
    """Renamed or damaged."""
    path = tmp_path / "given" / "mine.onnx"
    path.parent.mkdir()
    path.write_bytes(content)

    assert refused(path, tmp_path)


def test_inputs_that_we_do_not_know_are_named(tmp_path):
    """And what would settle it."""
    model = an_eye()
    model.graph.input.append(helper.make_tensor_value_info("mel", TensorProto.FLOAT, ["b", 80]))
    said = refused(a_file(tmp_path, model), tmp_path)

    assert "mel" in said
    assert "config.json" in said


def test_what_is_compressed_already_is_not_compressed_again(tmp_path):
    """Its card says so; it can still be compared."""
    node = helper.make_node("DynamicQuantizeLinear", ["scores"], ["q", "s", "z"])
    folder = uploads.take(a_file(tmp_path, an_eye(extra=[node])), tmp_path / "taken")

    assert card_of(folder).support.level is SupportLevel.NOT_HERE


def test_a_hosted_app_takes_less():
    """Every limit is at least as strict."""
    theirs, ours = (dataclasses.asdict(one) for one in (limits.FOR_STRANGERS, limits.OWN_MACHINE))

    assert all(theirs[name] < ours[name] for name in ours)


def test_the_trial_run_says_what_it_found(tmp_path):
    """A free batch, and the number of scores."""
    model = an_eye()
    graph.adapt(model, Task.IMAGE_CLASSIFICATION, "mine.onnx")
    graph.free_axes(model)
    found = graph.try_out(a_file(tmp_path, model), 16, "mine.onnx")

    assert found == graph.Axes(batch_free=True, image_size=16, width=5)
