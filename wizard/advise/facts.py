"""The facts that rules may ask about, and whether a rule fires on them.

Covers: the closed list of facts; equality, `_in`, `_at_least`, `_below`, `_has_any`, `_has_none`.
Does not cover: what a rule that fires does (choose.py). An unknown fact never fires a rule.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from wizard.estimate import baseline
from wizard.nouns import Device, Family, ModelProfile, Needs, Rule, Value

Facts = Mapping[str, Value]
UNLIMITED = 10.0  # the ratio when no limit was set: room for ten of the original


@dataclass(frozen=True, slots=True, kw_only=True)
class Firing:
    """Whether a rule fired; the conditions that kept it from it, and the facts nobody knows."""

    fired: bool
    blocked_by: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()


def facts_of(
    profile: ModelProfile, needs: Needs, device: Device, family: Family | None = None
) -> Facts:
    """Everything a rule may ask, as plain values; None where nobody knows.

    `original_fits` needs a limit to fit: without any there is nothing to keep.
    """
    counts = profile.parameters
    total = max(1, counts.total)
    original = baseline(profile, device)
    limits = {one.quantity: one.at_most for one in needs.budgets}
    latency, size = limits.get("latency"), limits.get("size")
    memory = limits.get("memory")
    ends = {name: one.high for name, one in original.reached().items()}
    fits = bool(limits) and all((ends[name] or 0.0) <= limit for name, limit in limits.items())
    return {
        "family": profile.family,
        "shape": family.shape if family else shape_of(profile),
        "task": profile.task.value if profile.task else None,
        "isa": [*sorted(device.isa)],
        "arch": device.arch,
        "device_id": device.id,
        "device_group": device.group,
        "runtimes": list(device.runtimes),
        "embedding_share": counts.embedding / total,
        "linear_share": counts.linear / total,
        "conv_share": counts.conv / total,
        "depthwise_share": profile.depthwise_share,
        "parameters_m": total / 1e6,
        "weights_mb": 4 * total / 1e6,
        "priority": needs.priority.value,
        "tolerance_points": needs.tolerance.points,
        "size_limit_mb": size,
        "memory_limit_mb": memory,
        "original_fits": fits,
        "latency_ratio_needed": latency / original.latency.value if latency else UNLIMITED,
        "size_ratio_needed": size / original.size.value if size else UNLIMITED,
        "calibration_rows": 256 if needs.data == "sample" else needs.calibration_rows,
        "languages_named": None,
        "vocabulary": profile.vocabulary,
    }


def shape_of(profile: ModelProfile) -> str:
    """The shape of a family nobody wrote down, from where its parameters are."""
    if profile.parameters.conv > profile.parameters.linear:
        return "cnn"
    return "vision transformer" if profile.image_size else "encoder"


def _list(value: Value) -> list[object]:
    return list(value) if isinstance(value, list) else [value]


def _at_least(fact: Value, limit: Value) -> bool:
    return isinstance(fact, int | float) and isinstance(limit, int | float) and fact >= limit


def _below(fact: Value, limit: Value) -> bool:
    return isinstance(fact, int | float) and isinstance(limit, int | float) and fact < limit


OPERATORS: Mapping[str, Callable[[Value, Value], bool]] = {
    "_in": lambda fact, wanted: fact in _list(wanted),
    "_at_least": _at_least,
    "_below": _below,
    "_has_any": lambda fact, wanted: bool(set(_list(fact)) & set(_list(wanted))),
    "_has_none": lambda fact, wanted: not set(_list(fact)) & set(_list(wanted)),
}


def fires(rule: Rule, facts: Facts) -> Firing:
    """All conditions must hold; a fact that is missing or None holds nothing and is named."""
    blocked, unknown = [], []
    for condition, wanted in rule.when.items():
        name, test = _parts(condition)
        fact = facts.get(name)
        if fact is None:
            unknown.append(name)
        elif not test(fact, wanted):
            blocked.append(condition)
    return Firing(
        fired=not blocked and not unknown, blocked_by=tuple(blocked), unknown=tuple(unknown)
    )


def _parts(condition: str) -> tuple[str, Callable[[Value, Value], bool]]:
    for ending, test in OPERATORS.items():
        if condition.endswith(ending):
            return condition.removesuffix(ending), test
    return condition, lambda fact, wanted: fact == wanted
