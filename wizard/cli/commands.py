"""What each command does: read the options, call the engine, hand the result to `show`.

Covers: one function per command. Does not cover: text layout (show.py).
"""

from __future__ import annotations

import argparse
import shutil
import tempfile
from collections.abc import Callable, Mapping
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Literal

from wizard import engine
from wizard.advise.record import Trial, overall
from wizard.cli import show, show_plan, show_rules
from wizard.cli.doctor import findings
from wizard.errors import BadNeeds, DiskFull, NotSupported, NoWritePermission, OutputNotEmpty
from wizard.nouns import (
    Budget,
    Ending,
    Finished,
    Json,
    ModelProfile,
    Needs,
    Priority,
    Rule,
    SupportLevel,
    Tolerance,
    Verdict,
    Workload,
)
from wizard.run.evidence import Check

EXIT_OF = {Verdict.PASS: 0, Verdict.MISS: 3, Verdict.CANNOT_TELL: 4}
REFUSED, OUR_BUG = 2, 1


def app(options: argparse.Namespace) -> int:
    """Open the web app and stay until interrupted."""
    from wizard.ui.app import serve

    serve(
        engine,
        host=options.host,
        port=options.port,
        hosted=options.hosted,
        open_browser=not options.no_browser,
    )
    return 0


def doctor(options: argparse.Namespace) -> int:
    """What works here; exit status 1 when something needed does not."""
    found = findings()
    show.doctor(found, engine.host(), as_json=options.json)
    return 0 if all(one.works or one.optional for one in found) else OUR_BUG


def samples(options: argparse.Namespace) -> int:
    """The bundled models, or one of them."""
    return _look_up(options, "sample", dict(engine.samples()), show.SAMPLE_COLUMNS)


def devices(options: argparse.Namespace) -> int:
    """The devices, or one of them."""
    return _look_up(options, "device", dict(engine.devices()), show.DEVICE_COLUMNS)


def strategies(options: argparse.Namespace) -> int:
    """The techniques, or one of them with its settings."""
    return _look_up(options, "strategy", dict(engine.strategies()), show.STRATEGY_COLUMNS)


def rules(options: argparse.Namespace) -> int:
    """The rules, or one of them with sources and examples."""
    known = {rule.id: rule for rule in engine.rules()}
    if options.id is not None:
        rule = engine.find("rule", options.id, known)
        show_rules.entry(
            rule, engine.records()[rule.id], engine.runs_of(rule), as_json=options.json
        )
        return 0
    show_rules.table(known, engine.records(), as_json=options.json)
    return 0


def check_presets(options: argparse.Namespace) -> int:
    """Rules held against the samples; exit status 3 for a missed range, 4 for an unclear one."""
    known = {rule.id: rule for rule in engine.rules()}
    rules = [engine.find("rule", name, known) for name in options.rule or known]
    samples = engine.samples()
    for name in options.sample or ():
        engine.find("sample", name, samples)
    checks = engine.checks(options.sample or samples, rules)
    if not checks:
        because = "no such rule proposes anything for such a sample on this machine"
        raise NotSupported(strategy=" and ".join(options.rule or ("Every rule",)), because=because)
    found: list[tuple[Rule, Trial]] = []
    for check in checks:
        last = _follow_check(check, known, found, quiet=options.quiet)
        if last.ending is not Ending.FINISHED:
            return show.failed_job(f"checking sample:{check.sample}", last, as_json=options.json)
    show_rules.checked(found, as_json=options.json)
    said = {overall(*one) for one in found}
    worst = next((one for one in (Verdict.MISS, Verdict.CANNOT_TELL) if one in said), Verdict.PASS)
    return EXIT_OF[worst]


def _follow_check(
    check: Check, known: Mapping[str, Rule], found: list[tuple[Rule, Trial]], *, quiet: bool
) -> Finished:
    progress = show.Progress(quiet=quiet)
    last = None
    with closing(engine.check_presets(check)) as happening:
        for one in happening:
            if isinstance(one, Trial):
                found.append((known[one.rule], one))
                show_rules.trial(known[one.rule], one, quiet=quiet)
            else:
                progress.tell(one)
                last = one if isinstance(one, Finished) else last
    assert last is not None  # noqa: S101 - follow ends with Finished
    return last


def _look_up(
    options: argparse.Namespace,
    kind: str,
    known: Mapping[str, object],
    columns: tuple[show.Column, ...],
) -> int:
    if options.id is None:
        show.table(kind, known, columns, as_json=options.json)
        return 0
    show.entry(engine.find(kind, options.id, known), as_json=options.json)
    return 0


def inspect(options: argparse.Namespace) -> int:
    """The model's card; exit status 2 when the model is not for us."""
    profile = engine.examine(engine.parse_ref(options.model), _workload(options))
    show.profile(profile, as_json=options.json)
    return REFUSED if profile.support.level is SupportLevel.NOT_HERE else 0


def _workload(options: argparse.Namespace) -> Workload | None:
    return Workload(tokens=options.tokens) if options.tokens is not None else None


def plan(options: argparse.Namespace) -> int:
    """The plan; exit status 2 when there is no candidate."""
    made = engine.advise(*_asked(options))
    tried = None
    if options.dry_run and made.candidates:
        made = engine.dry_plan(made)
        job = engine.start(made, owner="command line")
        last = _follow(job, quiet=options.quiet)
        if last.ending is not Ending.FINISHED:
            return show.failed_job(job, last, as_json=options.json)
        tried = engine.result(job, None)
    show_plan.plan(made, engine.command_for(made), tried, as_json=options.json)
    return 0 if made.candidates else REFUSED


def _asked(options: argparse.Namespace, *, runs: bool = False) -> tuple[ModelProfile, Needs]:
    engine.check_device(options.device)
    ref = engine.parse_ref(options.model)
    profile = engine.examine(ref, _workload(options), runs=runs)
    return profile, needs_of(options, profile)


def needs_of(options: argparse.Namespace, profile: ModelProfile) -> Needs:
    """The contract as typed."""
    budgets = []
    times: tuple[tuple[Literal["latency", "token"], float | None], ...] = (
        ("latency", options.latency_ms),
        ("token", options.token_ms),
    )
    budgets += [
        Budget(quantity=what, at_most=limit, unit="ms", percentile=options.percentile)
        for what, limit in times
        if limit is not None
    ]
    if options.size_mb is not None:
        budgets.append(Budget(quantity="size", at_most=options.size_mb, unit="MB"))
    if options.memory_mb is not None:
        budgets.append(Budget(quantity="memory", at_most=options.memory_mb, unit="MB"))
    return Needs(
        device_id=options.device,
        budgets=tuple(budgets),
        tolerance=Tolerance(points=options.max_drop, metric=options.metric or ""),
        priority=Priority(options.priority),
        minutes=options.minutes,
        data=_data(options),
        workload=profile.workload,
        seed=options.seed,
        only=options.only,
        improve=options.improve,
        afresh=options.afresh,
        sibling=options.sibling or "",
    )


def _data(options: argparse.Namespace) -> str:
    """Paths are made absolute: the job's process may start elsewhere."""
    typed = options.data
    return engine.data_name(
        typed if typed == "sample" or typed.startswith("hub:") else _absolute(typed),
        by_index=options.labels == "index",
        columns=options.columns,
        calibration=_absolute(options.calibration) if options.calibration else None,
    )


def _absolute(typed: str) -> str:
    return str(Path(typed).expanduser().absolute())


def run(options: argparse.Namespace) -> int:
    """The whole job, followed to its end; the bundle in `--out`."""
    out = Path(options.out).expanduser().absolute()
    _check_out(out)
    job = engine.start(engine.advise(*_asked(options, runs=True)), owner="command line")
    last = _follow(job, quiet=options.quiet)
    if last.ending is not Ending.FINISHED or last.overall is None:
        return show.failed_job(job, last, as_json=options.json)
    return _delivered(job, out, options)


def _delivered(job: str, out: Path, options: argparse.Namespace) -> int:
    """The bundle at `out`, if there is one; the result; what would do where it was missed."""
    found = engine.compare(job)
    if found is not None and found.measurements:
        _deliver(Path(engine.pack(job).folder), out)
    code = _shown(engine.result(job, out), options)
    _offered(job, options)
    return code


def _offered(job: str, options: argparse.Namespace) -> None:
    found = engine.compare(job)
    if found is None or options.json:
        return
    show.counter_offers(
        (one, engine.command_to_accept(job, found.plan, one)) for one in found.counter_offers
    )


def compare(options: argparse.Namespace) -> int:
    """Two given models by one contract; or a job's candidates, measured before, by another."""
    if options.after is None:
        return _compare_job(options)
    if options.out is not None:
        because = "two models are compared as they are, and nothing new is made"
        raise BadNeeds(name="--out", value="given", because=because)
    options.device = options.device or engine.THIS_MACHINE
    engine.check_device(options.device)
    pair = engine.pair_of(options.before, options.after, options.model)
    profile = engine.examine(pair.model, _workload(options) or pair.workload)
    needs = needs_of(options, profile)
    job = engine.start(engine.advise_pair(profile, needs, pair), owner="command line")
    last = _follow(job, quiet=options.quiet)
    if last.ending is not Ending.FINISHED or last.overall is None:
        return show.failed_job(job, last, as_json=options.json)
    return _shown(engine.result(job, None), options)


def _compare_job(options: argparse.Namespace) -> int:
    plan = engine.plan_of(options.before)
    options.device = options.device or plan.needs.device_id
    options.sibling = plan.needs.sibling
    needs = needs_of(options, plan.profile)
    kept = plan.needs
    needs = replace(needs, data=kept.data, workload=kept.workload, seed=kept.seed)
    if options.metric is None:
        needs = replace(needs, tolerance=replace(needs.tolerance, metric=kept.tolerance.metric))
    if options.out is None:
        return _shown(engine.judge_again(options.before, needs), options)
    out = Path(options.out).expanduser().absolute()
    _check_out(out)
    engine.accept(options.before, needs)
    return _delivered(options.before, out, options)


def _shown(result: Mapping[str, Json], options: argparse.Namespace) -> int:
    show.result(result, as_json=options.json)
    verdict = result["verdict"]
    assert isinstance(verdict, Mapping)  # noqa: S101 - the shape of wizard.run/1
    return EXIT_OF[Verdict(str(verdict["overall"]))]


def _follow(job: str, *, quiet: bool) -> Finished:
    progress = show.Progress(quiet=quiet)
    try:
        for event in engine.follow(job):
            progress.tell(event)
            if isinstance(event, Finished):
                return event
    except KeyboardInterrupt:
        engine.cancel(job)
        raise
    raise AssertionError("follow ends with Finished")


def _check_out(out: Path) -> None:
    """Refuse before any work: a folder in use, or one we may not write."""
    if out.exists() and (not out.is_dir() or any(out.iterdir())):
        raise OutputNotEmpty(path=str(out))
    parent = out if out.exists() else out.parent
    while not parent.exists():
        parent = parent.parent
    try:
        with tempfile.TemporaryFile(dir=parent):
            pass
    except OSError as error:
        raise NoWritePermission(path=str(out)) from error


def _deliver(bundle: Path, out: Path) -> None:
    """Copy beside the target, then rename: `out` is whole or absent."""
    out.parent.mkdir(parents=True, exist_ok=True)
    needed = sum(f.stat().st_size for f in bundle.rglob("*") if f.is_file())
    if needed > shutil.disk_usage(out.parent).free:
        raise _full(out, needed)
    temporary = out.with_name(f".{out.name}.partial")
    shutil.rmtree(temporary, ignore_errors=True)
    try:
        shutil.copytree(bundle, temporary)
        if out.exists():
            out.rmdir()
        temporary.rename(out)
    except OSError as error:
        raise _full(out, needed) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _full(out: Path, needed: int) -> DiskFull:
    free = shutil.disk_usage(out.parent).free
    return DiskFull(path=str(out), needed_mb=needed // 10**6 + 1, free_mb=free // 10**6)


def verify(options: argparse.Namespace) -> int:
    """Re-open a bundle; with a receipt, judge the latency clause on the user's device."""
    receipt = Path(options.receipt) if options.receipt else None
    verified = engine.verify(Path(options.bundle), receipt)
    show.verified(verified, as_json=options.json)
    return EXIT_OF[verified.verdict] if verified.verdict is not None else 0


def jobs(options: argparse.Namespace) -> int:
    """The history; follow or cancel one job."""
    if options.id is None:
        show.jobs(engine.history(), as_json=options.json)
        return 0
    status = engine.status(options.id)
    if options.cancel:
        engine.cancel(options.id)
        show.jobs((engine.status(options.id),), as_json=options.json)
        return 0
    last = _follow(status.id, quiet=options.quiet)
    if last.ending is not Ending.FINISHED or last.overall is None:
        return show.failed_job(status.id, last, as_json=options.json)
    show.result(engine.result(status.id, None), as_json=options.json)
    return EXIT_OF[last.overall]


COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "app": app,
    "doctor": doctor,
    "samples": samples,
    "devices": devices,
    "strategies": strategies,
    "rules": rules,
    "check-presets": check_presets,
    "inspect": inspect,
    "plan": plan,
    "run": run,
    "compare": compare,
    "verify": verify,
    "jobs": jobs,
}
