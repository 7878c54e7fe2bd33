"""A Marian as it is published, with two SentencePiece files, from end to end on the command line.

Covers: rows cut by both models, the written text spelt again, the bundle without sentencepiece.
Does not cover: quality (its weights are random; the translations sample is trained), the ids
themselves (test_marian.py).
"""

import csv
import json
import subprocess
import sys

import pytest

from tests.slow.test_command_line import wizard
from tests.test_marian import folder

__all__ = ["folder"]
pytestmark = [pytest.mark.slow, pytest.mark.timeout(600)]


def test_a_marian_with_two_sentencepiece_files_becomes_a_bundle(folder, home, tmp_path):
    """Judged by what the original writes itself; run.py writes a text, check.py finds no fault."""
    import torch
    from transformers import AutoConfig, MarianMTModel

    torch.manual_seed(3)
    MarianMTModel(AutoConfig.from_pretrained(folder)).save_pretrained(folder)
    rows, out = tmp_path / "rows.csv", tmp_path / "bundle"
    with rows.open("w", encoding="utf-8", newline="") as file:
        lines = [("text", "translation")]
        lines += [(f"ich möchte {at} Fahrkarten", f"I would like {at} tickets") for at in range(60)]
        csv.writer(file).writerows(lines)

    words = ("--data", str(rows), "--only", "int8_weights", "--max-drop", "20", "--json", "--quiet")
    done = wizard("run", str(folder), *words, "--out", str(out), home=home)

    assert done.returncode in {0, 3, 4}, done.stderr[-2000:]
    assert json.loads(done.stdout)["candidates"][0]["measured"]
    assert not list(out.glob("**/*.spm"))
    for command in (("run.py", "ich möchte zwei Fahrkarten"), ("check.py",)):
        said = subprocess.run(
            [sys.executable, *command], cwd=out, capture_output=True, text=True
        )  # fmt: skip
        assert said.returncode == 0, said.stderr
