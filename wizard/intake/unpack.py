"""A ZIP of a model folder, opened as a stranger's: what is wanted is unpacked, the rest is not.

Covers: paths that lead outside, links, encryption, bombs, too many entries, the folder inside
that holds the model; what was unpacked when something is wrong is taken away again.
Does not cover: what the files say (card.py, graph.py), pickles (they are never unpacked).
"""

from __future__ import annotations

import stat
import struct
import zipfile
import zlib
from collections.abc import Iterable
from pathlib import Path, PurePosixPath

from wizard.errors import PickleOnly, UploadRefused
from wizard.limits import limits

WANTED = (".json", ".txt", ".model", ".spm", ".safetensors", ".onnx", ".data", ".onnx_data", ".md")
PICKLES = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
DEEPEST = 3  # folders below the one that holds the model
PIECE = 1 << 20
# A directory entry of a ZIP takes 46 bytes and its name; long names double it a few times over.
BYTES_OF_ENTRY = 300
END, END_64 = b"PK\x05\x06", b"PK\x06\x06"
TAIL = 22 + 65_535 + 20 + 56  # the end record, its longest comment, and what ZIP64 adds


def unpack(archive: Path, target: Path) -> None:
    """The model's files of a ZIP into the new folder `target`. Raises UploadRefused, PickleOnly."""
    _check_directory(archive)
    try:
        with zipfile.ZipFile(archive) as opened:
            entries = _checked(opened.infolist(), archive.name)
            _unpack(opened, entries, archive.name, target)
    except (zipfile.BadZipFile, zlib.error, EOFError, struct.error) as error:
        raise UploadRefused(file=archive.name, because="the ZIP file is damaged") from error
    except (NotImplementedError, RuntimeError) as error:
        because = "it is packed in a way that we cannot open"
        raise UploadRefused(file=archive.name, because=because) from error


def _check_directory(archive: Path) -> None:
    """Refuses a directory of a million entries before it is read into memory."""
    size = archive.stat().st_size
    with archive.open("rb") as file:
        file.seek(max(0, size - TAIL))
        tail = file.read()
    at = tail.rfind(END)
    if at < 0 or len(tail) < at + 22:
        raise UploadRefused(file=archive.name, because="it is no ZIP file")
    entries, directory = struct.unpack("<HI", tail[at + 10 : at + 16])
    at = tail.rfind(END_64)
    if at >= 0 and len(tail) >= at + 56:
        entries, directory = struct.unpack("<QQ", tail[at + 32 : at + 48])
    most = limits().archive_entries
    if entries > most or directory > most * BYTES_OF_ENTRY:
        raise UploadRefused(file=archive.name, because=f"it has more than {most:,} entries")


def _checked(entries: list[zipfile.ZipInfo], name: str) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """Every entry by its path; one that means harm refuses the whole archive."""
    found: dict[PurePosixPath, zipfile.ZipInfo] = {}
    for entry in entries:
        inner = PurePosixPath(entry.filename.replace("\\", "/"))
        if inner.is_absolute() or ".." in inner.parts or ":" in entry.filename:
            raise UploadRefused(file=name, because="it has paths that lead outside")
        if stat.S_IFMT(entry.external_attr >> 16) not in {0, stat.S_IFREG, stat.S_IFDIR}:
            raise UploadRefused(file=name, because="it has links or devices instead of files")
        if entry.flag_bits & 1:
            raise UploadRefused(file=name, because="it is encrypted")
        if inner in found:
            raise UploadRefused(file=name, because=f"it has {inner.name} twice at one place")
        if not entry.is_dir():
            found[inner] = entry
    _check_total(sum(one.file_size for one in found.values()), name)
    return found


def _check_total(size: int, name: str) -> None:
    allowed = limits().unpacked_bytes
    if size > allowed:
        because = f"unpacked it has {size / 1e9:,.1f} GB and at most {allowed / 1e9:,.0f} are taken"
        raise UploadRefused(file=name, because=because)


def _unpack(
    opened: zipfile.ZipFile,
    entries: dict[PurePosixPath, zipfile.ZipInfo],
    name: str,
    target: Path,
) -> None:
    top = _home(entries, name)
    target.mkdir(parents=True)
    written = 0
    for inner, entry in entries.items():
        if not inner.is_relative_to(top) or "__MACOSX" in inner.parts:
            continue
        place = inner.relative_to(top)
        wanted = place.suffix.lower() in WANTED or place.name.upper().startswith("LICENSE")
        if wanted and len(place.parts) <= DEEPEST:
            written += _write(opened, entry, target.joinpath(*place.parts), written, name)


def _home(entries: Iterable[PurePosixPath], name: str) -> PurePosixPath:
    """The folder inside that holds the model: the highest one with a config or an ONNX file."""
    paths = sorted(entries, key=lambda one: (len(one.parts), str(one)))
    configs = [one for one in paths if one.name == "config.json"]
    graphs = [one for one in paths if one.suffix == ".onnx"]
    for found in (configs, graphs):
        if found:
            break
    else:
        because = "it holds neither a config.json nor an .onnx file"
        raise UploadRefused(file=name, because=because)
    top = found[0].parent
    inside = [one for one in paths if one.is_relative_to(top)]
    if not any(one.suffix in {".safetensors", ".onnx"} for one in inside) and any(
        one.suffix in PICKLES for one in inside
    ):
        raise PickleOnly(model=name)
    return top


def _write(
    opened: zipfile.ZipFile, entry: zipfile.ZipInfo, place: Path, before: int, name: str
) -> int:
    """The bytes written; never more than announced, whatever the entry holds."""
    place.parent.mkdir(parents=True, exist_ok=True)
    written = 0
    with opened.open(entry) as packed, place.open("xb") as out:
        while piece := packed.read(PIECE):
            written += len(piece)
            if written > entry.file_size:
                raise UploadRefused(file=name, because="it holds more than it says")
            _check_total(before + written, name)
            out.write(piece)
    return written
