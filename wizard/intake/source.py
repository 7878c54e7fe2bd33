"""Where a model comes from: its name, its revision, its files.

Covers: samples, folders, the Hub (pinned to a commit, only the files we need, never a pickle).
Does not cover: talking to the Hub (hub.py, download.py), what the files say (card.py).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from fnmatch import fnmatch
from pathlib import Path

from wizard import hub, library
from wizard.errors import (
    HubUnreachable,
    ModelNotFound,
    NotAModelFolder,
    PickleOnly,
    RepoNotFound,
    WeightsMissing,
)
from wizard.examples import prepared
from wizard.intake import download
from wizard.intake.given import GIVEN
from wizard.nouns import ModelRef, Source

# What the card is made of, and what the job and the bundle need besides. Top of the repository
# only, since checkpoints and other formats lie in folders below; a sentence model's pooling is
# the exception.
CARD_FILES = (
    *("config.json", "README.md", "tokenizer_config.json"),
    *(prepared.ALONE, prepared.TOGETHER),
)
SMALL_FILES = ("*.json", "*.txt", "*.model", "*.spm", "README.md", "LICENSE*")
POOLING = "1_Pooling/config.json"
LARGEST_SMALL_FILE = 64 * 2**20  # bytes; the largest tokenizer.json in use has about half
LONGEST_NAME = 4096
HUB_ADDRESS = re.compile(r"https?://(?:www\.)?(?:huggingface\.co|hf\.co)/", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is there: file names with their bytes, and the folder that holds the small ones.

    `downloads` are the bytes a job would fetch by file; `repository` what the Hub said.
    """

    files: dict[str, int]
    folder: Path
    downloads: dict[str, int] = field(default_factory=dict)
    repository: hub.Repository | None = None


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
    if repo in library.samples():  # no model of the Hub without an owner is called so
        raise ModelNotFound(model=repo, suggestion=f"Did you mean sample:{repo}?")
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
    kept = hub.kept(ref) if hub.offline() else None
    return replace(ref, revision=kept.name if kept is not None else _commit_of(ref))


def _commit_of(ref: ModelRef) -> str:
    """The commit. Raises RepoNotFound with the ids that may have been meant."""
    try:
        return hub.commit_of(ref)
    except RepoNotFound as error:
        near = hub.nearest(ref.name) if ref.revision is None else []
        hint = f"Did you mean {' or '.join(near)}?" if near else ""
        raise RepoNotFound(model=str(ref), suggestion=hint) from error


def is_commit(revision: str | None) -> bool:
    """True for a full commit SHA, which cannot move."""
    return hub.is_commit(revision)


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


def folder_of(
    ref: ModelRef, report: Callable[[float, str], None], seconds: float | None = None
) -> Path:
    """A local folder with everything needed, weights included; the Hub is asked when it must.

    Raises PickleOnly or WeightsMissing before anything is downloaded, and what `download` raises.
    """
    found = listing(ref)
    if ref.source is Source.FOLDER and GIVEN in found.files:
        return found.folder
    if ref.source is Source.HUB and hub.offline() and not _weights(found.files):
        because = "its weights are not in the local cache and the Hub cannot be asked"
        raise HubUnreachable(model=str(ref), because=because)
    check_files(ref, found.files)
    if found.repository is None:
        return found.folder
    return download.download(ref, found.repository, found.downloads, report, seconds)


def folder_here(ref: ModelRef) -> Path:
    """The same folder once a job has fetched it, without asking the Hub again."""
    kept = hub.kept(ref) if ref.source is Source.HUB else None
    if kept is not None and _weights(_sizes(kept)):
        return kept
    return folder_of(ref, lambda fraction, detail: None)


def small_files_of(ref: ModelRef, report: Callable[[float, str], None]) -> Path:
    """A local folder with everything but the weights; of a Hub model no weights are fetched."""
    found = listing(ref)
    if found.repository is None:
        return found.folder
    return download.download(ref, found.repository, _small(found.files), report)


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
    check_no_pickle(ref, files)
    if not _weights(files):
        raise WeightsMissing(model=str(ref))


def check_no_pickle(ref: ModelRef, files: dict[str, int]) -> None:
    """Raises PickleOnly when the only weights are pickled; they are never opened."""
    safe = _weights(files) or GIVEN in files
    if not safe and any(name.endswith((".bin", ".pt", ".pth", ".ckpt")) for name in files):
        raise PickleOnly(model=str(ref))


def _hub_listing(ref: ModelRef) -> Listing:
    kept = hub.kept(ref) if hub.offline() else None
    if kept is not None:
        return Listing(files=_sizes(kept), folder=kept)
    repository = hub.repository(ref)
    files = {name: one.bytes for name, one in repository.files.items()}
    wanted = [name for name in _small(files) if name in CARD_FILES]
    if "config.json" not in wanted:
        raise NotAModelFolder(model=str(ref))
    folder = download.download(ref, repository, wanted, lambda fraction, detail: None)
    needed = [*_small(files), *_weights(files)]
    return Listing(
        files=files,
        folder=folder,
        downloads={name: files[name] for name in needed},
        repository=repository,
    )


def _sizes(folder: Path) -> dict[str, int]:
    return {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
