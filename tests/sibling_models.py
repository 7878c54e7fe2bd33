"""Two small text classifiers that learnt the same labels, with tokenizers of their own.

Covers: a larger and a smaller BERT as repositories ({file name: bytes}), rows with labels (CSV).
The smaller one numbers its words the other way round: fed with the larger one's ids it is lost.
"""

import json
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

LABELS = ("cold", "warm", "wet")
KEYS = {
    "cold": ("ice", "snow", "frost"),
    "warm": ("sun", "heat", "fire"),
    "wet": ("rain", "fog", "dew"),
}
FILLERS = tuple(f"word{at}" for at in range(60))
SPECIAL = ("[PAD]", "[UNK]", "[CLS]", "[SEP]")
LARGE = {"hidden_size": 48, "num_hidden_layers": 2, "intermediate_size": 96}
SMALL = {"hidden_size": 32, "num_hidden_layers": 1, "intermediate_size": 64}
STEPS, BATCH = 80, 64


def sentences(rows, seed):
    """(text, label): three fillers and three words that give the label away."""
    random = np.random.default_rng(seed)
    found = []
    for _ in range(rows):
        label = LABELS[int(random.integers(len(LABELS)))]
        words = [*random.choice(FILLERS, 3), *random.choice(KEYS[label], 3)]
        found.append((" ".join(random.permutation(words)), label))
    return found


UNKNOWN = "[UNK]"


def vocabulary(*, backwards=False):
    words = [one for keys in KEYS.values() for one in keys] + [*FILLERS]
    return {word: at for at, word in enumerate([*SPECIAL, *(words[::-1] if backwards else words)])}


def a_tokenizer(vocabulary):
    from tokenizers import Tokenizer, models, pre_tokenizers, processors

    made = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))
    made.pre_tokenizer = pre_tokenizers.Whitespace()
    ends = [("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    made.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=ends
    )
    return made


@lru_cache(maxsize=4)
def repository(size, labels=LABELS):
    """A trained model's files, by name; `size` is "large" or "small"."""
    import torch
    from transformers import BertConfig, BertForSequenceClassification

    torch.manual_seed(0)
    words = vocabulary(backwards=size == "small")
    tokenizer = a_tokenizer(words)
    config = BertConfig(
        vocab_size=len(words),
        num_attention_heads=2,
        max_position_embeddings=32,
        id2label=dict(enumerate(labels)),
        label2id={label: at for at, label in enumerate(labels)},
        **(SMALL if size == "small" else LARGE),
    )
    model = BertForSequenceClassification(config).eval()  # no dropout: some steps are enough
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3)
    rows = sentences(STEPS * BATCH, seed=7)
    for step in range(STEPS):
        some = rows[step * BATCH : (step + 1) * BATCH]
        ids = torch.tensor([one.ids for one in tokenizer.encode_batch([text for text, _ in some])])
        truth = torch.tensor([LABELS.index(label) for _, label in some])
        loss = torch.nn.functional.cross_entropy(model(input_ids=ids).logits, truth)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return _files(model.eval(), tokenizer)


def _files(model, tokenizer):
    with TemporaryDirectory() as folder:
        model.save_pretrained(folder)
        tokenizer.save(str(Path(folder) / "tokenizer.json"))
        (Path(folder) / "tokenizer_config.json").write_text(json.dumps({"model_max_length": 32}))
        return {one.name: one.read_bytes() for one in Path(folder).iterdir()}


def a_table(path, rows=400):
    """Rows with labels that neither model was trained on."""
    lines = [f"{text},{label}" for text, label in sentences(rows, seed=11)]
    path.write_text("\n".join(["text,label", *lines]) + "\n")
    return path
