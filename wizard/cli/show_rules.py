"""How rules look in a terminal: their track record, a check of them, how they made a plan.

Covers: layout. Does not cover: what is shown (engine), everything else (show.py).
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping, Sequence

from wizard import engine
from wizard.advise.record import DROP, SIZE, SPEED, Record, Trial, overall, ranges
from wizard.cli import show
from wizard.nouns import Json, Rule, Verdict, jsonable

CHECK_SCHEMA = "wizard.check-presets/1"
NEVER = "not checked on a sample"
WORDS = {Verdict.PASS: "held", Verdict.MISS: "missed", Verdict.CANNOT_TELL: "unclear"}
NAMED = {SIZE: "size", SPEED: "times faster", DROP: "points lost"}


def entry(rule: Rule, record: Record, runs: Sequence[Trial], *, as_json: bool) -> None:
    """One rule in full, with how it has done."""
    plain = {**_object(rule), "record": jsonable(record), "runs": jsonable(list(runs))}
    if as_json:
        show.emit(plain)
        return
    show.entry(rule, as_json=False)
    show.say(f"track record: {record.words() or NEVER}")
    for one in runs:
        show.say(f"  {one.at[:10]}  {one.sample}: {_seen(one)} ({one.cpu}, {one.cores} cores)")


def _object(rule: Rule) -> Mapping[str, Json]:
    plain = jsonable(rule)
    assert isinstance(plain, Mapping)  # noqa: S101 - a noun's JSON form
    return plain


def table(known: Mapping[str, Rule], records: Mapping[str, Record], *, as_json: bool) -> None:
    """Every rule in a line."""
    if as_json:
        rules = {
            name: {**_object(rule), "record": jsonable(records[name])}
            for name, rule in known.items()
        }
        show.emit({"schema": "wizard.rules/1", "rules": rules})
        return
    rows: list[tuple[str, ...]] = [("id", "effect", "track record", "why")]
    rows += [
        (name, rule.effect.value, records[name].words(), rule.why) for name, rule in known.items()
    ]
    for line in show.aligned(rows):
        show.say(line)


def _seen(trial: Trial) -> str:
    if trial.size_ratio is None or trial.speed_ratio is None or trial.drop_points is None:
        return f"no model: {trial.failed}"
    return (
        f"size {trial.size_ratio:.3f}, {trial.speed_ratio:.2f} times as fast, "
        f"{trial.drop_points:+.2f} points lost"
    )


def trial(rule: Rule, one: Trial, *, quiet: bool) -> None:
    """One run as it comes in, on stderr."""
    if not quiet:
        print(f"    {rule.id}: {WORDS[overall(rule, one)]}", file=sys.stderr, flush=True)


def checked(runs: Iterable[tuple[Rule, Trial]], *, as_json: bool) -> None:
    """What a check found: a line a run, what was expected where it was missed, the sum."""
    found = list(runs)
    held = sum(overall(rule, one) is Verdict.PASS for rule, one in found)
    folder = engine.evidence_folder()
    if as_json:
        trials = [_trial_object(rule, one) for rule, one in found]
        counts = {"held": held, "runs": len(found)}
        show.emit(
            {
                "schema": CHECK_SCHEMA,
                "host": engine.host(),
                **counts,
                "evidence": folder.as_posix(),
                "trials": trials,
            }
        )
        return
    rows: list[tuple[str, ...]] = [("", "rule", "sample", *NAMED.values())]
    rows += [_row(rule, one) for rule, one in found]
    for line in show.aligned(rows):
        show.say(line.rstrip())
    show.say(f"held {held} of {len(found)}; kept in {folder}")
    if folder.parent.name != "presets":
        show.say(
            "The rules of this copy cannot be written to, so the runs are kept with your data."
        )


def _trial_object(rule: Rule, one: Trial) -> Mapping[str, Json]:
    plain = jsonable(one)
    assert isinstance(plain, Mapping)  # noqa: S101 - a noun's JSON form
    said = {"expect": rule.expect, "ranges": ranges(rule, one), "verdict": overall(rule, one)}
    return {**plain, **{name: jsonable(value) for name, value in said.items()}}


def _row(rule: Rule, one: Trial) -> tuple[str, ...]:
    word = WORDS[overall(rule, one)]
    if one.failed:
        return (word, rule.id, one.sample, one.failed, "", "")
    kept = ranges(rule, one)
    seen = (
        (SIZE, one.size_ratio, None),
        (SPEED, one.speed_ratio, one.speed_between),
        (DROP, one.drop_points, one.drop_between),
    )
    cells = []
    for name, value, span in seen:
        between = f" ({span[0]:.2f} to {span[1]:.2f})" if span else ""
        low, high = rule.expect[name]
        asked = f", expected {low:g} to {high:g}" if kept[name] is not Verdict.PASS else ""
        cells.append(f"{value or 0.0:.3g}{between}{asked}")
    return (word, rule.id, one.sample, *cells)
