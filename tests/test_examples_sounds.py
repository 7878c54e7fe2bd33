"""Recordings: opened with limits, stored once, with labels from folders or answers from a table."""

import io
import json
import zipfile

import numpy as np
import pytest
import soundfile

from wizard.errors import ColumnMissing, DataEmpty, DataUnreadable
from wizard.examples import sounds


def a_sound(number=0, seconds=0.2, rate=8_000, channels=1):
    """The bytes of a WAV file, another one for every number."""
    random = np.random.default_rng(number)
    wave = random.uniform(-0.5, 0.5, (int(seconds * rate), channels)).astype(np.float32)
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def an_archive(tmp_path, entries):
    path = tmp_path / "sounds.zip"
    with zipfile.ZipFile(path, "w") as file:
        for name, raw in entries.items():
            file.writestr(name, raw)
    return path


def read(path, tmp_path, *, spoken=False, limit=99):
    return sounds.read(path, spoken=spoken, seed=0, limit=limit, scratch=tmp_path)


def test_the_folder_is_the_label(tmp_path):
    """In a ZIP, however deep it lies."""
    entries = {f"data/{('dog', 'cat')[i % 2]}/{i}.wav": a_sound(i) for i in range(6)}
    found = read(an_archive(tmp_path, entries), tmp_path)

    assert sorted(set(found.labels)) == ["cat", "dog"]
    assert len(found) == 6


@pytest.mark.parametrize("name", ["metadata.csv", "metadata.jsonl"])
def test_a_table_beside_them_says_what_is_said(tmp_path, name):
    """By file name, as the Hub's audio folders do; a recording without an answer is left out."""
    rows = [{"file_name": f"clips/{i}.wav", "transcription": f"words {i}"} for i in range(3)]
    text = "\n".join(json.dumps(row) for row in rows)
    if name.endswith(".csv"):
        text = "file_name,transcription\n" + "\n".join(",".join(r.values()) for r in rows)
    entries = {f"clips/{i}.wav": a_sound(i) for i in range(4)}
    found = read(an_archive(tmp_path, {name: text, **entries}), tmp_path, spoken=True)

    assert found.answers == (("words 0",), ("words 1",), ("words 2",))
    assert "'transcription' of" in found.notes[0]
    assert found.notes[1] == "1 recordings have no answer and were left out."


def test_speech_without_a_table_has_no_transcripts(tmp_path):
    """Folder names are no transcripts; agreement is all that can be measured."""
    found = read(an_archive(tmp_path, {"yes/1.wav": a_sound()}), tmp_path, spoken=True)

    assert found.answers == ()
    assert "no table of transcripts" in found.notes[0]


def test_stored_sounds_come_back_as_they_were(tmp_path):
    """In 16 bits, channels mixed, at their own rate up to 16,000 samples a second."""
    entries = {
        "a/1.wav": a_sound(1),
        "a/2.wav": a_sound(2, rate=16_000, channels=2),
        "a/3.wav": a_sound(3, rate=48_000),
    }
    stored = sounds.Stored(read(an_archive(tmp_path, entries), tmp_path).sounds)
    raw, _ = soundfile.read(io.BytesIO(a_sound(2, rate=16_000, channels=2)), dtype="float32")

    assert [stored[row][1] for row in range(3)] == [8_000, 16_000, 16_000]
    assert len(stored[2][0]) == 3_200
    np.testing.assert_allclose(stored[1][0], raw.mean(axis=1), atol=1e-4)


def test_what_cannot_be_used_is_named(tmp_path):
    """The same one twice, one too short to hear, one too long to write down."""
    entries = {
        "1.wav": a_sound(1),
        "2.wav": a_sound(1),
        "3.wav": a_sound(3, seconds=0.01),
        "4.wav": a_sound(4, seconds=31, rate=400),
    }
    found = read(an_archive(tmp_path, entries), tmp_path, spoken=True)

    assert len(found) == 1
    assert [note.split(" recordings")[0] for note in found.notes[1:]] == ["1", "1", "1"]


def test_a_long_sound_is_cut_where_it_has_a_label(tmp_path):
    """What it is can be heard from its beginning."""
    found = read(an_archive(tmp_path, {"a/1.wav": a_sound(4, seconds=31, rate=400)}), tmp_path)

    assert len(sounds.Stored(found.sounds)[0][0]) == 30 * 400
    assert "only their first 30 s" in found.notes[0]


@pytest.mark.parametrize(
    ("entries", "error"),
    [
        ({"a/1.wav": b"RIFF, but no sound"}, DataUnreadable),
        ({"a/1.wav": b""}, DataUnreadable),
        ({"notes.txt": b"none"}, DataEmpty),
        ({"../1.wav": a_sound()}, DataUnreadable),
        ({"1.wav": a_sound(), "metadata.csv": b"name,words\n1.wav,hello"}, ColumnMissing),
        ({"1.wav": a_sound(), "metadata.jsonl": b"{broken"}, DataUnreadable),
        ({"1.wav": a_sound(), "metadata.jsonl": b"[1]"}, DataUnreadable),
    ],
)
def test_what_is_wrong_is_said(tmp_path, entries, error):
    """One sentence each; nothing is guessed."""
    with pytest.raises(error):
        read(an_archive(tmp_path, entries), tmp_path, spoken=True)


def test_eight_bits_of_the_telephone_are_expanded(tmp_path):
    """The bundled sounds' storage: silence is silence, the ends are the ends."""
    path = tmp_path / "sounds.npz"
    np.savez(path, mulaw=np.array([0, 128, 255], np.uint8), offsets=[0, 3], rate=8_000)
    wave, rate = sounds.Stored(path)[0]

    assert rate == 8_000
    assert wave[0] == -1
    assert abs(wave[1]) < 1e-3
    assert wave[2] == 1
