"""run.py and check.py as a stranger meets them: offline, with two or three packages, or none."""

import json
import runpy
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from tests.factories import (
    a_device,
    a_host,
    a_measurement,
    a_plan,
    a_profile,
    an_image_profile,
    some_needs,
)
from wizard import examples, tasks
from wizard.bundle.card import threads_of
from wizard.bundle.pack import TEMPLATES, _check_data, _scripts
from wizard.examples import feeds, processor
from wizard.examples.feeds import Feeds
from wizard.nouns import ExampleSet, Task, Workload

# What a made-up model below can stand in for; the other tasks' scripts run with their samples.
WITH_KITS = [
    task
    for task, card in tasks.cards().items()
    if card.rows == "pictures" or (card.rows == "table" and not card.writes)
]
SCRIPTS = sorted(TEMPLATES.glob("*.py.txt"))
NAME = "onnx/model.onnx"
TOKENIZER = {
    "version": "1.0",
    "model": {"type": "WordLevel", "vocab": {"a": 0, "b": 1, "[MASK]": 2}, "unk_token": "a"},
    "pre_tokenizer": {"type": "WhitespaceSplit"},
}
PROCESSOR = {
    "size": {"height": 8, "width": 8},
    "image_mean": [0.5] * 3,
    "image_std": [0.5] * 3,
}
# Run a script with every socket closed.
OFFLINE = (
    "import runpy, socket, sys\n"
    "def no(*rest): raise OSError('offline')\n"
    "socket.socket.connect = socket.getaddrinfo = no\n"
    "sys.argv = sys.argv[1:]\n"
    "runpy.run_path(sys.argv[0], run_name='__main__')\n"
)


def save_model(path, task):
    """A picture's mean, or a table's rows, times a matrix; rows as they are where words count."""
    rng = np.random.default_rng(0)
    outputs = tasks.card_of(task).outputs
    if tasks.card_of(task).rows == "pictures":
        source = helper.make_tensor_value_info("pixel_values", TensorProto.FLOAT, ["b", 3, 8, 8])
        nodes = [
            helper.make_node("ReduceMean", ["pixel_values", "axes"], ["mean"], keepdims=0),
            helper.make_node("MatMul", ["mean", "weight"], [outputs[0]]),
        ]
        stored = {"axes": np.array([2, 3]), "weight": rng.normal(size=(3, 3)).astype(np.float32)}
    else:
        source = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["b", "s"])
        nodes, stored = text_nodes(rng, task)
    outs = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in outputs]
    weights = [numpy_helper.from_array(value, name) for name, value in stored.items()]
    graph = helper.make_graph(nodes, "g", [source], outs, weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    path.parent.mkdir()
    onnx.save(model, str(path))


def text_nodes(rng, task):
    """Look-ups of three words: a number for each output, or a row of three."""
    card = tasks.card_of(task)
    if len(card.outputs) > 1:
        stored = {f"table{at}": rng.normal(size=3).astype(np.float32) for at in (0, 1)}
        return [
            helper.make_node("Gather", [table, "input_ids"], [name])
            for table, name in zip(stored, card.outputs, strict=True)
        ], stored
    answers = 1 if card.score == "number" else 3
    stored = {"table": rng.normal(size=(3, answers)).astype(np.float32), "axes": np.array([1])}
    if card.score not in {"classes", "choices", "several", "number"}:
        del stored["axes"]
        return [helper.make_node("Gather", ["table", "input_ids"], [card.outputs[0]])], stored
    return [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"]),
        helper.make_node("ReduceMean", ["rows", "axes"], [card.outputs[0]], keepdims=0),
    ], stored


def some_feeds(task):
    if task is Task.IMAGE_CLASSIFICATION:
        pixels = np.random.default_rng(1).integers(0, 255, (4, 3, 8, 8)).astype(np.uint8)
        half = np.full(3, 0.5, np.float32)
        return Feeds(feeds.stacked("pixel_values", pixels, rescale=1 / 255, mean=half, std=half))
    rows = [np.array(one, np.int32) for one in ([0, 1], [1, 0], [1, 0])]
    return Feeds(feeds.texts(rows, [0 * one for one in rows], pad=0))


def a_kit(folder, task):
    """What the scripts need, written by the functions that pack a bundle."""
    folder.mkdir(exist_ok=True)
    image = task is Task.IMAGE_CLASSIFICATION
    profile = replace(an_image_profile() if image else a_profile(), task=task)
    workload = Workload() if image else Workload(tokens=8)
    plan = a_plan(profile=profile, needs=replace(some_needs(), workload=workload))
    save_model(folder / NAME, task)
    config = {"id2label": {"0": "no", "1": "yes", "2": "maybe"}}
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "tokenizer.json").write_text(json.dumps(TOKENIZER))
    (folder / "tokenizer_config.json").write_text(json.dumps({"mask_token": "[MASK]"}))
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSOR))
    _scripts(folder, tasks.card_of(task), 1, NAME)
    _check_data(folder, plan, folder / NAME, some_feeds(task))
    return folder


def offline(folder, *arguments, options=()):
    return subprocess.run(
        [sys.executable, *options, "-c", OFFLINE, *arguments],
        cwd=folder,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("task", WITH_KITS)
def test_every_task_answers_offline_without_arguments(tmp_path, task):
    """`python run.py` shows something at once, with every socket closed."""
    done = offline(a_kit(tmp_path / "kit", task), "run.py")

    assert done.returncode == 0, done.stderr
    assert done.stdout.strip()
    assert ("%" in done.stdout) == (
        tasks.card_of(task).score in {"classes", "several", "choices", "gaps"}
    )


def test_two_texts_are_read_together(tmp_path):
    """As the measurement does; one text is read as before."""
    folder = a_kit(tmp_path / "kit", Task.TEXT_CLASSIFICATION)
    both = offline(folder, "run.py", "a b", "--and", "b a b")
    one = offline(folder, "run.py", "a", "b")

    assert both.returncode == one.returncode == 0
    assert both.stdout.splitlines()[0] == "a b / b a b"
    assert one.stdout.splitlines()[0] == "a b"
    assert both.stdout.splitlines()[1:] != one.stdout.splitlines()[1:]


@pytest.mark.parametrize("task", WITH_KITS)
def test_every_task_is_checked_offline(tmp_path, task):
    """The same machine gives the same answers, and the receipt counts them all."""
    folder = a_kit(tmp_path / "kit", task)
    done = offline(folder, "check.py")
    receipt = json.loads((folder / "receipt.json").read_text())

    assert done.returncode == 0, done.stderr
    assert receipt["rows"] == receipt["same_answers"] == len(some_feeds(task))


@pytest.mark.parametrize("task", WITH_KITS)
def test_other_answers_are_noticed(tmp_path, task):
    """A device whose kernels answer otherwise gets exit status 1 and a receipt that says so."""
    folder = a_kit(tmp_path / "kit", task)
    data = dict(np.load(folder / "check_data.npz"))
    data["0.expected.0"] = -data["0.expected.0"]
    np.savez(folder / "check_data.npz", **data)
    done = offline(folder, "check.py")

    assert done.returncode == 1
    assert json.loads(done.stdout)["same_answers"] == len(some_feeds(task)) - 1


@pytest.mark.parametrize("script", ["run.py", "check.py"])
@pytest.mark.parametrize("task", WITH_KITS)
def test_a_missing_package_is_one_line_with_the_command(tmp_path, script, task):
    """Without site-packages: no traceback, but what to install."""
    done = offline(a_kit(tmp_path / "kit", task), script, options=("-S",))

    assert done.returncode == 1
    assert "pip install onnxruntime numpy" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_model_that_this_runtime_cannot_open_is_a_sentence(tmp_path):
    """An old onnxruntime names itself and the command that updates it."""
    folder = a_kit(tmp_path / "kit", Task.TEXT_CLASSIFICATION)
    (folder / NAME).write_bytes(b"from the future")
    done = offline(folder, "check.py")

    assert "pip install --upgrade onnxruntime" in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.parametrize(
    "written",
    [
        {"size": {"height": 8, "width": 8}, "resample": 3},
        {"size": {"shortest_edge": 8}, "do_center_crop": True, "crop_size": 8},
        {"size": {"shortest_edge": 9}, "do_center_crop": 1, "crop_size": {"height": 6, "width": 8}},
        {"image_processor_type": "ConvNextImageProcessor", "size": 8},
        {"image_processor_type": "MobileViTImageProcessor", "size": 4, "crop_size": 8},
        {"image_processor_type": "EfficientNetImageProcessor", "size": 8, "rescale_offset": True},
    ],
)  # fmt: skip
def test_a_picture_is_prepared_as_in_the_measurement(tmp_path, written):
    """run.py prepares exactly as the rows were that the scores come from."""
    settings = processor.in_full(written)
    picture = np.random.default_rng(0).integers(0, 255, (24, 17, 3)).astype(np.uint8)
    Image.fromarray(picture).save(tmp_path / "picture.png")
    np.save(tmp_path / "rows.npy", picture[None])
    (tmp_path / "preprocessor_config.json").write_text(json.dumps(written))
    rows = ExampleSet(origin="a test", images=tmp_path / "rows.npy", rows=(0,))
    profile, out = an_image_profile(), tmp_path / "f.npz"
    feeds = examples.load_feeds(examples.prepare(profile, tmp_path, rows, Workload(), out))
    (tmp_path / "run.py").write_text((TEMPLATES / "run_image.py.txt").read_text())
    script = runpy.run_path(str(tmp_path / "run.py"))

    here = script["prepared"](script["pixels_of"](tmp_path / "picture.png", settings), settings)
    np.testing.assert_allclose(here, feeds.row(0)["pixel_values"], atol=1e-6)


@pytest.mark.parametrize("template", SCRIPTS, ids=lambda path: path.name)
def test_the_scripts_are_written_as_our_own_code(template):
    """Formatted, linted, with docstrings: strangers read them."""
    source = template.read_text("utf-8")
    ruff = [str(Path(sys.executable).with_name("ruff"))]
    common = ["--isolated", "--line-length", "100", "--stdin-filename", "script.py", "-"]
    rules = ["--select", "E,F,W,I,N,UP,B,SIM,PTH,RET,D1", "--target-version", "py311"]
    for command in (["check", *rules], ["format", "--check"]):
        done = subprocess.run([*ruff, *command, *common], input=source, text=True)

        assert done.returncode == 0


@pytest.mark.parametrize(
    ("threads", "here", "said"), [(1, True, 1), (2, True, 0), (None, True, 0), (1, False, 0)]
)
def test_scripts_take_fewer_threads_only_where_that_was_measured_on_the_device(threads, here, said):
    """All of this machine's, another device's: 0 leaves them to ONNX Runtime."""
    plan = a_plan(device=replace(a_device(), measured_here=here))
    after = a_measurement(threads=threads, host=replace(a_host(), physical_cores=2, usable_cores=2))

    assert threads_of(plan, after) == said
