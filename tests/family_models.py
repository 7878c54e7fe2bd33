"""Tiny random models of every family that we call ours, to export and compare.

Covers: one or two layers of a few numbers, as transformers builds them from a config.
Does not cover: quality (the samples).
"""

import json
from pathlib import Path

TEXT = {
    "vocab_size": 120,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 48,
    "max_position_embeddings": 80,
    "pad_token_id": 0,
}
# model_type -> what its config has otherwise than TEXT.
TEXT_MODELS = {
    "bert": {},
    "distilbert": {
        "vocab_size": 120, "dim": 32, "n_layers": 2, "n_heads": 4, "hidden_dim": 48,
        "max_position_embeddings": 80,
    },
    "roberta": {"type_vocab_size": 1, "pad_token_id": 1},
    "xlm-roberta": {"type_vocab_size": 1, "pad_token_id": 1},
    "camembert": {"type_vocab_size": 1, "pad_token_id": 1},
    "deberta-v2": {
        "relative_attention": True, "pos_att_type": ["p2c", "c2p"], "position_buckets": 16,
        "norm_rel_ebd": "layer_norm", "share_att_key": True, "type_vocab_size": 0,
    },
    "modernbert": {
        "bos_token_id": 1, "eos_token_id": 2, "cls_token_id": 1, "sep_token_id": 2,
        "global_attn_every_n_layers": 2, "local_attention": 8,
    },
    "mpnet": {"pad_token_id": 1},
    "albert": {"embedding_size": 16},
    "electra": {"embedding_size": 16},
    "mobilebert": {
        "embedding_size": 32, "intra_bottleneck_size": 16, "true_hidden_size": 16,
        "num_feedforward_networks": 2,
    },
}  # fmt: skip
PLAIN = {"distilbert"}  # their config uses other names for all of TEXT


def a_checkpoint(folder: Path, model_type: str, auto_class: str) -> Path:
    """A random model of that kind with the head of `auto_class`, saved."""
    import torch
    import transformers

    more = TEXT_MODELS[model_type]
    settings = more if model_type in PLAIN else TEXT | more
    labels = 2 if "QuestionAnswering" in auto_class else 3  # where an answer begins and ends
    config = transformers.AutoConfig.for_model(model_type, num_labels=labels, **settings)
    torch.manual_seed(0)
    model = getattr(transformers, auto_class).from_config(config)
    model.eval().save_pretrained(folder)
    return folder


def architecture_of(folder: Path) -> str:
    """The name that the saved config gives the model."""
    return json.loads((folder / "config.json").read_text("utf-8"))["architectures"][0]
