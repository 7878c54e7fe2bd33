"""What a model hears: a sound as the numbers it is fed with, done in numpy as transformers does it.

Covers: waves of mean 0 and variance 1 (wav2vec2, HuBERT), log-mel spectrograms as Kaldi defines
them (audio spectrogram transformer) and as Whisper does, other sampling rates.
Does not cover: reading files; dither.
Numpy only: the bundle's run.py carries these functions word for word.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wizard.examples import prepared

if TYPE_CHECKING:
    import numpy as np

Settings: TypeAlias = dict[str, Any]  # preprocessor_config.json, with every default written out
Wave: TypeAlias = "np.ndarray[Any, Any]"

COMMON: Settings = {"sampling_rate": 16_000, "do_normalize": True}
# Processor class -> where it departs from COMMON. `view`: what the model looks at.
CLASSES: Mapping[str, Settings] = {
    "Wav2Vec2FeatureExtractor": {"view": "wave"},
    "ASTFeatureExtractor": {
        "view": "spectrogram",
        "num_mel_bins": 128,
        "max_length": 1024,
        "mean": -4.2677393,
        "std": 4.5689974,
    },
    "WhisperFeatureExtractor": {
        "view": "window",
        "feature_size": 80,
        "chunk_length": 30,
        "n_fft": 400,
        "hop_length": 160,
    },
}
COUNTS = ("sampling_rate", "num_mel_bins", "max_length", "feature_size", "chunk_length")
COUNTED_SAMPLES = ("n_fft", "hop_length")


def read(folder: Path) -> Settings:
    """The settings of the model in `folder`, in full. Raises ConfigUnreadable."""
    return prepared.read(folder, in_full)


def in_full(written: Mapping[str, Any]) -> Settings:
    """The same settings with every default written out.

    Raises ValueError for a feature extractor that is not in the table, or a setting that fits none.
    """
    named = str(written.get("feature_extractor_type") or "Wav2Vec2FeatureExtractor")
    if named not in CLASSES:
        raise ValueError(f"the feature extractor {named} is not one we know")
    full = {**COMMON, **CLASSES[named]}
    full |= {key: written[key] for key in full if written.get(key) is not None}
    for key in (one for one in (*COUNTS, *COUNTED_SAMPLES) if one in full):
        if not isinstance(full[key], int) or full[key] < 1:
            raise ValueError(f"its {key} cannot be {full[key]}")
    return full


def shape_heard(config: Any, samples: int | None) -> tuple[int, ...]:
    """The shape of one sound as a model of that config takes it: [samples], or [frames, bands]."""
    bands, frames = (getattr(config, name, None) for name in ("num_mel_bins", "max_length"))
    if bands and frames:
        return int(frames), int(bands)
    return (samples or int(COMMON["sampling_rate"]),)


def heard(wave: Wave, settings: Settings) -> Wave:
    """Samples at the model's rate [samples] as it is fed, float32: [samples], [frames, bands].

    Of a window [bands, frames].
    """
    import numpy as np

    if settings["view"] == "window":
        return window(wave, settings)
    if settings["view"] == "spectrogram":
        return spectrogram(wave, settings)
    if not settings["do_normalize"]:
        return wave.astype(np.float32)
    return np.asarray((wave - wave.mean()) / np.sqrt(wave.var() + 1e-7), np.float32)


def spectrogram(wave: Wave, settings: Settings) -> Wave:
    """Log-mel bands over time as Kaldi defines them, cut or filled with zeros to one length."""
    import numpy as np

    # Frames of 400 samples, one every 160: the extractor's own numbers at any sampling rate.
    frames = np.lib.stride_tricks.sliding_window_view(wave.astype(np.float64), 400)[::160]
    frames = frames - frames.mean(axis=1, keepdims=True)
    before = np.concatenate([frames[:, :1], frames[:, :-1]], axis=1)
    shaped = (frames - 0.97 * before) * np.hanning(400)
    power = np.abs(np.fft.rfft(shaped, 512)) ** 2
    bands = power @ mel_bands(settings["num_mel_bins"], settings["sampling_rate"])
    logs = np.log(np.maximum(bands, 1.192092955078125e-07)).astype(np.float32)
    whole = np.zeros((settings["max_length"], settings["num_mel_bins"]), np.float32)
    kept = logs[: len(whole)]
    whole[: len(kept)] = kept
    if settings["do_normalize"]:
        whole = (whole - settings["mean"]) / (settings["std"] * 2)
    return np.asarray(whole, np.float32)


def mel_bands(count: int, rate: int) -> Wave:
    """Triangles on the mel scale from 20 Hz up, as weights of 257 frequencies [257, count]."""
    import numpy as np

    lowest, highest = (1127.0 * np.log(1.0 + hertz / 700.0) for hertz in (20.0, rate // 2))
    corners = np.linspace(lowest, highest, count + 2)
    places = 1127.0 * np.log(1.0 + np.arange(257) * (rate / 512) / 700.0)
    apart = corners[None] - places[:, None]
    rising = -apart[:, :-2] / np.diff(corners)[:-1]
    falling = apart[:, 2:] / np.diff(corners)[1:]
    return np.asarray(np.maximum(0.0, np.minimum(rising, falling)))


def window(wave: Wave, settings: Settings) -> Wave:
    """Whisper's log-mel bands over time, of one length: cut, or filled with silence.

    Source: Radford et al. 2022, audio.py of openai/whisper; no more than 80 dB below the loudest.
    """
    import numpy as np

    size, hop = settings["n_fft"], settings["hop_length"]
    whole = np.zeros(settings["chunk_length"] * settings["sampling_rate"])
    kept = wave[: len(whole)]
    whole[: len(kept)] = kept
    around = np.pad(whole, size // 2, mode="reflect")
    frames = np.lib.stride_tricks.sliding_window_view(around, size)[::hop][: len(whole) // hop]
    power = np.abs(np.fft.rfft(frames * np.hanning(size + 1)[:-1])) ** 2
    bands = power @ slaney_bands(settings["feature_size"], size, settings["sampling_rate"])
    logs = np.log10(np.maximum(bands, 1e-10))
    return np.asarray((np.maximum(logs, logs.max() - 8.0) + 4.0) / 4.0, np.float32).T


def slaney_bands(count: int, size: int, rate: int) -> Wave:
    """Triangles of equal area up to 8 kHz, as weights of frequencies [1 + size / 2, count].

    Slaney's mel scale: even up to 1 kHz, logarithmic above it (Auditory Toolbox, 1998).
    """
    import numpy as np

    top = 15.0 + 27.0 * np.log(8.0) / np.log(6.4)  # 8 kHz in mel
    mels = np.linspace(0.0, top, count + 2)
    above = 1000.0 * np.exp(np.log(6.4) / 27.0 * (mels - 15.0))
    corners = np.where(mels < 15.0, mels * 200.0 / 3.0, above)
    places = np.linspace(0.0, rate // 2, 1 + size // 2)
    apart = corners[None] - places[:, None]
    rising = -apart[:, :-2] / np.diff(corners)[:-1]
    falling = apart[:, 2:] / np.diff(corners)[1:]
    triangles = np.maximum(0.0, np.minimum(rising, falling))
    return np.asarray(triangles * (2.0 / (corners[2:] - corners[:-2])))


def at_rate(wave: Wave, rate: int, wanted: int) -> Wave:
    """The same sound at another sampling rate, by a polyphase filter."""
    import numpy as np
    from scipy.signal import resample_poly

    if rate == wanted:
        return wave
    return np.asarray(resample_poly(wave, wanted, rate), np.float32)


_CARRIED = (heard, spectrogram, mel_bands, window, slaney_bands)


def written_out() -> str:
    """The functions of a model's hearing as text, one after the other."""
    return "\n\n".join(inspect.getsource(one) for one in _CARRIED)
