"""Opens a bundle again and sees whether it is whole, unchanged and what it says.

Covers: manifest and hashes, the model opened, its label read from the file, a receipt folded in.
Does not cover: measuring anew; what a receipt says (receipt.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from wizard.bundle.pack import CHECK_DATA, MANIFEST, RECEIPT, sha256_of
from wizard.bundle.receipt import judged, overall, read_receipt, recorded_clauses
from wizard.errors import BundleDamaged, WorkerFailed
from wizard.measure import audit
from wizard.measure.process import Process
from wizard.nouns import BundleFile, Clause, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found. `verdict` and `clauses` are those of a receipt; None, empty without one."""

    label: str
    files: tuple[BundleFile, ...]
    sentences: tuple[str, ...]
    verdict: Verdict | None = None
    clauses: tuple[Clause, ...] = ()


def verify(folder: Path, receipt: Path | None = None) -> Verified:
    """Raises BundleDamaged when a file is missing, changed, added, or the model does not open.

    With a receipt the clauses are judged with that device's numbers; raises DataUnreadable when
    the receipt is none, was changed or is of another model.
    """
    files = _files(folder)
    for file in files:
        _check(folder, file)
    _no_strays(folder, {file.path for file in files})
    model = _model(folder, files)
    label = _opened(folder, model)
    sentences = [f"The model opens: {label}."]
    if receipt is None:
        return Verified(label=label, files=files, sentences=tuple(sentences))
    told = read_receipt(receipt, model)
    clauses = judged(recorded_clauses(folder / "measurements.json"), told)
    sentences.append(f"The receipt is from {told.device}, onnxruntime {told.onnxruntime}.")
    sentences += [f"{one.verdict.value}: {one.because} ({one.basis.value})" for one in clauses]
    return Verified(
        label=label,
        files=files,
        sentences=tuple(sentences),
        verdict=overall(clauses),
        clauses=clauses,
    )


def _files(folder: Path) -> tuple[BundleFile, ...]:
    from pydantic import TypeAdapter, ValidationError

    try:
        told = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        return TypeAdapter(tuple[BundleFile, ...]).validate_python(told["files"])
    except OSError as error:
        raise BundleDamaged(path=str(folder), because="it has no manifest") from error
    except (ValueError, KeyError, TypeError, ValidationError) as error:
        raise BundleDamaged(path=str(folder), because="its manifest is damaged") from error


def _check(folder: Path, file: BundleFile) -> None:
    path = folder / file.path
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise BundleDamaged(path=str(folder), because=f"{file.path} is missing")
    if sha256_of(path) != file.sha256:
        raise BundleDamaged(path=str(folder), because=f"{file.path} was changed")


def _no_strays(folder: Path, listed: set[str]) -> None:
    """Nothing but what the manifest lists, itself, and the receipt that check.py leaves."""
    found = {p.relative_to(folder).as_posix() for p in folder.rglob("*") if not p.is_dir()}
    strays = sorted(found - listed - {MANIFEST, RECEIPT})
    if strays:
        raise BundleDamaged(path=str(folder), because=f"{strays[0]} is not in its manifest")


def _model(folder: Path, files: tuple[BundleFile, ...]) -> Path:
    models = [folder / file.path for file in files if file.path.endswith(".onnx")]
    if len(models) != 1:
        raise BundleDamaged(path=str(folder), because=f"it holds {len(models)} models, not one")
    return models[0]


def _opened(folder: Path, model: Path) -> str:
    """The label read from the file, after ONNX Runtime opened it in a process of its own."""
    try:
        with Process(model, folder / CHECK_DATA, 1):
            looked = audit.audit(model)
    except WorkerFailed as error:
        because = "ONNX Runtime cannot open its model"
        raise BundleDamaged(path=str(folder), because=because) from error
    if not looked.external_data_complete:
        raise BundleDamaged(path=str(folder), because=looked.findings[0])
    return looked.label
