"""The Hugging Face Hub through its own client: who asks, what is there, what it says when it fails.

Covers: the token (in memory only), the client's errors as ours, a repository's files with their
sizes and hashes, names found by a search, the local cache when offline.
Does not cover: bringing files here (intake.download), what they say (intake.card).
"""

from __future__ import annotations

import errno
import os
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from wizard.errors import (
    DiskFull,
    HubBusy,
    HubUnreachable,
    ModelNotFound,
    NoWritePermission,
    RepoGated,
    RepoNotFound,
    WizardError,
)
from wizard.nouns import HubModel, ModelRef, Source

Answer = TypeVar("Answer")

SECONDS_TO_ANSWER = 15
# A Hub that asks for more patience than this is told of, with the seconds it asked for.
LONGEST_PAUSE = 20
ATTEMPTS = 3
ANONYMOUS = ""
COMMIT = re.compile(r"[0-9a-f]{40}")
SUGGESTIONS = 8
EXPANDED = ("downloads", "gated", "likes", "pipeline_tag", "tags")


@dataclass(slots=True)
class _Caller:
    """Whose token is sent: None is the machine's own login, "" is nobody's."""

    token: str | None = None


_caller = _Caller()


@dataclass(frozen=True, slots=True, kw_only=True)
class RemoteFile:
    """One file of a repository. `sha256` for large ones (LFS), `git_sha1` for the others."""

    bytes: int
    sha256: str | None = None
    git_sha1: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Repository:
    """What the Hub says of a repository at one commit."""

    commit: str
    files: Mapping[str, RemoteFile] = field(default_factory=dict)


def sign_in(token: str | None) -> None:
    """Ask in the name of that token from now on; it stays in this process's memory.

    None: the login of this machine, if there is one. "" (ANONYMOUS): nobody's.
    """
    _caller.token = token


def token() -> str | bool | None:
    """As the client takes it: a token, False for nobody's, None for the machine's own."""
    return _as_client(_caller.token)


def _as_client(said: str | None) -> str | bool | None:
    return False if said == ANONYMOUS else said


def is_commit(revision: str | None) -> bool:
    """True for a full commit SHA, which cannot move."""
    return bool(revision and COMMIT.fullmatch(revision))


def offline() -> bool:
    """Whether the user said that the Hub must not be asked (HF_HUB_OFFLINE)."""
    return os.environ.get("HF_HUB_OFFLINE", "").upper() in {"1", "ON", "YES", "TRUE"}


def endpoint() -> str | None:
    """Another address of the Hub (HF_ENDPOINT), or None."""
    return os.environ.get("HF_ENDPOINT")


def prepare() -> None:
    """No telemetry, no bars, no waiting without end or because the Hub asks for long patience."""
    os.environ.setdefault("HF_HUB_DISABLE_TELEMETRY", "1")
    from huggingface_hub import get_session
    from huggingface_hub.utils import disable_progress_bars

    disable_progress_bars()
    client = get_session()
    client.timeout = SECONDS_TO_ANSWER
    hooks = client.event_hooks
    if _refuse_long_pauses not in hooks["response"]:
        client.event_hooks = {**hooks, "response": [*hooks["response"], _refuse_long_pauses]}


def _refuse_long_pauses(response: Any) -> None:
    seconds = _pause(response)
    if response.status_code == 429 and seconds > LONGEST_PAUSE:
        raise HubBusy(seconds=round(seconds))


def _pause(response: Any) -> float:
    """The seconds that an answer asks us to wait; 0 when it does not say."""
    said = str(response.headers.get("Retry-After", "")) if response is not None else ""
    return float(said) if said.replace(".", "", 1).isdecimal() else 0.0


def api() -> Any:
    """The client, asking in the caller's name."""
    prepare()
    from huggingface_hub import HfApi

    return HfApi(endpoint=endpoint(), token=token())


def repository(ref: ModelRef, *, kind: str = "model") -> Repository:
    """The commit and the files of a repository; `kind` is "model" or "dataset"."""

    def call() -> Any:
        return api().repo_info(
            ref.name,
            revision=ref.revision,
            repo_type=kind,
            files_metadata=True,
            timeout=SECONDS_TO_ANSWER,
        )

    found = asked(ref, call)
    return Repository(
        commit=found.sha, files={one.rfilename: _file(one) for one in found.siblings or ()}
    )


def _file(said: Any) -> RemoteFile:
    if said.lfs is not None:
        return RemoteFile(bytes=int(said.lfs.size), sha256=said.lfs.sha256)
    return RemoteFile(bytes=int(said.size or 0), git_sha1=said.blob_id)


def commit_of(ref: ModelRef) -> str:
    """The commit that a revision stands for today."""

    def call() -> Any:
        return api().model_info(ref.name, revision=ref.revision, timeout=SECONDS_TO_ANSWER)

    return str(asked(ref, call).sha)


def search(
    words: str,
    tasks: tuple[str, ...] = (),
    *,
    token: str | None = None,
    limit: int = SUGGESTIONS,
) -> list[HubModel]:
    """Models whose name holds those words, most downloaded first; those of `tasks` before others.

    `token` as for sign_in, whose caller is asked for without one.
    """
    ref = ModelRef(source=Source.HUB, name=words)

    def call() -> list[Any]:
        found = api().list_models(
            search=words,
            sort="downloads",
            limit=3 * limit,
            expand=list(EXPANDED),
            token=_as_client(token) if token is not None else None,
        )
        return list(found)

    found = [_found(one) for one in asked(ref, call)]
    found.sort(key=lambda one: bool(tasks) and one.task not in tasks)
    return found[:limit]


def _found(said: Any) -> HubModel:
    return HubModel(
        name=said.id,
        task=said.pipeline_tag or "",
        downloads=int(said.downloads or 0),
        gated=bool(said.gated),
    )


def nearest(name: str) -> list[str]:
    """Ids on the Hub much like a name that is not there; empty when it cannot be asked."""
    from wizard import library

    words = re.split(r"[/._-]+", name.rpartition("/")[2])
    try:
        found = [one.name for one in search(name.rpartition("/")[2])]
        found = found or [one.name for one in search(max(words, key=len))]
    except WizardError:
        return []
    first = library.closest(name, found)
    return [*([first] if first else []), *(one for one in found if one != first)][:3]


def asked(ref: ModelRef, call: Callable[[], Answer]) -> Answer:
    """What the call answers, with patience for a Hub that is busy, or one of our errors."""
    from huggingface_hub import errors as hub

    for attempt in range(1, ATTEMPTS + 1):
        with errors(ref):
            try:
                return call()
            except hub.HfHubHTTPError as error:
                status = getattr(error.response, "status_code", 0)
                if attempt == ATTEMPTS or not (status == 429 or status >= 500):
                    raise
                time.sleep(_pause(error.response) or attempt * 0.5)
    raise AssertionError("the last attempt returns or raises")


@contextmanager
def errors(ref: ModelRef) -> Iterator[None]:
    """The client's many exceptions as our few."""
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
        raise RepoNotFound(model=str(ref), suggestion="") from error
    except hub.HfHubHTTPError as error:
        raise _refused(ref, error) from error
    except (hub.LocalEntryNotFoundError, hub.OfflineModeIsEnabled) as error:
        because = "it is not in the local cache and the Hub cannot be asked"
        raise HubUnreachable(model=str(ref), because=because) from error
    except (lost, OSError) as error:
        raise _not_reached(ref, error) from error


def _refused(ref: ModelRef, error: Any) -> WizardError:
    status = getattr(error.response, "status_code", "an error")
    if status == 429:
        return HubBusy(seconds=round(_pause(error.response)) or "some")
    if status in {401, 403}:
        because = f"it answered with {status}, so the token is wrong or may not read this"
        return HubUnreachable(model=str(ref), because=because)
    return HubUnreachable(model=str(ref), because=f"it answered with {status}")


def _not_reached(ref: ModelRef, error: Exception) -> WizardError:
    """A full or closed disk while downloading is not the Hub's fault."""
    if getattr(error, "errno", None) in {errno.ENOSPC, errno.EDQUOT}:
        return DiskFull(path="the cache of the Hub", needed_mb="more", free_mb=0)
    if isinstance(error, PermissionError):
        return NoWritePermission(path=error.filename or "the cache of the Hub")
    return HubUnreachable(model=str(ref), because=f"the connection broke ({type(error).__name__})")


def cache_of(name: str, kind: str = "model") -> Path:
    """Where the client keeps a repository: blobs, snapshots and refs.

    The layout is that of https://huggingface.co/docs/huggingface_hub/guides/manage-cache.
    """
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE) / f"{kind}s--{name.replace('/', '--')}"


def kept(ref: ModelRef) -> Path | None:
    """The snapshot of that revision in the local cache; without a revision, the newest one.

    Snapshots lie by commit, and what we fetch leaves no note of the branch it came from.
    """
    from huggingface_hub import try_to_load_from_cache

    with errors(ref):
        found = try_to_load_from_cache(ref.name, "config.json", revision=ref.revision)
    if isinstance(found, str):
        return Path(found).parent
    if ref.revision is not None:
        return None
    whole = [
        one
        for one in (cache_of(ref.name) / "snapshots").glob("*")
        if (one / "config.json").is_file()
    ]
    return max(whole, key=lambda one: one.stat().st_mtime, default=None)
