"""Classifiers of several labels, and scorers of pairs, through the command and their own scripts.

Covers: the right answers are what transformers says, so the original has all of them right only
where rows are read and answers are understood as transformers does.
Does not cover: how much a trained one loses; these weights are random.
"""

import csv
import json
import shutil

import pytest

from tests.slow.test_command_line import wizard
from tests.slow.writers import python
from wizard import library

pytestmark = pytest.mark.slow
NAMES = {0: "joy", 1: "anger", 2: "fear", 3: "surprise"}


def made(folder, **settings):
    """A small random BERT, its tokenizer, and four hundred pairs of our sentences."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(library.samples()["intents"].folder / "model" / name, folder / name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=96, max_position_embeddings=64, initializer_range=0.2, **settings,
    )  # fmt: skip
    torch.manual_seed(0)
    model = BertForSequenceClassification(config).eval()
    source = library.samples()["sentences"].folder / "data" / "test.csv"
    with source.open("r", newline="", encoding="utf-8") as file:
        pairs = [(row["sentence1"], row["sentence2"]) for row in csv.DictReader(file)]
    return model, tokenizer, pairs


def logits_of(model, tokenizer, *texts):
    import torch

    given = tokenizer(*texts, padding=True, return_tensors="pt")
    with torch.no_grad():
        return model(**given).logits


def run(folder, rows, home, out, *words):
    """The command's answer in JSON."""
    said = ("--data", str(rows), "--only", "int8_weights", *words, "--json", "--quiet")
    done = wizard("run", str(folder), *said, "--out", str(out), home=home)
    assert done.returncode in {0, 3}, done.stdout[-2000:] + done.stderr[-2000:]
    return json.loads(done.stdout)


def table(path, header, rows):
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows([header, *rows])
    return path


def test_several_labels_are_measured_as_transformers_gives_them(home, tmp_path):
    """None, one or some; the bundle's script marks the same ones."""
    folder, out = tmp_path / "model", tmp_path / "out"
    folder.mkdir()
    model, tokenizer, pairs = made(
        folder, id2label=NAMES, problem_type="multi_label_classification"
    )
    texts = list(dict.fromkeys(one for one, _ in pairs))[:400]
    logits = logits_of(model, tokenizer, texts)
    model.classifier.bias.data -= logits.mean(0)
    said = [
        [NAMES[at] for at, holds in enumerate(row) if holds]
        for row in (logits_of(model, tokenizer, texts) > 0).tolist()
    ]
    model.save_pretrained(folder)
    rows = table(
        tmp_path / "rows.csv",
        ("text", "labels"),
        [(text, json.dumps(one)) for text, one in zip(texts, said, strict=True)],
    )
    result = run(folder, rows, home, out, "--max-drop", "10")

    assert {len(one) for one in said} >= {0, 1, 2, 3}
    assert result["original"]["quality"]["metric"] == "label F1"
    assert result["original"]["quality"]["value"]["value"] == 1.0
    same = 0
    for text, labels in list(zip(texts, said, strict=True))[:12]:
        told = python(out, "run.py", text)
        assert told.returncode == 0, told.stderr
        found = [one.split() for one in told.stdout.splitlines()[1:]]
        same += {one[2] for one in found if one[0] == "yes"} == set(labels)
    assert same >= 10
    assert python(out, "check.py").returncode == 0


def test_a_scorer_of_pairs_is_measured_as_transformers_scores_them(home, tmp_path):
    """Its own numbers are the truth, so the original ranks them perfectly."""
    folder, out = tmp_path / "model", tmp_path / "out"
    folder.mkdir()
    model, tokenizer, pairs = made(folder, num_labels=1)
    pairs = list(dict.fromkeys(pairs))[:400]
    said = logits_of(model, tokenizer, *map(list, zip(*pairs, strict=True)))[:, 0].tolist()
    model.save_pretrained(folder)
    rows = table(
        tmp_path / "rows.csv",
        ("query", "passage", "score"),
        [(*pair, f"{score:.6f}") for pair, score in zip(pairs, said, strict=True)],
    )
    result = run(folder, rows, home, out, "--max-drop", "10")

    assert result["original"]["quality"]["metric"] == "spearman"
    assert result["original"]["quality"]["value"]["value"] > 0.9999
    spread = max(said) - min(said)
    for (first, second), score in list(zip(pairs, said, strict=True))[:6]:
        told = python(out, "run.py", first, "--and", second)
        assert told.returncode == 0, told.stderr
        assert abs(float(told.stdout.splitlines()[-1]) - score) < 0.1 * spread
    checked = python(out, "check.py")
    assert checked.returncode == 0, checked.stderr
