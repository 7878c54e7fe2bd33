"""Work that is kept for the next time, by the hash of everything that shaped it.

    kept/<kind>-<key>/       the files of one piece of work
    kept/<kind>-<key>/whole.json   their hashes and when they were made; written last

Covers: entries that are whole or not there (written apart, then renamed), a damaged one noticed
and thrown away, the least recently used going first when there is too much.
Does not cover: what a key is made of (strategies, run); how old is too old.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
import shutil
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from wizard.nouns import Json

WHOLE, MAKING = "whole.json", ".making-"
KEPT, EXPORTS = "kept", "exports"
# Of all entries together, and of what is free on their disk.
MOST_BYTES, SHARE_OF_FREE = 4_000_000_000, 0.25
# One entry may take this share of all: others are worth something too.
LARGEST_SHARE = 0.5
# What a job that was killed left half-made goes after a day.
LEFT_SECONDS = 86_400.0
CHUNK = 1 << 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """The kept work below `root`. `most_bytes` bounds it together with the exports beside it."""

    root: Path
    most_bytes: int = MOST_BYTES

    def find(self, kind: str, key: str) -> Entry | None:
        """A whole entry, or None; one that is damaged is thrown away."""
        folder = self._folder(kind, key)
        try:
            told = json.loads((folder / WHOLE).read_bytes())
            sound = all(_digest(folder / name) == was for name, was in told["files"].items())
            made = float(told["made"])
        except FileNotFoundError:
            if folder.is_dir():
                shutil.rmtree(folder, ignore_errors=True)
            return None
        except (OSError, ValueError, KeyError, TypeError, AttributeError):
            sound, made = False, 0.0
        if not sound:
            shutil.rmtree(folder, ignore_errors=True)
            return None
        with contextlib.suppress(OSError):  # a folder that others own can still be read
            os.utime(folder)
        return Entry(folder=folder, made=made)

    @contextlib.contextmanager
    def keep(self, kind: str, key: str, now: float) -> Iterator[Path]:
        """A private folder to fill; it becomes the entry when the block ends without an error.

        What is larger than half of all is not kept.
        """
        folder = self._folder(kind, key)
        folder.parent.mkdir(parents=True, exist_ok=True)
        making = Path(tempfile.mkdtemp(prefix=MAKING, dir=folder.parent))
        try:
            yield making
            if _bytes(making) > LARGEST_SHARE * self.allowed():
                return
            files = {_name(one, making): _digest(one) for one in sorted(_files(making))}
            whole: Mapping[str, Json] = {"files": dict(files), "made": now}
            (making / WHOLE).write_text(json.dumps(whole), encoding="utf-8")
            shutil.rmtree(folder, ignore_errors=True)
            with contextlib.suppress(OSError):  # another job was quicker with the same
                making.rename(folder)
        finally:
            shutil.rmtree(making, ignore_errors=True)
        self.trim()

    def allowed(self) -> float:
        """Bytes that all entries together may have now."""
        if not self.root.is_dir():
            return self.most_bytes
        free = shutil.disk_usage(self.root).free
        return min(self.most_bytes, self.bytes() + SHARE_OF_FREE * free)

    def bytes(self) -> int:
        """Of all entries; a file that several share counts once."""
        return sum({(f.st_dev, f.st_ino): f.st_size for f in self._facts()}.values())

    def __len__(self) -> int:
        """Whole entries, exports left out."""
        return sum((one / WHOLE).is_file() for one in self._folders())

    def _facts(self) -> Iterator[os.stat_result]:
        for folder in self._folders():
            for one in _files(folder):
                with contextlib.suppress(FileNotFoundError):
                    yield one.stat()

    def trim(self, older_than: float | None = None) -> None:
        """Drop the least recently used until the rest is allowed; all that was used before a time.

        That time says nothing about exports: no rows are in them.
        """
        oldest = sorted(((_used(one), one) for one in self._folders()), key=lambda one: one[0])
        too_much = self.bytes() - self.allowed()
        for used, folder in oldest:
            forgotten = folder.name.startswith(MAKING) and used < time.time() - LEFT_SECONDS
            old = older_than is not None and used < older_than and folder.parent.name == KEPT
            if too_much > 0 or forgotten or old:
                too_much -= _bytes(folder)
                shutil.rmtree(folder, ignore_errors=True)

    def _folder(self, kind: str, key: str) -> Path:
        return self.root / KEPT / f"{kind}-{key}"

    def _folders(self) -> list[Path]:
        places = (self.root / KEPT, self.root / EXPORTS)
        return [one for place in places if place.is_dir() for one in place.iterdir()]


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """Kept work: its files in `folder`, `made` in seconds since the epoch."""

    folder: Path
    made: float


def key_of(parts: Mapping[str, Json]) -> str:
    """A name for everything that shaped a piece of work."""
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:32]


def place(kept: Path, target: Path) -> None:
    """A second name for a file where the file system allows it, else a copy.

    External data is always copied: onnx.load refuses data files with a second name.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    if kept.suffix != ".data" and kept.stat().st_dev == target.parent.stat().st_dev:
        os.link(kept, target)
    else:
        shutil.copyfile(kept, target)


def place_all(source: Path, target: Path) -> None:
    """Every file below `source` under the same names below `target`, the shelf's own left out."""
    for one in _files(source):
        if one.name != WHOLE:
            place(one, target / one.relative_to(source))


def _files(folder: Path) -> list[Path]:
    return [one for one in folder.rglob("*") if one.is_file()]


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()


def _bytes(folder: Path) -> int:
    return sum(one.stat().st_size for one in _files(folder))


def _used(folder: Path) -> float:
    try:
        return folder.stat().st_mtime
    except FileNotFoundError:
        return 0.0


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
