"""A classifier of two texts through the command: rows, answers and the bundle's own script.

Covers: the right answers are what transformers says of each pair, so the original has all of them
right only where both texts are read together as transformers reads them.
Does not cover: how much a trained one loses; its weights are random.
"""

import csv
import json
import shutil

import pytest

from tests.slow.test_command_line import wizard
from tests.slow.writers import python
from wizard import library

pytestmark = pytest.mark.slow
NAMES = {0: "contradiction", 1: "neutral", 2: "entailment"}


@pytest.fixture(scope="module")
def judge(tmp_path_factory):
    """A small BERT, four hundred pairs of our sentences, and what it says of each."""
    import torch
    from transformers import AutoTokenizer, BertConfig, BertForSequenceClassification

    folder = tmp_path_factory.mktemp("judge")
    for name in ("tokenizer.json", "tokenizer_config.json"):
        shutil.copy(library.samples()["intents"].folder / "model" / name, folder / name)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    config = BertConfig(
        vocab_size=len(tokenizer), hidden_size=64, num_hidden_layers=2, num_attention_heads=2,
        intermediate_size=96, max_position_embeddings=64, id2label=NAMES,
        label2id={name: at for at, name in NAMES.items()}, initializer_range=0.2,
    )  # fmt: skip
    torch.manual_seed(0)
    model = BertForSequenceClassification(config).eval()
    with (library.samples()["sentences"].folder / "data" / "test.csv").open(
        "r", newline=""
    ) as file:
        pairs = [(row["sentence1"], row["sentence2"]) for row in csv.DictReader(file)][:400]
    given = tokenizer(*map(list, zip(*pairs, strict=True)), padding=True, return_tensors="pt")
    with torch.no_grad():
        model.classifier.bias -= model(**given).logits.mean(0)  # each label is somebody's
        said = model(**given).logits.argmax(-1).tolist()
    model.save_pretrained(folder)
    return folder, pairs, [NAMES[one] for one in said]


def test_a_judge_of_two_texts_is_measured_as_transformers_reads_it(judge, home, tmp_path):
    """All of the original's answers are right; the bundle's script says the same of a pair."""
    folder, pairs, said = judge
    rows, out = tmp_path / "rows.csv", tmp_path / "out"
    with rows.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("premise", "hypothesis", "label"))
        table.writerows((*pair, label) for pair, label in zip(pairs, said, strict=True))
    words = ("--data", str(rows), "--only", "int8_weights", "--max-drop", "10", "--json", "--quiet")
    done = wizard("run", str(folder), *words, "--out", str(out), home=home)
    result = json.loads(done.stdout)

    assert len(set(said)) == 3
    assert result["original"]["quality"]["metric"] in {"accuracy", "macro-F1"}
    assert result["original"]["quality"]["value"]["value"] == 1.0
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    same = 0
    for (first, second), label in list(zip(pairs, said, strict=True))[:12]:
        told = python(out, "run.py", first, "--and", second)
        assert told.returncode == 0, told.stderr
        same += told.stdout.splitlines()[1].split()[-1] == label
    assert same >= 11
    checked = python(out, "check.py")
    assert checked.returncode == 0, checked.stderr
