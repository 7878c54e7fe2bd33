"""A sample on the bench: exported, its rows prepared, the original weighed, ready for faults.

Everything is real: the sample's own weights and rows, the wizard's own strategies, measuring
processes and verdicts. Rows are cut to some hundreds and timing to a second, to stay quick.
"""

from __future__ import annotations

import dataclasses
import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cached_property, lru_cache
from pathlib import Path

import onnx
from onnx import numpy_helper

from wizard import examples, intake, library, measure
from wizard.compare import judge
from wizard.errors import WizardError
from wizard.nouns import (
    Artifact,
    Budget,
    CandidateVerdict,
    ExampleSet,
    Measurement,
    ModelProfile,
    Needs,
    Step,
    Tolerance,
    Verdict,
)
from wizard.run.outcome import payers_of
from wizard.run.planning import plan_for
from wizard.strategies import _contract as contract
from wizard.strategies import _graph

ROWS, SECONDS = 800, 1.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Told:
    """What the wizard said of one candidate: its verdict, and every sentence a user would read."""

    verdict: Verdict
    said: str

    @property
    def accuses(self) -> bool:
        return self.verdict is Verdict.MISS


class Stage:
    """One sample, its export and its weighed original, in a folder that is removed at exit."""

    def __init__(self, name: str, rows: int = ROWS) -> None:
        self._kept = tempfile.TemporaryDirectory(prefix="wizard-planted-")
        self.folder = Path(self._kept.name)
        self.name, self.rows = name, rows
        self.model_folder = library.samples()[name].folder / "model"
        self.host = intake.host_facts(self.folder)

    @cached_property
    def profile(self) -> ModelProfile:
        return intake.examine(intake.parse_ref(f"sample:{self.name}"), None, None)

    @cached_property
    def data(self) -> examples.Rows:
        whole = examples.read(self.profile, "sample", seed=0)
        return replace(whole, test=first_rows(whole.test, self.rows))

    def feeds(self, rows: ExampleSet, name: str, folder: Path | None = None) -> Path:
        """`rows` prepared with the files of `folder` (default: the sample's own)."""
        place = self.folder / f"{name}.npz"
        source = folder or self.model_folder
        return examples.prepare(self.profile, source, rows, self.profile.workload, place)

    @cached_property
    def test(self) -> Path:
        return self.feeds(self.data.test, "test")

    @cached_property
    def calibration(self) -> Path:
        return self.feeds(self.data.calibration, "calibration")

    @cached_property
    def bench(self) -> measure.Bench:
        return measure.Bench(
            profile=self.profile,
            feeds=self.test,
            examples=self.data.test,
            workload=self.profile.workload,
            threads=1,
            folder=self.folder,
            host=self.host,
            report=lambda fraction, detail: None,
            seconds=SECONDS,
        )

    def workbench(self, name: str, calibration: Path | None = None) -> contract.Workbench:
        return contract.Workbench(
            folder=self.folder / name,
            model_folder=self.model_folder,
            profile=self.profile,
            device=intake.this_machine(self.host),
            calibration=calibration or self.calibration,
            cache=cache(),
            seed=0,
            threads=1,
            report=lambda fraction, detail: None,
        )

    @cached_property
    def export(self) -> Artifact:
        start = contract.artifact_of(self.model_folder)
        return contract.apply_step(Step(strategy="to_onnx"), start, self.workbench("export"))

    @cached_property
    def original(self) -> Measurement:
        return measure.weigh_original(self.export, self.bench)

    def make(self, name: str, calibration: Path | None = None, **settings: object) -> Artifact:
        """The export after one technique."""
        step = Step(strategy=name, settings=settings)
        place = f"{name}-{len(list(self.folder.iterdir()))}"
        return contract.apply_step(step, self.export, self.workbench(place, calibration))

    def changed(
        self, name: str, change: Callable[[onnx.ModelProto], None], of: Artifact | None = None
    ) -> Artifact:
        """A copy of the export (or of `of`) after `change` worked on it."""
        model = onnx.load(str((of or self.export).path))
        change(model)
        path = self.folder / f"{name}.onnx"
        onnx.save(model, str(path))
        return contract.artifact_of(path)

    def plan(self, *, drop: float = 1.0, **budgets: float):
        """The contract: points that may be lost, and limits as latency=5.0 or size=8.0."""
        units = {"latency": "ms", "size": "MB", "memory": "MB"}
        asked = tuple(
            Budget(
                quantity=name,
                at_most=value,
                unit=units[name],
                percentile=50 if name == "latency" else None,
            )
            for name, value in budgets.items()
        )
        needs = Needs(
            device_id="this-machine",
            budgets=asked,
            tolerance=Tolerance(points=drop),
            workload=self.profile.workload,
        )
        return plan_for(self.profile, needs, self.host)

    def tell(
        self,
        candidate: Artifact,
        *,
        original: Measurement | None = None,
        bench: measure.Bench | None = None,
        drop: float = 1.0,
        times: float | None = None,
        **budgets: float,
    ) -> Told:
        """Weigh and judge; an error is a refusal with its sentence.

        `times` limits the latency to so many times the original's of the very same session.
        """
        try:
            before = original or self.original
            after = measure.weigh_candidate(candidate, before, bench or self.bench)
        except WizardError as error:
            return refused(error)
        if times is not None:
            budgets["latency"] = times * (after.against or before.latency).p50.value
        plan, rows = self.plan(drop=drop, **budgets), (bench or self.bench).examples
        payers = payers_of(plan, before, after, rows)
        return told(judge(plan, "planted", before, after, payers), after)


def told(verdict: CandidateVerdict, after: Measurement) -> Told:
    """The verdict with every sentence beside it."""
    clauses = [f"{one.name}: {one.because} {one.next}" for one in verdict.clauses]
    return Told(verdict=verdict.overall, said=" | ".join([after.audit.label, *clauses]))


def refused(error: WizardError) -> Told:
    """No artifact, or none that could be measured."""
    return Told(verdict=Verdict.MISS, said=library.explain(error).message)


def first_rows(rows: ExampleSet, count: int) -> ExampleSet:
    """The first `count` rows (the samples' rows are shuffled already)."""

    def cut(values):
        return values[:count]

    return dataclasses.replace(
        rows,
        inputs=cut(rows.inputs),
        pairs=cut(rows.pairs),
        labels=cut(rows.labels),
        target=cut(rows.target),
        answers=cut(rows.answers),
        columns={name: cut(values) for name, values in rows.columns.items()},
        rows=cut(rows.rows),
    )


@lru_cache(maxsize=1)
def _cache() -> tempfile.TemporaryDirectory:
    return tempfile.TemporaryDirectory(prefix="wizard-planted-cache-")


def cache() -> Path:
    """Exports are made once for all stages, and once for all workers of a test run."""
    run = os.environ.get("WIZARD_TEST_RUN")
    return Path(run) / "slow-cache" if run else Path(_cache().name)


@lru_cache
def stage(name: str, rows: int = ROWS) -> Stage:
    """The sample's stage, set up once."""
    return Stage(name, rows)


def stored(model: onnx.ModelProto, *, like: str = "", shape: tuple[int, ...] | None = None):
    """The first stored float weight whose name holds `like` (and has that shape)."""
    for one in model.graph.initializer:
        if like in one.name and (shape is None or tuple(one.dims) == shape):
            return one
    raise LookupError(like or shape)


def weight_of(model: onnx.ModelProto, layer: str):
    """The stored weight of a layer by its name; what the exporter calls the weight may change."""
    node = next(one for one in model.graph.node if one.name == f"{layer}/MatMul")
    return next(one for one in model.graph.initializer if one.name == node.input[1])


def rewrite(tensor: onnx.TensorProto, change) -> None:
    """Replace a stored tensor's numbers."""
    name = tensor.name
    tensor.CopyFrom(numpy_helper.from_array(change(numpy_helper.to_array(tensor).copy()), name))


def output_of(model: onnx.ModelProto) -> str:
    """The name of the only output."""
    return model.graph.output[0].name


def after_output(model: onnx.ModelProto, *nodes: onnx.NodeProto, renamed: str = "planted") -> None:
    """Let `nodes` work on the old output, now called `renamed`, and give the output again."""
    old = output_of(model)
    for node in model.graph.node:
        for index, name in enumerate(node.output):
            if name == old:
                node.output[index] = renamed
        for index, name in enumerate(node.input):
            if name == old:
                node.input[index] = renamed
    model.graph.node.extend(nodes)


__all__ = [
    "SECONDS",
    "Stage",
    "Told",
    "Verdict",
    "_graph",
    "after_output",
    "cache",
    "first_rows",
    "output_of",
    "refused",
    "rewrite",
    "stage",
    "stored",
    "told",
]
