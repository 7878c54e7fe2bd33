"""Models of 1.5 billion parameters in 4 bits on this machine: peak memory, and words.

Run: `python tests/benchmarks/large.py [qwen2|whisper [LAYERS]]` (about ten minutes, 8 GB of disk).
Covers: a checkpoint of random bfloat16 weights in the shapes of Qwen2 1.5B, or of Whisper large,
whose two parts have so many layers each; making the 4-bit file through the technique's own contract
in a fresh process, with that process's peak memory; a text written token by token from the file,
with the peak and the time of every token.
Does not cover: quality; random weights have none. Appends one line to large.jsonl.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

RECORD = Path(__file__).with_name("large.jsonl")
ROOT = Path(__file__).resolve().parents[2]
QWEN2 = {
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "vocab_size": 151_936,
    "max_position_embeddings": 32_768,
    "tie_word_embeddings": True,
    "eos_token_id": None,
}
WHISPER = {
    "d_model": 1280,
    "encoder_ffn_dim": 5120,
    "decoder_ffn_dim": 5120,
    "encoder_attention_heads": 20,
    "decoder_attention_heads": 20,
    "num_mel_bins": 128,
    "vocab_size": 51_866,
}


@dataclass(frozen=True)
class Large:
    """A shape: transformers' names, its sizes, what its number of layers is called, the task."""

    config: str
    model: str
    sizes: dict[str, Any]
    layers: tuple[str, ...]
    usual: int
    task: str
    settings: dict[str, Any]


SHAPES = {
    "qwen2": Large(
        "Qwen2Config",
        "Qwen2ForCausalLM",
        QWEN2,
        ("num_hidden_layers",),
        28,
        "text-generation",
        {},
    ),
    "whisper": Large(
        "WhisperConfig",
        "WhisperForConditionalGeneration",
        WHISPER,
        ("encoder_layers", "decoder_layers"),
        32,
        "automatic-speech-recognition-with-past",
        {"reading_bits": 8},
    ),
}
TOKENS = 16
REACH = 1.3


def peak_mb() -> float:
    """VmHWM of this process (Linux)."""
    text = Path("/proc/self/status").read_text(encoding="utf-8")
    line = next(one for one in text.splitlines() if one.startswith("VmHWM"))
    return int(line.split()[1]) * 1024 / 1e6


def checkpoint(folder: Path, name: str, layers: int) -> int:
    """Random bfloat16 weights, a shard for each layer; bytes."""
    import torch
    import transformers
    from safetensors.torch import save_file

    sys.path.insert(0, str(ROOT))
    from wizard import tasks
    from wizard.nouns import Task
    from wizard.strategies import _hollow

    known = SHAPES[name]
    config = getattr(transformers, known.config)(
        **known.sizes, **dict.fromkeys(known.layers, layers)
    )
    config.architectures = [known.model]
    config.save_pretrained(folder)
    auto = tasks.card_of(Task(known.task)).auto_class
    model = _hollow._built(getattr(transformers, auto), config)
    torch.manual_seed(0)
    shards: dict[str, dict[str, torch.Size]] = {}
    for name, value in model.named_parameters():
        shards.setdefault(".".join(name.split(".")[:4]), {})[name] = value.shape
    total, index = 0, {}
    for number, names in enumerate(shards.values()):
        held = {
            name: torch.ones(shape, dtype=torch.bfloat16)
            if "norm" in name
            else torch.randn(shape, dtype=torch.bfloat16) * 0.02
            for name, shape in names.items()
        }
        file = f"model-{number:05d}.safetensors"
        save_file(held, folder / file, metadata={"format": "pt"})
        total += sum(2 * one.numel() for one in held.values())
        index |= dict.fromkeys(held, file)
    (folder / "model.safetensors.index.json").write_text(
        json.dumps({"metadata": {"total_size": total}, "weight_map": index}), encoding="utf-8"
    )
    return total


def make(folder: Path, out: Path, name: str) -> dict[str, float]:
    """The 4-bit file, through the contract; seconds and this process's peak."""
    from tests.factories import a_profile
    from wizard import intake
    from wizard.nouns import Step, Task
    from wizard.strategies import _contract as contract

    bench = contract.Workbench(
        folder=out, model_folder=folder, profile=a_profile(task=Task(SHAPES[name].task)),
        device=intake.this_machine(intake.host_facts(out)), calibration=None, cache=out, seed=0,
        threads=2, report=lambda share, said: print(f"{share:.0%} {said}", file=sys.stderr),
    )  # fmt: skip
    began = time.monotonic()
    step = contract.validate(Step(strategy="streamed_weights", settings=SHAPES[name].settings))
    made = contract.apply_step(step, contract.artifact_of(folder), bench)
    return {
        "seconds": round(time.monotonic() - began, 1),
        "peak_mb": round(peak_mb()),
        "file_mb": round(made.bytes / 1e6),
    }


def write(model: Path) -> dict[str, object]:
    """Tokens written from the file, milliseconds each, this process's peak."""
    import numpy as np
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = 2
    session = ort.InferenceSession(str(model), options, providers=["CPUExecutionProvider"])
    given = {one.name: one for one in session.get_inputs()}
    taken = []
    if "input_features" in given:
        bands, frames = given["input_features"].shape[1:]
        sound = np.random.default_rng(0).standard_normal((1, bands, frames), np.float32)
        first = {"input_features": sound, "decoder_input_ids": np.array([[11]])}
    else:
        first = {"input_ids": np.array([[11, 12, 13]])}
    past = {
        name: np.zeros((0 if ".encoder." in name else 1, *_sizes(one)), np.float32)
        for name, one in given.items()
        if name.startswith("past")
    }
    feed, seen, words = first, 0, []
    for _ in range(TOKENS):
        ids = feed[next(name for name in feed if name.endswith("ids"))]
        seen += ids.shape[1]
        if "attention_mask" in given:
            feed["attention_mask"] = np.ones((1, seen), np.int64)
            feed["position_ids"] = np.arange(seen - ids.shape[1], seen)[None]
        began = time.perf_counter()
        logits, *kept = session.run(None, {**feed, **past})
        taken.append(1000 * (time.perf_counter() - began))
        assert np.isfinite(logits).all()
        past = dict(zip(past, kept, strict=True))
        ids = logits[:, -1].argmax(-1)[None].astype(np.int64)
        words.append(int(ids[0, 0]))
        feed = {next(name for name in first if name.endswith("ids")): ids}
        if "input_features" in first:
            feed["input_features"] = first["input_features"][:0]
    return {
        "tokens": words,
        "first_ms": round(taken[0]),
        "ms_per_token": round(float(np.median(taken[1:]))),
        "peak_mb": round(peak_mb()),
    }


def _sizes(one: Any) -> tuple[int, int, int]:
    """Heads, tokens read before (none, or all of a window), numbers each."""
    _, heads, tokens, size = one.shape
    return heads, tokens if isinstance(tokens, int) else 0, size


def apart(part: str, *arguments: str) -> dict[str, object]:
    """One part in a process of its own, so that its peak is its own."""
    done = subprocess.run(
        [sys.executable, __file__, part, *arguments], cwd=ROOT, check=True, stdout=subprocess.PIPE
    )
    told: dict[str, object] = json.loads(done.stdout.splitlines()[-1])
    return told


def main() -> None:
    """All of it; one line in the record."""
    if sys.argv[1:] and sys.argv[1] in {"checkpoint", "make", "write"}:
        sys.path.insert(0, str(ROOT))
        folder = Path(sys.argv[2])
        parts = {
            "checkpoint": lambda: {"bytes": checkpoint(folder, sys.argv[3], int(sys.argv[4]))},
            "make": lambda: make(folder, Path(sys.argv[3]), sys.argv[4]),
            "write": lambda: write(folder),
        }
        print(json.dumps(parts[sys.argv[1]]()))
        return
    name = sys.argv[1] if len(sys.argv) > 1 else "qwen2"
    layers = int(sys.argv[2]) if len(sys.argv) > 2 else SHAPES[name].usual
    with tempfile.TemporaryDirectory() as place:
        folder, out = Path(place) / "model", Path(place) / "out"
        folder.mkdir()
        out.mkdir()
        size = int(str(apart("checkpoint", str(folder), name, str(layers))["bytes"]))
        made = apart("make", str(folder), str(out), name)
        written = apart("write", str(next(out.rglob("*.onnx"))))
    ratio = float(str(made["peak_mb"])) / (size / 1e6)
    row = {
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
        "shape": name,
        "parameters_m": round(size / 2e6),
        "bf16_mb": round(size / 1e6),
        "made": made,
        "peak_over_bf16": round(ratio, 2),
        "reach": REACH,
        "written": written,
    }
    with RECORD.open("a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    print(json.dumps(row, indent=1))


if __name__ == "__main__":
    main()
