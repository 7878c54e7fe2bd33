"""Makes the `spoken` sample: a small wav2vec2 that writes down spoken numbers, by CTC.

Run: `OMP_NUM_THREADS=1 python assets/samples/spoken/make.py` (some minutes on one core). Needs
Debian's `espeak-ng` (1.51), which speaks them; nothing else of ours does.
Covers: numbers of two to five digits in four English accents and several voices, telephone
quality (8 kHz, 8 bits), noise; training; the data files; the measured baseline.
Does not cover: compression; what each technique does to it is on the card.
Deterministic for given versions: every draw is seeded, torch runs its deterministic algorithms.
"""

from __future__ import annotations

import io
import json
import random
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

import jiwer
import numpy as np
import soundfile
import torch
from scipy.signal import resample_poly
from transformers import Wav2Vec2Config, Wav2Vec2FeatureExtractor, Wav2Vec2ForCTC

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _common import batches, fix_seeds, one_cycle, write_table
from _sounds import RATE, companded, expanded, with_noise, write_sounds

HERE = Path(__file__).resolve().parent
SEED = 23
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 1200, 64, 240
EPOCHS, BATCH, PEAK_RATE = 12, 16, 2e-3
ACCENTS = {
    "en-gb": "British",
    "en-us": "American",
    "en-gb-scotland": "Scottish",
    "en-029": "Caribbean",
}
SPEAKERS = ("m1", "m3", "m7", "f1", "f2", "f4")
WORDS = (*("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),)
LETTERS = sorted({letter for word in WORDS for letter in word})
SPECIALS = ("<pad>", "<s>", "</s>", "<unk>", "|")


@dataclass(frozen=True)
class Spoken:
    """One command as it was said."""

    text: str
    accent: str
    speaker: str
    noise: str
    wave: np.ndarray


def said(rng: random.Random) -> Spoken:
    """A command drawn, spoken, brought to telephone quality."""
    text = " ".join(rng.choices(WORDS, k=rng.randint(2, 5)))
    accent, speaker = rng.choice(tuple(ACCENTS)), rng.choice(SPEAKERS)
    speed, pitch = str(rng.randint(150, 190)), str(rng.randint(35, 65))
    voice = f"{accent}+{speaker}"
    command = ["espeak-ng", "-v", voice, "-s", speed, "-p", pitch, "--stdout", text]
    raw = subprocess.run(command, check=True, capture_output=True).stdout  # noqa: S603 - our words
    wave, rate = soundfile.read(io.BytesIO(raw), dtype="float32")
    heard = resample_poly(wave, RATE, rate)
    loud = np.flatnonzero(np.abs(heard) > 0.01)
    heard = heard[max(0, loud[0] - 400) : loud[-1] + 400]
    quiet = rng.random() < 0.5
    draws = np.random.default_rng(rng.getrandbits(32))
    mixed = with_noise(draws, heard, rng.uniform(20, 30) if quiet else rng.uniform(4, 12))
    return Spoken(text, ACCENTS[accent], speaker, "quiet" if quiet else "noisy", mixed)


def commands(count: int, seed: int, known: set[str]) -> list[Spoken]:
    """That many commands, none of whose texts is known yet."""
    rng = random.Random(seed)
    found: list[Spoken] = []
    while len(found) < count:
        one = said(rng)
        if one.text not in known:
            found.append(one)
    known.update(one.text for one in found)
    return found


def vocabulary() -> dict[str, int]:
    """Numbers of the letters, wav2vec2's special tokens first."""
    return {token: index for index, token in enumerate((*SPECIALS, *LETTERS))}


def normalized(wave: np.ndarray) -> np.ndarray:
    """Mean 0 and variance 1, as the feature extractor does it, after the storage's 8 bits."""
    heard = expanded(companded(wave))
    return ((heard - heard.mean()) / np.sqrt(heard.var() + 1e-7)).astype(np.float32)


def batch_of(rows: list[Spoken], ids: dict[str, int]) -> dict[str, torch.Tensor]:
    """Sounds and texts as tensors, padded; the mask says where a sound ends."""
    waves = [normalized(one.wave) for one in rows]
    texts = [[ids[letter] for letter in one.text.replace(" ", "|")] for one in rows]
    length, letters = max(map(len, waves)), max(map(len, texts))
    values, mask = (torch.zeros(len(rows), length) for _ in range(2))
    labels = torch.full((len(rows), letters), -100)
    for at, (wave, text) in enumerate(zip(waves, texts, strict=True)):
        values[at, : len(wave)] = torch.from_numpy(wave)
        mask[at, : len(wave)] = 1
        labels[at, : len(text)] = torch.tensor(text)
    return {"input_values": values, "attention_mask": mask.long(), "labels": labels}


def train(model: Wav2Vec2ForCTC, rows: list[Spoken], ids: dict[str, int]) -> None:
    """AdamW on batches of commands of about one length."""
    rng = random.Random(SEED + 1)
    steps = EPOCHS * (len(rows) // BATCH)
    optimizer, schedule = one_cycle(model, PEAK_RATE, steps)
    model.train()
    for epoch in range(EPOCHS):
        total = 0.0
        for group in batches(rng, rows, BATCH):
            loss = model(**batch_of(group, ids)).loss
            optimizer.zero_grad()
            loss.backward()
            torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        print(epoch, round(total * BATCH / len(rows), 3), flush=True)
    model.eval()


@torch.no_grad()
def transcripts(model: Wav2Vec2ForCTC, rows: list[Spoken], ids: dict[str, int]) -> list[str]:
    """What the model writes down: the likeliest letter of each frame, repeats and blanks gone."""
    names = {index: token for token, index in ids.items()}
    found = []
    for one in rows:
        best = model(torch.from_numpy(normalized(one.wave))[None]).logits[0].argmax(-1).tolist()
        kept = [now for now, then in zip(best, [None, *best], strict=False) if now != then]
        letters = "".join(names[index] for index in kept if index != ids["<pad>"])
        found.append(" ".join(letters.replace("|", " ").split()))
    return found


def write_rows(name: str, rows: list[Spoken]) -> None:
    """The sounds, and a table with the transcript and what can be told apart."""
    write_sounds(HERE / "data" / f"{name}-sounds.npz", [one.wave for one in rows])
    table = [(one.text, one.accent, one.speaker[0], one.noise) for one in rows]
    names = {"m": "man", "f": "woman"}
    rows_written = [(text, accent, names[who], noise) for text, accent, who, noise in table]
    write_table(HERE / "data" / f"{name}.csv", ("text", "accent", "voice", "noise"), rows_written)


def config() -> Wav2Vec2Config:
    """wav2vec2's plan with a hundredth of its width: 20 ms a frame at 8 kHz."""
    return Wav2Vec2Config(
        vocab_size=len(SPECIALS) + len(LETTERS),
        hidden_size=96,
        num_hidden_layers=3,
        num_attention_heads=4,
        intermediate_size=256,
        conv_dim=(32, 48, 64),
        conv_kernel=(16, 10, 8),
        conv_stride=(8, 5, 4),
        conv_bias=True,
        feat_extract_norm="layer",
        do_stable_layer_norm=True,
        num_conv_pos_embeddings=32,
        num_conv_pos_embedding_groups=8,
        hidden_dropout=0.05,
        attention_dropout=0.0,
        activation_dropout=0.0,
        feat_proj_dropout=0.0,
        final_dropout=0.0,
        layerdrop=0.0,
        apply_spec_augment=False,
        ctc_loss_reduction="mean",
        ctc_zero_infinity=True,
        pad_token_id=0,
        bos_token_id=1,
        eos_token_id=2,
    )


def main() -> None:
    """Make everything and print the baseline."""
    began = time.time()
    fix_seeds(SEED)
    ids, known = vocabulary(), set[str]()
    test = commands(TEST_ROWS, SEED, known)
    calibration = commands(CALIBRATION_ROWS, SEED + 1, known)
    training = commands(TRAIN_ROWS, SEED + 2, set(known))
    torch.use_deterministic_algorithms(True, warn_only=True)  # PyTorch's CTC loss has one way only
    model = Wav2Vec2ForCTC(config())
    train(model, training, ids)
    wrong = jiwer.wer([one.text for one in test], transcripts(model, test, ids))
    print(json.dumps({
        "parameters": sum(p.numel() for p in model.parameters()),
        "word_error_rate": wrong,
        "seconds": round(time.time() - began),
    }))  # fmt: skip
    write_rows("calibration", calibration)
    write_rows("test", test)
    model.save_pretrained(HERE / "model")
    Wav2Vec2FeatureExtractor(
        sampling_rate=RATE, do_normalize=True, return_attention_mask=True
    ).save_pretrained(HERE / "model")
    written = json.dumps(ids, indent=1)
    (HERE / "model" / "vocab.json").write_text(written, encoding="utf-8")
    told = {
        "tokenizer_class": "Wav2Vec2CTCTokenizer",
        "pad_token": "<pad>",
        "bos_token": "<s>",
        "eos_token": "</s>",
        "unk_token": "<unk>",
        "word_delimiter_token": "|",
        "do_lower_case": False,
    }
    (HERE / "model" / "tokenizer_config.json").write_text(json.dumps(told, indent=1), "utf-8")


if __name__ == "__main__":
    main()
