"""What a model hears: the same numbers as transformers' own feature extractors."""

import numpy as np
import pytest
from transformers import ASTFeatureExtractor, Wav2Vec2FeatureExtractor, WhisperFeatureExtractor

from wizard.errors import ConfigUnreadable
from wizard.examples import hearing

RANDOM = np.random.default_rng(0)
WAVE = (0.3 * RANDOM.standard_normal(9_000)).astype(np.float32)


@pytest.mark.parametrize("normalized", [True, False])
def test_a_wave_is_what_wav2vec2_hears(normalized, tmp_path):
    """Mean 0 and variance 1 where its file says so, untouched where it does not."""
    theirs = Wav2Vec2FeatureExtractor(sampling_rate=8_000, do_normalize=normalized)
    theirs.save_pretrained(tmp_path)
    expected = theirs(WAVE, sampling_rate=8_000)["input_values"][0]

    found = hearing.heard(WAVE, hearing.read(tmp_path))

    np.testing.assert_allclose(found, expected, atol=1e-5)


@pytest.mark.parametrize(("rate", "bands", "frames"), [(16_000, 64, 40), (8_000, 32, 80)])
def test_a_spectrogram_is_what_the_transformer_sees(rate, bands, frames, tmp_path):
    """Cut where the sound is longer, filled with zeros before normalizing where it is shorter."""
    theirs = ASTFeatureExtractor(
        sampling_rate=rate, num_mel_bins=bands, max_length=frames, mean=-5.0, std=3.0
    )
    theirs.save_pretrained(tmp_path)
    expected = theirs(WAVE, sampling_rate=rate)["input_values"][0]

    found = hearing.heard(WAVE, hearing.read(tmp_path))

    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    ("rate", "bands", "seconds"), [(16_000, 80, 1), (16_000, 128, 30), (24_000, 40, 1)]
)
def test_a_window_is_what_whisper_hears(rate, bands, seconds, tmp_path):
    """Cut where the sound is longer, filled with silence where it is shorter."""
    theirs = WhisperFeatureExtractor(
        feature_size=bands, sampling_rate=rate, chunk_length=seconds, n_fft=400, hop_length=160
    )
    theirs.save_pretrained(tmp_path)
    expected = theirs(WAVE, sampling_rate=rate)["input_features"][0]

    found = hearing.heard(WAVE, hearing.read(tmp_path))

    np.testing.assert_allclose(found, expected, atol=1e-4)


@pytest.mark.parametrize(
    "theirs",
    [
        ASTFeatureExtractor(num_mel_bins=16, max_length=20),
        WhisperFeatureExtractor(feature_size=16, chunk_length=1),
    ],
)
def test_what_the_script_carries_runs_alone(theirs, tmp_path):
    """The functions as text give the same numbers without our package."""
    theirs.save_pretrained(tmp_path)
    settings = hearing.read(tmp_path)
    alone = {"np": np, "Wave": np.ndarray, "Settings": dict}
    exec(hearing.written_out(), alone)  # noqa: S102 - our own functions, as the bundle carries them

    np.testing.assert_array_equal(alone["heard"](WAVE, settings), hearing.heard(WAVE, settings))


def test_another_rate_keeps_the_pitch():
    """A tone of 440 Hz stays one of 440 Hz."""
    tone = np.sin(2 * np.pi * 440 * np.arange(22_050) / 22_050).astype(np.float32)

    found = hearing.at_rate(tone, 22_050, 8_000)

    assert len(found) == 8_000
    assert np.abs(np.fft.rfft(found)).argmax() == 440


@pytest.mark.parametrize(
    ("written", "because"),
    [
        ('{"feature_extractor_type": "MusicFeatureExtractor"}', "MusicFeatureExtractor"),
        ('{"sampling_rate": 0}', "sampling_rate"),
        ('{"sampling_rate": "fast"}', "sampling_rate"),
        ("no JSON", "not JSON"),
        ("[]", "no JSON object"),
    ],
)
def test_a_file_that_cannot_be_followed_is_refused(written, because, tmp_path):
    """By name: what is not understood is not guessed."""
    (tmp_path / "preprocessor_config.json").write_text(written, encoding="utf-8")

    with pytest.raises(ConfigUnreadable, match=because):
        hearing.read(tmp_path)
