"""Large language models tensor by tensor: the same answers as the whole model has in PyTorch.

Covers: graphs traced without weights and filled (rotary and learnt positions, grouped keys, tied
and untied last layers, several files, bfloat16), 8 and 4 bits, a weight that is missing.
Does not cover: the memory it takes (tests/benchmarks/large.py).
"""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest

from tests.factories import a_profile
from tests.slow.test_families_that_write import FEW_KEYS
from wizard.errors import ExportFailed, NotSupported
from wizard.nouns import Step, Task
from wizard.strategies import _causal, _decoder, _graph, _large
from wizard.strategies import _contract as contract

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
WIDE = {**FEW_KEYS, "hidden_size": 64, "vocab_size": 128, "num_hidden_layers": 3}
FAMILIES = {
    "tied": ("Qwen2", {**WIDE, "tie_word_embeddings": True}),
    "untied": ("Llama", WIDE),
    "gpt2": ("GPT2", {"vocab_size": 96, "n_embd": 64, "n_layer": 3, "n_head": 4}),
}


def saved(family, folder, *, shard="5GB"):
    """A random bfloat16 checkpoint of that family and its model in float32."""
    import torch
    import transformers

    name, settings = FAMILIES[family]
    torch.manual_seed(5)
    config = getattr(transformers, f"{name}Config")(**settings, eos_token_id=None)
    model = transformers.AutoModelForCausalLM.from_config(config).to(torch.bfloat16)
    model.save_pretrained(folder, max_shard_size=shard)
    return transformers.AutoModelForCausalLM.from_pretrained(folder, dtype="float32").eval()


def a_bench(folder):
    from wizard import intake

    return contract.Workbench(
        folder=folder, model_folder=folder, profile=a_profile(task=Task.TEXT_GENERATION),
        device=intake.this_machine(intake.host_facts(folder)), calibration=None,
        cache=folder / "cache", seed=0, threads=1, report=lambda share, said: None,
    )  # fmt: skip


def alike(model, path):
    """The smallest cosine of logits over every unseen shape, against PyTorch."""
    cache, module = _decoder.cache_of(model), _decoder.wrapped(model)
    session = _graph.session(path)
    names = [one.name for one in session.get_inputs()]
    vocabulary, found = model.get_input_embeddings().num_embeddings, []
    for shape in _decoder.UNSEEN:
        feed = _decoder.feed(cache, vocabulary, *shape)
        first = _decoder.answers(module, feed)[0].ravel()
        then = session.run(None, {name: feed[name] for name in names})[0].ravel()
        found.append(first @ then / np.linalg.norm(first) / np.linalg.norm(then))
    return min(found)


@pytest.mark.parametrize("family", FAMILIES)
def test_a_streamed_file_answers_as_the_checkpoint_does(family, tmp_path):
    """8 bits hardly move the logits; the cache goes in and out as in any other export."""
    model = saved(family, tmp_path / "model", shard="60KB")
    step = contract.validate(Step(strategy="streamed_weights", settings={"bits": 8}))
    made = contract.apply_step(step, contract.artifact_of(tmp_path / "model"), a_bench(tmp_path))

    assert len(list((tmp_path / "model").glob("*.safetensors"))) > 1
    assert alike(model, made.path) > 0.9995
    assert made.bytes < (tmp_path / "model").stat().st_size + 2 * 4 * model.num_parameters()


def test_four_bits_are_in_the_file_and_a_tied_table_is_there_once(tmp_path):
    """Matrices have 4 bits, the table that is the last layer too has 8 and one copy."""
    import onnx

    model = saved("tied", tmp_path / "model")
    step = contract.validate(Step(strategy="streamed_weights"))
    made = contract.apply_step(step, contract.artifact_of(tmp_path / "model"), a_bench(tmp_path))
    graph = onnx.load(str(made.path)).graph
    bits = [
        next(a.i for a in node.attribute if a.name == "bits")
        for node in graph.node
        if node.op_type == "MatMulNBits"
    ]
    table = WIDE["vocab_size"] * WIDE["hidden_size"]

    assert sorted(set(bits)) == [4, 8]
    assert bits.count(8) == 1
    assert sum(len(one.raw_data) == table for one in graph.initializer) == 1
    assert alike(model, made.path) > 0.97


def test_a_checkpoint_that_lacks_a_weight_is_refused_before_any_work(tmp_path):
    """Nothing is filled with random numbers."""
    from safetensors.torch import load_file, save_file

    saved("untied", tmp_path / "model")
    path = tmp_path / "model" / "model.safetensors"
    weights = load_file(path)
    del weights["model.layers.1.mlp.up_proj.weight"]
    save_file(weights, path, metadata={"format": "pt"})
    step = contract.validate(Step(strategy="streamed_weights"))

    with pytest.raises(ExportFailed, match=r"up_proj|export"):
        contract.apply_step(step, contract.artifact_of(tmp_path / "model"), a_bench(tmp_path))


def test_other_tasks_are_refused_in_one_clause(tmp_path):
    """An encoder fits into memory and has better techniques."""
    saved("untied", tmp_path / "model")
    bench = replace(a_bench(tmp_path), profile=a_profile())
    step = contract.validate(Step(strategy="streamed_weights"))

    with pytest.raises(NotSupported):
        contract.apply_step(step, contract.artifact_of(tmp_path / "model"), bench)


def test_the_whole_model_is_exported_weight_by_weight_with_its_external_data(tmp_path, monkeypatch):
    """Above the limit of one file: answers are PyTorch's, weights lie beside, aligned."""
    import onnx

    monkeypatch.setattr(_large, "EXTERNAL_ABOVE", 1000)
    model = saved("tied", tmp_path / "model", shard="60KB")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    made = contract.apply_step(
        contract.validate(Step(strategy="to_onnx")),
        contract.artifact_of(tmp_path / "model"),
        a_bench(tmp_path),
    )
    cache, module = _decoder.cache_of(model), _decoder.wrapped(model)
    given = [_decoder.feed(cache, config["vocab_size"], *one) for one in _decoder.UNSEEN]
    expected = [_decoder.answers(module, one) for one in given]
    graph = onnx.load(str(made.path), load_external_data=False).graph
    beside = [one for one in graph.initializer if one.external_data]

    assert _causal.compare(given, expected, made.path).largest_difference < 1e-3
    assert len(beside) > 10
    assert (made.path.parent / f"{made.path.name}.data").is_file()
