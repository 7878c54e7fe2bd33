"""Where the minutes are short, all are scored by the same fewer rows, drawn fairly."""

import time
from dataclasses import replace
from types import SimpleNamespace

import numpy as np
import pytest

from tests import strategy_models as models
from tests.factories import a_host, a_measurement, a_profile, classes_answered, some_answers
from wizard import measure
from wizard.errors import WorkerFailed
from wizard.measure import answered as answered_file
from wizard.measure import quality
from wizard.nouns import ExampleSet, Workload
from wizard.run.opening import shuffled


class Slow:
    """A measuring process with 700 rows; it answers with the row's own number."""

    rows = 700

    def ask(self, do, out, start, count):
        end = min(self.rows, start + count)
        classes_answered(np.arange(start, end, dtype=np.float32).reshape(-1, 1)).save(out)
        return {"rows": end - start, "of": self.rows}


def answered(folder, **limits):
    reported = []
    raw = quality.outputs(
        [Slow()], folder / "out.npz", lambda share, words: reported.append(share), **limits
    )
    return raw.stacked("logits")[:, 0], reported


def test_all_rows_are_answered_when_there_is_time(tmp_path):
    """In order, once each; the same with a generous clock as without one."""
    for seconds in (None, 600.0):
        raw, reported = answered(tmp_path, rows=700, seconds=seconds)

        assert raw.tolist() == list(range(700))
        assert reported[-1] == 1.0


def test_a_hundred_rows_are_answered_however_late_it_is(tmp_path):
    """Fewer would not bear any verdict."""
    raw, _ = answered(tmp_path, rows=700, seconds=0.0)

    assert raw.tolist() == list(range(quality.ROWS_AT_LEAST))
    assert len(answered_file.load(tmp_path / "out.npz")) == quality.ROWS_AT_LEAST


def test_a_candidate_answers_the_rows_that_the_original_did(tmp_path):
    """No more, no fewer: they are compared row by row."""
    raw, _ = answered(tmp_path, rows=130)

    assert raw.tolist() == list(range(130))


def some_rows(count):
    return ExampleSet(
        origin="test",
        inputs=tuple(f"text {at}" for at in range(count)),
        labels=tuple("a" if at < count // 2 else "b" for at in range(count)),
        columns={"place": tuple(str(at) for at in range(count))},
        rows=tuple(range(count)),
    )


def test_rows_sorted_by_label_are_a_fair_sample_from_the_first(tmp_path):
    """Both labels are among the first fifty of a sorted table; a row keeps all that is its own."""
    rows = shuffled(some_rows(1000), seed=0)

    assert 15 <= rows.labels[:50].count("a") <= 35
    assert sorted(rows.rows) == list(range(1000))
    assert all(text == f"text {row}" for text, row in zip(rows.inputs, rows.rows, strict=True))
    assert rows.columns["place"] == tuple(map(str, rows.rows))
    assert shuffled(some_rows(1000), seed=0) == rows
    assert shuffled(some_rows(1000), seed=1) != rows


@pytest.mark.parametrize("count", [400, 130])
def test_the_bench_goes_as_far_as_the_original_did(tmp_path, count):
    """Every later measurement takes the rows that the original was scored by."""
    bench = measure.Bench(
        profile=a_profile(), feeds=tmp_path, examples=some_rows(400), workload=Workload(),
        threads=1, folder=tmp_path, host=a_host(), report=lambda fraction, detail: None,
    )  # fmt: skip
    original = a_measurement(answers=some_answers(count))

    assert len(measure.as_far_as(original, bench).examples) == count


class Uneven(Slow):
    """One that is slower with every question, or dies at a row."""

    def __init__(self, pause, dies_at=None):
        self._pause, self._dies_at = pause, dies_at

    def ask(self, do, out, start, count):
        if self._dies_at is not None and start >= self._dies_at:
            raise WorkerFailed(what="measuring", because="it died")
        time.sleep(self._pause)
        return super().ask(do, out, start, count)


def test_several_processes_answer_each_row_once_in_order(tmp_path):
    """Whoever is free takes the next rows; the answers stand in the rows' own order."""
    several = [Uneven(0.05), Uneven(0.001)]
    reported = []

    raw = quality.outputs(
        several, tmp_path / "out.npz", lambda share, words: reported.append(share), 700
    )

    assert raw.stacked("logits")[:, 0].tolist() == list(range(700))
    assert reported == sorted(reported)
    assert reported[-1] == 1.0
    assert sorted(one.name for one in tmp_path.iterdir()) == ["out.npz"]


def test_several_processes_short_of_time_answer_the_first_rows(tmp_path):
    """Without a gap: candidates are compared row by row."""
    raw = quality.outputs(
        [Uneven(0.02), Uneven(0.001)], tmp_path / "out.npz", lambda *_: None, 700, seconds=0.0
    )

    rows = raw.stacked("logits")[:, 0].tolist()
    assert rows == list(range(len(rows)))
    assert quality.ROWS_AT_LEAST <= len(rows) < 300


def test_one_process_that_dies_ends_them_all(tmp_path):
    """Fewer rows than asked for would be a fair sample no more."""
    with pytest.raises(WorkerFailed, match="it died"):
        quality.outputs(
            [Uneven(0.001), Uneven(0.001, dies_at=200)], tmp_path / "out.npz", lambda *_: None, 700
        )


@pytest.mark.parametrize(
    ("threads", "megabytes", "shared"),
    [(1, 5, [1]), (2, 5, [1, 1]), (2, 101, [2]), (8, 5, [2] * 4), (8, 90, [4, 4]), (3, 5, [1] * 3)],
)
def test_a_small_file_is_opened_several_times(threads, megabytes, shared, tmp_path):
    """By as many processes as its copies find room for; they share the threads."""
    artifact = replace(models.exported("text"), bytes=megabytes * 10**6)
    asked = SimpleNamespace(threads=threads)
    bench = models.a_bench(tmp_path)

    with quality.answering(asked, artifact, bench.calibration) as several:
        assert [one.threads for one in several] == shared
