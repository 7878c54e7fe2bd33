"""What the sound makers share: 8-bit companded storage, echo and noise, tables.

Covers: G.711's mu-law (the telephone's 8 bits a sample), resampling, one file of many sounds.
Does not cover: what a sound is about.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

MU = 255.0
RATE = 8_000


def companded(wave: np.ndarray) -> np.ndarray:
    """Floats in -1 .. 1 as mu-law bytes (ITU-T G.711, the continuous formula)."""
    clipped = np.clip(wave, -1, 1)
    squeezed = np.sign(clipped) * np.log1p(MU * np.abs(clipped)) / np.log1p(MU)
    return np.round((squeezed + 1) / 2 * 255).astype(np.uint8)


def expanded(stored: np.ndarray) -> np.ndarray:
    """The floats of those bytes."""
    squeezed = stored.astype(np.float32) / np.float32(255) * 2 - 1
    return (np.sign(squeezed) * np.expm1(np.abs(squeezed) * np.log1p(MU)) / MU).astype(np.float32)


def write_sounds(path: Path, waves: Sequence[np.ndarray]) -> None:
    """All sounds one after the other, companded, with the place where each begins."""
    path.parent.mkdir(exist_ok=True)
    lengths = [len(one) for one in waves]
    np.savez_compressed(
        path,
        mulaw=companded(np.concatenate(waves)),
        offsets=np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        rate=np.int64(RATE),
    )


def noise(rng: np.random.Generator, count: int, colour: float) -> np.ndarray:
    """Noise whose power falls with frequency to the power of `colour` (0 white, 1 pink)."""
    spectrum = np.fft.rfft(rng.normal(size=count))
    falling = np.maximum(np.arange(len(spectrum)), 1) ** (-colour / 2)
    wave = np.fft.irfft(spectrum * falling, count)
    return wave / np.abs(wave).max()


def with_noise(rng: np.random.Generator, wave: np.ndarray, decibels: float) -> np.ndarray:
    """The sound in noise, `decibels` louder than it, at a peak of 0.6."""
    ground = noise(rng, len(wave), rng.uniform(0, 1.2))
    power = np.sqrt((wave**2).mean() / (ground**2).mean()) * 10 ** (-decibels / 20)
    mixed = wave + power * ground
    return (0.6 * mixed / np.abs(mixed).max()).astype(np.float32)
