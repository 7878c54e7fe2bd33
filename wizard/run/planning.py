"""The plan of a job: advice for a model and needs, from the presets on disk.

Covers: finding the device, the rules and the family that the advice is made from.
Does not cover: the advice itself (advise), working the plan (walk.py).
"""

from __future__ import annotations

from wizard import intake, library
from wizard.advise import advise, check_needs, look_elsewhere
from wizard.advise.record import Evidence
from wizard.advise.trace import with_records
from wizard.errors import UnsupportedTask
from wizard.nouns import HostFacts, ModelProfile, Needs, Plan, SupportLevel
from wizard.strategies import _contract as contract


def plan_for(
    profile: ModelProfile, needs: Needs, host: HostFacts, evidence: Evidence | None = None
) -> Plan:
    """Advice for this model and these needs, from the presets on disk; `evidence` is by rule.

    Raises UnsupportedTask, UnknownName (device, strategy) or BadNeeds.
    """
    devices = {**library.devices(), "this-machine": intake.this_machine(host)}
    check_needs(needs, profile)
    device = library.find("device", needs.device_id, devices)
    strategies = contract.discover()
    if needs.only is not None:
        library.find("strategy", needs.only, strategies)
    if profile.task is None or profile.support.level is SupportLevel.NOT_HERE:
        raise UnsupportedTask(task=profile.support.because, supported=supported_tasks())
    rules, family = library.rules(), library.families().get(profile.family)
    plan = advise(profile, needs, device=device, rules=rules, strategies=strategies, family=family)
    plan = with_records(plan, rules, evidence or {})
    others = library.devices().values()
    return look_elsewhere(plan, others, rules=rules, strategies=strategies, family=family)


def supported_tasks() -> str:
    """The tasks of today, in words."""
    return "text-classification, image-classification and feature-extraction"
