"""How each rule took part in a decision: it fired, something blocked it, or it lost. Pure.

Covers: the words for a condition that does not hold, who beat a proposal, how the rule has done on
the samples. Does not cover: the decision (choose.py), what would change it (whatif.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace

from wizard.advise.choose import Case, Decision
from wizard.advise.facts import Facts, fires
from wizard.advise.record import Evidence, record
from wizard.library import condition
from wizard.nouns import Citation, Plan, Rule, RuleTrace, Value

# A fact as people say it; how its value is written.
NAMES: Mapping[str, tuple[str, str]] = {
    "family": ("the model's family", ""),
    "shape": ("the kind of network", ""),
    "task": ("the task", ""),
    "isa": ("the processor's instructions", ""),
    "arch": ("the processor's type", ""),
    "device_id": ("the device", ""),
    "device_group": ("the kind of device", ""),
    "runtimes": ("what runs models there", ""),
    "embedding_share": ("the share of word tables", "%"),
    "linear_share": ("the share of dense layers", "%"),
    "conv_share": ("the share of filters", "%"),
    "depthwise_share": ("the share of one-channel filters", "%"),
    "parameters_m": ("the model's size", "M parameters"),
    "weights_mb": ("the model's weights", "MB"),
    "priority": ("what matters most", ""),
    "tolerance_points": ("the loss allowed", "points"),
    "size_limit_mb": ("the limit on the file", "MB"),
    "memory_limit_mb": ("the limit on memory", "MB"),
    "original_fits": ("that the original keeps every limit", ""),
    "latency_ratio_needed": ("the time allowed", "times the original's"),
    "size_ratio_needed": ("the file allowed", "times the original's"),
    "calibration_rows": ("the examples to learn from", "rows"),
    "languages_named": ("the languages named", ""),
    "vocabulary": ("the words the model knows", ""),
}
ASKS = {
    "": "{fact} must be {wanted}",
    "_in": "{fact} must be {wanted}",
    "_at_least": "{fact} must be at least {wanted}",
    "_below": "{fact} must be below {wanted}",
    "_has_any": "{fact} must have {wanted}",
    "_has_none": "{fact} must not have {wanted}",
}
ORDER = {"fired": 0, "lost": 1, "blocked": 2}


def traces(case: Case, facts: Facts, decision: Decision) -> tuple[RuleTrace, ...]:
    """Every rule of the house: those that fired, those that lost, then those nearest to firing."""
    found = [(_trace(rule, facts, decision), rule) for rule in case.rules]
    asked = {rule.id: len(fires(rule, facts).blocked_by) for _, rule in found}
    found.sort(key=lambda one: (ORDER[one[0].outcome], asked[one[1].id], one[1].id))
    return tuple(trace for trace, _ in found)


def _trace(rule: Rule, facts: Facts, decision: Decision) -> RuleTrace:
    firing = fires(rule, facts)
    trace = RuleTrace(
        rule_id=rule.id,
        title=rule.title,
        effect=rule.effect,
        outcome="fired",
        because=rule.why,
        source="; ".join(_cited(one) for one in rule.sources),
    )
    if not firing.fired:
        because = _blocked(rule, facts, firing.blocked_by, firing.unknown)
        return replace(trace, outcome="blocked", because=because)
    if rule.id in decision.lost:
        return replace(trace, outcome="lost", because=decision.lost[rule.id])
    return trace


def with_records(plan: Plan, rules: Iterable[Rule], evidence: Evidence) -> Plan:
    """The same plan that also tells how each rule has done; `evidence` holds the runs by rule."""
    said = {rule.id: record(rule, evidence.get(rule.id, ())).words() for rule in rules}
    told = tuple(replace(one, record=said.get(one.rule_id, "")) for one in plan.rules)
    return replace(plan, rules=told)


def record_of(plan: Plan, rule_id: str | None) -> str:
    """How a rule has done, as the plan tells it; "" for one that was never run."""
    return next((one.record for one in plan.rules if one.rule_id == rule_id), "")


def _cited(source: Citation) -> str:
    return f"{source.cite} ({source.kind})"


def _blocked(rule: Rule, facts: Facts, conditions: Sequence[str], unknown: Sequence[str]) -> str:
    """What its conditions ask and what is there instead."""
    said = [_asked(name, rule.when[name], facts) for name in conditions]
    said += [f"nobody knows {NAMES[fact][0]}" for fact in dict.fromkeys(unknown)]
    sentence = "; ".join(said)
    return f"{sentence[:1].upper()}{sentence[1:]}."


def _asked(name: str, wanted: Value, facts: Facts) -> str:
    fact, operator = condition(name)
    words, unit = NAMES[fact]
    asked = ASKS[operator].format(fact=words, wanted=_said(wanted, unit))
    return f"{asked}, and is {_said(facts[fact], unit)}" if fact != "isa" else asked


def _said(value: Value, unit: str) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return " or ".join(_said(one, unit) for one in value) or "nothing"
    if isinstance(value, int | float):
        scaled = 100 * value if unit == "%" else value
        number = f"{scaled:.3g}" if abs(scaled) < 1000 else f"{scaled:,.0f}"
        return f"{number} {unit}".strip()
    return str(value)
