"""The fewest threads that answer as soon as more would; tried in the model's own process."""

import numpy as np
import psutil
import pytest

from tests.test_measure import a_model, a_weight, bench  # noqa: F401 - a fixture
from wizard import measure
from wizard.measure import pairs, speed, threads
from wizard.measure.process import Process


@pytest.mark.parametrize(
    ("taken", "chosen"),
    [
        ({1: 1.0, 2: 1.0}, 1),
        ({1: 1.04, 2: 1.0}, 1),
        ({1: 1.2, 2: 1.0}, 2),
        ({1: 4.0, 2: 2.1, 4: 1.3, 6: 1.27}, 4),
        ({1: 1.0, 2: 1.5}, 1),
    ],
)
def test_the_fewest_that_are_as_quick_are_taken(taken, chosen):
    """Within a twentieth of the quickest."""
    assert threads.fewest(taken) == chosen


@pytest.mark.parametrize(
    ("first", "second", "chosen"),
    [
        ({1: 2.0, 2: 1.96}, {1: 2.0, 2: 1.8}, (2, 2)),
        ({1: 2.0, 2: 1.9}, {1: 1.0, 2: 1.3}, (2, 1)),
        ({1: 2.0, 2: 1.9}, {1: 1.0, 2: 1.1}, (2, 2)),
        ({1: 2.0, 2: 2.2}, {1: 2.0, 2: 1.7}, (1, 2)),
        ({1: 2.0, 2: 1.98}, {1: 1.0, 2: 1.3}, (1, 1)),
        ({1: 2.1, 2: 1.9}, {1: 1.9, 2: 1.89}, (2, 2)),
    ],
)
def test_two_models_share_a_number_that_suits_both(first, second, chosen):
    """One file beside itself has the same times twice, so the same number is taken."""
    found = threads.of_two(first, second)

    assert found == chosen


@pytest.mark.parametrize(
    ("every", "tried"), [(1, [1]), (2, [1, 2]), (6, [1, 2, 4, 6]), (8, [1, 2, 4, 8])]
)
def test_powers_of_two_and_all_are_tried(every, tried):
    """As people set them."""
    assert threads.up_to(every) == tried


def test_a_tiny_model_goes_on_with_one_thread_and_answers_as_before(bench, tmp_path):  # noqa: F811
    """Three operators give a second thread nothing to do."""
    artifact = a_model(tmp_path / "one.onnx", a_weight())
    with Process(artifact.path, bench.feeds, 2) as process:
        process.ask("answer", out=str(tmp_path / "before.npz"), start=0, count=5)
        used = threads.settle(process, bench.workload, cached=False)
        process.ask("answer", out=str(tmp_path / "after.npz"), start=0, count=5)

    before, after = (
        measure.answered.load(tmp_path / f"{name}.npz") for name in ("before", "after")
    )
    assert used == process.threads == 1
    assert np.array_equal(before.stacked("logits"), after.stacked("logits"))


def test_a_slow_model_keeps_all_threads(bench, tmp_path, monkeypatch):  # noqa: F811
    """It is not tried with fewer: each try would take long, and all are at work."""
    artifact = a_model(tmp_path / "one.onnx", a_weight())
    monkeypatch.setattr(threads, "QUICK_MS", 0.0)
    with Process(artifact.path, bench.feeds, 2) as process:
        assert threads.settle(process, bench.workload, cached=False) == 2


def test_the_original_and_a_candidate_say_with_how_many_they_were_timed(bench, tmp_path):  # noqa: F811
    """Each with its own."""
    first = measure.weigh_original(a_model(tmp_path / "one.onnx", a_weight()), bench)
    second = measure.weigh_candidate(a_model(tmp_path / "two.onnx", a_weight(3)), first, bench)

    assert (first.threads, second.threads) == (1, 1)


def test_the_same_network_twice_is_timed_with_the_same_threads(bench, tmp_path):  # noqa: F811
    """Whatever each settled on in its own moment; the file itself is neither faster nor slower."""
    artifact = a_model(tmp_path / "one.onnx", a_weight())
    with (
        Process(artifact.path, bench.feeds, 2) as first,
        Process(artifact.path, bench.feeds, 1) as second,
    ):
        threads.settle_both(first, second, bench.workload, cached=False)

        assert first.threads == second.threads
        assert first.ask("time", runs=1)["ms"]


def test_what_is_close_to_the_original_is_timed_in_two_pairs_of_processes(
    bench,  # noqa: F811
    tmp_path,
    monkeypatch,
):
    """All blocks of both count; a file of the same network is not called slower or faster."""
    first = measure.weigh_original(a_model(tmp_path / "one.onnx", a_weight()), bench)
    artifact = a_model(tmp_path / "two.onnx", a_weight(3))
    monkeypatch.setattr(speed, "CLOSE_FROM", 0.0)
    monkeypatch.setattr(speed, "CLOSE_TO", float("inf"))

    twice = measure.weigh_candidate(artifact, first, bench)

    assert len(twice.latency.blocks) == len(twice.against.blocks) == 2 * speed.BLOCKS
    assert twice.latency.apart >= 1
    monkeypatch.setattr(pairs, "BYTES_AT_MOST", 0)
    assert len(measure.weigh_candidate(artifact, first, bench).latency.blocks) == speed.BLOCKS


def test_a_large_file_is_timed_in_one_process(bench, tmp_path, monkeypatch):  # noqa: F811
    """A second would double the job's memory; the one is free of its core again afterwards."""
    artifact = a_model(tmp_path / "one.onnx", a_weight())
    workload, seconds = bench.workload, bench.seconds
    monkeypatch.setattr(pairs, "BYTES_OF_ONE_PROCESS", 0)
    monkeypatch.setattr(pairs, "Process", None)
    with Process(artifact.path, bench.feeds, 1) as process:
        allowed = psutil.Process(process.pid).cpu_affinity()
        taken = pairs.of_itself(process, artifact, workload, seconds, writes=False)

        assert psutil.Process(process.pid).cpu_affinity() == allowed
    assert len(taken.latency.blocks) == speed.BLOCKS
