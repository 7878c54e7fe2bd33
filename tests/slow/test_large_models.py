"""Large models that write, tensor by tensor: the same answers as the whole has in PyTorch.

Covers: graphs traced without weights and filled (rotary, learnt and computed positions, grouped
keys, tied and untied last layers, a part that reads or listens, several files, bfloat16), 8 and 4
bits, a weight that is missing.
Does not cover: the memory it takes (tests/benchmarks/large.py).
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import onnx
import pytest

from tests.factories import a_profile
from tests.slow.test_families_that_write import FEW_KEYS
from wizard import tasks
from wizard.errors import ExportFailed, NotSupported
from wizard.nouns import Step, Task
from wizard.strategies import _causal, _graph, _large
from wizard.strategies import _contract as contract

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]
WIDE = {**FEW_KEYS, "hidden_size": 64, "vocab_size": 128, "num_hidden_layers": 3}
T5 = {
    "vocab_size": 96, "d_model": 128, "d_kv": 32, "d_ff": 256, "num_layers": 3, "num_heads": 4,
    "decoder_start_token_id": 0,
}  # fmt: skip
TWO_PARTS = {
    "vocab_size": 96, "d_model": 128, "encoder_layers": 3, "decoder_layers": 3,
    "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 256,
    "decoder_ffn_dim": 256, "pad_token_id": 0, "bos_token_id": 1, "decoder_start_token_id": 2,
}  # fmt: skip
HEARS = {**TWO_PARTS, "num_mel_bins": 16, "max_source_positions": 24, "max_target_positions": 64}
FAMILIES = {
    "tied": ("Qwen2", {**WIDE, "tie_word_embeddings": True}, Task.TEXT_GENERATION),
    "untied": ("Llama", WIDE, Task.TEXT_GENERATION),
    "gpt2": (
        "GPT2", {"vocab_size": 96, "n_embd": 64, "n_layer": 3, "n_head": 4}, Task.TEXT_GENERATION
    ),
    "t5": ("T5", T5, Task.TEXT_TO_TEXT),
    "marian": ("Marian", {**TWO_PARTS, "max_position_embeddings": 64}, Task.TRANSLATION),
    "whisper": ("Whisper", HEARS, Task.DICTATION),
}  # fmt: skip
OF_TWO_PARTS = ("t5", "marian", "whisper")


def saved(family, folder, *, shard="5GB"):
    """A random bfloat16 checkpoint of that family and its model in float32."""
    import torch
    import transformers

    name, settings, task = FAMILIES[family]
    kind = getattr(transformers, tasks.card_of(task).auto_class)
    torch.manual_seed(5)
    config = getattr(transformers, f"{name}Config")(**settings, eos_token_id=None)
    model = kind.from_config(config).to(torch.bfloat16)
    if family == "marian":
        model.final_logits_bias.normal_()  # the checkpoint has one, and it counts
    model.save_pretrained(folder, max_shard_size=shard)
    return kind.from_pretrained(folder, dtype="float32").eval()


def a_bench(folder, family="tied"):
    from wizard import intake

    task = FAMILIES[family][2]
    return contract.Workbench(
        folder=folder, model_folder=folder, profile=a_profile(task=task),
        device=intake.this_machine(intake.host_facts(folder)), calibration=None,
        cache=folder / "cache", seed=0, threads=1, report=lambda share, said: None,
    )  # fmt: skip


def alike(model, path):
    """The smallest cosine of logits over every unseen shape, against PyTorch."""
    given, expected, names = asked(model)
    session, found = _graph.session(path), []
    for feed, wanted in zip(given, expected, strict=True):
        first = wanted[0].ravel()
        then = session.run(None, {name: feed[name] for name in names})[0].ravel()
        found.append(first @ then / np.linalg.norm(first) / np.linalg.norm(then))
    return min(found)


def asked(model):
    """Inputs at every unseen shape, what PyTorch says to them, the inputs' names."""
    parts = _causal.parts_of(model)
    cache, module = parts.cache_of(model), parts.wrapped(model)
    vocabulary = model.get_input_embeddings().num_embeddings
    return *_causal.asked(parts, module, cache, vocabulary), cache.inputs


@pytest.mark.parametrize("family", ["tied", "untied", "gpt2", "whisper"])
def test_a_streamed_file_answers_as_the_checkpoint_does(family, tmp_path):
    """8 bits hardly move the logits; the caches go in and out as in any other export."""
    model = saved(family, tmp_path / "model", shard="60KB")
    step = contract.validate(Step(strategy="streamed_weights", settings={"bits": 8}))
    bench = a_bench(tmp_path, family)
    made = contract.apply_step(step, contract.artifact_of(tmp_path / "model"), bench)

    assert len(list((tmp_path / "model").glob("*.safetensors"))) > 1
    assert alike(model, made.path) > 0.9995
    assert made.bytes < (tmp_path / "model").stat().st_size + 2 * 4 * model.num_parameters()


def bits_of(path):
    """By layer: its weight's name and the bits it has."""
    graph = onnx.load(str(path)).graph
    return [
        (node.input[1], next(a.i for a in node.attribute if a.name == "bits"))
        for node in graph.node
        if node.op_type == "MatMulNBits"
    ]


@pytest.mark.parametrize("family", OF_TWO_PARTS)
def test_the_part_that_reads_can_keep_more_bits(family, tmp_path):
    """8 for all that belongs to the encoder, 4 for the decoder, 8 for its last layer."""
    model = saved(family, tmp_path / "model")
    step = contract.validate(Step(strategy="streamed_weights", settings={"reading_bits": 8}))
    bench = a_bench(tmp_path, family)
    made = contract.apply_step(step, contract.artifact_of(tmp_path / "model"), bench)
    reading = [bits for name, bits in bits_of(made.path) if ".encoder." in name]
    writing = [bits for name, bits in bits_of(made.path) if ".encoder." not in name]

    assert set(reading) == {8}
    assert len(reading) >= 12
    assert writing.count(4) >= 18
    assert writing.count(8) == 1
    assert alike(model, made.path) > 0.97


def test_four_bits_are_in_the_file_and_a_tied_table_is_there_once(tmp_path):
    """Matrices have 4 bits, the table that is the last layer too has 8 and one copy."""
    model = saved("tied", tmp_path / "model")
    step = contract.validate(Step(strategy="streamed_weights"))
    made = contract.apply_step(step, contract.artifact_of(tmp_path / "model"), a_bench(tmp_path))
    graph = onnx.load(str(made.path)).graph
    bits = [bits for _, bits in bits_of(made.path)]
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


@pytest.mark.parametrize("family", ["tied", "marian", "whisper"])
def test_the_whole_model_is_exported_weight_by_weight_with_its_external_data(
    family, tmp_path, monkeypatch
):
    """Above the limit of one file: answers are PyTorch's, weights lie beside, aligned."""
    monkeypatch.setattr(_large, "EXTERNAL_ABOVE", 1000)
    model = saved(family, tmp_path / "model", shard="60KB")
    made = contract.apply_step(
        contract.validate(Step(strategy="to_onnx")),
        contract.artifact_of(tmp_path / "model"),
        a_bench(tmp_path, family),
    )
    given, expected, _ = asked(model)
    graph = onnx.load(str(made.path), load_external_data=False).graph
    beside = [one for one in graph.initializer if one.external_data]

    assert _causal.compare(given, expected, made.path).largest_difference < 1e-3
    assert len(beside) > 10
    assert (made.path.parent / f"{made.path.name}.data").is_file()
