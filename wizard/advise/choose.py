"""From facts and rules to a ranked plan.

Covers: refuse > avoid > warn > propose; ties by confidence, number of conditions, id; merging of
equal recipes; ranking by the user's priority; `only`; what would change; counter-offers.
Does not cover: the facts themselves (facts.py), the wording of the contract (needs.py).
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise

from wizard import estimate
from wizard.advise.facts import Facts, facts_of, fires
from wizard.advise.needs import sentence_of
from wizard.errors import PresetBroken
from wizard.nouns import (
    Candidate,
    Confidence,
    CounterOffer,
    Device,
    Effect,
    Family,
    Forecast,
    Grade,
    Kind,
    ModelProfile,
    Needs,
    Plan,
    Priority,
    Reason,
    Refusal,
    Rule,
    Step,
    Value,
    WouldChange,
    jsonable,
)
from wizard.strategies._contract import Strategy, validate

CANDIDATES_AT_MOST = 4
ORDER = {Effect.REFUSE: 0, Effect.AVOID: 1, Effect.WARN: 2, Effect.PROPOSE: 3}
SURENESS = {Confidence.HIGH: 0, Confidence.MEDIUM: 1, Confidence.LOW: 2}
WORSE = {Grade.UNSUPPORTED: 2, Grade.UNKNOWN: 1}


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class _Case:
    """Everything a decision looks at."""

    profile: ModelProfile
    needs: Needs
    device: Device
    rules: Sequence[Rule]
    strategies: Mapping[str, Strategy]
    family: Family | None


def advise(
    profile: ModelProfile,
    needs: Needs,
    *,
    device: Device,
    rules: Sequence[Rule],
    strategies: Mapping[str, Strategy],
    family: Family | None = None,
) -> Plan:
    """A ranked plan; its first candidate is the recommendation."""
    case = _Case(
        profile=profile,
        needs=needs,
        device=device,
        rules=rules,
        strategies=strategies,
        family=family,
    )
    candidates, refusals, others = _decide(case, facts_of(profile, needs, device, family))
    offers = _counter_offers(case, candidates)
    return Plan(
        profile=profile,
        needs=needs,
        device=device,
        baseline=estimate.baseline(profile, device),
        candidates=candidates,
        refusals=refusals,
        also_considered=others,
        would_change=_would_change(case, candidates),
        counter_offers=offers,
        job=estimate.job(profile, candidates),
        sentence=sentence_of(profile, needs, device),
    )


def _decide(
    case: _Case, facts: Facts
) -> tuple[tuple[Candidate, ...], tuple[Refusal, ...], tuple[Refusal, ...]]:
    fired = sorted(
        (rule for rule in case.rules if fires(rule, facts).fired),
        key=lambda rule: (ORDER[rule.effect], SURENESS[rule.confidence], -len(rule.when), rule.id),
    )
    against = _by_target(fired)
    proposals = [rule for rule in fired if rule.effect is Effect.PROPOSE]
    if case.needs.only is not None:
        proposals = _only(case, proposals)
    refused: list[Refusal] = []
    considered: list[Refusal] = []
    made: dict[str, Candidate] = {}
    for rule in proposals:
        steps = _steps(case, rule)
        stopped = _stopped(rule, steps, against, only=case.needs.only)
        if stopped is not None:
            (refused if stopped.effect is Effect.REFUSE else considered).append(
                _refusal(case, rule, stopped)
            )
            continue
        candidate = _candidate(case, rule, steps, against)
        made[candidate.id] = _merged(made.get(candidate.id), candidate)
    ranked = sorted(made.values(), key=lambda one: _rank(case, one))
    kept, left = ranked[:CANDIDATES_AT_MOST], ranked[CANDIDATES_AT_MOST:]
    considered += [_left_out(one, kept[0]) for one in left]
    refused += _standing_refusals(case, fired, refused)
    if kept:
        said = (*kept[0].warnings, *_about_the_whole_plan(case, fired))
        kept[0] = dataclasses.replace(kept[0], warnings=said)
    return tuple(kept), _unique(refused), _unique(considered)


def _about_the_whole_plan(case: _Case, fired: Iterable[Rule]) -> tuple[Reason, ...]:
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


def _only(case: _Case, proposals: list[Rule]) -> list[Rule]:
    """The asked technique: the best rule that proposes it, else its defaults."""
    wanted = case.needs.only
    assert wanted is not None  # noqa: S101 - the caller looked
    named = [rule for rule in proposals if rule.steps and rule.steps[-1] == wanted]
    if named:
        return named[:1]
    strategy = case.strategies[wanted]
    steps = ("to_onnx",) if strategy.accepts is Kind.CHECKPOINT else ("to_onnx", wanted)
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


def _steps(case: _Case, rule: Rule) -> tuple[Step, ...]:
    steps = tuple(
        validate(Step(strategy=name, settings=rule.settings.get(name, {}))) for name in rule.steps
    )
    kinds = [case.strategies[step.strategy] for step in steps]
    for first, second in pairwise(kinds):
        if second.accepts is not first.gives or second.stage < first.stage:
            because = f"{second.name} cannot follow {first.name}"
            raise PresetBroken(file=f"{rule.id}.toml", because=because)
    return steps


def _stopped(
    rule: Rule, steps: Sequence[Step], against: Mapping[str, list[Rule]], *, only: str | None
) -> Rule | None:
    """The rule that stops this one: a refusal, or an avoidance unless it was asked for."""
    for step in steps:
        for other in against.get(step.strategy, []):
            if other.effect is Effect.REFUSE:
                return other
            if other.effect is Effect.AVOID and only is None:
                return other
    return None


def _refusal(case: _Case, rule: Rule, stopped: Rule) -> Refusal:
    return Refusal(
        what=rule.title,
        because=stopped.why,
        rule_id=stopped.id,
        source=_source(stopped),
        relax=f"Try it all the same with --only {rule.steps[-1]}."
        if stopped.effect is Effect.AVOID
        else None,
    )


def _standing_refusals(
    case: _Case, fired: Iterable[Rule], known: Sequence[Refusal]
) -> list[Refusal]:
    """Refusals of techniques that nobody proposed: they still answer "why not ...?"."""
    said = {one.rule_id for one in known}
    return [
        Refusal(
            what=", ".join(_title(case, target) for target in rule.targets) or rule.title,
            because=rule.why,
            rule_id=rule.id,
            source=_source(rule),
        )
        for rule in fired
        if rule.effect in {Effect.REFUSE, Effect.AVOID} and rule.id not in said
    ]


def _title(case: _Case, technique: str) -> str:
    known = case.strategies.get(technique)
    return known.title if known else technique.replace("_", " ")


def _unique(refusals: Iterable[Refusal]) -> tuple[Refusal, ...]:
    return tuple(dict.fromkeys(refusals))


def _source(rule: Rule) -> str | None:
    return rule.sources[0].cite if rule.sources else None


def _candidate(
    case: _Case, rule: Rule, steps: tuple[Step, ...], against: Mapping[str, list[Rule]]
) -> Candidate:
    warnings = {
        other.id: Reason(sentence=other.why, rule_id=other.id, source=_source(other))
        for step in steps
        for other in against.get(step.strategy, [])
        if other.effect in {Effect.WARN, Effect.AVOID}
    }
    return Candidate(
        id=_id(steps),
        title=rule.title,
        steps=steps,
        forecast=estimate.forecast(case.profile, case.device, steps, rule.expect),
        reasons=(Reason(sentence=rule.why, rule_id=rule.id, source=_source(rule)),),
        warnings=tuple(warnings.values()),
    )


def _id(steps: Sequence[Step]) -> str:
    """Stable: the last technique and a digest of the whole recipe."""
    text = json.dumps([jsonable(step) for step in steps], sort_keys=True)
    digest = hashlib.sha256(text.encode()).hexdigest()[:6]
    return f"{steps[-1].strategy.replace('_', '-')}-{digest}"


def _merged(known: Candidate | None, new: Candidate) -> Candidate:
    if known is None:
        return new
    reasons = tuple(dict.fromkeys((*known.reasons, *new.reasons)))
    return dataclasses.replace(known, reasons=reasons)


def misses(needs: Needs, forecast: Forecast) -> int:
    """How many hard clauses a forecast does not keep even at its middle."""
    values = {
        "latency": forecast.latency.value,
        "size": forecast.size.value,
        "memory": forecast.memory.value,
    }
    over = sum(values[one.quantity] > one.at_most for one in needs.budgets if one.hard)
    return over + (forecast.drop.value > needs.tolerance.points)


def _rank(case: _Case, candidate: Candidate) -> tuple[float, ...]:
    """Smaller is better: kept clauses, known techniques, then the user's priority."""
    cast = candidate.forecast
    grade = case.device.grade(candidate.steps[-1].strategy)
    value = {
        Priority.FASTEST: cast.latency.value,
        Priority.SMALLEST: cast.size.value,
        Priority.SAFEST: cast.drop.high or 0.0,
    }[case.needs.priority]
    return (misses(case.needs, cast), WORSE.get(grade, 0), value, cast.drop.value, cast.size.value)


def _left_out(candidate: Candidate, best: Candidate) -> Refusal:
    return Refusal(
        what=candidate.title,
        because=f"It is expected to do no better than {best.title.lower()} for what you ask.",
        rule_id=candidate.reasons[0].rule_id,
        source=candidate.reasons[0].source,
        relax=f"Try it with --only {candidate.steps[-1].strategy}.",
    )


def _would_change(case: _Case, candidates: Sequence[Candidate]) -> tuple[WouldChange, ...]:
    """One fact flipped at a time, decided anew; only what really changes is told."""
    leader = candidates[0].id if candidates else None
    facts = dict(facts_of(case.profile, case.needs, case.device, case.family))
    found = []
    for words, changes, flipped in _flips(case):
        ranked, _, _ = _decide(flipped, {**facts, **changes})
        if ranked and ranked[0].id != leader:
            found.append(WouldChange(fact=words, then=f"{ranked[0].title} would lead."))
    return tuple(found)


def _flips(case: _Case) -> list[tuple[str, dict[str, Value], _Case]]:
    flips: list[tuple[str, dict[str, Value], _Case]] = []
    words = {
        Priority.FASTEST: "If speed mattered most",
        Priority.SMALLEST: "If size mattered most",
        Priority.SAFEST: "If safety mattered most",
    }
    for priority, said in words.items():
        if priority is not case.needs.priority:
            needs = dataclasses.replace(case.needs, priority=priority)
            flips.append(
                (said, {"priority": priority.value}, dataclasses.replace(case, needs=needs))
            )
    native = {"avx512_vnni", "avx_vnni", "amx_int8", "dotprod", "i8mm"}
    if case.device.isa & native:
        isa = case.device.isa - native
        device = dataclasses.replace(case.device, isa=isa)
        change: dict[str, Value] = {"isa": [*sorted(isa)]}
        said = "If the processor could not multiply 8-bit numbers"
        flips.append((said, change, dataclasses.replace(case, device=device)))
    return flips


def _counter_offers(case: _Case, candidates: Sequence[Candidate]) -> tuple[CounterOffer, ...]:
    """When no forecast keeps the contract: the smallest single relaxation that would."""
    if not candidates or any(not misses(case.needs, one.forecast) for one in candidates):
        return ()
    offers = []
    for budget in case.needs.budgets:
        others = dataclasses.replace(
            case.needs, budgets=tuple(one for one in case.needs.budgets if one is not budget)
        )
        able = [one for one in candidates if not misses(others, one.forecast)]
        if able:
            best = min(able, key=lambda one: getattr(one.forecast, budget.quantity).value)
            cast = getattr(best.forecast, budget.quantity)
            limit = float(f"{cast.value * 1.05:.2g}")
            offers.append(
                CounterOffer(
                    clause=budget.quantity,
                    relax_to=limit,
                    unit=budget.unit,
                    candidate_id=best.id,
                    sentence=f"Allow {limit:g} {budget.unit} of {budget.quantity} "
                    f"and {best.title.lower()} is expected to do.",
                )
            )
    return tuple(offers)
