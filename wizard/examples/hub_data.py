"""Rows of a data set on the Hub, brought here as a file like any other.

Covers: `hub:ID[:CONFIG][:SPLIT]`, the configuration and split where none was said, the commit,
streaming the first rows. Does not cover: what they are written as (hub_rows.py) and how that is
read (tables.py, pictures.py, marked.py, sounds.py).

The datasets library is imported in a child process only, and it runs no code of a repository.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard import hub, library, tasks
from wizard.errors import DatasetUnusable, RepoNotFound
from wizard.examples import hub_cells, hub_rows
from wizard.examples.naming import DataName
from wizard.nouns import ModelProfile, ModelRef, Source

PREFIX = "hub:"
USUAL_SPLITS = ("validation", "test", "dev", "valid", "eval", "train")


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


def bring(data: DataName, profile: ModelProfile, scratch: Path) -> Brought:
    """The first rows of a data set as a file or folder in `scratch`.

    Raises DatasetUnusable, what is wrong with the columns that were named, and the Hub's.
    """
    named = parse(data.path)
    commit = _commit(named)
    with _errors(named):
        config = _config(named, commit)
        split = _split(named, config, commit)
        stream = _stream(named, config, split, commit)
        rows = hub_cells.Rows(
            stream=stream,
            features=stream.features or dict.fromkeys(next(iter(stream), {})),
            card=tasks.card_of(profile.task),
            profile=profile,
            name=str(named),
            open=_opener(named, commit),
            by_position=data.labels_are_positions,
            columns=data.columns,
        )
        path, said = hub_rows.written(rows, scratch)
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


def _opener(named: Named, commit: str) -> Callable[[str], bytes]:
    """What reads a file that a row names, as the data sets' client spells it.

    Only of this repository, or in an archive there: a cell is a stranger's, and could name any file
    of this machine or any address.
    """
    import fsspec

    there = re.escape(f"hf://datasets/{named.name}@{commit}/")
    allowed = re.compile(rf"((zip|tar)://[^:]+::)?{there}[^:]+")

    def opened(path: str) -> bytes:
        if not allowed.fullmatch(path):
            return b""
        with fsspec.open(path, "rb", hf={"token": hub.token()}) as file:
            content: bytes = file.read(hub_cells.LARGEST_FILE + 1)
        return content

    return opened
