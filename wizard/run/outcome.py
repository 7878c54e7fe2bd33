"""What a job has found, on disk and held against its rows.

Covers: writing so that a reader never sees half a file, reading an outcome back, who pays for a
candidate, what training on the way to it came to.
Does not cover: the walk that finds it (walk.py), its public form (result.py).
"""

from __future__ import annotations

import json
from pathlib import Path

from wizard import library
from wizard.compare.who_pays import who_pays
from wizard.errors import JobOfAnotherVersion
from wizard.nouns import (
    LEARNT,
    Artifact,
    ExampleSet,
    Kind,
    Measurement,
    Outcome,
    Plan,
    WhoPays,
)


def payers_of(plan: Plan, original: Measurement, after: Measurement, rows: ExampleSet) -> WhoPays:
    """Who pays for a candidate, in the words of the model and its data."""
    labels, seed = plan.profile.labels, plan.needs.seed
    return who_pays(original, after, rows, labels, seed, library.words().languages)


def write_json(path: Path, value: object) -> None:
    """Write to a temporary name, then rename: a reader never sees half a file."""
    temporary = path.with_suffix(".tmp")
    temporary.write_text(json.dumps(value, ensure_ascii=False), encoding="utf-8")
    temporary.replace(path)


def read_outcome(folder: Path) -> Outcome | None:
    """The outcome of a job's folder, or None when nothing was measured yet.

    Raises JobOfAnotherVersion.
    """
    from pydantic import TypeAdapter, ValidationError

    path = folder / "outcome.json"
    if not path.exists():
        return None
    try:
        return TypeAdapter(Outcome).validate_json(path.read_bytes())
    except ValidationError as error:
        raise JobOfAnotherVersion(job=folder.name) from error


def learnt_of(artifact: Artifact) -> tuple[str, ...]:
    """What training a checkpoint came to, in a sentence; nothing where none took place."""
    note = artifact.path / LEARNT
    if artifact.kind is not Kind.CHECKPOINT or not note.is_file():
        return ()
    return (json.loads(note.read_text(encoding="utf-8"))["sentence"],)
