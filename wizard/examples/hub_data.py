"""Rows of a data set on the Hub, brought here as a file like any other.

Covers: `hub:ID[:CONFIG][:SPLIT]`, the configuration and split where none was said, the first rows
streamed, label numbers as names, columns by their kind where their names say nothing, pictures.
Does not cover: reading the file that it makes (tables.py, pictures.py), sound (not yet).

The datasets library is imported in a child process only, and it runs no code of a repository.
"""

from __future__ import annotations

import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard import hub, library, tasks
from wizard.errors import DatasetUnusable, RepoNotFound
from wizard.nouns import ModelProfile, ModelRef, Source
from wizard.tasks import Layout, Reads

PREFIX = "hub:"
FIRST_ROWS = 20_000  # of these a sample is drawn; a larger set is not read to its end
FIRST_PICTURES = 3_000
USUAL_SPLITS = ("validation", "test", "dev", "valid", "eval", "train")
LARGEST_PICTURE = 50 * 2**20


@dataclass(frozen=True, slots=True, kw_only=True)
class Named:
    """A data set as typed. `config` and `split` are "" where nothing was said."""

    name: str
    config: str = ""
    split: str = ""

    def __str__(self) -> str:
        return PREFIX + ":".join(one for one in (self.name, self.config, self.split) if one)


@dataclass(frozen=True, slots=True, kw_only=True)
class Brought:
    """The file or folder that the rows were written to, what they are, and how they were found."""

    path: Path
    origin: str
    notes: tuple[str, ...]


def parse(typed: str) -> Named:
    """`hub:ID[:CONFIG][:SPLIT]`; of two parts the second is a split if it is called like one."""
    parts = typed.removeprefix(PREFIX).split(":")
    if not parts[0] or len(parts) > 3:
        because = "it is written hub:ID, hub:ID:CONFIG or hub:ID:CONFIG:SPLIT"
        raise DatasetUnusable(name=typed, because=because)
    if len(parts) == 2 and parts[1].partition("[")[0] in USUAL_SPLITS:
        return Named(name=parts[0], split=parts[1])
    return Named(**dict(zip(("name", "config", "split"), parts, strict=False)))


def bring(typed: str, profile: ModelProfile, scratch: Path, *, by_position: bool) -> Brought:
    """The first rows of a data set as a file in `scratch`. Raises DatasetUnusable and the Hub's."""
    named = parse(typed)
    if tasks.card_of(profile.task).reads is Reads.SOUND:
        because = "sound is not read from the Hub yet; give a ZIP of sounds"
        raise DatasetUnusable(name=str(named), because=because)
    commit = _commit(named)
    with _errors(named):
        config = _config(named, commit)
        split = _split(named, config, commit)
        rows = _stream(named, config, split, commit)
        pictures = tasks.card_of(profile.task).reads is Reads.PICTURES
        write = _write_pictures if pictures else _write_table
        path, said = write(rows, profile, scratch, by_position=by_position)
    whole = ":".join(one for one in (named.name, config, split) if one)
    where = f"'{split}'" + (f" of '{config}'" if config else "")
    told = f"The first rows of the split {where} are read, at commit {commit[:8]}."
    return Brought(path=path, origin=f"{PREFIX}{whole}@{commit[:8]}", notes=(told, *said))


def _commit(named: Named) -> str:
    """The commit. Raises DatasetUnusable when there is no such data set."""
    hub.prepare()
    try:
        ref = ModelRef(source=Source.HUB, name=named.name)
        return hub.repository(ref, kind="dataset").commit
    except RepoNotFound as error:
        because = "the Hub has no data set of that name, or it is private"
        raise DatasetUnusable(name=str(named), because=because) from error


@contextmanager
def _errors(named: Named) -> Iterator[None]:
    """The library's exceptions as one of ours; the Hub's own as always."""
    import pyarrow
    from datasets import exceptions

    try:
        with hub.errors(ModelRef(source=Source.HUB, name=named.name)):
            yield
    except (exceptions.DatasetsError, pyarrow.ArrowException, ValueError, KeyError) as error:
        because = str(error).strip().split("\n", 1)[0][:160].rstrip(".") or type(error).__name__
        raise DatasetUnusable(name=str(named), because=because) from error


def _config(named: Named, commit: str) -> str:
    """The configuration: the one named, the only one, or the default one."""
    from datasets import get_dataset_config_names

    names = get_dataset_config_names(named.name, revision=commit, token=hub.token())
    if named.config in names or (not named.config and len(names) == 1):
        return named.config or str(names[0])
    if not named.config and "default" in names:
        return "default"
    shown = ", ".join(names[:8])
    near = library.closest(named.config, names) if named.config else None
    hint = f", perhaps {near}" if near else ""
    what = f"it has no configuration '{named.config}'" if named.config else "it has several"
    because = f"{what}; say which of {shown} as {PREFIX}{named.name}:NAME{hint}"
    raise DatasetUnusable(name=str(named), because=because)


def _split(named: Named, config: str, commit: str) -> str:
    """The split: the one named, else the one that is usually held back for judging."""
    from datasets import get_dataset_split_names

    names = get_dataset_split_names(named.name, config, revision=commit, token=hub.token())
    if named.split:
        if named.split not in names:
            because = f"it has no split '{named.split}', only {', '.join(names[:8])}"
            raise DatasetUnusable(name=str(named), because=because)
        return named.split
    return next((one for one in USUAL_SPLITS if one in names), str(names[0]))


def _stream(named: Named, config: str, split: str, commit: str) -> Any:
    from datasets import load_dataset

    return load_dataset(
        named.name, config, split=split, streaming=True, revision=commit, token=hub.token()
    )


# --------------------------------------------------------------------------- texts


def _write_table(
    rows: Any, profile: ModelProfile, scratch: Path, *, by_position: bool
) -> tuple[Path, list[str]]:
    """JSON lines, columns under names that are understood; sentences on what was renamed."""
    renamed, said = _renamed(rows, tasks.card_of(profile.task).layouts)
    read = _readers(rows, profile, by_position=by_position)
    path = scratch / "rows.jsonl"
    with path.open("w", encoding="utf-8") as file:
        for row in itertools.islice(rows, FIRST_ROWS):
            told = {renamed.get(name, name): read[name](value) for name, value in row.items()}
            file.write(json.dumps(told, ensure_ascii=False, default=str) + "\n")
    return path, said


def _renamed(rows: Any, layouts: tuple[Layout, ...]) -> tuple[dict[str, str], list[str]]:
    """Columns that only their kind explains, under the name that the task's layout knows."""
    features = rows.features or {}
    texts = [name for name, kind in features.items() if getattr(kind, "dtype", "") == "string"]
    classes = [name for name, kind in features.items() if _names(kind)]
    renamed: dict[str, str] = {}
    layout = layouts[-1] if layouts else None
    if layout is None or len(layout.texts) != 1:
        return {}, []
    for found, known in ((texts, layout.texts[0]), (classes, layout.answer)):
        named = {name.casefold() for name in features}
        if len(found) == 1 and known and not named & set(known):
            renamed[found[0]] = known[0]
    said = [f"The column '{old}' is taken for the {new}." for old, new in renamed.items()]
    return renamed, said


def _names(kind: Any) -> list[str]:
    """The names of a ClassLabel's numbers; none for any other column."""
    found = getattr(kind, "names", None)
    return list(found) if isinstance(found, list) else []


def _readers(
    rows: Any, profile: ModelProfile, *, by_position: bool
) -> Mapping[str, Callable[[Any], Any]]:
    """How each column's values are written: class numbers as names, where the model has names."""
    readers: dict[str, Callable[[Any], Any]] = {}
    unnamed = all(one.startswith("LABEL_") for one in profile.labels)
    bare = bool(profile.labels) and (by_position or unnamed)
    first: dict[str, Any] = next(iter(rows), {})
    for name in first:
        names = _names((rows.features or {}).get(name))
        readers[name] = _named(names) if names and not bare else _plain
    return readers


def _named(names: list[str]) -> Callable[[Any], Any]:
    """-1 stands for an answer that is held back."""

    def name_of(value: Any) -> Any:
        return names[value] if isinstance(value, int) and 0 <= value < len(names) else ""

    return name_of


def _plain(value: Any) -> Any:
    return "" if value == -1 else value


# --------------------------------------------------------------------------- pictures


def _write_pictures(
    rows: Any, profile: ModelProfile, scratch: Path, *, by_position: bool
) -> tuple[Path, list[str]]:
    """A folder of pictures as they came, in a folder for each label."""
    from datasets import Image

    features = rows.features or {}
    column = next((name for name, kind in features.items() if isinstance(kind, Image)), None)
    if column is None:
        because = f"it has no pictures; its columns are {', '.join(list(features)[:8])}"
        raise DatasetUnusable(name="this data set", because=because)
    label = next((name for name, kind in features.items() if _names(kind)), "")
    names = _names(features[label]) if label else []
    bare = by_position or all(one.startswith("LABEL_") for one in profile.labels)
    place = scratch / "pictures"
    raw = rows.cast_column(column, Image(decode=False))
    for number, row in enumerate(itertools.islice(raw, FIRST_PICTURES)):
        content = (row[column] or {}).get("bytes")
        if not content or len(content) > LARGEST_PICTURE:
            continue
        told = row.get(label, -1)
        named = (str(told) if bare else names[told]) if label and told >= 0 else ""
        home = place / named.replace("/", "-") if named else place
        home.mkdir(parents=True, exist_ok=True)
        (home / f"{number:06}.png").write_bytes(content)
    said = f"The column '{column}' is read as the picture"
    return place, [said + (f" and '{label}' as its label." if label else "; without labels.")]
