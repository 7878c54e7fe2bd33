"""The plan of a job: advice for a model and needs, from the presets on disk.

Covers: finding the device, the rules and the family that the advice is made from.
Does not cover: the advice itself (advise), working the plan (walk.py).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence

from wizard import intake, library, tasks
from wizard.advise import advise, check_needs, look_elsewhere, siblings
from wizard.advise.record import Evidence
from wizard.advise.trace import with_records
from wizard.errors import NotComparable, NotSupported, UnsupportedTask
from wizard.nouns import (
    AS_MEASURED,
    SIBLING,
    HostFacts,
    ModelProfile,
    Needs,
    Pace,
    Plan,
    Rule,
    SupportLevel,
)
from wizard.strategies import _contract as contract


def plan_for(
    profile: ModelProfile,
    needs: Needs,
    host: HostFacts,
    evidence: Evidence | None = None,
    sibling: ModelProfile | None = None,
    pace: Pace = AS_MEASURED,
) -> Plan:
    """Advice for this model and these needs, from the presets on disk; `evidence` is by rule.

    `sibling` is the card of the smaller published model that the needs name; `pace` is this
    machine's, for forecasts of seconds. Raises UnsupportedTask, UnknownName (device, strategy),
    BadNeeds, or NotComparable for a sibling that does other work.
    """
    devices = {**library.devices(), "this-machine": intake.this_machine(host)}
    check_needs(needs, profile)
    device = library.find("device", needs.device_id, devices)
    strategies = contract.discover()
    if needs.only is not None:
        library.find("strategy", needs.only, strategies)
    if profile.task is None or profile.support.level is SupportLevel.NOT_HERE:
        raise UnsupportedTask(task=profile.support.because, supported=supported_tasks())
    rules, families = library.rules(), library.families()

    def advised(model: ModelProfile, asked: Needs) -> Plan:
        family = families.get(model.family)
        return advise(
            model,
            asked,
            device=device,
            rules=rules,
            strategies=strategies,
            family=family,
            pace=pace,
        )

    plan = advised(profile, dataclasses.replace(needs, only=_only(needs, sibling)))
    plan = with_records(dataclasses.replace(plan, needs=needs), rules, evidence or {})
    others, family = library.devices().values(), families.get(profile.family)
    plan = look_elsewhere(plan, others, rules=rules, strategies=strategies, family=family)
    known = (one for family in families.values() for one in family.siblings)
    plan = dataclasses.replace(plan, siblings=siblings.offers(profile, known))
    if sibling is None:
        return plan
    because = siblings.why_not(profile, sibling)
    if because:
        raise NotComparable(because=because)
    asked = dataclasses.replace(needs, only=_only(needs, sibling), workload=sibling.workload)
    both = siblings.joined(plan, _about_recipes(advised(sibling, asked), rules))
    if needs.only != SIBLING:
        return both
    alone = tuple(one for one in both.candidates if one.of_sibling)
    return dataclasses.replace(both, candidates=alone, ladder=())


def _about_recipes(plan: Plan, rules: Sequence[Rule]) -> Plan:
    """A plan whose warnings are about its recipes: what holds for all of it is said once."""
    aimed = {rule.id for rule in rules if rule.targets}
    return dataclasses.replace(
        plan,
        candidates=tuple(
            dataclasses.replace(
                one,
                warnings=tuple(w for w in one.warnings if w.rule_id is None or w.rule_id in aimed),
            )
            for one in plan.candidates
        ),
    )


def _only(needs: Needs, sibling: ModelProfile | None) -> str | None:
    """The technique for each of the two models where the sibling as it is was asked for."""
    if needs.only != SIBLING:
        return needs.only
    if sibling is None:
        because = "no smaller published model was named; name one with --sibling"
        raise NotSupported(strategy="A smaller published model", because=because)
    return "lossless"


def supported_tasks() -> str:
    """The tasks of today, in words, as people say them."""
    titles = sorted(card.title for card in tasks.cards().values())
    return f"{', '.join(titles[:-1])} or {titles[-1]}"
