"""Tiny models for the techniques: two-layer random checkpoints, hand-made graphs, their feeds.

Exports are made once per test run (three to five seconds each), and shared by its workers.
"""

import dataclasses
import itertools
import json
import os
import shutil
import tempfile
from functools import lru_cache
from pathlib import Path

import numpy as np

from wizard.examples import feeds
from wizard.nouns import (
    Device,
    ModelProfile,
    ModelRef,
    ParameterCount,
    Source,
    Step,
    Support,
    SupportLevel,
    Task,
    Workload,
)
from wizard.strategies import _contract as contract

TEXT, IMAGE, EMBEDDING = (
    Task.TEXT_CLASSIFICATION,
    Task.IMAGE_CLASSIFICATION,
    Task.FEATURE_EXTRACTION,
)
VOCABULARY, LABELS, SIDE = 400, 5, 16


@lru_cache(maxsize=1)
def shared_folder():
    """Lives as long as this process; removed at exit."""
    import atexit

    folder = Path(tempfile.mkdtemp(prefix="wizard-strategy-models-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def a_bert(folder, **changes):
    """A random two-layer BERT classifier, saved as a checkpoint."""
    from transformers import BertConfig, BertForSequenceClassification

    settings = {
        "vocab_size": VOCABULARY,
        "hidden_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "intermediate_size": 128,
        "max_position_embeddings": 40,
        "num_labels": LABELS,
    }
    return saved(BertForSequenceClassification(BertConfig(**(settings | changes))), folder)


def a_resnet(folder, **changes):
    """A random residual network on small pictures, saved with its image processor's file."""
    from transformers import ResNetConfig, ResNetForImageClassification

    settings = {
        "embedding_size": 16,
        "hidden_sizes": [32, 64],
        "depths": [1, 1],
        "layer_type": "basic",
        "num_labels": LABELS,
    }
    config = ResNetConfig(**(settings | changes))
    saved(ResNetForImageClassification(config), folder)
    processor = {"size": {"height": SIDE, "width": SIDE}, "do_resize": True}
    (folder / "preprocessor_config.json").write_text(json.dumps(processor))
    return folder


def saved(model, folder):
    """Weights that vary by much more than the usual 0.02, so that answers differ by row."""
    import torch

    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() > 1:
                fan = parameter[0].numel()
                parameter.normal_(0, (2 / fan) ** 0.5, generator=generator)
    model.eval().save_pretrained(folder)
    return folder


@lru_cache(maxsize=8)
def checkpoint(name):
    """The folder of "text" or "image", made once."""
    folder = shared_folder() / name
    return {"text": a_bert, "image": a_resnet}[name](folder)


TASKS = {"text": TEXT, "image": IMAGE}


@lru_cache(maxsize=8)
def sibling(name):
    """A smaller published model with the same labels: the tiny model less its last part."""
    folder = shared_folder() / f"{name}-sibling"
    if name == "text":
        from transformers import BertForSequenceClassification

        model = BertForSequenceClassification.from_pretrained(checkpoint(name))
        model.bert.encoder.layer = model.bert.encoder.layer[:1]
        model.config.num_hidden_layers = 1
        model.save_pretrained(folder)
        return folder
    return a_resnet(folder, depths=[1, 1], hidden_sizes=[32, 48])


@lru_cache(maxsize=8)
def pruned(name):
    """The tiny model with much of its arithmetic gone: what recovery starts from."""
    bench = a_bench(shared_folder() / f"pruned-{name}", name)
    cut = Step(strategy="structured_pruning", settings={"macs": 0.4 if name == "text" else 0.95})
    return contract.apply_step(cut, contract.artifact_of(checkpoint(name)), bench)


def a_profile(task=TEXT, **changes):
    """What intake would say, as far as the techniques ask."""
    facts = {
        "ref": ModelRef(source=Source.FOLDER, name="tiny"),
        "title": "tiny",
        "family": "bert",
        "task": task,
        "architecture": "",
        "parameters": ParameterCount(embedding=1, linear=1, conv=0, other=0),
        "weights_bytes": 1,
        "dtype": "float32",
        "macs": 1,
        "workload": Workload(),
        "support": Support(level=SupportLevel.TESTED, because="made for tests"),
        "image_size": SIDE if task is IMAGE else None,
    }
    return ModelProfile(**(facts | changes))


def a_device():
    """A device whose card is silent."""
    return Device(
        id="tiny", name="tiny", group="", subtitle="", arch="x86_64", isa=frozenset(),
        runtimes=(), cores=1, fp32_gops=1.0, fp16_gops=None, int8_gops=None, bandwidth_gbs=1.0,
        overhead_us_per_op=1.0, memory_bytes=10**9, max_file_bytes=None, abilities={}, sources=(),
    )  # fmt: skip


def text_feeds(path, rows=24):
    """Prepared texts of three to nineteen tokens, as examples.prepare writes them."""
    random = np.random.default_rng(1)
    lengths = random.integers(3, 20, rows)
    ids = random.integers(5, VOCABULARY, lengths.sum()).astype(np.int32)
    texts = np.split(ids, np.cumsum(lengths)[:-1])
    np.savez(path, **feeds.texts(texts, [0 * one for one in texts], pad=0))
    return path


def with_pieces(folder):
    """A tokenizer of made-up words for the tiny text model: five special pieces, letters, words."""
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    letters = [chr(ord("a") + at) for at in range(26)]
    words = [f"{one}{other}{at}" for at in range(14) for one, other in itertools.pairwise(letters)]
    vocabulary = [*special, *letters, *words][:VOCABULARY]
    pieces = {piece: at for at, piece in enumerate(vocabulary)}
    written = {
        "version": "1.0",
        "added_tokens": [
            {"id": at, "content": one, "special": True, "single_word": False, "lstrip": False,
             "rstrip": False, "normalized": False}
            for at, one in enumerate(special)
        ],
        "pre_tokenizer": {"type": "Whitespace"},
        "model": {"type": "WordPiece", "vocab": pieces, "unk_token": "[UNK]",
                  "continuing_subword_prefix": "##", "max_input_chars_per_word": 100},
    }  # fmt: skip
    (folder / "tokenizer.json").write_text(json.dumps(written))
    return folder


def image_feeds(path, rows=24):
    """Prepared pictures, as examples.prepare writes them."""
    random = np.random.default_rng(1)
    pixels = random.integers(0, 256, (rows, 3, SIDE, SIDE)).astype(np.uint8)
    half = np.full(3, 0.5, np.float32)
    made = feeds.stacked("pixel_values", pixels, rescale=1 / 255, mean=half, std=half)
    np.savez(path, **made)
    return path


def a_bench(folder, name="text", **changes):
    """A workbench below `folder` with 24 calibration rows; the export cache is shared."""
    folder.mkdir(parents=True, exist_ok=True)
    write = {"text": text_feeds, "image": image_feeds}[name]
    facts = {
        "folder": folder / "made",
        "model_folder": with_pieces(folder) if name == "text" else folder,
        "profile": a_profile(TASKS[name]),
        "device": a_device(),
        "calibration": write(folder / "calibration.npz"),
        "cache": cache(),
        "seed": 0,
        "threads": 1,
        "report": lambda fraction, detail: None,
        "sibling": None,
    }
    return contract.Workbench(**(facts | changes))


@lru_cache(maxsize=8)
def exported(name):
    """The artifact of the tiny model's export; another worker's is taken from the cache."""
    from filelock import FileLock

    bench = a_bench(shared_folder() / f"export-{name}", name)
    with FileLock(cache().with_suffix(f".{name}.lock")):
        return contract.apply_step(
            Step(strategy="to_onnx"), contract.artifact_of(checkpoint(name)), bench
        )


@lru_cache(maxsize=1)
def cache():
    """Where exports are kept: one folder for all workers of a test run."""
    run = os.environ.get("WIZARD_TEST_RUN")
    return Path(run) / "cache" if run else shared_folder() / "cache"


def a_school(folder, name="text", **changes):
    """A bench to train on: forty rows, and the original as the teacher."""
    folder.mkdir(parents=True, exist_ok=True)
    write = {"text": text_feeds, "image": image_feeds}[name]
    rows = write(folder / "forty.npz", 40)
    return a_bench(folder, name, calibration=rows, model_folder=checkpoint(name), **changes)


def with_seed(bench, seed):
    """The same bench with another seed."""
    return dataclasses.replace(bench, seed=seed)


# --------------------------------------------------------------------------- hand-made graphs


def a_graph(path, nodes, stored, *, inputs=None, outputs=("y",), opset=20):
    """An .onnx file of these nodes; `inputs` maps names to (type, shape)."""
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    inputs = inputs or {"x": (TensorProto.FLOAT, ["batch", 64])}
    graph = helper.make_graph(
        nodes,
        "hand-made",
        [helper.make_tensor_value_info(n, *about) for n, about in inputs.items()],
        [helper.make_tensor_value_info(n, TensorProto.FLOAT, None) for n in outputs],
        [numpy_helper.from_array(value, n) for n, value in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    onnx.save(model, str(path))
    return contract.artifact_of(path)


def weights(*shape, seed=0):
    """Random float32 numbers of that shape."""
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


def a_gemm(path):
    """One Gemm with a transposed weight, as classifier heads and GPT-2 have."""
    from onnx import helper

    node = helper.make_node("Gemm", ["x", "w", "b"], ["y"], name="head", transB=1)
    return a_graph(path, [node], {"w": weights(256, 64), "b": weights(256)})


def a_tied(path):
    """An embedding table that is also the last layer, read through a Transpose."""
    from onnx import TensorProto, helper

    nodes = [
        helper.make_node("Gather", ["table", "ids"], ["h"], name="lookup"),
        helper.make_node("MatMul", ["h", "w"], ["g"], name="middle"),
        helper.make_node("Transpose", ["table"], ["turned"], name="turn", perm=[1, 0]),
        helper.make_node("MatMul", ["g", "turned"], ["y"], name="last"),
    ]
    ids = {"ids": (TensorProto.INT64, ["batch", "sequence"])}
    return a_graph(path, nodes, {"table": weights(1000, 64), "w": weights(64, 64)}, inputs=ids)


def answers(path, feed):
    """The first output of the file for that feed."""
    from wizard.strategies import _graph

    return _graph.session(path).run(None, feed)[0]


def plain_answers(path, feed):
    """The same with ONNX Runtime's graph optimization off."""
    from wizard.strategies import _graph

    return _graph.session(path, optimized=False).run(None, feed)[0]


def likeness(one, other):
    """Cosine of the two answers, over all numbers."""
    a, b = one.ravel().astype(np.float64), other.ravel().astype(np.float64)
    return float(a @ b / (np.linalg.norm(a) * np.linalg.norm(b)))


def a_feed(name, rows=4):
    """A small padded batch of the tiny model's inputs."""
    from wizard import examples

    folder = Path(tempfile.mkdtemp(dir=shared_folder()))
    write = {"text": text_feeds, "image": image_feeds}[name]
    return examples.load_feeds(write(folder / "feeds.npz")).padded(list(range(rows)))
