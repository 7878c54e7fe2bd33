"""The seven functions as endpoints with plain JSON, for scripts and agents.

Covers: reading and checking each argument, one sentence for each error.
Does not cover: the command line. In hosted mode no endpoint takes a folder or a file's path.
"""

from __future__ import annotations

import secrets
from pathlib import Path
from typing import Any

import gradio as gr

from wizard.errors import BadNeeds, JobNotFound, WizardError
from wizard.nouns import (
    Budget,
    ModelProfile,
    Needs,
    Priority,
    Tolerance,
    jsonable,
)
from wizard.ui.desk import Desk

LIMITS = {
    "latency_ms": ("latency", "ms"),
    "token_ms": ("token", "ms"),
    "size_mb": ("size", "MB"),
    "memory_mb": ("memory", "MB"),
}
KNOWN = {
    "device",
    "percentile",
    "max_drop",
    "metric",
    "priority",
    "minutes",
    "data",
    "tokens",
    "seed",
    "only",
    "improve",
    "afresh",
}
CALIBRATION = "#calibration="  # as examples.naming writes it
NOT_HERE = "files cannot be named in the hosted app; use \u201csample\u201d, or upload in the page"


def publish(desk: Desk) -> None:
    """Make /examine, /advise, /start, /follow, /cancel, /compare and /pack."""
    for function in (*_thinking(desk), *_working(desk)):
        gr.api(_worded(desk, function), api_name=function.__name__)


def _thinking(desk: Desk) -> tuple[Any, ...]:
    engine = desk.engine

    def examine(model: str) -> dict[str, Any]:
        """The model's card from its config alone, without weights: sample:NAME or a Hub id."""
        return _plain(_profile(desk, model))

    def advise(model: str, needs: dict[str, Any]) -> dict[str, Any]:
        """Ranked candidates with reasons. needs: device, latency_ms, max_drop, priority, ..."""
        profile = _profile(desk, model)
        return _plain(engine.advise(profile, needs_of(desk, profile, needs)))

    def start(model: str, needs: dict[str, Any]) -> str:
        """Begin a job for this plan; its id, which nobody can guess."""
        profile = _profile(desk, model)
        plan = engine.advise(profile, needs_of(desk, profile, needs))
        return engine.start(plan, owner=f"api-{secrets.token_hex(8)}")

    return examine, advise, start


def _working(desk: Desk) -> tuple[Any, ...]:
    engine = desk.engine

    def follow(job: str) -> list[dict[str, Any]]:
        """What has happened in the job so far; the last event is `finished`."""
        return _listed(engine.events(_job(job)))

    def cancel(job: str) -> list[dict[str, Any]]:
        """Stop the job; its events, the last of which says so."""
        engine.cancel(_job(job))
        return _listed(engine.events(job))

    def compare(job: str) -> dict[str, Any]:
        """Everything measured and concluded so far; an empty object before the first figure."""
        outcome = engine.compare(_job(job))
        return {} if outcome is None else _plain(outcome)

    def pack(job: str) -> dict[str, Any]:
        """The bundle: its files with hashes and bytes; the page of the run has the download."""
        packed = engine.pack(_job(job))
        return {"files": _listed(packed.files), "bytes": sum(one.bytes for one in packed.files)}

    return follow, cancel, compare, pack


def _worded(desk: Desk, function: Any) -> Any:
    from functools import wraps

    @wraps(function)
    def answer(*values: Any) -> Any:
        try:
            return function(*values)
        except WizardError as error:
            said = desk.explained(error)
            raise gr.Error(
                f"{said.message} {said.next} [{said.code}]", print_exception=False
            ) from error

    return answer


def _plain(noun: object) -> dict[str, Any]:
    return _public(jsonable(noun))  # type: ignore[no-any-return]


def _listed(noun: object) -> list[dict[str, Any]]:
    return _public(jsonable(noun))  # type: ignore[no-any-return]


def _public(value: Any) -> Any:
    """The value without this machine's folders; `path` is called `file`.

    Gradio's client would take any object with a `path` for a download.
    """
    if isinstance(value, dict):
        return {"file" if k == "path" else k: _public(one) for k, one in value.items()}
    if isinstance(value, list):
        return [_public(one) for one in value]
    if isinstance(value, str) and Path(value).is_absolute():
        return Path(value).name
    return value


def _profile(desk: Desk, model: str) -> ModelProfile:
    if not isinstance(model, str) or len(model) > 400:
        raise BadNeeds(name="The model", value="that", because="it must be a short text")
    return desk.engine.examine(desk.ref(model.strip()))


def _job(job: str) -> str:
    if not isinstance(job, str) or not job.isalnum():
        raise JobNotFound(job=str(job)[:80])
    return job


def needs_of(desk: Desk, profile: ModelProfile, asked: dict[str, Any]) -> Needs:
    """The needs of a JSON object; an unknown key or a wrong type is refused by name."""
    if not isinstance(asked, dict):
        raise BadNeeds(name="needs", value=str(asked)[:40], because="it must be an object")
    for name in asked:
        if name not in KNOWN | set(LIMITS):
            raise BadNeeds(name=name, value="given", because="no such need is known")
    percentile = int(_number(asked, "percentile", 50))
    budgets = tuple(
        Budget(
            quantity=quantity,  # type: ignore[arg-type]
            at_most=_number(asked, name, 0),
            unit=unit,
            percentile=percentile if unit == "ms" else None,
        )
        for name, (quantity, unit) in LIMITS.items()
        if name in asked
    )
    return Needs(
        device_id=str(asked.get("device", next(iter(desk.engine.devices())))),
        budgets=budgets,
        tolerance=Tolerance(
            points=_number(asked, "max_drop", 1.0), metric=str(asked.get("metric", ""))
        ),
        priority=_priority(asked),
        minutes=_number(asked, "minutes", 10.0),
        data=_data(desk, asked),
        workload=profile.workload,
        seed=int(_number(asked, "seed", 0)),
        only=str(asked["only"]) if asked.get("only") else None,
        improve=asked.get("improve") is not False,
        afresh=asked.get("afresh") is True,
    )


def _priority(asked: dict[str, Any]) -> Priority:
    named = str(asked.get("priority", Priority.FASTEST.value))
    if named not in {one.value for one in Priority}:
        known = ", ".join(one.value for one in Priority)
        raise BadNeeds(name="priority", value=named, because=f"known are {known}")
    return Priority(named)


def _data(desk: Desk, asked: dict[str, Any]) -> str:
    data = str(asked.get("data", "sample"))
    if desk.hosted and data != "sample" and not data.startswith("hub:"):
        raise BadNeeds(name="data", value=data, because=NOT_HERE)
    if desk.hosted and CALIBRATION in data:  # a path of the server's behind a data set's name
        raise BadNeeds(name="data", value=data, because=NOT_HERE)
    return data


def _number(asked: dict[str, Any], name: str, usual: float) -> float:
    value = asked.get(name, usual)
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise BadNeeds(name=name, value=str(value)[:40], because="it must be a number")
    return float(value)
