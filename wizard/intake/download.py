"""Brings files of the Hub here: only those named, with progress, going on where it was cut off.

Covers: room on the disk before anything is fetched, large files piece by piece into the client's
own cache (a stopped download is resumed), hashes held against what the Hub announced, a pace too
slow to wait for. Does not cover: which files are wanted (source.py).

The client's own download begins anew when its process ends, so large files are fetched here under
their hash, and the client only links them into the snapshot.
"""

from __future__ import annotations

import hashlib
import shutil
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from wizard import hub, limits
from wizard.errors import DiskFull, DownloadDamaged, DownloadTooSlow, TooLarge
from wizard.hub import RemoteFile, Repository
from wizard.nouns import ModelRef

Report = Callable[[float, str], None]

REPORT_SECONDS = 0.5
# The pace is judged after so long, and only when what is left would take longer than allowed.
SECONDS_TO_JUDGE = 10.0
PARTIAL = ".wizard-partial"
# The client's own pieces of 10 MB are held back until they are whole: too long on a slow line.
PIECE = 64 * 2**10
ROOM_TO_SPARE = 64 * 2**20


def missing(ref: ModelRef, repository: Repository, names: Iterable[str]) -> dict[str, RemoteFile]:
    """Those of the files that are not in the local cache at that commit."""
    place = hub.cache_of(ref.name) / "snapshots" / repository.commit
    return {name: repository.files[name] for name in names if not (place / name).exists()}


def download(
    ref: ModelRef,
    repository: Repository,
    names: Iterable[str],
    report: Report,
    seconds: float | None = None,
) -> Path:
    """The snapshot's folder with those files, every one as the Hub announced it.

    `seconds` is how long it may take. Raises TooLarge and DiskFull before anything is fetched;
    DownloadDamaged, DownloadTooSlow, HubBusy or HubUnreachable on the way, and what was fetched
    until then is used the next time.
    """
    wanted = [name for name in names if not set(name) & set("*?[")]
    new = missing(ref, repository, wanted)
    _check_room(ref, new)
    meter = Meter(sum(one.bytes for one in new.values()), report, seconds)
    for name, file in sorted(new.items()):
        if file.sha256:
            _fetch(ref, repository.commit, name, file, meter)
    folder = _snapshot(ref, repository.commit, wanted)
    for name, file in new.items():
        _check(folder / name, name, file)
    return folder


def _check_room(ref: ModelRef, new: Mapping[str, RemoteFile]) -> None:
    needed = sum(one.bytes for one in new.values())
    allowed = limits.limits().download_bytes
    if needed > allowed:
        raise TooLarge(what=str(ref), has=_said(needed), allowed=f"download {_said(allowed)}")
    place = hub.cache_of(ref.name)
    there = next(one for one in (place, *place.parents) if one.exists())
    free = shutil.disk_usage(there).free
    if needed and needed + ROOM_TO_SPARE > free:
        raise DiskFull(
            path="the cache of the Hub", needed_mb=needed // 10**6 + 1, free_mb=free // 10**6
        )


def _said(size: int) -> str:
    return f"{size / 1e9:,.1f} GB" if size >= 10**9 else f"{size / 1e6:,.0f} MB"


@dataclass(slots=True)
class Meter:
    """Counts bytes over all files, reports at most twice a second, gives up on a hopeless pace.

    `before` are the bytes of whole files, `now` those of the file that comes, `fetched` what the
    network brought.
    """

    total: int
    report: Report
    seconds: float | None = None
    before: int = 0
    now: int = 0
    fetched: int = 0
    began: float = field(default_factory=time.monotonic)
    told: float = 0.0

    @property
    def done(self) -> int:
        return self.before + self.now

    def finish(self, size: int) -> None:
        """A file of that size is whole."""
        self.before, self.now = self.before + size, 0

    def update(self, size: int) -> None:
        """Bytes that came. Raises DownloadDamaged for more than announced, DownloadTooSlow."""
        self.now += size
        self.fetched += size
        clock = time.monotonic()
        if self.done > self.total:
            raise DownloadDamaged(file="a file", because="more bytes came than were announced")
        if clock - self.told >= REPORT_SECONDS:
            self.told = clock
            self.tell()
            self._judge(clock - self.began)

    def tell(self) -> None:
        """The state as a fraction and a few words."""
        share = self.done / self.total if self.total else 1.0
        self.report(0.99 * share, f"downloaded {_said(self.done)} of {_said(self.total)}")

    def _judge(self, passed: float) -> None:
        if self.seconds is None or passed < min(SECONDS_TO_JUDGE, self.seconds / 4):
            return
        rate = max(1.0, self.fetched / passed)
        left = (self.total - self.done) / rate
        if passed + left > self.seconds:
            raise DownloadTooSlow(
                kilobytes=f"{rate / 1000:,.1f}",
                left=_said(self.total - self.done),
                minutes=f"{left / 60:,.0f}",
            )

    def bar(self) -> type:
        """A progress bar class for the client that only counts here."""
        meter = self

        class Bar:
            def __init__(self, *words: Any, **named: Any) -> None:
                del words
                meter.now = int(named.get("initial") or 0)

            def __enter__(self) -> Bar:
                return self

            def __exit__(self, *error: object) -> None:
                return None

            def update(self, size: float | None = 1) -> None:
                meter.update(int(size or 0))

        return Bar


def _fetch(ref: ModelRef, commit: str, name: str, file: RemoteFile, meter: Meter) -> None:
    """One large file under its hash in the cache; what is half here is gone on with."""
    from filelock import FileLock

    assert file.sha256 is not None  # noqa: S101 - the caller chose those
    blobs = hub.cache_of(ref.name) / "blobs"
    target, partial = blobs / file.sha256, blobs / f"{file.sha256}{PARTIAL}"
    with hub.errors(ref):
        blobs.mkdir(parents=True, exist_ok=True)
    with FileLock(f"{partial}.lock"):
        if not target.is_file():
            _append(ref, commit, name, file, partial, meter)
            if _sha256(partial) != file.sha256:
                partial.unlink()
                raise DownloadDamaged(file=name, because="its hash is not the one announced")
            partial.replace(target)
    meter.finish(file.bytes)
    Path(f"{partial}.lock").unlink(missing_ok=True)


def _append(
    ref: ModelRef, commit: str, name: str, file: RemoteFile, partial: Path, meter: Meter
) -> None:
    """The bytes that are still missing, added to the partial file."""
    from huggingface_hub import hf_hub_url

    hub.prepare()
    address = hf_hub_url(ref.name, name, revision=commit, endpoint=hub.endpoint())
    if partial.is_file() and partial.stat().st_size > file.bytes:
        partial.unlink()
    hub.asked(ref, lambda: _go_on(address, name, file, partial, meter))
    if partial.stat().st_size != file.bytes:
        partial.unlink()
        raise DownloadDamaged(file=name, because="its size is not the one announced")


def _go_on(address: str, name: str, file: RemoteFile, partial: Path, meter: Meter) -> None:
    from huggingface_hub import constants
    from huggingface_hub.file_download import http_get
    from huggingface_hub.utils import build_hf_headers

    constants.DOWNLOAD_CHUNK_SIZE = PIECE
    with partial.open("ab") as out:
        try:
            http_get(
                address,
                out,
                resume_size=out.tell(),
                headers=build_hf_headers(token=hub.token()),
                expected_size=file.bytes,
                displayed_filename=name,
                tqdm_class=meter.bar(),
            )
        except OSError as error:
            # The client's word for a length that is not the one expected has no number.
            if type(error) is not OSError or error.errno is not None:
                raise
            partial.unlink()
            because = "its size is not the one announced"
            raise DownloadDamaged(file=name, because=because) from error


def _snapshot(ref: ModelRef, commit: str, names: list[str]) -> Path:
    """The client's own folder of links, with the small files fetched into it."""
    from huggingface_hub import snapshot_download

    def call() -> str:
        return str(
            snapshot_download(
                ref.name,
                revision=commit,
                allow_patterns=names,
                endpoint=hub.endpoint(),
                etag_timeout=hub.SECONDS_TO_ANSWER,
                max_workers=2,
                token=hub.token(),
            )
        )

    return Path(hub.asked(ref, call))


def _check(path: Path, name: str, file: RemoteFile) -> None:
    """Raises DownloadDamaged, and takes the file away, when it is not the one announced."""
    if not path.is_file():
        raise DownloadDamaged(file=name, because="it did not come")
    blob = path.resolve()
    right = blob.stat().st_size == file.bytes and (
        blob.name == file.sha256
        or (bool(file.sha256) and _sha256(blob) == file.sha256)
        or (bool(file.git_sha1) and _git_sha1(blob) == file.git_sha1)
        or not (file.sha256 or file.git_sha1)
    )
    if not right:
        path.unlink()
        blob.unlink(missing_ok=True)
        raise DownloadDamaged(file=name, because="its hash is not the one announced")


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _git_sha1(path: Path) -> str:
    """Git's name for a file's content."""
    content = path.read_bytes()
    head = f"blob {len(content)}\0".encode()
    return hashlib.sha1(head + content, usedforsecurity=False).hexdigest()
