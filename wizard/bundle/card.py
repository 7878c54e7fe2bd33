"""The bundle's README: a Hugging Face model card.

Covers: front matter with base model and licence, what was done, the measured table, how to run it
here, in Optimum and in transformers.js. Does not cover: the report (report.py).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from wizard.bundle.report import measured_rows
from wizard.nouns import Candidate, Measurement, Outcome, Source, Task

CLASS_OF_TASK = {
    Task.TEXT_CLASSIFICATION: "ORTModelForSequenceClassification",
    Task.IMAGE_CLASSIFICATION: "ORTModelForImageClassification",
    Task.FEATURE_EXTRACTION: "ORTModelForFeatureExtraction",
}
DTYPE_OF_STEM = {
    "model": "fp32",
    "model_quantized": "q8",
    "model_int8": "int8",
    "model_fp16": "fp16",
    "model_q4": "q4",
}


def card(outcome: Outcome, candidate: Candidate, command: str, name: str) -> str:
    """README.md of the bundle."""
    after = outcome.measurements[candidate.id]
    judged = next(v for v in outcome.comparison.verdicts if v.candidate_id == candidate.id)
    parts = [
        _front(outcome),
        f"# {outcome.plan.profile.title}, compressed\n",
        f"**{judged.overall.value}.** {outcome.comparison.headline}\n",
        "## What was done\n",
        f"{candidate.title}: {after.audit.label}.\n",
        *(f"- {reason.sentence}" for reason in candidate.reasons),
        "\n## Measured\n",
        _table(outcome.original, after),
        f"\nMeasured on {outcome.original.host.cpu}; both models in turns, in fresh processes.",
        f"Quality on {len(after.quality.answers.rows)} rows ({outcome.data_origin}).\n",
        "## The contract\n",
        f"{outcome.plan.sentence}\n",
        *(f"- {one.verdict.value}: {one.because}" for one in judged.clauses),
        _how_to_run(outcome, name),
        _caution(after),
        "## On your device\n",
        "`python check.py` needs onnxruntime and numpy only. It runs the model, compares the",
        "answers with those recorded here, times it and writes `receipt.json`. With",
        "`wizard verify THIS_FOLDER --receipt receipt.json` the contract is judged by what your",
        "device measured. `check_data.npz` holds the first rows of the examples as model inputs.\n",
        "Made with Compression Wizard. `recipe.json` says how to do it again.\n",
    ]
    return "\n".join(part for part in parts if part)


def _front(outcome: Outcome) -> str:
    profile = outcome.plan.profile
    ref = profile.ref
    base = ref.name if ref.source is Source.HUB else profile.base_model
    lines = ["---", "library_name: onnx", "tags:", "- onnx", "- onnxruntime", "- compressed"]
    if base:
        lines += [f"base_model: {_plain(base)}", "base_model_relation: quantized"]
    if profile.licence:
        lines.append(f"license: {_plain(profile.licence)}")
    if profile.task:
        lines.append(f"pipeline_tag: {profile.task.value}")
    return "\n".join([*lines, "---", ""])


def _plain(word: str) -> str:
    """A YAML value as it is when it is a plain word, else quoted."""
    return word if re.fullmatch(r"[A-Za-z0-9][\w./-]*", word) else json.dumps(word)


def _table(before: Measurement, after: Measurement) -> str:
    lines = ["| | before | after | change | basis |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in measured_rows(before, after)]
    return "\n".join(lines)


def _how_to_run(outcome: Outcome, name: str) -> str:
    task = outcome.plan.profile.task
    assert task is not None  # noqa: S101 - a measured model has a task
    stem = Path(name).stem
    needs = "onnxruntime numpy" + ("" if task is Task.IMAGE_CLASSIFICATION else " tokenizers")
    lines = [
        "\n## Run it\n",
        "```",
        f"pip install {needs}",
        "python run.py",
        "```\n",
        "In Optimum (`pip install optimum-onnx`):\n",
        "```python",
        f"from optimum.onnxruntime import {CLASS_OF_TASK[task]}",
        f"model = {CLASS_OF_TASK[task]}.from_pretrained(",
        f'    ".", subfolder="onnx", file_name="{stem}.onnx"',
        ")",
        "```\n",
    ]
    if stem in DTYPE_OF_STEM:
        lines += [
            "In transformers.js (serve this folder, or push it to the Hub):\n",
            "```js",
            f'const pipe = await pipeline("{task.value}", "your/model",',
            f'  {{ dtype: "{DTYPE_OF_STEM[stem]}" }});',
            "```\n",
        ]
    return "\n".join(lines)


def _caution(after: Measurement) -> str:
    if after.audit.activation_bits != 8:
        return ""
    return (
        "## On processors without 8-bit dot products\n\n"
        "Sums of 8-bit products can overflow on AVX2 and on AVX-512 without VNNI, and the answers\n"
        "then differ. Set the session option `session.x64quantprecision` to `1` there: ONNX\n"
        "Runtime then uses a slower kernel that cannot overflow.\n"
    )
