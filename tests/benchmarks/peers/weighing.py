"""Weighs all files made of one model in one run: same rows, times in turns, every pair compared.

Covers: answers row by row in fresh processes, the paired loss of each against the original and
against every other, latencies of all files block by block in turns.
Each with the fewest threads that are as quick for it.
Does not cover: making the files (making.py), the table (table.py).
Statistics are the wizard's own: Tango's interval, the BCa bootstrap, blocks drawn together.
"""

from __future__ import annotations

import dataclasses
import tempfile
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tests.benchmarks.peers.front import Against, dominates, front
from tests.benchmarks.peers.making import THREADS
from wizard import examples
from wizard.compare import turns
from wizard.compare.paired import Drop, Statistic, drop_by_bootstrap
from wizard.compare.score import drop_between
from wizard.examples.reading import pick
from wizard.measure import quality, speed
from wizard.measure.answered import Answered
from wizard.measure.memory import size_of
from wizard.measure.process import Process, on_the_same_core
from wizard.measure.threads import settle
from wizard.nouns import Latency, Outcome, Quality, Workload
from wizard.run.opening import shuffled
from wizard.run.outcome import read_outcome
from wizard.strategies._contract import artifact_of

ORIGINAL = "original"
SECONDS = 4.0  # of timing each file: more than a job takes, for each is held against all
SEED = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Weighed:
    """One file: megabytes, answers, times. `raw` answers are [rows, classes or dimensions]."""

    size_mb: float
    quality: Quality
    latency: Latency


def weigh(job: Path, files: Mapping[str, Path]) -> dict[str, dict[str, Any]]:
    """A record for each file, the original's included, by the rows of a wizard's job."""
    outcome = read_outcome(job)
    assert outcome is not None
    every = {ORIGINAL: Path(outcome.original.artifact.path), **files}
    answers = outcome.original.quality.answers
    rows = len(answers.rows) * (2 if answers.target else 1)
    workload = outcome.plan.needs.workload or outcome.plan.profile.workload
    with ExitStack() as stack, tempfile.TemporaryDirectory() as scratch:
        processes = {
            name: stack.enter_context(Process(path, job / "test.npz", THREADS))
            for name, path in every.items()
        }
        raws = {
            name: _answers(one, every[name], job, Path(scratch) / f"{name}.npz", rows)
            for name, one in processes.items()
        }
        for process in processes.values():  # as run.py does with ours
            settle(process, workload, cached=False)
        latencies = in_turns(list(processes.values()), workload)
        scored = _scored(outcome, raws, Path(scratch))
    found = {
        name: Weighed(
            size_mb=size_of(artifact_of(path)).value, quality=scored[name], latency=latency
        )
        for (name, path), latency in zip(every.items(), latencies, strict=True)
    }
    return _records(outcome, found)


def _answers(process: Process, path: Path, job: Path, out: Path, rows: int) -> Answered:
    with quality.answering(process, artifact_of(path), job / "test.npz") as several:
        return quality.outputs(several, out, _silent, rows)


def _silent(fraction: float, detail: str) -> None:
    del fraction, detail


def in_turns(processes: Sequence[Process], workload: Workload) -> list[Latency]:
    """All of them block by block, the order turned by one each time, so that a drift hits all."""
    for process in processes:
        process.ask("shape", batch=workload.batch, tokens=workload.tokens)
    taken: list[list[list[float]]] = [[] for _ in processes]
    with on_the_same_core(processes):
        share = SECONDS / speed.BLOCKS
        runs = [speed._runs(speed._warm(one), share, speed.RUNS_AT_MOST) for one in processes]
        clock = speed._Clock.read(processes)
        for block in range(speed.BLOCKS):
            for at in range(len(processes)):
                which = (at + block) % len(processes)
                taken[which].append(processes[which].ask("time", runs=runs[which])["ms"])
    crowded = clock.crowded(processes)
    noise = max(speed.spread(one) for one in taken)
    return [speed.latency_of(one, noise, crowded=crowded) for one in taken]


def _scored(outcome: Outcome, raws: Mapping[str, Any], scratch: Path) -> dict[str, Quality]:
    """Scores on the job's own rows. Raises ValueError if the original answers otherwise there."""
    plan = outcome.plan
    found = examples.read(plan.profile, plan.needs.data, seed=plan.needs.seed, scratch=scratch)
    kept = outcome.original.quality.answers
    rows = pick(shuffled(found.test, plan.needs.seed), range(len(kept.rows)))
    metric = plan.needs.tolerance.metric
    scored = {
        name: quality.score(
            raw, rows, plan.profile, raws[ORIGINAL] if name != ORIGINAL else None, metric
        )
        for name, raw in raws.items()
    }
    again = scored[ORIGINAL].answers
    if (again.rows, again.predicted, again.truth) != (kept.rows, kept.predicted, kept.truth):
        raise ValueError("the rows are not those of the job")
    return scored


def _records(outcome: Outcome, found: Mapping[str, Weighed]) -> dict[str, dict[str, Any]]:
    first = found[ORIGINAL]
    pairs = {
        name: {
            other: against(outcome, it, one)
            for other, it in found.items()
            if other not in {name, ORIGINAL}
        }
        for name, one in found.items()
        if name != ORIGINAL
    }
    signs = {a: {b: one.signs() for b, one in held.items()} for a, held in pairs.items()}
    ahead = front(signs)
    records = {}
    for name, one in found.items():
        record = {
            "size_mb": one.size_mb,
            "score": one.quality.value.value,
            "metric": one.quality.metric,
            "ms": one.latency.p50.value,
            "busy": one.latency.busy,
            "noise": one.latency.noise,
            "rows": len(one.quality.answers.rows),
        }
        if name != ORIGINAL:
            held = against(outcome, first, one)
            agreement = one.quality.agreement
            record |= {
                "size_ratio": held.size,
                "latency": held.latency,
                "loss": held.loss,
                "agreement": agreement.value if agreement else None,
                "collapse": list(one.quality.answers.collapse),
                "front": name in ahead,
                "dominated_by": [a for a in signs if a != name and dominates(signs[a][name])],
                "signs": signs[name],
            }
        records[name] = record
    return records


def against(outcome: Outcome, before: Weighed, after: Weighed) -> Against:
    """The second held against the first."""
    base = dataclasses.replace(outcome.original, latency=before.latency)
    now = dataclasses.replace(outcome.original, latency=after.latency, against=before.latency)
    ratio = turns.ratio(base, now)
    drop = loss_between(before.quality, after.quality)
    return Against(
        size=after.size_mb / before.size_mb,
        latency=(ratio.value, ratio.low, ratio.high),
        noise=ratio.noise,
        loss=(drop.value, drop.low, drop.high),
    )


def loss_between(before: Quality, after: Quality) -> Drop:
    """The paired loss; where both are held against the original, the agreement lost."""
    was, now = before.answers, after.answers
    judged = now.truth or now.target
    if judged or not was.agreement:
        return drop_between(before, after, SEED)
    apart = np.asarray(was.agreement) - np.asarray(now.agreement)
    return drop_by_bootstrap(
        Statistic(features=apart[:, None], loss=lambda means: means[:, 0]), SEED
    )
