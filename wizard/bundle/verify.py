"""Opens a bundle again and sees whether it is whole, unchanged and what it says.

Covers: manifest and hashes, the model opened, its label read from the file, a receipt judged.
Does not cover: measuring anew.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from wizard.bundle.pack import MANIFEST
from wizard.errors import BundleDamaged, DataUnreadable
from wizard.measure import audit
from wizard.nouns import BundleFile, Verdict


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """What was found. `verdict` is that of a receipt, None without one."""

    label: str
    files: tuple[BundleFile, ...]
    sentences: tuple[str, ...]
    verdict: Verdict | None = None


def verify(folder: Path, receipt: Path | None = None) -> Verified:
    """Raises BundleDamaged when a file is missing, changed, added, or the model does not open."""
    files = _files(folder)
    for file in files:
        _check(folder, file)
    listed = {file.path for file in files} | {MANIFEST}
    strays = sorted(
        path.relative_to(folder).as_posix()
        for path in folder.rglob("*")
        if path.is_file() and path.relative_to(folder).as_posix() not in listed
    )
    strays = [one for one in strays if "receipt" not in one and "__pycache__" not in one]
    if strays:
        raise BundleDamaged(path=str(folder), because=f"{strays[0]} is not in its manifest")
    model = next(folder / file.path for file in files if file.path.endswith(".onnx"))
    looked = audit.audit(model)
    if not looked.external_data_complete:
        raise BundleDamaged(path=str(folder), because=looked.findings[0])
    sentences = [f"The model opens: {looked.label}."]
    verdict = None
    if receipt is not None:
        verdict, said = _receipt(folder, receipt, model)
        sentences += said
    return Verified(label=looked.label, files=files, sentences=tuple(sentences), verdict=verdict)


def _files(folder: Path) -> tuple[BundleFile, ...]:
    try:
        entries = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))["files"]
        return tuple(BundleFile(**entry) for entry in entries)
    except FileNotFoundError as error:
        raise BundleDamaged(path=str(folder), because="it has no manifest") from error
    except (json.JSONDecodeError, KeyError, TypeError, UnicodeDecodeError) as error:
        raise BundleDamaged(path=str(folder), because="its manifest is damaged") from error


def _check(folder: Path, file: BundleFile) -> None:
    path = folder / file.path
    if not path.resolve().is_relative_to(folder.resolve()) or not path.is_file():
        raise BundleDamaged(path=str(folder), because=f"{file.path} is missing")
    if hashlib.sha256(path.read_bytes()).hexdigest() != file.sha256:
        raise BundleDamaged(path=str(folder), because=f"{file.path} was changed")


def _receipt(folder: Path, path: Path, model: Path) -> tuple[Verdict, list[str]]:
    """The latency clauses on the user's own device, and whether its answers were right."""
    try:
        receipt = json.loads(path.read_text(encoding="utf-8"))
        digest = receipt.pop("digest")
    except (OSError, json.JSONDecodeError, KeyError, UnicodeDecodeError) as error:
        raise DataUnreadable(path=str(path), because="it is no receipt") from error
    text = json.dumps(receipt, sort_keys=True)
    if hashlib.sha256(text.encode()).hexdigest() != digest:
        raise DataUnreadable(path=str(path), because="the receipt was changed")
    if receipt["model_sha256"] != hashlib.sha256(model.read_bytes()).hexdigest():
        raise DataUnreadable(path=str(path), because="the receipt is of another model")
    measured = json.loads((folder / "measurements.json").read_text(encoding="utf-8"))
    clauses = [c for c in measured["verdict"]["clauses"] if c["name"].startswith("latency")]
    verdicts = [_judged(clause, receipt) for clause in clauses]
    said = [words for _, words in verdicts]
    found = {verdict for verdict, _ in verdicts}
    if receipt["same_answers"] < receipt["rows"]:
        lost = receipt["rows"] - receipt["same_answers"]
        said.append(f"{lost} of {receipt['rows']} answers differ from those recorded here.")
        found.add(Verdict.MISS)
    for worst in (Verdict.MISS, Verdict.CANNOT_TELL):
        if worst in found:
            return worst, said
    return Verdict.PASS, said


def _judged(clause: Mapping[str, Any], receipt: Mapping[str, Any]) -> tuple[Verdict, str]:
    name = "p95_ms" if "95" in clause["name"] else "p50_ms"
    value, low, high = (receipt[name][key] for key in ("value", "low", "high"))
    limit = clause["limit"]
    verdict = (
        Verdict.PASS if high <= limit else Verdict.MISS if low > limit else Verdict.CANNOT_TELL
    )
    words = (
        f"{verdict.value}: {value:.3g} ms ({low:.3g} to {high:.3g}) measured on "
        f"{receipt['device']}; the limit is {limit:g} ms."
    )
    return verdict, words
