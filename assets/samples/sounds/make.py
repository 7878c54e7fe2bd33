"""Makes the `sounds` sample: a small audio spectrogram transformer that names everyday sounds.

Run: `OMP_NUM_THREADS=1 python assets/samples/sounds/make.py` (about two minutes on one core).
Covers: ten kinds of sound, each computed from oscillators and noise with drawn pitch, length and
rhythm, in background noise, at 8 kHz; training; the data files; the measured baseline.
Does not cover: compression; what each technique does to it is on the card.
Deterministic for given versions: every draw is seeded, torch runs its deterministic algorithms.
"""

from __future__ import annotations

import json
import random
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from transformers import ASTConfig, ASTFeatureExtractor, ASTForAudioClassification

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _common import batches, fix_seeds, one_cycle, write_table
from _sounds import RATE, companded, expanded, noise, with_noise, write_sounds

HERE = Path(__file__).resolve().parent
SEED = 31
SECONDS = 1.0
COUNT = int(RATE * SECONDS)
TIME = np.arange(COUNT) / RATE
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 2000, 64, 300
LOUDER = 4.0  # dB more noise when it is tested than when it learns
EPOCHS, BATCH, PEAK_RATE = 14, 32, 2e-3
FRAMES, BANDS = 48, 32  # of 20 ms each, and mel bands

Rng = np.random.Generator


def tone(frequency: np.ndarray | float, harmonics: int, fall: float) -> np.ndarray:
    """A sound of that frequency over time with its harmonics, each weaker by 1 / n^fall."""
    phase = 2 * np.pi * np.cumsum(np.broadcast_to(frequency, COUNT)) / RATE
    return sum(np.sin(n * phase) / n**fall for n in range(1, harmonics + 1))


def within(start: float, length: float, edge: float = 0.01) -> np.ndarray:
    """1 from `start` for `length` seconds, 0 elsewhere, with soft edges."""
    return np.clip((TIME - start) / edge, 0, 1) * np.clip((start + length - TIME) / edge, 0, 1)


def siren(rng: Rng) -> np.ndarray:
    """A tone that swings up and down."""
    middle, swing = rng.uniform(600, 1000), rng.uniform(0.15, 0.4)
    return tone(middle * (1 + swing * np.sin(2 * np.pi * rng.uniform(1, 3) * TIME)), 4, 1.0)


def whistle(rng: Rng) -> np.ndarray:
    """A high, nearly pure tone with a little shake."""
    shake = 1 + 0.02 * np.sin(2 * np.pi * rng.uniform(15, 30) * TIME)
    return tone(rng.uniform(900, 2200) * shake, 1, 1) * within(
        rng.uniform(0, 0.3), rng.uniform(0.4, 0.7)
    )


def bell(rng: Rng) -> np.ndarray:
    """Partials that are no harmonics, all struck at once, dying away."""
    ground, start = rng.uniform(350, 900), rng.uniform(0, 0.4)
    after = np.maximum(TIME - start, 0)
    partials = (1, 2.0, 2.4, 3.0, 4.2)
    struck = sum(
        np.sin(2 * np.pi * ground * p * after) * np.exp(-after * rng.uniform(3, 7) * p**0.5)
        for p in partials
    )
    return struck * (start <= TIME)


def knock(rng: Rng) -> np.ndarray:
    """Short dull thuds at a steady pace."""
    wave, pace = np.zeros(COUNT), rng.uniform(0.12, 0.3)
    for start in np.arange(rng.uniform(0.02, 0.2), 0.95, pace)[: rng.integers(2, 5)]:
        after = np.maximum(TIME - start, 0)
        thud = np.sin(2 * np.pi * rng.uniform(150, 260) * after) * np.exp(-after * 45)
        wave += thud * (start <= TIME)
    return wave


def clap(rng: Rng) -> np.ndarray:
    """Short bright bursts at an uneven pace."""
    wave = np.zeros(COUNT)
    for start in np.sort(rng.uniform(0.02, 0.9, rng.integers(2, 5))):
        after = np.maximum(TIME - start, 0)
        burst = noise(rng, COUNT, -0.3) * np.exp(-after * rng.uniform(25, 50))
        wave += burst * (start <= TIME)
    return wave


def engine(rng: Rng) -> np.ndarray:
    """A low tone with many harmonics, going up or down a little."""
    turn = np.linspace(1, rng.uniform(0.75, 1.35), COUNT)
    return tone(rng.uniform(50, 110) * turn, 14, 0.6)


def buzz(rng: Rng) -> np.ndarray:
    """A low tone with many harmonics, switched on and off."""
    return tone(rng.uniform(95, 150), 14, 0.5) * within(
        rng.uniform(0, 0.3), rng.uniform(0.3, 0.65), 0.003
    )


def rain(rng: Rng) -> np.ndarray:
    """Steady noise with drops in it."""
    drops = (rng.random(COUNT) < 0.01) * rng.normal(size=COUNT)
    return noise(rng, COUNT, rng.uniform(0.0, 0.5)) + 0.4 * np.convolve(
        drops, np.exp(-np.arange(40) / 8), "same"
    )


def wind(rng: Rng) -> np.ndarray:
    """Noise that swells and fades, mostly low."""
    swell = 0.55 + 0.45 * np.sin(2 * np.pi * rng.uniform(0.6, 1.6) * TIME + rng.uniform(0, 6))
    return noise(rng, COUNT, rng.uniform(0.9, 1.5)) * swell


def chirp(rng: Rng) -> np.ndarray:
    """Short tones that sweep upwards, one after the other."""
    wave, pace = np.zeros(COUNT), rng.uniform(0.12, 0.25)
    low, high = rng.uniform(1400, 2000), rng.uniform(2400, 3500)
    for start in np.arange(rng.uniform(0.02, 0.2), 0.9, pace):
        sweep = low + (high - low) * np.clip((TIME - start) / 0.08, 0, 1)
        wave += tone(sweep, 1, 1) * within(start, 0.08)
    return wave


MAKERS: dict[str, Callable[[Rng], np.ndarray]] = {
    one.__name__: one
    for one in (bell, buzz, chirp, clap, engine, knock, rain, siren, whistle, wind)
}
NAMES = tuple(MAKERS)


@dataclass(frozen=True)
class Sound:
    """One sound and what it is."""

    label: str
    noise: str
    wave: np.ndarray


def sounds(count: int, seed: int, louder: float) -> list[Sound]:
    """That many sounds, each kind equally often, half of them in loud noise (`louder` by dB)."""
    rng = np.random.default_rng(seed)
    found = []
    for index in range(count):
        label = NAMES[index % len(NAMES)]
        quiet = rng.random() < 0.5
        decibels = rng.uniform(12, 24) if quiet else rng.uniform(-2, 6)
        wave = with_noise(rng, MAKERS[label](rng), decibels - louder)
        stored = expanded(companded(wave))  # what is learnt from is what is stored
        found.append(Sound(label, "quiet" if quiet else "noisy", stored))
    return found


def extractor(mean: float, std: float) -> ASTFeatureExtractor:
    """The model's own view of a sound: mel bands over time."""
    return ASTFeatureExtractor(
        sampling_rate=RATE, num_mel_bins=BANDS, max_length=FRAMES, mean=mean, std=std
    )


def pictures(rows: list[Sound], view: ASTFeatureExtractor) -> torch.Tensor:
    """Normalized log-mel spectrograms, float32 [n, frames, bands]."""
    seen = [view(one.wave, sampling_rate=RATE)["input_values"][0] for one in rows]
    return torch.from_numpy(np.stack(seen).astype(np.float32))


def train(model: ASTForAudioClassification, values: torch.Tensor, labels: torch.Tensor) -> None:
    """AdamW on spectrograms shifted in time by up to four frames."""
    rng = random.Random(SEED + 1)
    optimizer, schedule = one_cycle(model, PEAK_RATE, EPOCHS * (len(values) // BATCH))
    model.train()
    for _ in range(EPOCHS):
        for group in batches(rng, range(len(values)), BATCH):
            moved = torch.roll(values[group], rng.randint(-4, 4), 1)
            loss = model(moved, labels=labels[group]).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


@torch.no_grad()
def accuracy(model: ASTForAudioClassification, values: torch.Tensor, labels: torch.Tensor) -> float:
    """Share of rows named rightly."""
    return float((model(values).logits.argmax(-1) == labels).float().mean())


def write_rows(name: str, rows: list[Sound]) -> None:
    """The sounds, and a table with the label and the background."""
    write_sounds(HERE / "data" / f"{name}-sounds.npz", [one.wave for one in rows])
    table = [(one.label, one.noise) for one in rows]
    write_table(HERE / "data" / f"{name}.csv", ("label", "background"), table)


def main() -> None:
    """Make everything and print the baseline."""
    began = time.time()
    fix_seeds(SEED)
    test = sounds(TEST_ROWS, SEED, LOUDER)
    calibration = sounds(CALIBRATION_ROWS, SEED + 1, LOUDER)
    training = sounds(TRAIN_ROWS, SEED + 2, 0.0)
    plain = pictures(training, extractor(0.0, 0.5))
    view = extractor(round(float(plain.mean()), 3), round(float(plain.std()), 3))
    model = ASTForAudioClassification(
        ASTConfig(
            hidden_size=96,
            num_hidden_layers=3,
            num_attention_heads=4,
            intermediate_size=256,
            max_length=FRAMES,
            num_mel_bins=BANDS,
            patch_size=8,
            frequency_stride=8,
            time_stride=8,
            id2label=dict(enumerate(NAMES)),
            label2id={name: index for index, name in enumerate(NAMES)},
        )
    )
    answers = [torch.tensor([NAMES.index(one.label) for one in rows]) for rows in (training, test)]
    train(model, pictures(training, view), answers[0])
    print(json.dumps({
        "parameters": sum(p.numel() for p in model.parameters()),
        "accuracy": accuracy(model, pictures(test, view), answers[1]),
        "seconds": round(time.time() - began),
    }))  # fmt: skip
    write_rows("calibration", calibration)
    write_rows("test", test)
    model.save_pretrained(HERE / "model")
    view.save_pretrained(HERE / "model")


if __name__ == "__main__":
    main()
