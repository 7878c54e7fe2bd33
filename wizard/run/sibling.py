"""An accepted sibling on the benches: opened, its inputs prepared its own way, measured beside.

Covers: its folder, the same rows through its own tokenizer or image processor, the workbench and
the bench its recipes are made and measured on; data on which two networks cannot be compared.
Does not cover: which sibling (advise/siblings.py); its files as a step (strategies).
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from wizard import examples, intake, measure, tasks
from wizard.errors import NotSupported
from wizard.nouns import ModelProfile, Plan
from wizard.run.state import Site
from wizard.strategies import _contract as contract

TITLE = "A smaller published model"
# Prepared inputs of the sibling, beside test.npz and calibration.npz of the original.
FOLDER, TEST, CALIBRATION = "sibling", "test.npz", "calibration.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class Opened:
    """Where the sibling's recipes are made and measured."""

    folder: Path
    workbench: contract.Workbench
    bench: measure.Bench


def open_sibling(
    plan: Plan,
    site: Site,
    workbench: contract.Workbench,
    bench: measure.Bench,
    report: Callable[[float, str], None],
) -> Opened:
    """The sibling's files here, and its inputs for the rows that the original was measured on.

    Raises NotSupported where nothing says which of two networks is right, and what opening raises.
    """
    profile = plan.sibling
    assert profile is not None  # noqa: S101 - only a plan with a sibling has its recipes
    _check_rows(profile, bench)
    folder = site.open(profile.ref, report)
    intake.check_weights(folder)
    place = site.folder / FOLDER
    place.mkdir(exist_ok=True)
    rows = examples.read(plan.profile, plan.needs.data, seed=plan.needs.seed, scratch=place)

    def prepared(some: examples.ExampleSet, name: str) -> Path:
        return examples.prepare(profile, folder, some, plan.needs.workload, place / name)

    feeds = prepared(bench.examples, TEST)
    calibration = prepared(rows.calibration, CALIBRATION) if len(rows.calibration) else None
    return Opened(
        folder=folder,
        workbench=dataclasses.replace(
            workbench,
            model_folder=folder,
            profile=profile,
            calibration=calibration,
            sibling=folder,
        ),
        bench=dataclasses.replace(
            bench, feeds=feeds, calibration=calibration, feeds_of_original=bench.feeds
        ),
    )


def _check_rows(profile: ModelProfile, bench: measure.Bench) -> None:
    """Vectors of two networks lie in two spaces: only what people said of pairs decides."""
    asked = bench.metric == measure.quality.AGREEMENT_ASKED
    if tasks.card_of(profile.task).own_space and (asked or not bench.examples.pairs):
        because = (
            "its vectors lie in a space of their own, so only pairs of sentences with scores can "
            "tell which of the two models is better"
        )
        raise NotSupported(strategy=TITLE, because=because)
