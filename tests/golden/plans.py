"""Plans of every sample on every device, in a form that is reviewed like code.

Covers: fixed cards of the samples (profiles/), the contract they are held to, the compact form.
Does not cover: comparing (test_golden_plans.py), writing (update.py).
"""

import json
from functools import lru_cache
from pathlib import Path

from pydantic import TypeAdapter

from tests.factories import a_host
from wizard import library
from wizard.advise import advise, look_elsewhere
from wizard.intake.machine import this_machine
from wizard.nouns import (
    Budget,
    Candidate,
    ModelProfile,
    Needs,
    Plan,
    Quantity,
    Refusal,
    Tolerance,
)
from wizard.strategies._contract import discover

HERE = Path(__file__).parent
LATENCY_MS = {"intents": 5.0, "digits": 3.0, "sentences": 5.0}
REQUESTS = {"intents": 2400, "digits": 700, "sentences": 3200}


@lru_cache
def devices():
    """Every device on disk, and a machine with two cores and VNNI."""
    return {"this-machine": this_machine(a_host()), **library.devices()}


def names():
    """Every (sample, device)."""
    return [(sample, device) for sample in sorted(LATENCY_MS) for device in sorted(devices())]


def profile_of(sample: str) -> ModelProfile:
    """The sample's card as it was when it was last looked at by hand."""
    text = (HERE / "profiles" / f"{sample}.json").read_text("utf-8")
    return TypeAdapter(ModelProfile).validate_json(text)


def plan_of(sample: str, device: str, *, latency_ms=None, size_mb=None, points=1.0) -> Plan:
    """The plan for the sample's own contract, or for the limits given."""
    profile = profile_of(sample)
    at_most = latency_ms or LATENCY_MS[sample]
    budgets = [Budget(quantity="latency", at_most=at_most, unit="ms", percentile=50)]
    if size_mb:
        budgets.append(Budget(quantity="size", at_most=size_mb, unit="MB"))
    return plan_for(
        Needs(
            device_id=device,
            budgets=tuple(budgets),
            requests=REQUESTS[sample],
            tolerance=Tolerance(points=points),
            workload=profile.workload,
        ),
        profile,
    )


def plan_for(needs: Needs, profile: ModelProfile) -> Plan:
    """The plan as the engine makes it, from fixed values."""
    family = library.families()[profile.family]
    known = {"rules": library.rules(), "strategies": discover(), "family": family}
    plan = advise(profile, needs, device=devices()[needs.device_id], **known)
    return look_elsewhere(plan, library.devices().values(), **known)


def compact(plan: Plan) -> dict:
    """What a reviewer wants to see of a plan, forecasts to two digits."""
    return {
        "sentence": plan.sentence,
        "original": _forecast(plan.baseline),
        "candidates": [_candidate(one) for one in plan.candidates],
        "refused": [_refusal(one) for one in plan.refusals],
        "considered": [_refusal(one) for one in plan.also_considered],
        "would change": [f"{one.fact}: {one.then}" for one in plan.would_change],
        "offers": [one.sentence for one in plan.counter_offers],
    }


def text_of(plan: Plan) -> str:
    """The compact form as it lies in the file."""
    return json.dumps(compact(plan), indent=1) + "\n"


def path_of(sample: str, device: str) -> Path:
    """Where the plan is kept."""
    return HERE / "plans" / f"{sample}--{device}.json"


def _candidate(one: Candidate) -> dict:
    return {
        "id": one.id,
        "title": one.title,
        **_forecast(one.forecast),
        "because": [reason.rule_id for reason in one.reasons],
        "mind": [warning.rule_id or warning.sentence for warning in one.warnings],
    }


def _forecast(cast) -> dict:
    return {"size": _range(cast.size), "latency": _range(cast.latency), "drop": _range(cast.drop)}


def _range(quantity: Quantity) -> str:
    return f"{quantity.low:.2g} to {quantity.high:.2g} {quantity.unit}"


def _refusal(one: Refusal) -> str:
    return f"{one.what} [{one.rule_id}]" + (f" {one.relax}" if one.relax else "")
