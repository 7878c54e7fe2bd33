"""Reads the receipt that check.py wrote on another device and judges the contract with it.

Covers: is it whole and of this model; latency and memory clauses with the device's own numbers,
did the answers come out the same, the sum with the clauses that no device changes (size, quality).
Does not cover: the bundle itself (verify.py). A digest shows damage and slips, not a cheat.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from wizard.bundle.pack import sha256_of
from wizard.errors import BundleDamaged, DataUnreadable
from wizard.nouns import Basis, Clause, Quantity, Verdict

SCHEMA = "wizard.receipt/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Receipt:
    """What a device reported: milliseconds and megabytes of one request of the agreed shape.

    `token_p50` and `token_p95` are those of each further token, of a model that writes.
    """

    device: str
    onnxruntime: str
    p50: Quantity
    p95: Quantity
    peak: Quantity | None
    rows: int
    same_answers: int
    largest_difference: float
    token_p50: Quantity | None = None
    token_p95: Quantity | None = None


def read_receipt(path: Path, model: Path) -> Receipt:
    """The receipt at `path`. Raises DataUnreadable when it is none, changed or of another model."""
    try:
        told = json.loads(path.read_text(encoding="utf-8"))
        digest, schema = told.pop("digest"), told["schema"]
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise DataUnreadable(path=path.name, because="it is no receipt of check.py") from error
    if schema != SCHEMA:
        raise DataUnreadable(path=path.name, because=f"its schema is not {SCHEMA}")
    if hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest() != digest:
        raise DataUnreadable(path=path.name, because="the receipt was changed")
    if told.get("model_sha256") != sha256_of(model):
        raise DataUnreadable(path=path.name, because="the receipt is of another model")
    try:
        return _receipt(told)
    except (KeyError, TypeError, ValueError) as error:
        raise DataUnreadable(path=path.name, because=f"the receipt lacks {error}") from error


def _receipt(told: dict[str, object]) -> Receipt:
    peak = told["peak_mb"]
    return Receipt(
        device=str(told["device"]),
        onnxruntime=str(told["onnxruntime"]),
        p50=_milliseconds(told["p50_ms"]),
        p95=_milliseconds(told["p95_ms"]),
        peak=None if peak is None else _reported(_number(peak), "MB"),
        rows=int(_number(told["rows"])),
        same_answers=int(_number(told["same_answers"])),
        largest_difference=_number(told["largest_difference"]),
        token_p50=_milliseconds(told["token_p50_ms"]) if "token_p50_ms" in told else None,
        token_p95=_milliseconds(told["token_p95_ms"]) if "token_p95_ms" in told else None,
    )


def _milliseconds(told: object) -> Quantity:
    if not isinstance(told, dict):
        raise TypeError("its milliseconds")
    value, low, high = (_number(told[name]) for name in ("value", "low", "high"))
    return dataclasses.replace(
        _reported(value, "ms"), low=low, high=high, n=int(_number(told["n"]))
    )


def _number(told: object) -> float:
    if isinstance(told, bool) or not isinstance(told, int | float) or told < 0:
        raise TypeError("its numbers")
    return float(told)


def _reported(value: float, unit: str) -> Quantity:
    return Quantity(value=value, unit=unit, basis=Basis.REPORTED)


def recorded_clauses(measurements: Path) -> tuple[Clause, ...]:
    """The clauses as judged when the bundle was packed."""
    from pydantic import TypeAdapter, ValidationError

    try:
        told = json.loads(measurements.read_text(encoding="utf-8"))
        return TypeAdapter(tuple[Clause, ...]).validate_python(told["verdict"]["clauses"])
    except (OSError, ValueError, KeyError, TypeError, ValidationError) as error:
        because = f"{measurements.name} does not hold the contract"
        raise BundleDamaged(path=str(measurements.parent), because=because) from error


def judged(recorded: Sequence[Clause], receipt: Receipt) -> tuple[Clause, ...]:
    """Every clause, those that depend on the device with the device's numbers."""
    return (*(_on_device(clause, receipt) for clause in recorded), _answers(receipt))


def _on_device(clause: Clause, receipt: Receipt) -> Clause:
    if clause.name.startswith("latency"):
        return _with(clause, receipt.p95 if "95" in clause.name else receipt.p50, receipt.device)
    each = receipt.token_p95 if "95" in clause.name else receipt.token_p50
    if clause.name.startswith("per token") and each is not None:
        return _with(clause, each, receipt.device)
    if clause.name == "memory" and receipt.peak is not None:
        return _with(clause, receipt.peak, receipt.device)
    return clause


def _with(clause: Clause, now: Quantity, device: str) -> Clause:
    low = now.value if now.low is None else now.low
    high = now.value if now.high is None else now.high
    verdict = Verdict.CANNOT_TELL
    if high <= clause.limit:
        verdict = Verdict.PASS
    elif low > clause.limit:
        verdict = Verdict.MISS
    span = f" ({low:.3g} to {high:.3g})" if low < high else ""
    limit = f"{clause.limit:g} {clause.unit}"
    return dataclasses.replace(
        clause,
        verdict=verdict,
        after=now.value,
        low=low,
        high=high,
        basis=now.basis,
        because=f"{now.value:.3g} {now.unit}{span} on {device}; you allow {limit}.",
        next="" if verdict is Verdict.PASS else f"Allow {high:.3g} {now.unit} there.",
    )


def _answers(receipt: Receipt) -> Clause:
    """Whether the file answers there as it did here: 8-bit kernels differ between processors."""
    lost = receipt.rows - receipt.same_answers
    verb = "differs" if lost == 1 else "differ"
    because = f"{lost} of {receipt.rows} answers {verb} from those recorded here."
    return Clause(
        name="answers on the device",
        verdict=Verdict.MISS if lost else Verdict.PASS,
        limit=0,
        before=0,
        after=lost,
        unit="answers",
        low=lost,
        high=lost,
        basis=Basis.REPORTED,
        because=because if lost else f"All {receipt.rows} answers are those recorded here.",
        next="See the README on processors without 8-bit dot products." if lost else "",
    )


def overall(clauses: Sequence[Clause]) -> Verdict:
    """The worst verdict among the hard clauses."""
    found = {clause.verdict for clause in clauses if clause.hard}
    for worst in (Verdict.MISS, Verdict.CANNOT_TELL):
        if worst in found:
            return worst
    return Verdict.PASS
