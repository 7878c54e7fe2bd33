"""Files that a user gives many at a time: a folder or a ZIP, opened with limits.

Covers: listing by ending, the folder a file lies in, paths that lead outside, links, bombs,
damaged and encrypted archives. Does not cover: what is in the files (pictures.py, sounds.py).
"""

from __future__ import annotations

import atexit
import shutil
import stat
import tempfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path, PurePosixPath

from wizard.errors import DataUnreadable

MOST_ENTRIES = 100_000
LARGEST_FILE = 50 * 2**20
LARGEST_TOTAL = 4 * 2**30


@dataclass(frozen=True, slots=True, kw_only=True)
class Sort:
    """What is looked for: endings of names, and the words for one and for many."""

    suffixes: frozenset[str]
    one: str
    many: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """One file: the folder it lies in ("" for none), its path inside, how to get its bytes."""

    label: str
    name: str
    read: Callable[[], bytes]


@contextmanager
def opened(path: Path, sort: Sort) -> Iterator[list[Found]]:
    """The files of that sort in a folder or ZIP, by name. Raises DataUnreadable."""
    if path.is_dir():
        yield list(_from_folder(path, sort))
        return
    if not zipfile.is_zipfile(path):
        because = f"{sort.many} come as a folder or a ZIP file, and it is neither"
        raise DataUnreadable(path=path.name, because=because)
    try:
        with zipfile.ZipFile(path) as archive:
            yield list(_from_zip(archive, path.name, sort))
    except (zipfile.BadZipFile, zlib.error, EOFError) as error:
        raise DataUnreadable(path=path.name, because="the ZIP file is damaged") from error
    except (NotImplementedError, RuntimeError) as error:
        because = "the ZIP file is encrypted or packed in a way we cannot open"
        raise DataUnreadable(path=path.name, because=because) from error


def temporary(kind: str) -> Path:
    """A folder that goes when the process ends."""
    folder = Path(tempfile.mkdtemp(prefix=f"wizard-{kind}-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    return folder


def _from_folder(path: Path, sort: Sort) -> Iterator[Found]:
    for file in sorted((*path.glob("*"), *path.glob("*/*"))):
        if file.suffix.lower() not in sort.suffixes or file.is_symlink() or not file.is_file():
            continue
        if file.stat().st_size > LARGEST_FILE:
            raise DataUnreadable(path=path.name, because=f"it has {sort.one} above 50 MB")
        inner = file.relative_to(path)
        label = "" if file.parent == path else file.parent.name
        yield Found(label=label, name=inner.as_posix(), read=file.read_bytes)


def _from_zip(archive: zipfile.ZipFile, name: str, sort: Sort) -> Iterator[Found]:
    entries = archive.infolist()
    if len(entries) > MOST_ENTRIES:
        raise DataUnreadable(path=name, because=f"it has over {MOST_ENTRIES} entries")
    if sum(entry.file_size for entry in entries) > LARGEST_TOTAL:
        raise DataUnreadable(path=name, because="unpacked it would be above 4 GB")
    for entry in sorted(entries, key=lambda one: one.filename):
        inner = PurePosixPath(entry.filename.replace("\\", "/"))
        if inner.suffix.lower() not in sort.suffixes or "__MACOSX" in inner.parts:
            continue
        _check_entry(entry, inner, name, sort)
        read = partial(archive.read, entry)
        yield Found(label=inner.parent.name, name=inner.as_posix(), read=read)


def _check_entry(entry: zipfile.ZipInfo, inner: PurePosixPath, name: str, sort: Sort) -> None:
    if inner.is_absolute() or ".." in inner.parts:
        raise DataUnreadable(path=name, because="it has paths that lead outside")
    if stat.S_ISLNK(entry.external_attr >> 16):
        raise DataUnreadable(path=name, because=f"it has links instead of {sort.many}")
    if entry.file_size > LARGEST_FILE:
        raise DataUnreadable(path=name, because=f"it has {sort.one} above 50 MB")
