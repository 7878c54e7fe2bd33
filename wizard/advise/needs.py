"""The contract: is it sensible, what does it say in one sentence, which command states it.

Covers: absurd budgets, the sentence, the command line. Does not cover: candidates.
"""

from __future__ import annotations

import math
import shlex

from wizard import tasks
from wizard.errors import BadNeeds
from wizard.examples.naming import parse
from wizard.measure.metrics import named
from wizard.nouns import Budget, Device, ModelProfile, ModelRef, Needs, Priority

# (lowest, highest) that can mean anything, by what is limited.
SENSIBLE = {
    "latency": (0.001, 3_600_000.0),
    "token": (0.001, 3_600_000.0),
    "size": (0.001, 1_000_000.0),
    "memory": (1.0, 10_000_000.0),
}
MOST_MINUTES = 24 * 60.0
MOST_TOKENS = 100_000
MOST_SEED = 2**32 - 1  # what every library here takes


def check_needs(needs: Needs, profile: ModelProfile) -> None:
    """Raises BadNeeds: a limit nothing could keep or miss, a metric the task does not have."""
    for budget in needs.budgets:
        low, high = SENSIBLE[budget.quantity]
        _within(f"The {budget.quantity} limit", budget.at_most, low, high, budget.unit)
        if budget.quantity == "token" and not tasks.writes(profile.task):
            because = "this model answers in one go; only models that write take time per token"
            raise BadNeeds(name="The limit per token", value=f"{budget.at_most:g}", because=because)
    _within("The allowed drop", needs.tolerance.points, 0.0, 100.0, "points")
    _within("The minutes allowed", needs.minutes, 0.05, MOST_MINUTES, "minutes")
    if needs.workload.tokens is not None:
        _within("The tokens of a request", needs.workload.tokens, 1, MOST_TOKENS, "tokens")
    _within("The seed", needs.seed, 0, MOST_SEED, "(a whole number)")
    _within("The batch", needs.workload.batch, 1, 4096, "inputs")
    metric = needs.tolerance.metric
    if not metric or profile.task is None:
        return
    card = tasks.card_of(profile.task)
    if metric not in card.metrics:
        because = f"{card.task.on_hub} is scored by {' or '.join(card.metrics)}"
        raise BadNeeds(name="The metric", value=metric, because=because)


def _within(name: str, value: float, low: float, high: float, unit: str) -> None:
    if math.isfinite(value) and low <= value <= high:
        return
    because = f"it must lie between {low:g} and {high:,.0f} {unit}"
    raise BadNeeds(name=name, value=f"{value:g}", because=because)


def sentence_of(profile: ModelProfile, needs: Needs, device: Device) -> str:
    """The contract in one sentence."""
    place = "this machine" if device.measured_here else device.name
    parts = [_clause(budget, profile) for budget in needs.budgets]
    limits = f" {', '.join(parts)}," if parts else ""
    return (
        f"Run {profile.title} on {place}{limits} "
        f"{_may_lose(needs)}; "
        f"among those that do, the {needs.priority.value} wins."
    )


def _may_lose(needs: Needs) -> str:
    """The tolerance with its direction: a loss, or a rise of what should be low."""
    points = needs.tolerance.points
    metric = named(needs.tolerance.metric or "quality")
    noun = metric.noun if metric.score else metric.name
    if metric.higher_is_better:
        return f"losing at most {metric.amount(points)} of {noun}"
    of_what = " of the original's" if metric.relative else ""
    return f"with {noun} rising by at most {metric.amount(points)}{of_what}"


def _clause(budget: Budget, profile: ModelProfile) -> str:
    work = profile.workload
    which = "in 95 of 100 requests" if budget.percentile == 95 else "in the median"
    if budget.quantity == "latency":
        what = "to the first token" if tasks.writes(profile.task) else "per request"
        return f"in at most {budget.at_most:g} ms {what} ({which}, {work})"
    if budget.quantity == "token":
        return f"in at most {budget.at_most:g} ms per further token ({which})"
    what = "of file" if budget.quantity == "size" else "of memory"
    return f"with at most {budget.at_most:g} MB {what}"


def command(needs: Needs, ref: ModelRef) -> str:
    """The command that states the same contract; options at their defaults are left out."""
    words = ["wizard", "run", str(ref), *_stated(needs), *_others(needs)]
    return shlex.join([*words, "--out", "out/"])


def command_for_job(needs: Needs, job: str) -> str:
    """The command that holds what a job has measured against this contract."""
    return shlex.join(["wizard", "compare", job, *_stated(needs), "--out", "out/"])


def _stated(needs: Needs) -> list[str]:
    words = ["--device", needs.device_id]
    for budget in needs.budgets:
        words += [f"--{budget.quantity}-{budget.unit.lower()}", _plain(budget.at_most)]
        if budget.percentile == 95 and "--percentile" not in words:
            words += ["--percentile", "95"]
    words += ["--max-drop", _plain(needs.tolerance.points)]
    if needs.tolerance.metric:
        words += ["--metric", needs.tolerance.metric]
    if needs.priority is not Priority.FASTEST:
        words += ["--priority", needs.priority.value]
    return words


def _plain(number: float) -> str:
    """Short where that says the same number, else every digit."""
    short = f"{number:g}"
    return short if float(short) == number else repr(float(number))


def _others(needs: Needs) -> list[str]:
    words = []
    if needs.minutes != 10:
        words += ["--minutes", _plain(needs.minutes)]
    named = parse(needs.data)
    if named.path != "sample":
        words += ["--data", named.path]
    if named.columns:
        pairs = (f"{role}={column}" for role, column in named.columns.items())
        words += ["--columns", *pairs]
    if named.labels_are_positions:
        words += ["--labels", "index"]
    if named.calibration:
        words += ["--calibration", named.calibration]
    if needs.workload.tokens is not None:
        words += ["--tokens", str(needs.workload.tokens)]
    words += ["--seed", str(needs.seed)] if needs.seed else []
    words += ["--only", needs.only] if needs.only else []
    words += ["--sibling", needs.sibling] if needs.sibling else []
    words += [] if needs.improve else ["--no-improve"]
    words += ["--afresh"] if needs.afresh else []
    return words
