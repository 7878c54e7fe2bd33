"""What a model answers, row by row, and how right it is.

Covers: asking for all answers, finding the task's scorer, whether a metric fits the examples.
Does not cover: the scores (scorers, one file for each kind), whether a loss is within tolerance
(compare).
Rows are answered one at a time: a dynamic 8-bit model's scale depends on its whole batch.
"""

from __future__ import annotations

import importlib
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard import tasks
from wizard.errors import BadNeeds
from wizard.measure import answered
from wizard.measure.answered import Answered
from wizard.measure.intervals import wilson as wilson
from wizard.measure.process import Process
from wizard.nouns import Artifact, ExampleSet, Glance, Json, ModelProfile, Quality

if TYPE_CHECKING:
    import numpy as np

    Array = np.ndarray[Any, Any]

AGREEMENT, AGREEMENT_ASKED = "agreement with the original", "agreement"
ROWS_PER_QUESTION = 200
# Where the minutes are short: how often the clock is looked at, and rows below which no loss is
# worth naming.
ROWS_BY_THE_CLOCK, ROWS_AT_LEAST = 50, 100
ROWS_TO_SUSPECT = 20
# A file is opened several times at once as long as its copies have no more bytes than that: a
# job's memory would tell. Each copy brings the runtime's 64 MB with it.
COPIES_AT_MOST, BYTES_OF_COPIES = 4, 200_000_000


@contextmanager
def answering(process: Process, artifact: Artifact, feeds: Path) -> Iterator[list[Process]]:
    """Who answers: for a small model several processes that share the threads of `process`.

    Two threads answer a request of 2 ms hardly sooner than one does; two processes answer twice
    as many (1.8 to 2.4 times, DECISIONS.md, 2026-11-29).
    """
    count = copies(process.threads, artifact)
    if count < 2:
        yield [process]
        return
    with ExitStack() as stack, ThreadPoolExecutor(count) as pool:
        model, threads = artifact.path, process.threads // count
        starting = [pool.submit(Process, model, feeds, threads) for _ in range(count)]
        yield [stack.enter_context(one.result()) for one in starting]


def copies(threads: int, artifact: Artifact) -> int:
    """How many processes open such a file to answer its rows; below two, the timed one does."""
    return min(threads, COPIES_AT_MOST, BYTES_OF_COPIES // max(1, artifact.bytes))


def outputs(
    processes: Sequence[Process],
    out: Path,
    report: Callable[[float, str], None],
    rows: int,
    seconds: float | None = None,
) -> Answered:
    """Answers to the first `rows` examples by all `processes` at once, kept in `out` too.

    Fewer, at least a hundred, where all would take more than `seconds`.
    """
    each = ROWS_PER_QUESTION if seconds is None else ROWS_BY_THE_CLOCK
    began, lock, parts = time.perf_counter(), threading.Lock(), dict[int, Answered]()
    state = {"next": 0, "total": rows}

    def asked() -> int | None:
        """The first of the next rows, in order; None when no more are to be answered."""
        with lock:
            start = state["next"]
            late = seconds is not None and time.perf_counter() - began > seconds
            if start >= state["total"] or (late and start >= ROWS_AT_LEAST):
                return None
            state["next"] = start + each
            return start

    def work(process: Process, part: Path) -> None:
        while (start := asked()) is not None:
            said = process.ask("answer", out=str(part), start=start, count=min(each, rows - start))
            with lock:
                state["total"] = total = min(said["of"], rows)
                if said["rows"] > 0:
                    parts[start] = answered.load(part)
                done = sum(len(one) for one in parts.values())
                report(done / total, f"{done} of {total} rows")
        part.unlink(missing_ok=True)

    with ThreadPoolExecutor(len(processes)) as pool:
        several = [
            pool.submit(work, one, out.with_suffix(f".part{at}.npz"))
            for at, one in enumerate(processes)
        ]
    for one in several:
        one.result()
    whole = answered.joined([parts[start] for start in sorted(parts)])
    whole.save(out)
    return whole


def first_outputs(process: Process, out: Path, rows: int) -> Answered:
    """The answers to the first rows only, as `outputs` gives them; `out` is removed again."""
    process.ask("answer", out=str(out), start=0, count=rows)
    first = answered.load(out)
    out.unlink()
    return first


def _scorer(profile: ModelProfile) -> Any:
    card = tasks.card_of(profile.task)
    return importlib.import_module(f"wizard.measure.scorers.{card.score}")


def glance(raw: Answered, original: Answered, profile: ModelProfile) -> Glance:
    """How the answers differ from the original's to the same rows, in short."""
    if raw.not_finite():
        return Glance(rows=len(raw), not_numbers=True)
    found: Glance = _scorer(profile).glance(raw, original)
    return found


def shown(raw: Answered, profile: ModelProfile, typed: ExampleSet) -> Json:
    """One answer as the playground shows it."""
    found: Json = _scorer(profile).shown(raw, profile, typed)
    return found


def score(
    raw: Answered,
    examples: ExampleSet,
    profile: ModelProfile,
    original: Answered | None,
    metric: str = "",
) -> Quality:
    """The score of answers `raw`, and their agreement with the original's when that is given.

    `metric` as in Tolerance. Raises BadNeeds when the examples lack what it needs.
    """
    check_metric(metric, examples, profile)
    found: Quality = _scorer(profile).score(raw, examples, profile, original, metric)
    return found


def check_metric(metric: str, examples: ExampleSet, profile: ModelProfile) -> None:
    """Raises BadNeeds for a metric that needs right answers where the examples have none."""
    told = bool(examples.labels or examples.target or examples.answers)
    own = tasks.card_of(profile.task).own_truth
    if not metric or metric == AGREEMENT_ASKED or told or own:
        return
    because = "it needs examples with right answers, and these have none; leave the metric out"
    raise BadNeeds(name="The metric", value=metric, because=because)


def not_finite(raw: Array) -> list[str]:
    """How many answers [rows, ...] hold what is no number, in a sentence; none if none do."""
    import numpy as np

    bad = int((~np.isfinite(raw.reshape(len(raw), -1))).any(axis=1).sum())
    return [f"{bad} of {len(raw)} answers are not numbers."] if bad else []
