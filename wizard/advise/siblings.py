"""Smaller published models that do the same work: which are offered, which fit, how they join.

Covers: offers for a model from the family files; why two models cannot be held against each other;
a plan with the recipes of an accepted sibling among its own. Pure.
Does not cover: looking at the sibling's config (intake), opening and measuring it (run/sibling.py).
"""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Sequence

from wizard import duration
from wizard.advise.choose import id_of
from wizard.nouns import (
    SIBLING,
    Candidate,
    JobForecast,
    ModelProfile,
    ModelRef,
    Plan,
    Quantity,
    Reason,
    Sibling,
    SiblingOffer,
    Source,
    Step,
    SupportLevel,
)

OFFERS_AT_MOST = 3
# Worth a download and a measurement; 8 bits on the original cost less than a smaller step.
SMALLER_BY = 0.75
UNNAMED = re.compile(r"label_\d+")  # transformers' own names where a config gives none
# Recipes of the sibling that are tried at once; the others stand on the ladder.
TRIED_AT_ONCE = 2
PLAIN = {SIBLING, "to_onnx", "lossless"}
NOBODY_KNOWS = (
    "It is another network: what it loses against the original shows when it is measured."
)


def offers(profile: ModelProfile, known: Iterable[Sibling]) -> tuple[SiblingOffer, ...]:
    """Published models that stand in for this one, the largest first; three at most."""
    found = [one for one in known if _stands_in(one, profile)]
    nearest = sorted(found, key=lambda one: -one.parameters)
    return tuple(
        SiblingOffer(sibling=one, sentence=_sentence(one, profile))
        for one in (nearest if len(nearest) <= OFFERS_AT_MOST else _spread(nearest))
    )


def _spread(nearest: Sequence[Sibling]) -> list[Sibling]:
    """The largest, the smallest and the middle one: the choice that is worth having."""
    return [nearest[0], nearest[len(nearest) // 2], nearest[-1]]


def _stands_in(one: Sibling, profile: ModelProfile) -> bool:
    if one.task is not profile.task or _repo(one.model) == profile.ref.name:
        return False
    if one.parameters > SMALLER_BY * profile.parameters.total:
        return False
    if profile.ref.source is Source.HUB and profile.ref.name in one.stands_for:
        return True
    labels = profile.labels
    return bool(labels) and len(labels) == one.label_count and labels[0] == one.first_label


def _repo(model: str) -> str:
    return model.partition("@")[0]


def _sentence(one: Sibling, profile: ModelProfile) -> str:
    """Its size beside the original's, where it comes from, what its card says of it."""
    taught = f", distilled from {one.distilled_from}" if one.distilled_from else ""
    said = f" {one.said}" if one.said else ""
    return (
        f"{one.title} does the same work with {millions(one.parameters)} parameters instead of "
        f"{millions(profile.parameters.total)}{taught} ({one.licence}).{said}"
    )


def millions(parameters: int) -> str:
    """`66.4 million`."""
    return f"{parameters / 1e6:.3g} million"


def why_not(profile: ModelProfile, other: ModelProfile) -> str:
    """Why the two cannot be held against each other on the same rows, as a clause, or ""."""
    if other.support.level is SupportLevel.NOT_HERE:
        return f"{other.title} cannot be done here: {_clause(other.support.because)}"
    if other.task is not profile.task or other.task is None:
        named = other.task.on_hub if other.task else "another task"
        original = profile.task.on_hub if profile.task else "none that we do"
        return f"{other.title} is a model for {named} and the original one for {original}"
    if other.parameters.total >= profile.parameters.total:
        return (
            f"{other.title} is not smaller: it has {millions(other.parameters.total)} parameters "
            f"and the original {millions(profile.parameters.total)}"
        )
    if other.image_size is not None and other.channels != profile.channels:
        return f"{other.title} reads pictures of {other.channels} channels, not {profile.channels}"
    tokens, most = profile.workload.tokens or 0, other.workload.tokens or 0
    if most < tokens:
        return f"{other.title} reads at most {most} tokens and your requests have {tokens}"
    return _other_labels(profile, other)


def _clause(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:].rstrip(".")


def _other_labels(profile: ModelProfile, other: ModelProfile) -> str:
    ours, theirs = (tuple(one.lower() for one in side.labels) for side in (profile, other))
    if ours == theirs:
        return ""
    if len(ours) == len(theirs) and _nameless(ours) != _nameless(theirs):
        which = other.title if _nameless(theirs) else "the original"
        return f"the labels of {which} have no names in its config, so nobody knows which is which"
    if sorted(ours) == sorted(theirs):
        return f"the labels of {other.title} stand in another order"
    return (
        f"{other.title} has other labels: {_some(other.labels)} instead of {_some(profile.labels)}"
    )


def _nameless(labels: Sequence[str]) -> bool:
    return bool(labels) and all(UNNAMED.fullmatch(one) for one in labels)


def _some(labels: Sequence[str]) -> str:
    shown = ", ".join(labels[:3])
    return shown if len(labels) <= 3 else f"{shown} and {len(labels) - 3} more"


def joined(plan: Plan, sibling: Plan) -> Plan:
    """The plan with the sibling's recipes: its plainest and its best at once, the rest as rungs."""
    theirs = [_of_sibling(one, sibling, plan) for one in (*sibling.candidates, *sibling.ladder)]
    plain = [one for one in theirs if _is_plain(one)]
    first = list({one.id: one for one in (*plain[:1], *theirs)}.values())[:TRIED_AT_ONCE]
    known = {one.id for one in first}
    first = [_with_translation(one, sibling.profile) for one in first[:1]] + first[1:]
    rungs = [*plan.ladder, *(one for one in theirs if one.id not in known)]
    return dataclasses.replace(
        plan,
        candidates=(*plan.candidates[:1], *first, *plan.candidates[1:]),
        ladder=tuple(sorted(rungs, key=lambda one: one.forecast.seconds.value)),
        job=_together(plan.job, sibling.job),
        siblings=tuple(
            one for one in plan.siblings if _repo(one.sibling.model) != sibling.profile.ref.name
        ),
        sibling=sibling.profile,
        needs=dataclasses.replace(plan.needs, sibling=str(sibling.profile.ref)),
    )


def step_for(ref: ModelRef) -> Step:
    """The step that goes on with the sibling; a Hub model by its commit."""
    named = ref.name if ref.source is Source.HUB else str(ref)
    return Step(strategy=SIBLING, settings={"model": named, "revision": ref.revision or ""})


def _of_sibling(candidate: Candidate, sibling: Plan, plan: Plan) -> Candidate:
    """The sibling's recipe as one of the original's; how much it loses is open to the top."""
    profile = sibling.profile
    sentence = (
        f"You asked for this smaller published model: {millions(profile.parameters.total)} "
        f"parameters instead of {millions(plan.profile.parameters.total)}."
    )
    steps = (step_for(profile.ref), *candidate.steps)
    drop = dataclasses.replace(candidate.forecast.drop, high=100.0)
    made = dataclasses.replace(
        candidate,
        id=id_of(steps),
        title=f"{profile.title}: {candidate.title}",
        steps=steps,
        forecast=dataclasses.replace(candidate.forecast, drop=drop),
        reasons=(Reason(sentence=sentence), *candidate.reasons),
        warnings=(Reason(sentence=NOBODY_KNOWS), *candidate.warnings),
    )
    if not _is_plain(made):
        return made
    title = f"{profile.title}, as it is"
    return dataclasses.replace(made, title=title, reasons=made.reasons[:1])


def _is_plain(candidate: Candidate) -> bool:
    """Whether the sibling's own answers stay as they are."""
    return {step.strategy for step in candidate.steps} <= PLAIN


def _with_translation(candidate: Candidate, profile: ModelProfile) -> Candidate:
    """The first recipe of the sibling takes the time of its translation, too."""
    cast = candidate.forecast
    longer = duration.to_export(profile)
    seconds = _sum(cast.seconds, dataclasses.replace(cast.seconds, value=longer, low=longer / 2,
                                                     high=longer * 2))  # fmt: skip
    return dataclasses.replace(candidate, forecast=dataclasses.replace(cast, seconds=seconds))


def _together(one: JobForecast, other: JobForecast) -> JobForecast:
    """One job after the other on the same disk."""
    memory = max(one.memory, other.memory, key=lambda quantity: quantity.value)
    return JobForecast(
        memory=memory,
        disk=_sum(one.disk, other.disk),
        seconds=_sum(one.seconds, other.seconds),
        first=one.first,
    )


def _sum(one: Quantity, other: Quantity) -> Quantity:
    return dataclasses.replace(
        one,
        value=one.value + other.value,
        low=(one.low or one.value) + (other.low or other.value),
        high=(one.high or one.value) + (other.high or other.value),
    )
