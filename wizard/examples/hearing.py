"""What a model hears: a sound as the numbers it is fed with, done in numpy as transformers does it.

Covers: waves of mean 0 and variance 1 (wav2vec2, HuBERT), log-mel spectrograms (audio
spectrogram transformer), other sampling rates.
Does not cover: Whisper's spectrogram; reading files.
Numpy only: the bundle's run.py carries these functions word for word.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wizard.errors import ConfigUnreadable

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
}


def read(folder: Path) -> Settings:
    """The settings of the model in `folder`, in full. Raises ConfigUnreadable."""
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        raise ConfigUnreadable(model=folder.name, because=f"it has no {path.name}")
    try:
        return in_full(json.loads(path.read_text(encoding="utf-8")))
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigUnreadable(model=folder.name, because=f"{path.name} is not JSON") from error
    except (TypeError, ValueError, AttributeError) as error:
        because = f"{path.name} cannot be followed ({error})"
        raise ConfigUnreadable(model=folder.name, because=because) from error


def in_full(written: Mapping[str, Any]) -> Settings:
    """The same settings with every default written out.

    Raises ValueError for a feature extractor that is not in the table, or a setting that fits none.
    """
    named = str(written.get("feature_extractor_type") or "Wav2Vec2FeatureExtractor")
    if named not in CLASSES:
        raise ValueError(f"the feature extractor {named} is not one we know")
    full = {**COMMON, **CLASSES[named]}
    full |= {key: written[key] for key in full if written.get(key) is not None}
    counts = ("sampling_rate", *(key for key in ("num_mel_bins", "max_length") if key in full))
    for key in counts:
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
    """Samples at the model's rate [samples] as it is fed: float32 [samples] or [frames, bands]."""
    import numpy as np

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


def at_rate(wave: Wave, rate: int, wanted: int) -> Wave:
    """The same sound at another sampling rate, by a polyphase filter."""
    import numpy as np
    from scipy.signal import resample_poly

    if rate == wanted:
        return wave
    return np.asarray(resample_poly(wave, wanted, rate), np.float32)


def written_out() -> str:
    """The functions of a model's hearing as text, one after the other."""
    return "\n\n".join(inspect.getsource(one) for one in (heard, spectrogram, mel_bands))
