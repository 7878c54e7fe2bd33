"""The bundle's README: a Hugging Face model card.

Covers: front matter with base model and licence, what was done, the measured table, how to run it
here, in Optimum and in transformers.js, what old processors do.
Does not cover: the report (report.py).
"""

from __future__ import annotations

import json
import re
from pathlib import Path

from wizard import charts, tasks
from wizard.bundle import damage
from wizard.bundle.report import measured_rows
from wizard.nouns import Candidate, Measurement, ModelProfile, Outcome, Plan, Source

DTYPE_OF_STEM = {
    "model": "fp32",
    "model_quantized": "q8",
    "model_int8": "int8",
    "model_fp16": "fp16",
    "model_q4": "q4",
}
ONE_FILE = (
    "One file holds the part that reads or listens and the part that writes, with both caches as\n"
    "inputs and outputs; `run.py` shows the calls. Optimum and transformers.js expect two files.\n"
)
FEWER = (
    "Where it was measured, more threads answered no sooner, so `run.py` asks for few of them\n"
    "(`options.intra_op_num_threads = {threads}`); do the same in your own code.\n"
)
OLD_PROCESSORS = "## On processors without 8-bit dot products\n\n"
SAFE = (
    "The weights of this file are kept so small, or unsigned, that no 8-bit sum can overflow. It\n"
    "answers the same with and without VNNI, and needs no session option.\n"
)
UNSAFE = (
    "Sums of two 8-bit products can overflow 16 bits on AVX2 and on AVX-512 without VNNI;\n"
    "they are cut off there, and the answers then differ.\n"
)
OPTION = (
    "\nAgainst it, set the session option `session.x64quantprecision`:\n\n"
    "```python\n"
    "options = onnxruntime.SessionOptions()\n"
    'options.add_session_config_entry("session.x64quantprecision", "1")\n'
    "session = onnxruntime.InferenceSession(path, options)\n"
    "```\n\n"
    "ONNX Runtime then keeps the weights unsigned and sums in 32 bits, exactly and slower: on our\n"
    "processor with VNNI, which gains nothing by it, a request took 1.7 times as long. Set it on\n"
    "old processors only, or compress again for one (`--device`): weights then use 7 bits.\n"
)


def card(outcome: Outcome, candidate: Candidate, command: str, name: str) -> str:
    """README.md of the bundle."""
    after = outcome.measurements[candidate.id]
    judged = next(v for v in outcome.comparison.verdicts if v.candidate_id == candidate.id)
    parts = [
        _front(outcome.plan.profile_of(candidate.id)),
        f"# {outcome.plan.profile_of(candidate.id).title}, compressed\n",
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
        _how_to_run(outcome, name, threads_of(outcome.plan, after)),
        _caution(after, candidate),
        "## On your device\n",
        "`python check.py` needs onnxruntime and numpy only. It runs the model, compares the",
        "answers with those recorded here, times it and writes `receipt.json`. With",
        "`wizard verify THIS_FOLDER --receipt receipt.json` the contract is judged by what your",
        "device measured. `check_data.npz` holds the first rows of the examples as model inputs.\n",
        "Made with Compression Wizard. `recipe.json` says how to do it again.\n",
    ]
    return "\n".join(part for part in parts if part)


def _front(profile: ModelProfile) -> str:
    ref = profile.ref
    base = ref.name if ref.source is Source.HUB else profile.base_model
    lines = ["---", "library_name: onnx", "tags:", "- onnx", "- onnxruntime", "- compressed"]
    if base:
        lines += [f"base_model: {_plain(base)}", "base_model_relation: quantized"]
    if profile.licence:
        lines.append(f"license: {_plain(profile.licence)}")
    if profile.task:
        lines.append(f"pipeline_tag: {profile.task.on_hub}")
    return "\n".join([*lines, "---", ""])


def _plain(word: str) -> str:
    """A YAML value as it is when it is a plain word, else quoted."""
    return word if re.fullmatch(r"[A-Za-z0-9][\w./-]*", word) else json.dumps(word)


def _table(before: Measurement, after: Measurement) -> str:
    lines = ["| | before | after | change | basis |", "|---|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in measured_rows(before, after)]
    return "\n".join(lines)


def threads_of(plan: Plan, after: Measurement) -> int:
    """For the scripts: what the device's times were taken with, if less than all; else 0."""
    fewer = after.threads if after.threads != after.host.threads else None
    return fewer or 0 if plan.device.measured_here else 0


def _how_to_run(outcome: Outcome, name: str, threads: int) -> str:
    task = tasks.card_of(outcome.plan.profile.task)
    stem = Path(name).stem
    needs = " ".join(["onnxruntime", "numpy", *task.packages])
    lines = [
        "\n## Run it\n",
        "```",
        f"pip install {needs}",
        "python run.py",
        "```\n",
        *([FEWER.format(threads=threads)] if threads else []),
    ]
    if task.two_parts:
        return "\n".join([*lines, ONE_FILE])
    lines += [
        "In Optimum (`pip install optimum-onnx`):\n",
        "```python",
        f"from optimum.onnxruntime import {task.ort_class}",
        f"model = {task.ort_class}.from_pretrained(",
        f'    ".", subfolder="onnx", file_name="{stem}.onnx"',
        ")",
        "```\n",
    ]
    if stem in DTYPE_OF_STEM:
        lines += [
            "In transformers.js (serve this folder, or push it to the Hub):\n",
            "```js",
            f'const pipe = await pipeline("{task.task.on_hub}", "your/model",',
            f'  {{ dtype: "{DTYPE_OF_STEM[stem]}" }});',
            "```\n",
        ]
    return "\n".join(lines)


def _caution(after: Measurement, candidate: Candidate) -> str:
    """What an old processor makes of 8-bit sums, and the session option against it."""
    if after.audit.activation_bits != 8:
        return ""
    settings = [step.settings for step in candidate.steps]
    if any(one.get("reduce_range") or one.get("weight_type") == "uint8" for one in settings):
        return f"{OLD_PROCESSORS}{SAFE}"
    return f"{OLD_PROCESSORS}{UNSAFE}{_how_often(after)}{OPTION}"


def _how_often(after: Measurement) -> str:
    """What was found of it here, in a line or two."""
    worst, there = damage.overflowing(after), after.saturating
    lines = ["None of the examples looked at makes a sum overflow."]
    if worst is not None:
        share = charts.show_share(worst.saturated or 0.0).replace("\u00a0", " ")
        lines = [f"On our examples {share} of the sums in `{worst.layer}` would overflow."]
    if there is not None:
        now, here = there.value.value, after.quality.value.value
        lines.append(f"With that emulated, {there.metric} is {now:.3f}; here it is {here:.3f}.")
    return "\n".join([*lines, ""])
