"""From facts and rules to ranked candidates, refusals and what else was considered.

Covers: refuse > avoid > warn > propose; ties by confidence, number of conditions, id; merging of
equal recipes; ranking by the user's priority; `only`; what a device cannot run or hold.
Does not cover: the facts themselves (facts.py), other decisions than this one (whatif.py).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from wizard import duration, estimate
from wizard.advise.facts import Facts, fires
from wizard.errors import PresetBroken
from wizard.library import condition
from wizard.measure.saturation import saturates
from wizard.nouns import (
    AS_MEASURED,
    Candidate,
    Confidence,
    Device,
    Effect,
    Family,
    Forecast,
    Grade,
    Kind,
    ModelProfile,
    Needs,
    Pace,
    Priority,
    Reason,
    Refusal,
    Rule,
    Step,
    Value,
    jsonable,
    named_after,
)
from wizard.strategies._contract import Strategy, validate

CANDIDATES_AT_MOST = 4
ORDER = {Effect.REFUSE: 0, Effect.AVOID: 1, Effect.WARN: 2, Effect.PROPOSE: 3}
SURENESS = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}
NOT_ASKED = "You asked for another technique and no other."
LATER = "It is tried when the first recipes do not keep the contract."
LAST = "It is tried when nothing else that keeps the contract gains anything."
WORSE = {Grade.UNKNOWN: 1}  # UNSUPPORTED never gets as far as the ranking
# Which facts belong to what a person could change, and the sentence that says so.
ABOUT = {
    "device": {"arch", "isa", "device_id", "device_group", "runtimes"},
    "needs": {
        *("priority", "tolerance_points", "size_limit_mb", "memory_limit_mb", "original_fits"),
        *("latency_ratio_needed", "size_ratio_needed"),
    },
    "rows": {"calibration_rows"},
    "model": {
        *("family", "shape", "task", "embedding_share", "linear_share", "conv_share"),
        *("depthwise_share", "parameters_m", "weights_mb", "languages_named", "vocabulary"),
    },
}
CHECKPOINT = "With the model's own folder (config.json and safetensors) it may work."
ANOTHER = {
    "device": "On another device it may work.",
    "needs": "With other limits it may work.",
    "rows": "With more examples it may work.",
    "model": "With another model it may work.",
}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Everything a decision looks at."""

    profile: ModelProfile
    needs: Needs
    device: Device
    rules: Sequence[Rule]
    strategies: Mapping[str, Strategy]
    family: Family | None
    pace: Pace = AS_MEASURED


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """What comes of a case: best candidate first, and every recipe left out with its reason.

    `lost` says, by id, what beat each rule that fired in vain; `ladder` is what was left out for
    room, from cheap to costly.
    """

    candidates: tuple[Candidate, ...]
    refusals: tuple[Refusal, ...]
    considered: tuple[Refusal, ...]
    lost: Mapping[str, str]
    ladder: tuple[Candidate, ...] = ()


def decide(case: Case, facts: Facts) -> Decision:
    """Let every rule speak, then rank. Raises PresetBroken for a rule whose steps do not fit."""
    fired = sorted(
        (rule for rule in case.rules if fires(rule, facts).fired),
        key=lambda rule: (ORDER[rule.effect], rule.last_resort, *_sureness(rule)),
    )
    against = _by_target(fired)
    proposals = [rule for rule in fired if rule.effect is Effect.PROPOSE]
    lost: dict[str, str] = {}
    if case.needs.only is not None:
        wanted = _only(case, proposals)
        lost = {rule.id: NOT_ASKED for rule in proposals if rule not in wanted}
        proposals = wanted
    refused: list[Refusal] = []
    considered: list[Refusal] = []
    made: dict[str, Candidate] = {}
    for rule in proposals:
        steps = _steps(case, rule)
        stopped = _stopped(rule, steps, against, only=case.needs.only)
        unable = _unable(case, rule, steps)
        if stopped is not None:
            losers = refused if stopped.effect is Effect.REFUSE else considered
            losers.append(_refusal(rule, stopped))
            lost[rule.id] = f"{stopped.title}: {stopped.why}"
        elif unable is not None:
            refused.append(unable)
            lost[rule.id] = unable.because
        else:
            candidate = _candidate(case, rule, steps, against)
            made[candidate.id] = _merged(made.get(candidate.id), candidate)
    ranked = sorted(made.values(), key=lambda one: (one.last_resort, _rank(case, one)))
    first = [one for one in ranked if not one.last_resort] or ranked
    kept = first[:CANDIDATES_AT_MOST]
    left = [one for one in ranked if one not in kept]
    considered += [_left_out(one, kept[0]) for one in left]
    for one in left:
        lost |= {said.rule_id or "": _beaten(kept[0]) for said in one.reasons}
    warned = {said.rule_id for one in made.values() if one.last_resort for said in one.warnings}
    refused += _standing_refusals(case, [one for one in fired if one.id not in warned], refused)
    if kept:
        said = (*kept[0].warnings, *_about_the_whole_plan(case, fired))
        kept[0] = dataclasses.replace(kept[0], warnings=said)
    return Decision(
        candidates=tuple(kept),
        refusals=_unique(refused),
        considered=_unique(considered),
        lost=lost,
        ladder=tuple(sorted(left, key=lambda one: (one.last_resort, _cost(one), _rank(case, one)))),
    )


def _sureness(rule: Rule) -> tuple[int, int, str]:
    return SURENESS[rule.confidence], -len(rule.when), rule.id


def _cost(candidate: Candidate) -> int:
    """Seconds by powers of two: what takes about as long is ordered by what it promises."""
    return round(math.log2(max(candidate.forecast.seconds.value, 1.0)))


def _about_the_whole_plan(case: Case, fired: Iterable[Rule]) -> tuple[Reason, ...]:
    """Warnings that are about no technique of ours; the recommendation carries them."""
    return tuple(
        Reason(sentence=rule.why, rule_id=rule.id, source=_source(rule))
        for rule in fired
        if rule.effect is Effect.WARN and not set(rule.targets) & set(case.strategies)
    )


def _by_target(fired: Iterable[Rule]) -> dict[str, list[Rule]]:
    found: dict[str, list[Rule]] = {}
    for rule in fired:
        if rule.effect is not Effect.PROPOSE:
            for target in rule.targets:
                found.setdefault(target, []).append(rule)
    return found


def _only(case: Case, proposals: list[Rule]) -> list[Rule]:
    """The asked technique: the best rule that proposes it, else its defaults."""
    wanted = case.needs.only
    assert wanted is not None  # noqa: S101 - the caller looked
    named = [rule for rule in proposals if wanted in rule.steps]
    if named:
        return sorted(named, key=lambda one: (named_after(one.steps) != wanted, len(one.steps)))[:1]
    strategy = case.strategies[wanted]
    before = () if strategy.accepts is Kind.CHECKPOINT else ("to_onnx",)
    after = ("to_onnx",) if strategy.gives is Kind.CHECKPOINT else ()
    steps = (*before, wanted, *after)
    return [
        Rule(
            id="asked-for",
            rung="R0",
            title=strategy.title,
            effect=Effect.PROPOSE,
            steps=steps,
            confidence=Confidence.LOW,
            reviewed="",
            why="You asked for this technique and no other.",
            when={},
            settings={},
            expect={},
            sources=(),
            examples=(),
        )
    ]


def _steps(case: Case, rule: Rule) -> tuple[Step, ...]:
    safe = {name: _range_that_fits(case, name) for name in rule.steps}
    steps = tuple(
        validate(Step(strategy=name, settings={**safe[name], **rule.settings.get(name, {})}))
        for name in rule.steps
    )
    kinds = [case.strategies[step.strategy] for step in steps]
    for first, second in pairwise(kinds):
        if second.accepts is not first.gives or second.stage < first.stage:
            because = f"{second.name} cannot follow {first.name}"
            raise PresetBroken(file=f"{rule.id}.toml", because=because)
    return steps


def _range_that_fits(case: Case, technique: str) -> Mapping[str, Value]:
    """Seven-bit weights where 8-bit sums can overflow, unless a rule says otherwise."""
    known = {one.name for one in dataclasses.fields(case.strategies[technique].settings)}
    if "reduce_range" not in known or not saturates(case.device.arch, case.device.isa):
        return {}
    return {"reduce_range": True}


def _stopped(
    rule: Rule, steps: Sequence[Step], against: Mapping[str, list[Rule]], *, only: str | None
) -> Rule | None:
    """The rule that stops this one: a refusal, or an avoidance.

    What was asked for, and what comes last anyway, is only warned of by the latter.
    """
    for step in steps:
        for other in against.get(step.strategy, []):
            if other.effect is Effect.REFUSE:
                return other
            if other.effect is Effect.AVOID and only is None and not rule.last_resort:
                return other
    return None


def _unable(case: Case, rule: Rule, steps: Sequence[Step]) -> Refusal | None:
    """A recipe that the device or the model's form cannot take, whatever the rules say."""
    for step in steps:
        if case.profile.given and case.strategies[step.strategy].gives is Kind.CHECKPOINT:
            because = f"{_title(case, step.strategy)} needs the checkpoint, and ONNX was given."
            return Refusal(what=rule.title, because=because, rule_id=rule.id, relax=CHECKPOINT)
        ability = case.device.abilities.get(step.strategy)
        if ability is not None and ability.grade is Grade.UNSUPPORTED:
            note = f": {ability.note}" if ability.note else ""
            return Refusal(
                what=rule.title,
                because=f"{case.device.name} cannot run {_title(case, step.strategy)}{note}.",
                rule_id=rule.id,
                source=ability.source,
                relax=ANOTHER["device"],
            )
    return None


def _refusal(rule: Rule, stopped: Rule) -> Refusal:
    return Refusal(
        what=rule.title,
        because=stopped.why,
        rule_id=stopped.id,
        source=_source(stopped),
        relax=_relax(stopped, rule.steps[-1:]),
    )


def _relax(stopped: Rule, techniques: Sequence[str]) -> str | None:
    """What would lift it: asking for it, or another value of a fact that the rule looked at."""
    if stopped.effect is Effect.AVOID:
        asked = " or ".join(f"--only {one}" for one in techniques)
        return f"Try it all the same with {asked}." if asked else None
    looked_at = {condition(name)[0] for name in stopped.when}
    for what, facts in ABOUT.items():
        if looked_at & facts:
            return ANOTHER[what]
    return None


def _standing_refusals(
    case: Case, fired: Sequence[Rule], known: Sequence[Refusal]
) -> list[Refusal]:
    """Refusals of techniques that nobody proposed: they still answer "why not ...?"."""
    said = {one.rule_id for one in known}
    hopeless = {one for rule in fired if rule.effect is Effect.REFUSE for one in rule.targets}
    return [
        Refusal(
            what=", ".join(_title(case, target) for target in rule.targets) or rule.title,
            because=rule.why,
            rule_id=rule.id,
            source=_source(rule),
            relax=_relax(
                rule, [one for one in rule.targets if one in case.strategies.keys() - hopeless]
            ),
        )
        for rule in fired
        if rule.effect in {Effect.REFUSE, Effect.AVOID} and rule.id not in said
    ]


def _title(case: Case, technique: str) -> str:
    known = case.strategies.get(technique)
    return known.title if known else technique.replace("_", " ")


def _unique(refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    return tuple(dict.fromkeys(refusals))


def _source(rule: Rule) -> str | None:
    return rule.sources[0].cite if rule.sources else None


def _candidate(
    case: Case, rule: Rule, steps: tuple[Step, ...], against: Mapping[str, list[Rule]]
) -> Candidate:
    warnings = {
        other.id: Reason(sentence=other.why, rule_id=other.id, source=_source(other))
        for step in steps
        for other in against.get(step.strategy, [])
        if other.effect in {Effect.WARN, Effect.AVOID}
    }
    scoring = duration.scoring_of(case.profile, case.needs)
    cast = estimate.forecast(case.profile, case.device, steps, rule.expect, scoring, case.pace)
    return Candidate(
        id=id_of(steps),
        title=rule.title,
        steps=steps,
        forecast=cast,
        reasons=(Reason(sentence=rule.why, rule_id=rule.id, source=_source(rule)),),
        warnings=(*warnings.values(), *_too_big_for(case.device, cast)),
        last_resort=rule.last_resort,
    )


def _too_big_for(device: Device, cast: Forecast) -> tuple[Reason, ...]:
    """What the device cannot hold, by the middle of the forecast."""
    said = []
    room, needed = device.memory_bytes / 1e6, cast.memory.value
    if needed > room:
        said.append(
            f"It needs about {needed:.0f} MB of memory where {room:.0f} MB are free for it."
        )
    if device.max_file_bytes is not None and cast.size.value > device.max_file_bytes / 1e6:
        most = device.max_file_bytes / 1e6
        said.append(
            f"Its file of about {cast.size.value:.0f} MB is above the {most:.0f} MB it takes."
        )
    return tuple(Reason(sentence=f"{device.name}: {one}", source=None) for one in said)


def id_of(steps: Sequence[Step]) -> str:
    """Stable: the last technique and a digest of the whole recipe."""
    text = json.dumps([jsonable(step) for step in steps], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    technique = named_after([step.strategy for step in steps])
    return f"{technique.replace('_', '-')}-{digest}"


def _merged(known: Candidate | None, new: Candidate) -> Candidate:
    if known is None:
        return new
    if new.last_resort and not known.last_resort:  # it is tried for better reasons
        return known
    reasons = tuple(dict.fromkeys((*known.reasons, *new.reasons)))
    return dataclasses.replace(known, reasons=reasons)


def misses(needs: Needs, forecast: Forecast) -> int:
    """How many hard clauses a forecast does not keep even at its middle."""
    values = forecast.reached()
    over = sum(values[one.quantity].value > one.at_most for one in needs.budgets if one.hard)
    return over + (forecast.drop.value > needs.tolerance.points)


def _rank(case: Case, candidate: Candidate) -> tuple[float, ...]:
    """Smaller is better: room on the device, kept clauses, known techniques, the priority."""
    cast = candidate.forecast
    grade = case.device.grade(candidate.technique)
    value = {
        Priority.FASTEST: cast.answer_ms,
        Priority.SMALLEST: cast.size.value,
        Priority.SAFEST: cast.drop.high or 0.0,
    }[case.needs.priority]
    return (
        len(_too_big_for(case.device, cast)),
        misses(case.needs, cast),
        WORSE.get(grade, 0),
        value,
        cast.drop.value,
        cast.size.value,
    )


def _beaten(best: Candidate) -> str:
    return f"It is expected to do no better than {best.title.lower()} for what you ask."


def _left_out(candidate: Candidate, best: Candidate) -> Refusal:
    return Refusal(
        what=candidate.title,
        because=f"{_beaten(best)} {LAST if candidate.last_resort else LATER}",
        rule_id=candidate.reasons[0].rule_id,
        source=candidate.reasons[0].source,
        relax=f"Try it with --only {candidate.technique}.",
    )
