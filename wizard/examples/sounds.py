"""Sounds with labels or transcripts: a folder or a ZIP, its sub-folders or a table saying which.

Covers: opening strangers' recordings with limits (count, length), mono, storing them in 16 bits;
a table beside them with the file's name and what is said or what it is; bundled sounds.
Does not cover: folders and archives (archives.py), what a model hears (hearing.py).
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from wizard.errors import ColumnMissing, DataEmpty, DataUnreadable
from wizard.examples import hearing
from wizard.examples.archives import LARGEST_FILE, Found, Sort, opened, temporary
from wizard.nouns import ExampleSet

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

AUDIO = frozenset({".wav", ".flac", ".ogg", ".mp3", ".opus", ".aiff"})
TABLES = frozenset({".csv", ".tsv", ".jsonl"})
SOUNDS = Sort(suffixes=AUDIO | TABLES, one="a recording", many="recordings")
FILE = ("file_name", "file", "filename", "path", "audio", "recording", "clip")
SAID = ("transcription", "transcript", "text", "sentence", "words")
LABEL = ("label", "class", "category", "target", "sound")
MOST_SOUNDS = 1_256  # for test and calibration; a job keeps them in memory
LONGEST, SHORTEST = 30.0, 0.05  # seconds of one recording
MOST_SECONDS = 3_600.0  # of all together; a job holds them in memory
STORED_RATE = 16_000  # samples a second at most; more than our models listen to


class Stored:
    """Recordings on disk by row: floats in -1 .. 1 and their samples a second.

    An .npz file with one recording after the other in 16 bits (`pcm`) or in the telephone's 8
    (`mulaw`), where each begins (`offsets`), and one rate for all or one each (`rate`).
    """

    def __init__(self, path: Path) -> None:
        import numpy as np

        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        self._offsets, self._rates = arrays["offsets"], np.atleast_1d(arrays["rate"])
        self._companded = "mulaw" in arrays
        self._samples = arrays["mulaw" if self._companded else "pcm"]

    def __getitem__(self, row: int) -> tuple[Array, int]:
        import numpy as np

        start, end = self._offsets[row : row + 2]
        rate = int(self._rates[row if len(self._rates) > 1 else 0])
        raw = self._samples[start:end].astype(np.float32)
        return (_expanded(raw) if self._companded else raw / np.float32(32768)), rate


def _expanded(stored: Array) -> Array:
    """ITU-T G.711's mu-law, by its continuous formula."""
    import numpy as np

    squeezed = stored / np.float32(255) * 2 - 1
    loud = np.expm1(np.abs(squeezed) * np.log1p(255.0)) / 255.0
    return np.asarray(np.sign(squeezed) * loud, np.float32)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Take:
    """A recording with what is known of it."""

    found: Found
    answer: str


def read(
    path: Path, *, spoken: bool, seed: int, limit: int, scratch: Path | None = None
) -> ExampleSet:
    """Recordings of a folder or ZIP, at most `limit`, stored in `scratch`.

    `spoken`: their answers are transcripts, which a table beside them gives; else they are labels,
    given by that table or by the folder each lies in. Without either there are no answers.
    """
    with opened(path, SOUNDS) as found:
        takes, notes = _takes(found, path.name, spoken=spoken)
        most = min(limit, MOST_SOUNDS)
        if len(takes) > most:
            notes.append(f"{most} of {len(takes)} recordings were drawn at random (seed {seed}).")
            takes = random.Random(seed).sample(takes, most)  # noqa: S311 - a seeded draw
        target = (scratch or temporary("sounds")) / "sounds.npz"
        answers, more = _store(takes, target, path.name, cut=not spoken)
    answered = bool(answers[0])
    return ExampleSet(
        origin=path.name,
        sounds=target,
        labels=tuple(answers) if answered and not spoken else (),
        answers=tuple((one,) for one in answers) if answered and spoken else (),
        rows=tuple(range(len(answers))),
        notes=(*notes, *more),
    )


def read_one(path: Path, scratch: Path) -> ExampleSet:
    """A single recording of a stranger, stored in `scratch`. Raises DataUnreadable."""
    if path.stat().st_size > LARGEST_FILE:
        raise DataUnreadable(path=path.name, because="it is above 50 MB")
    take = _Take(found=Found(label="", name=path.name, read=path.read_bytes), answer="")
    _store([take], scratch / "sounds.npz", path.name, cut=True)
    return ExampleSet(origin=path.name, sounds=scratch / "sounds.npz", rows=(0,))


def as_wav(examples: ExampleSet) -> bytes:
    """The first recording of the set as a WAV file of 16 bits."""
    import soundfile

    assert examples.sounds is not None  # noqa: S101 - the caller has sounds
    wave, rate = Stored(examples.sounds)[examples.rows[0]]
    file = io.BytesIO()
    soundfile.write(file, wave, rate, format="WAV", subtype="PCM_16")
    return file.getvalue()


def read_bundled(folder: Path, name: str) -> ExampleSet:
    """A sample's own recordings: NAME-sounds.npz and a table NAME.csv beside it."""
    with (folder / f"{name}.csv").open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    others = [column for column in rows[0] if column not in {"label", "text"}]
    return ExampleSet(
        origin=folder.parent.name,
        sounds=folder / f"{name}-sounds.npz",
        labels=tuple(row["label"] for row in rows if "label" in row),
        answers=tuple((row["text"],) for row in rows if "text" in row),
        columns={column: tuple(row[column] for row in rows) for column in others},
        rows=tuple(range(len(rows))),
    )


def _takes(found: list[Found], origin: str, *, spoken: bool) -> tuple[list[_Take], list[str]]:
    """Every recording with its answer; those without one are left out where others have one."""
    recordings = [one for one in found if PurePosixPath(one.name).suffix.lower() in AUDIO]
    if not recordings:
        raise DataEmpty(path=origin)
    tables = [one for one in found if one not in recordings]
    if tables:
        said, note = _listed(tables[0], origin, SAID if spoken else LABEL)
        takes = [_Take(found=one, answer=_of(one, said)) for one in recordings]
    else:
        note = "There is no table of transcripts, so they have none." if spoken else ""
        takes = [_Take(found=one, answer="" if spoken else one.label) for one in recordings]
    answered = [one for one in takes if one.answer]
    notes = [note] if note else []
    if not answered:
        if not note:
            notes.append("The recordings lie in no folders, so they have no labels.")
        return takes, notes
    if len(answered) < len(takes):
        left = len(takes) - len(answered)
        notes.append(f"{left} recordings have no answer and were left out.")
    return answered, notes


def _of(one: Found, said: Mapping[str, str]) -> str:
    """What the table says of a recording, by its path or by its name alone."""
    return said.get(one.name) or said.get(PurePosixPath(one.name).name) or ""


def _listed(table: Found, origin: str, wanted: Sequence[str]) -> tuple[dict[str, str], str]:
    """What the table says of each file, and a sentence on which columns say it."""
    rows = _rows(table, origin)
    names = {column.casefold(): column for column in rows[0]} if rows else {}
    file, answer = (next((names[n] for n in of if n in names), None) for of in (FILE, wanted))
    if file is None or answer is None:
        need = FILE[0] if file is None else wanted[0]
        raise ColumnMissing(path=origin, column=need, columns=", ".join(names)[:200])
    said = {
        PurePosixPath(str(row[file]).replace("\\", "/")).name: str(row.get(answer) or "").strip()
        for row in rows
        if row.get(file)
    }
    name = PurePosixPath(table.name).name
    return said, f"The column '{answer}' of {name} is read as the answer to each '{file}'."


def _rows(table: Found, origin: str) -> list[dict[str, Any]]:
    name = PurePosixPath(table.name)
    try:
        text = table.read().decode("utf-8-sig")
        if name.suffix.lower() == ".jsonl":
            rows = [json.loads(line) for line in text.splitlines() if line.strip()]
        else:
            tab = "\t" if name.suffix.lower() == ".tsv" else ","
            rows = list(csv.DictReader(io.StringIO(text), delimiter=tab))
    except (UnicodeDecodeError, json.JSONDecodeError, csv.Error, RecursionError) as error:
        raise DataUnreadable(path=origin, because=f"its {name.name} is damaged") from error
    if not all(isinstance(row, dict) for row in rows):
        raise DataUnreadable(path=origin, because=f"its {name.name} holds no rows")
    return rows


def _store(
    takes: Sequence[_Take], target: Path, origin: str, *, cut: bool
) -> tuple[list[str], list[str]]:
    """Write every recording once; the answers of those written, and what was left out."""
    import numpy as np

    waves, answers = [], []
    seen: set[bytes] = set()
    doubles = short = long = 0
    held = 0.0
    for take in takes:
        if held > MOST_SECONDS:
            break
        raw = take.found.read()
        digest = hashlib.sha256(raw).digest()
        wave, rate = _decoded(raw, origin)
        seconds = len(wave) / rate
        doubles += digest in seen
        short += seconds < SHORTEST
        long += seconds > LONGEST
        if digest in seen or seconds < SHORTEST or (seconds > LONGEST and not cut):
            continue
        seen.add(digest)
        waves.append((wave[: int(LONGEST * rate)], rate))
        answers.append(take.answer)
        held += min(seconds, LONGEST)
    if not waves:
        raise DataEmpty(path=origin)
    np.savez(
        target,
        pcm=np.concatenate([_in_16_bits(wave) for wave, _ in waves]),
        offsets=np.concatenate([[0], np.cumsum([len(wave) for wave, _ in waves])]).astype(np.int64),
        rate=np.array([rate for _, rate in waves], np.int64),
    )
    notes = _left(doubles, short, long, cut=cut)
    if held > MOST_SECONDS:
        notes.append(f"Only the first hour of sound is used: {len(waves)} recordings.")
    return answers, notes


def _left(doubles: int, short: int, long: int, *, cut: bool) -> list[str]:
    notes = []
    if doubles:
        notes.append(f"{doubles} recordings stood there twice and were used once.")
    if short:
        notes.append(f"{short} recordings are shorter than {SHORTEST:g} s and were left out.")
    if long:
        done = f"only their first {LONGEST:g} s are heard" if cut else "were left out"
        notes.append(f"{long} recordings are longer than {LONGEST:g} s; {done}.")
    return notes


def _in_16_bits(wave: Array) -> Array:
    import numpy as np

    return np.clip(np.round(wave * 32768), -32768, 32767).astype(np.int16)


def _decoded(raw: bytes, origin: str) -> tuple[Array, int]:
    """One channel, the mean of all, at no more samples a second than we store."""
    import numpy as np
    import soundfile

    try:
        with soundfile.SoundFile(io.BytesIO(raw)) as file:
            rate = file.samplerate
            # A little more than we keep: who needs the length of a longer one knows it is longer.
            wave = file.read(int((LONGEST + 1) * rate), dtype="float32", always_2d=True)
    except (soundfile.SoundFileError, RuntimeError, ValueError, TypeError) as error:
        raise DataUnreadable(path=origin, because="a recording cannot be opened") from error
    if not len(wave) or not np.isfinite(wave).all() or rate < 1:
        raise DataUnreadable(path=origin, because="a recording is empty or damaged")
    mono = np.asarray(wave.mean(axis=1), np.float32)
    if rate <= STORED_RATE:
        return mono, rate
    return hearing.at_rate(mono, rate, STORED_RATE), STORED_RATE
