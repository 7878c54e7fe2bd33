"""Where a model comes from: its name, its revision, its files.

Covers: samples, folders, the Hub through huggingface_hub (pinned to a commit, only the files we
need, never a pickle). Does not cover: what the files say (card.py).
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from wizard import library
from wizard.errors import (
    HubUnreachable,
    ModelNotFound,
    NotAModelFolder,
    PickleOnly,
    RepoGated,
    RepoNotFound,
    WeightsMissing,
)
from wizard.nouns import ModelRef, Source

SMALL_FILES = ("*.json", "*.txt", "*.model", "README.md", "LICENSE*")
SECONDS_TO_ANSWER = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What is there: file names with their bytes, and the folder that holds the small ones."""

    files: dict[str, int]
    folder: Path


def parse_ref(text: str) -> ModelRef:
    """A model as typed. Raises ModelNotFound for an unknown sample or a missing folder."""
    named = text.strip()
    if named.startswith("sample:"):
        name = named.removeprefix("sample:")
        if name not in library.samples():
            near = library.closest(name, library.samples())
            hint = f"Did you mean sample:{near}?" if near else ""
            raise ModelNotFound(model=named, suggestion=hint)
        return ModelRef(source=Source.SAMPLE, name=name)
    if _is_path(named):
        folder = Path(named).expanduser()
        if not folder.is_dir():
            raise ModelNotFound(model=named, suggestion="It is not a folder.")
        return ModelRef(source=Source.FOLDER, name=str(folder.absolute()))
    repo, _, revision = named.partition("@")
    if not re.fullmatch(r"[\w.-]+(/[\w.-]+)?", repo):
        hint = "A model is sample:NAME, a Hub id such as owner/name, or a folder."
        raise ModelNotFound(model=named or "an empty name", suggestion=hint)
    return ModelRef(source=Source.HUB, name=repo, revision=revision or None)


def _is_path(named: str) -> bool:
    looks = named.startswith((".", "/", "~")) or "\\" in named or re.match(r"^[A-Za-z]:", named)
    return bool(looks) or (bool(named) and Path(named).is_dir())


def resolve(ref: ModelRef) -> ModelRef:
    """The same model, a Hub id pinned to its commit."""
    if ref.source is not Source.HUB:
        return ref
    with _hub_errors(ref):
        info = _api().model_info(ref.name, revision=ref.revision, timeout=SECONDS_TO_ANSWER)
    return replace(ref, revision=info.sha)


def listing(ref: ModelRef) -> Listing:
    """File names, sizes and the small files, without any weights."""
    if ref.source is Source.HUB:
        return _hub_listing(ref)
    folder = local_folder(ref)
    files = {
        path.relative_to(folder).as_posix(): path.stat().st_size
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }
    return Listing(files=files, folder=folder)


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
    check_files(ref, found.files)
    if ref.source is not Source.HUB:
        return found.folder
    report(0.1, "downloading")
    return Path(_download(ref, [*SMALL_FILES, "*.safetensors"]))


def check_files(ref: ModelRef, files: dict[str, int]) -> None:
    """Raises when there are no safetensors: PickleOnly, or WeightsMissing."""
    if any(name.endswith(".safetensors") for name in files):
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
    with _hub_errors(ref):
        info = _api().model_info(
            ref.name, revision=ref.revision, files_metadata=True, timeout=SECONDS_TO_ANSWER
        )
    files = {one.rfilename: int(one.size or 0) for one in info.siblings or ()}
    return Listing(files=files, folder=Path(_download(ref, list(SMALL_FILES))))


def _download(ref: ModelRef, patterns: list[str]) -> str:
    from huggingface_hub import snapshot_download

    with _hub_errors(ref):
        return str(
            snapshot_download(
                ref.name,
                revision=ref.revision,
                allow_patterns=patterns,
                ignore_patterns=["onnx/*", "openvino/*", "*.bin", "*.pt"],
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
        raise HubUnreachable(model=str(ref), because=type(error).__name__) from error
