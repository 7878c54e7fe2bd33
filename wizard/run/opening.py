"""The beginning of a walk: the model's folder, its examples, the benches to work and measure on.

Covers: opening the model, reading and preparing the rows, what the rows make doubtful.
Does not cover: making or measuring anything.
"""

from __future__ import annotations

import random
from pathlib import Path

from wizard import examples, intake, measure
from wizard.errors import NotSupported
from wizard.examples.reading import pick
from wizard.measure.saturation import saturates
from wizard.nouns import ExampleSet, Plan
from wizard.run.state import OPEN, ROWS, Walk
from wizard.strategies import _contract as contract


def open_model(state: Walk) -> tuple[Path, measure.Bench, Path | None]:
    plan, site = state.plan, state.site
    with state.phase(OPEN, str(plan.profile.ref)) as report:
        model_folder = site.open(plan.profile.ref, report)
        intake.check_weights(model_folder)
    with state.phase(ROWS, plan.needs.data) as report:
        needs = plan.needs
        rows = examples.read(plan.profile, needs.data, seed=needs.seed, scratch=site.folder)
        test = shuffled(rows.test, needs.seed)
        measure.check_metric(needs.tolerance.metric, test, plan.profile)
        report(0.3, "")
        for sentence in rows.notes:
            state.note(sentence)
        calibration = _feeds(plan, model_folder, rows.calibration, site.folder / "calibration.npz")
        report(0.6, "")
        feeds = _feeds(plan, model_folder, test, site.folder / "test.npz")
        if feeds is None:
            raise NotSupported(strategy="measuring", because="there is not one example to run")
        for sentence in measure.calibration_doubts(calibration, feeds) if calibration else ():
            state.note(sentence)
    bench = measure.Bench(
        profile=plan.profile,
        feeds=feeds,
        examples=test,
        workload=plan.needs.workload,
        threads=site.threads,
        folder=site.folder,
        host=site.host,
        report=lambda fraction, detail: None,
        calibration=calibration,
        saturates=saturates(plan.device.arch, plan.device.isa),
        metric=plan.needs.tolerance.metric,
    )
    return model_folder, bench, calibration


def shuffled(rows: ExampleSet, seed: int) -> ExampleSet:
    """The same rows in a random order: whoever looks at the first of them sees a fair sample."""
    order = list(range(len(rows)))
    random.Random(seed).shuffle(order)  # noqa: S311 - a draw of rows, no secret
    return pick(rows, order)


def _feeds(plan: Plan, folder: Path, rows: ExampleSet, out: Path) -> Path | None:
    if not len(rows):
        return None
    return examples.prepare(plan.profile, folder, rows, plan.needs.workload, out)


def workbench(state: Walk, folder: Path, calibration: Path | None) -> contract.Workbench:
    return contract.Workbench(
        folder=state.site.folder / "made",
        model_folder=folder,
        profile=state.plan.profile,
        device=state.plan.device,
        calibration=calibration,
        cache=state.site.cache,
        seed=state.plan.needs.seed,
        threads=state.site.threads,
        report=lambda fraction, detail: None,
    )
