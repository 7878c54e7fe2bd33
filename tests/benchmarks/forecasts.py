"""What a job was said to need against what it needed: memory, disk and seconds of fourteen models.

Covers: real shapes with random weights (BERT-base, DistilBERT, MiniLM, ViT-base, ResNet-50,
MobileNetV2, GPT-2, T5-small, and Qwen2 0.5B, whose float32 is no one file) and five bundled
samples, three of which write; one technique each, so that forecast and job are about the same work.
Does not cover: quality; speed on other devices. T5-small with random weights never ends a text, so
its job is half as long again as that of a trained one would be.
"""

from __future__ import annotations

import itertools
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
SAMPLES = ROOT / "assets" / "samples"
Make = Callable[[], Any]


def shaped(config: str, model: str, *, half: bool = False, **sizes: Any) -> Make:
    """A model by the names of its classes in transformers; in bfloat16 if `half`."""

    def made() -> Any:
        import torch
        import transformers

        torch.set_default_dtype(torch.bfloat16 if half else torch.float32)
        return getattr(transformers, model)(getattr(transformers, config)(**sizes))

    return made


QWEN2 = {
    "hidden_size": 896,
    "intermediate_size": 4864,
    "num_hidden_layers": 24,
    "num_attention_heads": 14,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
    "tie_word_embeddings": True,
    "eos_token_id": None,
}
MINILM = {"hidden_size": 384, "num_hidden_layers": 6, "intermediate_size": 1536}
# Name -> how it is made, whose tokenizer or processor it takes, the technique, what else is said.
SHAPES: dict[str, tuple[Make, str, tuple[str, ...]]] = {
    "BERT-base": (
        shaped("BertConfig", "BertForSequenceClassification"),
        "intents",
        ("--only", "int8_dynamic", "--tokens", "64"),
    ),
    "DistilBERT": (
        shaped("DistilBertConfig", "DistilBertForSequenceClassification"),
        "intents",
        ("--only", "int8_dynamic", "--tokens", "64"),
    ),
    "MiniLM": (
        shaped("BertConfig", "BertForSequenceClassification", num_attention_heads=12, **MINILM),
        "intents",
        ("--only", "int8_weights", "--tokens", "64"),
    ),
    "ViT-base": (
        shaped("ViTConfig", "ViTForImageClassification", image_size=32, patch_size=16),
        "digits",
        ("--only", "int8_dynamic"),
    ),
    "ResNet-50": (
        shaped("ResNetConfig", "ResNetForImageClassification"),
        "digits",
        ("--only", "int8_static"),
    ),
    "MobileNetV2": (
        shaped("MobileNetV2Config", "MobileNetV2ForImageClassification"),
        "digits",
        ("--only", "int8_static"),
    ),
    "GPT-2": (
        shaped("GPT2Config", "GPT2LMHeadModel"),
        "calls",
        ("--only", "int8_weights"),
    ),
    "T5-small": (
        shaped("T5Config", "T5ForConditionalGeneration", decoder_start_token_id=0),
        "translations",
        ("--only", "int8_weights"),
    ),
    "Qwen2-0.5B": (
        shaped("Qwen2Config", "Qwen2ForCausalLM", half=True, **QWEN2),
        "calls",
        ("--only", "streamed_weights", "--minutes", "20"),
    ),
}
BUNDLED = {
    "intents": ("--only", "int8_dynamic"),
    "digits": ("--only", "int8_static"),
    "translations": ("--only", "int8_weights"),
    "dictated": ("--only", "int8_weights"),
    "calls": ("--only", "int8_weights"),
}
BESIDE = ("tokenizer.json", "tokenizer_config.json", "preprocessor_config.json")


def shape(name: str, folder: Path) -> Path:
    """A checkpoint of that shape, made in a process of its own, which gives all memory back."""
    code = (
        "import sys, torch; sys.path.insert(0, sys.argv[1]);"
        "from tests.benchmarks.forecasts import SHAPES;"
        "torch.manual_seed(0); SHAPES[sys.argv[2]][0]().save_pretrained(sys.argv[3])"
    )
    command = [sys.executable, "-c", code, str(ROOT), name, str(folder)]
    subprocess.run(command, check=True, capture_output=True)
    for one in BESIDE:
        found = SAMPLES / SHAPES[name][1] / "model" / one
        if found.is_file():
            shutil.copy(found, folder / one)
    return folder


def needed(model: str, words: tuple[str, ...], home: Path) -> dict[str, tuple[float, float]]:
    """Forecast and measured: peak memory and disk in MB, seconds of the job."""
    from tests.benchmarks.figures import command, job_mb

    told = json.loads(command("plan", model, *words, "--json", home=home)[1])["job"]
    memory, disk = 0.0, 0.0
    running = psutil.Popen(
        [sys.executable, "-m", "wizard", "run", model, *words, "--quiet", "--out", f"{home}-out"],
        cwd=ROOT,
        env={**os.environ, "WIZARD_HOME": str(home)},
        stdout=subprocess.DEVNULL,
    )
    looks = itertools.count()
    while running.poll() is None:  # a small model's bundle is packed in less than half a second
        if next(looks) % 5 == 0:
            memory = max(memory, job_mb(home))
        disk = max(disk, on_disk(home))
        time.sleep(0.1)
    if running.returncode not in {0, 3, 4}:
        raise SystemExit(f"{model} ended with status {running.returncode}")
    return {
        "memory": (told["memory"]["value"], memory),
        "disk": (told["disk"]["value"], disk),
        "seconds": (told["seconds"]["value"], seconds_of_job(home)),
    }


def seconds_of_job(home: Path) -> float:
    """From its first event to its last: the plan, and what it cost, was there before."""
    log = next((home / "jobs").glob("*/events.jsonl")).read_text(encoding="utf-8").splitlines()
    first, *_, last = (json.loads(line)["at"] for line in log)
    return float(last - first)


def on_disk(home: Path) -> float:
    """Megabytes of a folder; a file with two names counts once."""
    seen: dict[int, int] = {}
    for folder, _, names in os.walk(home):
        for name in names:
            try:
                about = (Path(folder) / name).stat()
            except OSError:
                continue
            seen[about.st_ino] = about.st_blocks * 512
    return sum(seen.values()) / 1e6


def forecasts(only: tuple[str, ...] = ()) -> dict[str, float]:
    """Forecast over measured for every model, and the share of all that lie within a quarter."""
    ratios: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        for name in only or (*SHAPES, *BUNDLED):
            if name in BUNDLED:
                model, words = f"sample:{name}", BUNDLED[name]
            else:
                model = str(shape(name, Path(place) / name))
                words = SHAPES[name][2]
            found = needed(model, (*words, "--max-drop", "5"), Path(place) / f"home-{name}")
            for what, (told, measured) in found.items():
                ratios[f"forecast / measured, {name}: {what}"] = told / measured
                print(
                    f"{name:12} {what:8} {told:9.1f} {measured:9.1f} {told / measured:6.2f}",
                    flush=True,
                )
            shutil.rmtree(Path(place) / f"home-{name}", ignore_errors=True)
            shutil.rmtree(Path(place) / name, ignore_errors=True)
    within = [1 / 1.25 <= one <= 1.25 for one in ratios.values()]
    return {**ratios, "forecasts within 25 %": sum(within) / len(within)}


if __name__ == "__main__":
    sys.path.insert(0, str(ROOT))
    forecasts(tuple(sys.argv[1:]))
