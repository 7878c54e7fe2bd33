"""Looks that cost little: a search of the Hub, what a download would cost, a model as typed.

Covers: the first two in the name of the present caller; a ZIP or an ONNX file, taken in by a
child. Does not cover: reading what was found.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

from wizard import hub, intake
from wizard.errors import UploadRefused
from wizard.intake.uploads import ENDINGS
from wizard.jobs import caller
from wizard.jobs.questions import ask
from wizard.nouns import HubModel, Json, ModelProfile, ModelRef, Source, Task

SHORTEST = 2
UPLOADS = "uploads"
ONNX_OF_HUB = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+(@[\w./-]+)?):(?P<file>[\w./-]+\.onnx)")
SECONDS_TO_FETCH = 900.0


def parse_ref(text: str, home: Path) -> ModelRef:
    """A model as typed; a ZIP or an ONNX file is taken into a folder below `home` first."""
    inside = ONNX_OF_HUB.fullmatch(text.strip())
    if inside is not None:
        return _from_hub(inside["repo"], inside["file"], home)
    path = Path(text.strip()).expanduser() if text.strip().lower().endswith(ENDINGS) else None
    return take(path, home) if path is not None and path.is_file() else intake.parse_ref(text)


def _from_hub(repo: str, file: str, home: Path) -> ModelRef:
    arguments: Json = {"repo": repo, "file": file, "root": str(home / UPLOADS)}
    answer = ask("take_from_hub", arguments, SECONDS_TO_FETCH)
    assert isinstance(answer, Mapping)  # noqa: S101 - answers.take_from_hub gives one
    return ModelRef(source=Source.FOLDER, name=str(answer["folder"]))


def starts(profile: ModelProfile) -> list[str]:
    """ONNX files that a repository of the Hub holds, each as it is typed to start from it."""
    if profile.ref.source is not Source.HUB:
        return []
    return [f"{profile.ref.name}:{one}" for one in profile.files if one.endswith(".onnx")]


def take(path: Path, home: Path) -> ModelRef:
    """A file that holds a model, opened in a child; what it was taken into is a folder like any."""
    arguments: Json = {"path": str(path.absolute()), "root": str(home / UPLOADS)}
    answer = ask("take", arguments)
    assert isinstance(answer, Mapping)  # noqa: S101 - answers.take gives one
    return ModelRef(source=Source.FOLDER, name=str(answer["folder"]))


def take_together(paths: Sequence[Path], home: Path) -> ModelRef:
    """A model whose files came one by one: an ONNX file, its weights, what prepares inputs."""
    if len(paths) == 1:
        return take(paths[0], home)
    main = [one for one in paths if one.suffix.lower() in ENDINGS]
    if len(main) != 1:
        because = f"of {len(paths)} files one must be the .onnx file, and {len(main)} are"
        raise UploadRefused(file=paths[0].name, because=because)
    (home / UPLOADS).mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".together-", dir=home / UPLOADS) as place:
        for one in paths:  # copied: a link to the same bytes would be refused as one
            shutil.copyfile(one, Path(place) / one.name)
        return take(Path(place) / main[0].name, home)


def forget(home: Path, older_than: float) -> None:
    """Throw away what was taken in before that time."""
    for one in (home / UPLOADS).glob("*"):
        if one.stat().st_mtime < older_than:
            shutil.rmtree(one, ignore_errors=True)


def search(words: str) -> list[HubModel]:
    """Models on the Hub whose name holds those words; those of a task we do come first.

    Empty for fewer than two letters and when the Hub must not be asked. Raises HubUnreachable.
    """
    wanted = words.strip()
    if len(wanted) < SHORTEST or hub.offline():
        return []
    return hub.search(wanted, tuple(one.value for one in Task), token=caller.token())


def left_to_download(profile: ModelProfile) -> int:
    """Bytes that a job would fetch: what it needs and what is not in the local cache yet."""
    if profile.ref.source is not Source.HUB or profile.ref.revision is None:
        return 0
    place = hub.cache_of(profile.ref.name) / "snapshots" / profile.ref.revision
    return sum(size for name, size in profile.downloads if not (place / name).exists())
