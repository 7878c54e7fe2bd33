"""Writes the bundle: model, tokenizer, scripts, recipe, report, measurements, manifest.

Covers: the layout of product.md part 5, written beside the target and renamed, manifest last.
Does not cover: the words of the model card (card.py) and of the report (report.py).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import zipfile
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from wizard import tasks
from wizard.bundle.card import card, threads_of
from wizard.bundle.privacy import carry, public_command, without_folders
from wizard.bundle.report import report
from wizard.errors import OutputNotEmpty
from wizard.examples import hearing, processor
from wizard.examples.feeds import Feeds, load_feeds
from wizard.examples.preparers import dictation
from wizard.nouns import (
    SIBLING,
    ArtifactBundle,
    BundleFile,
    Candidate,
    Json,
    Measurement,
    ModelRef,
    Outcome,
    Plan,
    Source,
    Step,
    jsonable,
)
from wizard.strategies._contract import discover

MANIFEST, RECEIPT, CHECK_DATA = "MANIFEST.json", "receipt.json", "check_data.npz"
ROWS_TO_CHECK = 20
CARRIED = (
    "config.json",
    "tokenizer.json",
    "tokenizer_config.json",
    "special_tokens_map.json",
    "vocab.txt",
    "vocab.json",
    "merges.txt",
    "preprocessor_config.json",
    "processor_config.json",
    "generation_config.json",
    "modules.json",
    "LICENSE",
)
HEARING = "heard = np.asarray  # @HEARING@"  # the line of a script that what is heard replaces
TEMPLATES = Path(__file__).parent / "templates"
THREADS = '"@THREADS@"'  # their place in the scripts


def pack(  # noqa: PLR0913 - what a bundle is made of
    folder: Path,
    *,
    outcome: Outcome,
    candidate_id: str,
    model_folder: Path,
    feeds: Path,
    command: str,
    result: Mapping[str, Json],
) -> ArtifactBundle:
    """The bundle of one candidate at `folder`, whole or not at all.

    Raises OutputNotEmpty when the folder holds a bundle or anything else.
    """
    if folder.is_file() or (folder.is_dir() and any(folder.iterdir())):
        raise OutputNotEmpty(path=str(folder))
    temporary = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    candidate = next(one for one in outcome.plan.candidates if one.id == candidate_id)
    after = outcome.measurements[candidate_id]
    try:
        name = _model(temporary, candidate, after)
        _carried(temporary, model_folder, feeds.parent)
        task = tasks.card_of(outcome.plan.profile.task)
        _scripts(temporary, task, threads_of(outcome.plan, after), name)
        _check_data(temporary, outcome.plan, after.artifact.path, load_feeds(feeds))
        _texts(temporary, outcome, candidate, command, name)
        _json(temporary / "recipe.json", recipe(outcome, candidate, command))
        _json(temporary / "measurements.json", _measurements(outcome, after, result))
        files = manifest_of(temporary)
        _json(temporary / MANIFEST, {"schema": "wizard.bundle/1", "files": jsonable(files)})
        shutil.rmtree(folder, ignore_errors=True)
        temporary.rename(folder)
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    return ArtifactBundle(folder=folder, files=files)


def _model(folder: Path, candidate: Candidate, after: Measurement) -> str:
    """Copy the model under the name that transformers.js expects; the name."""
    stem = discover()[candidate.steps[-1].strategy].file_stem
    target = folder / "onnx" / f"{stem}.onnx"
    target.parent.mkdir()
    source = after.artifact.path
    external = source.with_name(source.name + ".data")
    if external.exists():
        # The model names its data file, so the data keeps that name.
        shutil.copyfile(external, target.with_name(external.name))
    shutil.copyfile(source, target)
    return f"onnx/{target.name}"


def _carried(folder: Path, model_folder: Path, work: Path) -> None:
    """The model's own small files; a tokenizer made for the job when it had none."""
    for name in CARRIED:
        if (model_folder / name).is_file():
            carry(model_folder / name, folder / name)
    if not (folder / "tokenizer.json").exists() and (work / "tokenizer.json").is_file():
        shutil.copyfile(work / "tokenizer.json", folder / "tokenizer.json")
    pooling = model_folder / "1_Pooling"
    if (pooling / "config.json").is_file():
        (folder / "1_Pooling").mkdir()
        carry(pooling / "config.json", folder / "1_Pooling" / "config.json")


def _scripts(folder: Path, task: tasks.TaskCard, threads: int, name: str) -> None:
    run = run_script(task, folder, threads)
    check = (TEMPLATES / "check.py.txt").read_text(encoding="utf-8").replace(THREADS, str(threads))
    for target, text in (("run.py", run), ("check.py", check)):
        (folder / target).write_text(text.replace("@MODEL@", name), encoding="utf-8")


def run_script(task: tasks.TaskCard, folder: Path, threads: int = 0) -> str:
    """The task's example in Python, all but the model's name filled in from `folder`.

    `threads` of 0 leaves their number to ONNX Runtime.
    """
    run = (TEMPLATES / task.script).read_text(encoding="utf-8").replace(THREADS, str(threads))
    if task.asks:
        run = run.replace('"@EXAMPLE@"', json.dumps(task.asks[0].example, ensure_ascii=False))
    if task.reads is tasks.Reads.SOUND:
        run = run.replace("@SETTINGS@", json.dumps(hearing.read(folder)))
        run = run.replace(HEARING, f"\n\n{hearing.written_out()}")
        if "@WRITING@" in run:
            run = run.replace("@WRITING@", json.dumps(dictation.writing(folder)))
    elif "@SETTINGS@" in run:
        run = run.replace("@SETTINGS@", json.dumps(processor.read(folder)))
    return run


def _check_data(folder: Path, plan: Plan, model: Path, feeds: Feeds) -> None:
    """For check.py: a few real rows with what this file answers here, and the request to time.

    `kind` says how answers compare: "top" by the likeliest class, "labels" by all that hold,
    "number" by how far it moved, "vector" by their direction, "next" by the likeliest token;
    a row's `expected` are all outputs in the file's order, numbered.
    """
    import numpy as np

    from wizard.measure import raw_answers

    count = min(ROWS_TO_CHECK, len(feeds))
    kind = tasks.card_of(plan.profile.task).check
    arrays: dict[str, Any] = {"count": np.int64(count), "kind": np.str_(kind)}
    names: set[str] = set()
    for index, (inputs, outputs) in enumerate(raw_answers(model, feeds, count)):
        names |= set(inputs)
        for key, value in inputs.items():
            arrays[f"{index}.{key}"] = value
        # Of a text the token that follows: its cache is as large as the text is long.
        kept = [outputs[0][:, -1:]] if kind == "next" else outputs
        for number, output in enumerate(kept):
            arrays[f"{index}.expected.{number}"] = output.astype(np.float32)
    workload = plan.needs.workload
    for key, value in feeds.exactly(workload.batch, workload.length).items():
        if key in names:
            arrays[f"timing.{key}"] = value
    np.savez_compressed(folder / CHECK_DATA, **arrays)


def _texts(folder: Path, outcome: Outcome, candidate: Candidate, command: str, name: str) -> None:
    (folder / "README.md").write_text(card(outcome, candidate, command, name), encoding="utf-8")
    page = report(outcome, candidate, command)
    (folder / "report.html").write_text(page, encoding="utf-8")


def recipe(outcome: Outcome, candidate: Candidate, command: str) -> Mapping[str, Json]:
    """Everything needed to do it again."""
    plan = outcome.plan
    ref = plan.profile.ref
    return {
        "schema": "wizard.recipe/1",
        "model": {
            "name": _public(ref),
            "source": ref.source.value,
            "revision": ref.revision,
            "weights_sha256": outcome.original.artifact.parent,
            "onnx_sha256": outcome.original.artifact.sha256,
        },
        "device": plan.device.id,
        "data": {"origin": outcome.data_origin, "rows": len(outcome.original.quality.answers.rows)},
        "seed": plan.needs.seed,
        "steps": [jsonable(_public_step(step)) for step in candidate.steps],
        "workload": jsonable(plan.needs.workload),
        "versions": jsonable(outcome.original.host.versions),
        "command": public_command(command),
    }


def _public(ref: ModelRef) -> str:
    """The model without the folders of whoever packed it."""
    return Path(ref.name).name if ref.source is Source.FOLDER else str(ref)


def _public_step(step: Step) -> Step:
    named = step.settings.get("model")
    if step.strategy != SIBLING or not isinstance(named, str):
        return step
    return replace(step, settings={**step.settings, "model": without_folders(named)})


def _measurements(
    outcome: Outcome, after: Measurement, result: Mapping[str, Json]
) -> Mapping[str, Json]:
    """Before and after without the folders of this machine."""
    return {
        "schema": "wizard.measurements/1",
        "host": jsonable(outcome.original.host),
        "before": _weighed(outcome.original),
        "after": _weighed(after),
        "verdict": result["verdict"],
    }


def _weighed(measurement: Measurement) -> Json:
    value = jsonable(measurement)
    assert isinstance(value, dict)  # noqa: S101 - a dataclass becomes a mapping
    artifact = {key: item for key, item in value["artifact"].items() if key != "path"}
    return {**value, "artifact": artifact}


def manifest_of(folder: Path) -> tuple[BundleFile, ...]:
    """Every file with its bytes and hash, in a fixed order."""
    return tuple(
        BundleFile(
            path=path.relative_to(folder).as_posix(),
            bytes=path.stat().st_size,
            sha256=sha256_of(path),
        )
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in {MANIFEST, RECEIPT}
    )


def sha256_of(path: Path) -> str:
    """In hexadecimal; read in pieces, since a model may not fit the memory."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _json(path: Path, value: Json) -> None:
    path.write_text(json.dumps(value, ensure_ascii=False, indent=1) + "\n", encoding="utf-8")


def zip_of(folder: Path) -> ArtifactBundle:
    """The bundle with a zip beside it; same files, same zip."""
    target = folder.with_name(f"{folder.name}.zip")
    files = manifest_of(folder)
    if not target.exists():
        temporary = target.with_suffix(".partial")
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED, compresslevel=6) as archive:
            for name in [*(file.path for file in files), MANIFEST]:
                entry = zipfile.ZipInfo(name, (2020, 1, 1, 0, 0, 0))
                entry.compress_type = zipfile.ZIP_DEFLATED
                entry.external_attr = 0o644 << 16
                with (
                    (folder / name).open("rb") as file,
                    archive.open(entry, "w", force_zip64=True) as packed,
                ):
                    shutil.copyfileobj(file, packed)
        temporary.replace(target)
    return ArtifactBundle(folder=folder, files=files, zip=target)
