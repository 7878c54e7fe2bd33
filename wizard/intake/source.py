"""Where a model comes from: its name, its revision, its files.

Covers: samples, folders, the Hub through huggingface_hub (pinned to a commit, only the files we
need, never a pickle). Does not cover: what the files say (card.py).
"""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from wizard import library
from wizard.errors import (
    DiskFull,
    HubUnreachable,
    ModelNotFound,
    NotAModelFolder,
    NoWritePermission,
    PickleOnly,
    RepoGated,
    RepoNotFound,
    WeightsMissing,
    WizardError,
)
from wizard.nouns import ModelRef, Source

# What the card is made of, and what the job and the bundle need besides. Top of the repository
# only, since checkpoints and other formats lie in folders below; a sentence model's pooling is
# the exception.
CARD_FILES = ("config.json", "README.md", "preprocessor_config.json", "tokenizer_config.json")
SMALL_FILES = ("*.json", "*.txt", "*.model", "README.md", "LICENSE*")
POOLING = "1_Pooling/config.json"
LARGEST_SMALL_FILE = 64 * 2**20  # bytes; the largest tokenizer.json in use has about half
SECONDS_TO_ANSWER = 15
LONGEST_NAME = 4096
HUB_ADDRESS = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)
COMMIT = re.compile(r"[0-9a-f]{40}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is there: file names with their bytes, and the folder that holds the small ones."""

    files: dict[str, int]
    folder: Path


def parse_ref(text: str) -> ModelRef:
    """A model as typed. Raises ModelNotFound for an unknown sample or a missing folder.

    The address of a model's page on the Hub is read as its id.
    """
    named = text.strip()
    if len(named) > LONGEST_NAME:
        raise ModelNotFound(model=f"{named[:40]}...", suggestion="That name is too long.")
    if named.startswith("sample:"):
        return _sample(named)
    if _is_path(named):
        folder = _at_home(Path(named))
        if not folder.is_dir():
            raise ModelNotFound(model=named, suggestion="It is not a folder.")
        return ModelRef(source=Source.FOLDER, name=str(folder.absolute()))
    repo, _, revision = _without_address(named).partition("@")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repo):
        hint = "A model is sample:NAME, a Hub id such as owner/name, or a folder."
        raise ModelNotFound(model=named or "an empty name", suggestion=hint)
    return ModelRef(source=Source.HUB, name=repo, revision=revision or None)


def _sample(named: str) -> ModelRef:
    name = named.removeprefix("sample:")
    if name in library.samples():
        return ModelRef(source=Source.SAMPLE, name=name)
    near = library.closest(name, library.samples())
    raise ModelNotFound(model=named, suggestion=f"Did you mean sample:{near}?" if near else "")


def _at_home(path: Path) -> Path:
    try:
        return path.expanduser()
    except RuntimeError:  # nobody of that name has a home here
        return path


def _without_address(named: str) -> str:
    """owner/name@revision from https://huggingface.co/owner/name/tree/revision."""
    if not HUB_ADDRESS.match(named):
        return named
    path = HUB_ADDRESS.sub("", named).partition("?")[0].partition("#")[0].strip("/")
    repo, _, revision = path.partition("/tree/")
    return f"{repo}@{revision}" if revision else repo


def _is_path(named: str) -> bool:
    looks = named.startswith((".", "/", "~")) or "\\" in named or re.match(r"^[A-Za-z]:", named)
    try:
        return bool(looks) or (bool(named) and Path(named).exists())
    except OSError:  # longer than a file's name may be
        return False


def resolve(ref: ModelRef) -> ModelRef:
    """The same model, a Hub id pinned to its commit.

    Offline (HF_HUB_OFFLINE), to the commit that the local cache holds under that name.
    """
    if ref.source is not Source.HUB or is_commit(ref.revision):
        return ref
    kept = _kept(ref) if _offline() else None
    if kept is not None:
        return replace(ref, revision=kept.name)
    with _hub_errors(ref):
        info = _api().model_info(ref.name, revision=ref.revision, timeout=SECONDS_TO_ANSWER)
    return replace(ref, revision=info.sha)


def is_commit(revision: str | None) -> bool:
    """True for a full commit SHA, which cannot move."""
    return bool(revision and COMMIT.fullmatch(revision))


def _offline() -> bool:
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def _kept(ref: ModelRef) -> Path | None:
    """The snapshot of that revision in the local cache; without a revision, the newest one.

    Snapshots lie by commit, and what we fetch leaves no note of the branch it came from. The
    layout is that of https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
    """
    from huggingface_hub import constants, try_to_load_from_cache

    with _hub_errors(ref):
        found = try_to_load_from_cache(ref.name, "config.json", revision=ref.revision)
    if isinstance(found, str):
        return Path(found).parent
    if ref.revision is not None:
        return None
    place = Path(constants.HF_HUB_CACHE) / f"models--{ref.name.replace('/', '--')}" / "snapshots"
    whole = [one for one in place.glob("*") if (one / "config.json").is_file()]
    return max(whole, key=lambda one: one.stat().st_mtime, default=None)


def listing(ref: ModelRef) -> Listing:
    """File names, sizes and the small files, without any weights."""
    if ref.source is Source.HUB:
        return _hub_listing(ref)
    folder = local_folder(ref)
    return Listing(files=_sizes(folder), folder=folder)


def local_folder(ref: ModelRef) -> Path:
    """The folder of a sample or a folder model. Raises NotAModelFolder without config.json."""
    if ref.source is Source.SAMPLE:
        return library.samples()[ref.name].folder / "model"
    folder = Path(ref.name)
    if not folder.is_dir():
        raise ModelNotFound(model=ref.name, suggestion="It is not a folder.")
    if not (folder / "config.json").is_file():
        raise NotAModelFolder(model=ref.name)
    return folder


def folder_of(ref: ModelRef, report: Callable[[float, str], None]) -> Path:
    """A local folder with everything needed, weights included; the Hub is asked when it must.

    Raises PickleOnly or WeightsMissing before anything is downloaded.
    """
    found = listing(ref)
    if ref.source is Source.HUB and _offline() and not _weights(found.files):
        because = "its weights are not in the local cache and the Hub cannot be asked"
        raise HubUnreachable(model=str(ref), because=because)
    check_files(ref, found.files)
    if ref.source is not Source.HUB or _offline():
        return found.folder
    report(0.1, "downloading")
    return Path(_download(ref, [*_small(found.files), *_weights(found.files)]))


def _small(files: dict[str, int]) -> list[str]:
    """What a job needs besides the weights: never a folder below, never a file of gigabytes."""
    return [
        name
        for name, size in files.items()
        if any(fnmatch(name, pattern) for pattern in SMALL_FILES)
        and ("/" not in name or name == POOLING)
        and size <= LARGEST_SMALL_FILE
    ]


def _weights(files: dict[str, int]) -> list[str]:
    return [name for name in files if name.endswith(".safetensors") and "/" not in name]


def check_files(ref: ModelRef, files: dict[str, int]) -> None:
    """Raises when there are no safetensors: PickleOnly, or WeightsMissing."""
    if _weights(files):
        return
    if any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in files):
        raise PickleOnly(model=str(ref))
    raise WeightsMissing(model=str(ref))


def _api() -> Any:
    # No telemetry: read by the client when it is imported.
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import HfApi

    return HfApi(endpoint=os.environ.get("HF_ENDPOINT"))


def _hub_listing(ref: ModelRef) -> Listing:
    kept = _kept(ref) if _offline() else None
    if kept is not None:
        return Listing(files=_sizes(kept), folder=kept)
    with _hub_errors(ref):
        info = _api().model_info(
            ref.name, revision=ref.revision, files_metadata=True, timeout=SECONDS_TO_ANSWER
        )
    files = {one.rfilename: int(one.size or 0) for one in info.siblings or ()}
    wanted = [name for name in _small(files) if name in CARD_FILES]
    if "config.json" not in wanted:
        raise NotAModelFolder(model=str(ref))
    return Listing(files=files, folder=Path(_download(ref, wanted)))


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def _download(ref: ModelRef, names: list[str]) -> str:
    """The snapshot's folder with those files; a file whose name is a pattern is not ours."""
    from huggingface_hub import snapshot_download

    with _hub_errors(ref):
        return str(
            snapshot_download(
                ref.name,
                revision=ref.revision,
                allow_patterns=[name for name in names if not set(name) & set("*?[")],
                endpoint=os.environ.get("HF_ENDPOINT"),
                etag_timeout=SECONDS_TO_ANSWER,
                max_workers=2,
            )
        )


@contextmanager
def _hub_errors(ref: ModelRef) -> Iterator[None]:
    """The client's many exceptions as our three."""
    from huggingface_hub import errors as hub

    # Whichever HTTP library the client was built on, its errors share this base.
    lost = next(one for one in hub.HfHubHTTPError.__mro__ if one.__name__ == "HTTPError")

    try:
        yield
    except hub.HFValidationError as error:
        hint = "Two dots or dashes in a row, or one at an end, are not allowed in a Hub id."
        raise ModelNotFound(model=str(ref), suggestion=hint) from error
    except hub.GatedRepoError as error:
        raise RepoGated(model=str(ref)) from error
    except (hub.RepositoryNotFoundError, hub.RevisionNotFoundError) as error:
        raise RepoNotFound(model=str(ref)) from error
    except hub.HfHubHTTPError as error:
        status = getattr(error.response, "status_code", "an error")
        raise HubUnreachable(model=str(ref), because=f"it answered with {status}") from error
    except (hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled) as error:
        because = "it is not in the local cache and the Hub cannot be asked"
        raise HubUnreachable(model=str(ref), because=because) from error
    except (lost, OSError) as error:
        raise _not_reached(ref, error) from error


def _not_reached(ref: ModelRef, error: Exception) -> WizardError:
    """A full or closed disk while downloading is not the Hub's fault."""
    if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(path="the cache of the Hub", needed_mb="more", free_mb=0)
    if isinstance(error, PermissionError):
        return NoWritePermission(path=error.filename or "the cache of the Hub")
    return HubUnreachable(model=str(ref), because=type(error).__name__)
