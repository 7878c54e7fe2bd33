"""How a rule has done on the bundled samples: its runs, and whether they kept its ranges. Pure.

Covers: one run as a record, the ranges it missed, the sum of a rule's runs in words, which rules
are not to be believed any longer.
Does not cover: measuring and the files (run/evidence.py).
A range holds when the measured value lies in it, is missed when the whole 95 % interval lies
outside, and otherwise the run cannot tell; losing less than expected is no miss. Runs are held
against the rule as it is now, so a corrected range is judged by every run there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from wizard.nouns import Rule, Step, Verdict

SIZE, SPEED, DROP = "size_ratio", "speed_ratio", "drop_points"
_MISS = Verdict.MISS
# So many misses in a row, on all samples or on one, and a rule is not to be believed.
MISSES_IN_A_ROW = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Trial:
    """One run of a rule's recipe on a bundled sample, as a line of evidence.

    `size_ratio` is after / before, `speed_ratio` times faster, `drop_points` lost on `rows` rows
    of `metric`; `speed_between` (wider by the machine's own `noise`) and `drop_between` are 95 %
    intervals. `at` is the date and time in UTC. With `failed` the recipe gave no model at all.
    """

    rule: str
    sample: str
    at: str
    wizard: str
    cpu: str
    isa: tuple[str, ...]
    cores: int
    system: str
    versions: Mapping[str, str]
    steps: tuple[Step, ...]
    size_ratio: float | None = None
    speed_ratio: float | None = None
    speed_between: tuple[float, float] | None = None
    drop_points: float | None = None
    drop_between: tuple[float, float] | None = None
    rows: int = 0
    metric: str = ""
    noise: float = 1.0
    busy: bool = False
    failed: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """What the runs of a rule add up to; the rest of the runs could not tell.

    `checked` is the date of the last, "" without any.
    """

    runs: int = 0
    held: int = 0
    missed: int = 0
    checked: str = ""

    def words(self) -> str:
        """`held on 5 of 5 runs, last checked on 2026-11-23`; nothing without a run."""
        if not self.runs:
            return ""
        said = f"held on {self.held} of {self.runs} {'run' if self.runs == 1 else 'runs'}"
        unclear = self.runs - self.held - self.missed
        if unclear:
            said += f" ({unclear} could not tell)"
        return f"{said}, last checked on {self.checked}"


Evidence = Mapping[str, Sequence[Trial]]


def ranges(rule: Rule, trial: Trial) -> Mapping[str, Verdict]:
    """Whether a run kept each range of the rule; none of them when it gave no model.

    A busy machine cannot tell that a speed was missed.
    """
    seen = {
        SIZE: _seen(trial.size_ratio, None),
        SPEED: _seen(trial.speed_ratio, trial.speed_between),
        DROP: _seen(trial.drop_points, trial.drop_between),
    }
    found = {name: _kept(name, seen[name], span) for name, span in rule.expect.items()}
    if trial.busy and found.get(SPEED) is Verdict.MISS:
        found[SPEED] = Verdict.CANNOT_TELL
    return found


Seen: TypeAlias = tuple[float, float, float] | None


def _seen(value: float | None, between: tuple[float, float] | None) -> Seen:
    """Low, value, high; None where nothing was measured."""
    if value is None:
        return None
    low, high = between or (value, value)
    return low, value, high


def _kept(name: str, seen: Seen, span: tuple[float, float]) -> Verdict:
    if seen is None:
        return Verdict.MISS
    low, value, high = seen
    least, most = (-math.inf if name == DROP else span[0]), span[1]
    if least <= value <= most:
        return Verdict.PASS
    return Verdict.MISS if low > most or high < least else Verdict.CANNOT_TELL


def overall(rule: Rule, trial: Trial) -> Verdict:
    """The worst of a run's ranges."""
    found = set(ranges(rule, trial).values())
    if Verdict.MISS in found:
        return Verdict.MISS
    return Verdict.CANNOT_TELL if Verdict.CANNOT_TELL in found else Verdict.PASS


def about(rule: Rule, trials: Iterable[Trial]) -> tuple[Trial, ...]:
    """The runs of the recipe that the rule proposes today, oldest first."""
    mine = (one for one in trials if one.rule == rule.id and _same_recipe(rule, one.steps))
    return tuple(sorted(mine, key=lambda one: one.at))


def _same_recipe(rule: Rule, steps: Sequence[Step]) -> bool:
    if tuple(step.strategy for step in steps) != rule.steps:
        return False
    wanted = (rule.settings.get(step.strategy, {}).items() for step in steps)
    return all(want <= step.settings.items() for want, step in zip(wanted, steps, strict=True))


def record(rule: Rule, trials: Iterable[Trial]) -> Record:
    """How often the rule's ranges held, and when that was last looked at."""
    runs = about(rule, trials)
    verdicts = [overall(rule, one) for one in runs]
    return Record(
        runs=len(runs),
        held=verdicts.count(Verdict.PASS),
        missed=verdicts.count(Verdict.MISS),
        checked=runs[-1].at[:10] if runs else "",
    )


def unreliable(rule: Rule, trials: Iterable[Trial]) -> str:
    """Why the rule is not to be believed: its last three runs that could tell all missed.

    On all samples or on one of them.
    """
    runs = [one for one in about(rule, trials) if overall(rule, one) is not Verdict.CANNOT_TELL]
    groups = {"": runs}
    for name in sorted({one.sample for one in runs}):
        groups[f" on sample:{name}"] = [one for one in runs if one.sample == name]
    for where, group in groups.items():
        last = group[-MISSES_IN_A_ROW:]
        if len(last) == MISSES_IN_A_ROW and all(overall(rule, one) is _MISS for one in last):
            wrong = {n for one in last for n, v in ranges(rule, one).items() if v is _MISS}
            return f"{rule.id} missed {', '.join(sorted(wrong))} in its last three runs{where}"
    return ""
