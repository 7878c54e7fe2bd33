"""Inspect is right about models that write, and about those that do not but might seem to."""

import json

import pytest

from wizard import intake
from wizard.nouns import ModelRef, Source, SupportLevel, Task

SMALL = {
    "vocab_size": 96,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 64,
}
WRITE = {
    "gpt2": ("GPT2LMHeadModel", {"n_embd": 32, "n_layer": 2, "n_head": 4, "n_positions": 64}),
    "gpt_neox": ("GPTNeoXForCausalLM", SMALL),
    "llama": ("LlamaForCausalLM", SMALL),
    "mistral": ("MistralForCausalLM", {**SMALL, "num_key_value_heads": 2}),
    "qwen2": ("Qwen2ForCausalLM", {**SMALL, "num_key_value_heads": 2}),
    "qwen3": ("Qwen3ForCausalLM", {**SMALL, "num_key_value_heads": 2}),
    "gemma": ("GemmaForCausalLM", {**SMALL, "num_key_value_heads": 2}),
    "gemma3_text": ("Gemma3ForCausalLM", {**SMALL, "num_key_value_heads": 2}),
    "phi": ("PhiForCausalLM", SMALL),
}
TWO_PARTS = {
    "t5": (
        "T5ForConditionalGeneration",
        {"d_model": 32, "num_layers": 2, "num_heads": 4, "n_positions": 64},
    ),
    "bart": ("BartForConditionalGeneration", {"d_model": 32, "max_position_embeddings": 64}),
    "marian": ("MarianMTModel", {"d_model": 32, "max_position_embeddings": 64}),
}
TURNED_AWAY = {
    "marian": TWO_PARTS["marian"],  # without its tokenizer.json
    "m2m_100": ("M2M100ForConditionalGeneration", {"d_model": 32}),
    "llava": ("LlavaForConditionalGeneration", {}),
    "moonshine": ("MoonshineForConditionalGeneration", {}),
    "speech_to_text": ("Speech2TextForConditionalGeneration", {"d_model": 32}),
    "bert": ("BertLMHeadModel", SMALL),
    "llama": ("LlamaForSequenceClassification", {**SMALL, "num_labels": 3}),
}


def card(folder, kind, architecture, settings):
    """What inspect says of such a config."""
    config = {"model_type": kind, "architectures": [architecture], **settings}
    (folder / "config.json").write_text(json.dumps(config), encoding="utf-8")
    return intake.examine(ModelRef(source=Source.FOLDER, name=str(folder)))


@pytest.mark.parametrize("kind", WRITE)
def test_a_model_that_writes_is_taken(kind, tmp_path):
    """Its family was exported; its layers and length are known from the config's own words."""
    profile = card(tmp_path, kind, *WRITE[kind])

    assert profile.task is Task.TEXT_GENERATION
    assert profile.support.level in {SupportLevel.TESTED, SupportLevel.SHOULD_WORK}
    assert profile.layers == 2
    assert profile.max_tokens == 64
    assert profile.labels == ()
    assert profile.macs > 0


@pytest.mark.parametrize("kind", TWO_PARTS)
def test_a_model_that_reads_and_writes_is_taken(kind, tmp_path):
    """As text to text; a README that says translation makes it that."""
    (tmp_path / "tokenizer.json").write_text("{}", "utf-8")
    profile = card(tmp_path, kind, *TWO_PARTS[kind])
    (tmp_path / "README.md").write_text("---\npipeline_tag: translation\n---\n", "utf-8")
    named = card(tmp_path, kind, *TWO_PARTS[kind])

    assert profile.task is Task.TEXT_TO_TEXT
    assert named.task is Task.TRANSLATION
    assert profile.support.level in {SupportLevel.TESTED, SupportLevel.SHOULD_WORK}
    assert profile.max_tokens == 64
    assert profile.hidden_size == 32
    assert profile.tied_embeddings
    assert profile.macs > 0


def test_a_model_that_hears_and_writes_is_taken(tmp_path):
    """As speech recognition, by the Hub's name; a request is a window, counted as one."""
    heads = {f"{part}_attention_heads": 4 for part in ("encoder", "decoder")}
    sizes = {"d_model": 32, "encoder_layers": 2, "num_mel_bins": 80, **heads}
    (tmp_path / "README.md").write_text("---\npipeline_tag: automatic-speech-recognition\n---\n")
    profile = card(tmp_path, "whisper", "WhisperForConditionalGeneration", sizes)

    assert profile.task is Task.DICTATION
    assert profile.task.on_hub == "automatic-speech-recognition"
    assert profile.support.level is not SupportLevel.NOT_HERE
    assert profile.workload.samples is None
    assert profile.macs > 0
    assert profile.tied_embeddings


@pytest.mark.parametrize("kind", TURNED_AWAY)
def test_what_we_cannot_write_with_is_turned_away_with_a_reason(kind, tmp_path):
    """Sound or pictures that become text; a reader with a writer's head; a writer among labels."""
    profile = card(tmp_path, kind, *TURNED_AWAY[kind])

    assert profile.support.level is SupportLevel.NOT_HERE
    assert profile.support.because.endswith(".")


def test_a_head_that_shares_its_table_is_known_without_being_said(tmp_path):
    """GPT-2's config does not say it; two copies in 8 bits are forecast for it."""
    assert card(tmp_path, "gpt2", *WRITE["gpt2"]).tied_embeddings
