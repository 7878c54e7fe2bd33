"""Families of causal language models: a tiny random one of each, exported and held to PyTorch.

Covers: agreement of logits and cache at four shapes (a first call, a long text, single tokens),
names that Optimum and transformers.js expect, a text written token by token as transformers does.
Does not cover: quality, which random weights do not have (the calls sample has).
"""

from __future__ import annotations

import os

import numpy as np
import pytest

from tests.slow.test_every_family_exports import record
from wizard.measure.generate import Writer
from wizard.nouns import Task
from wizard.strategies import _causal, _graph

pytestmark = pytest.mark.slow

COMMON = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
FEW_KEYS = {**COMMON, "num_key_value_heads": 2}
FAMILIES = {
    "gpt2": (
        "GPT2",
        {"vocab_size": 96, "n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64},
    ),
    "gpt_neox": ("GPTNeoX", COMMON),
    "llama": ("Llama", FEW_KEYS),
    "smollm": ("Llama", {**FEW_KEYS, "tie_word_embeddings": True}),
    "mistral": ("Mistral", {**FEW_KEYS, "sliding_window": 8}),
    "qwen2": ("Qwen2", FEW_KEYS),
    "qwen3": ("Qwen3", {**FEW_KEYS, "head_dim": 16}),
    "gemma": ("Gemma", {**COMMON, "num_key_value_heads": 1, "head_dim": 16}),
    "gemma2": ("Gemma2", {**FEW_KEYS, "head_dim": 16, "sliding_window": 8}),
    "gemma3": ("Gemma3Text", {**FEW_KEYS, "head_dim": 16, "sliding_window": 8}),
    "phi": ("Phi", COMMON),
}
PROMPT, WRITTEN = (5, 9, 40, 17), 12


def a_model(name, settings):
    """Random weights of that family, the same ones every time."""
    import torch
    import transformers

    torch.manual_seed(3)
    config = getattr(transformers, f"{name}Config")(**settings, eos_token_id=None)
    return transformers.AutoModelForCausalLM.from_config(config).eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_a_family_that_writes_says_the_same_with_and_without_pytorch(family, tmp_path):
    """Logits and cache agree within 1e-3 at every shape; twelve greedy tokens are the same."""
    import torch

    model = a_model(*FAMILIES[family])
    model.save_pretrained(tmp_path / "model")
    path = tmp_path / "model.onnx"
    parity = _causal.checked_export(
        tmp_path / "model",
        Task.TEXT_GENERATION,
        path,
        opset=20,
        report=lambda fraction, detail: None,
    )
    said, _ = Writer(_graph.session(path)).write(PROMPT, WRITTEN, ())
    with torch.no_grad():
        wanted = model.generate(
            torch.tensor([PROMPT]), max_new_tokens=WRITTEN, do_sample=False, pad_token_id=0
        )

    assert parity.largest_difference <= 1e-3
    assert {shape[2] for shape in parity.shapes} >= {0, 1, 12}
    assert said == wanted[0, len(PROMPT) :].tolist()
    if os.environ.get("WIZARD_RECORD"):
        record(model.config.model_type, Task.TEXT_GENERATION, parity)


def test_the_file_has_the_names_that_other_libraries_expect(tmp_path):
    """As Optimum's decoders: one cached key and value per layer, free batch and lengths."""
    model = a_model(*FAMILIES["llama"])
    model.save_pretrained(tmp_path / "model")
    path = tmp_path / "model.onnx"
    _causal.checked_export(
        tmp_path / "model",
        Task.TEXT_GENERATION,
        path,
        opset=20,
        report=lambda fraction, detail: None,
    )
    session = _graph.session(path)
    shapes = {one.name: one.shape for one in session.get_inputs()}
    empty = np.zeros((1, 2, 0, 8), np.float32)
    first = {name: empty for name in shapes if name.startswith("past")}
    first |= {
        "input_ids": np.array([[1]]),
        "attention_mask": np.array([[1]]),
        "position_ids": np.array([[0]]),
    }

    assert list(shapes)[:3] == ["input_ids", "attention_mask", "position_ids"]
    assert shapes["past_key_values.1.value"] == ["batch", 2, "past_sequence", 8]
    assert [one.name for one in session.get_outputs()][:3] == [
        "logits",
        "present.0.key",
        "present.0.value",
    ]
    assert session.run(["logits"], first)[0].shape == (1, 1, 96)
