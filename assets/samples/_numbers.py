"""Spoken numbers: what the makers of samples that listen to speech share.

Run by them only. Needs Debian's `espeak-ng` (1.51), which speaks the numbers; nothing else does.
Covers: numbers of two to five digits in four English accents and several voices, telephone
quality (8 kHz, 8 bits), noise; the data files. Does not cover: models.
"""

from __future__ import annotations

import io
import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from _common import write_table
from _sounds import RATE, with_noise, write_sounds
from scipy.signal import resample_poly

ACCENTS = {
    "en-gb": "British",
    "en-us": "American",
    "en-gb-scotland": "Scottish",
    "en-029": "Caribbean",
}
SPEAKERS = ("m1", "m3", "m7", "f1", "f2", "f4")
WORDS = (*("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine"),)


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


def commands(count: int, seed: int, known: set[str], longest: float = float("inf")) -> list[Spoken]:
    """That many commands of at most so many seconds, none of whose texts is known yet."""
    rng = random.Random(seed)
    found: list[Spoken] = []
    while len(found) < count:
        one = said(rng)
        if one.text not in known and len(one.wave) <= longest * RATE:
            found.append(one)
    known.update(one.text for one in found)
    return found


def write_rows(folder: Path, name: str, rows: list[Spoken]) -> None:
    """The sounds, and a table with the transcript and what can be told apart."""
    write_sounds(folder / f"{name}-sounds.npz", [one.wave for one in rows])
    table = [(one.text, one.accent, one.speaker[0], one.noise) for one in rows]
    names = {"m": "man", "f": "woman"}
    rows_written = [(text, accent, names[who], noise) for text, accent, who, noise in table]
    write_table(folder / f"{name}.csv", ("text", "accent", "voice", "noise"), rows_written)
