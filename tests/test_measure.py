"""Numbers come from files and fresh processes; labels from the file; trouble is named."""

import dataclasses
import json
import os
import shutil
import subprocess
import sys
import time

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests.factories import a_host, a_profile, vectors_answered
from wizard import measure
from wizard.errors import WorkerFailed
from wizard.examples import feeds
from wizard.measure import audit, memory, process, quality, speed
from wizard.measure.process import Process, on_the_same_core
from wizard.nouns import Basis, ExampleSet, Workload
from wizard.strategies import _contract as contract

ROWS, CLASSES = 60, 3


def a_model(path, weight, *, extra=()):
    """logits = mean(Gather(table, input_ids)) @ weight, as an .onnx file with bytes of its own."""
    table = np.random.default_rng(0).normal(size=(50, 32)).astype(np.float32)
    nodes = [
        helper.make_node("Gather", ["table", "input_ids"], ["rows"], "embedding"),
        helper.make_node("ReduceMean", ["rows", "axes"], ["mean"], "mean", keepdims=0),
        helper.make_node("MatMul", ["mean", "weight"], ["logits"], "head"),
    ]
    ids = helper.make_tensor_value_info("input_ids", TensorProto.INT64, ["batch", "sequence"])
    out = helper.make_tensor_value_info("logits", TensorProto.FLOAT, ["batch", CLASSES])
    weights = [
        numpy_helper.from_array(table, "table"),
        numpy_helper.from_array(np.array([1], np.int64), "axes"),
        numpy_helper.from_array(weight.astype(np.float32), "weight"),
        *extra,
    ]
    graph = helper.make_graph(nodes, path.stem, [ids], [out], weights)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(path))
    return contract.artifact_of(path)


def a_weight(seed=1):
    return np.random.default_rng(seed).normal(size=(32, CLASSES))


@pytest.fixture
def bench(tmp_path):
    """Sixty rows of random tokens with random labels."""
    rng = np.random.default_rng(2)
    lengths = rng.integers(3, 9, ROWS)
    ids = rng.integers(1, 50, lengths.sum()).astype(np.int32)
    texts = np.split(ids, np.cumsum(lengths)[:-1])
    np.savez(tmp_path / "feeds.npz", **feeds.texts(texts, [0 * one for one in texts], pad=0))
    labels = tuple(("no", "yes", "maybe")[i % 3] for i in range(ROWS))
    return measure.Bench(
        profile=a_profile(),
        feeds=tmp_path / "feeds.npz",
        examples=ExampleSet(origin="t", labels=labels, rows=tuple(range(ROWS))),
        workload=Workload(tokens=8),
        threads=1,
        folder=tmp_path,
        host=a_host(),
        report=lambda fraction, detail: None,
        seconds=0.3,
    )


def test_the_original_and_a_candidate_are_weighed(bench, tmp_path):
    """Size, zipped, memory, both percentiles, quality, audit; speed in turns with the original."""
    first = measure.weigh_original(a_model(tmp_path / "one.onnx", a_weight()), bench)
    second = measure.weigh_candidate(a_model(tmp_path / "two.onnx", a_weight()), first, bench)

    assert second.against is not None
    assert second.quality.agreement.value == 1.0
    assert second.latency.p50.low <= second.latency.p50.value <= second.latency.p50.high
    assert second.latency.p95.value >= second.latency.p50.value
    assert second.memory.peak.value > 10
    assert first.quality.value == second.quality.value


def test_the_very_file_of_the_original_is_not_run_again(bench, tmp_path):
    """A technique that changed nothing is told by the file: same figures, same time, no damage."""
    first = measure.weigh_original(a_model(tmp_path / "one.onnx", a_weight()), bench)
    copy = shutil.copy(tmp_path / "one.onnx", tmp_path / "copy.onnx")
    second = measure.weigh_candidate(contract.artifact_of(copy), first, bench)

    assert second.latency == second.against == first.latency
    assert second.artifact.path == copy
    assert second.quality.agreement.value == 1.0
    assert second.quality.value == first.quality.value


def test_a_different_model_disagrees(bench, tmp_path):
    """Agreement is counted row by row against the original's kept answers."""
    first = measure.weigh_original(a_model(tmp_path / "one.onnx", a_weight()), bench)
    other = measure.weigh_candidate(a_model(tmp_path / "two.onnx", a_weight(9)), first, bench)

    assert other.quality.agreement.value < 0.9
    assert len(other.quality.answers.agreement) == ROWS


def test_the_measuring_process_holds_nothing_of_ours():
    """numpy and onnxruntime; neither torch nor this package is loaded in it."""
    code = (
        "import runpy, sys\n"
        "module = runpy.run_path('wizard/measure/worker.py')\n"
        "print([m for m in ('torch', 'wizard', 'transformers', 'gradio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True)

    assert done.stdout.strip() == "[]", done.stderr


def test_a_token_never_reaches_the_measuring_process(bench, tmp_path, monkeypatch):
    """Its environment is made anew."""
    monkeypatch.setenv("HF_TOKEN", "hf_secret")
    artifact = a_model(tmp_path / "one.onnx", a_weight())
    with Process(artifact.path, bench.feeds, 1) as process:
        from pathlib import Path

        seen = Path(f"/proc/{process._process.pid}/environ").read_bytes()

    assert b"hf_secret" not in seen


def test_a_broken_file_is_a_failed_worker_with_its_last_words(bench, tmp_path):
    """What ONNX Runtime said is kept, and there is no hang."""
    path = tmp_path / "broken.onnx"
    path.write_bytes(b"\x08\x0anonsense")

    with pytest.raises(WorkerFailed) as caught, Process(path, bench.feeds, 1):
        pass
    assert caught.value.facts["because"]


def test_a_process_that_hangs_is_given_up(bench, tmp_path):
    """Every answer has a time limit."""
    artifact = a_model(tmp_path / "one.onnx", a_weight())
    with (
        Process(artifact.path, bench.feeds, 1) as process,
        pytest.raises(WorkerFailed, match="worker-failed"),
    ):
        process.ask("time", seconds=0.001, runs=5)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="threads are held on Linux only")
def test_two_processes_asked_in_turns_share_a_core_and_are_freed(bench, tmp_path):
    """While they are timed; where the system refuses, they are timed all the same."""
    path = a_model(tmp_path / "one.onnx", a_weight()).path
    with Process(path, bench.feeds, 1) as one, Process(path, bench.feeds, 1) as other:
        both = (one, other)
        free = [os.sched_getaffinity(process.pid) for process in both]
        with on_the_same_core(both):
            held = [os.sched_getaffinity(process.pid) for process in both]
        after = [os.sched_getaffinity(process.pid) for process in both]

    assert held[0] == held[1]
    assert len(held[0]) == 1
    assert after == free


def test_where_no_thread_may_be_held_it_is_timed_all_the_same(bench, tmp_path, monkeypatch):
    """A container may forbid it."""

    def refuse(pid, cores):
        raise PermissionError(pid)

    monkeypatch.setattr(os, "sched_setaffinity", refuse, raising=False)
    path = a_model(tmp_path / "one.onnx", a_weight()).path
    with Process(path, bench.feeds, 1) as one, Process(path, bench.feeds, 1) as other:
        before, after = speed.in_turns(one, other, Workload(tokens=8), 0.1)

    assert min(before.p50.value, after.p50.value) > 0


def test_not_a_number_is_a_collapse(bench, tmp_path):
    """NaN in one weight: named, with how many answers it spoils."""
    weight = a_weight()
    weight[0, 0] = np.nan
    first = measure.weigh_original(a_model(tmp_path / "one.onnx", a_weight()), bench)
    spoiled = measure.weigh_candidate(a_model(tmp_path / "two.onnx", weight), first, bench)

    assert "not numbers" in spoiled.quality.answers.collapse[0]


def test_one_answer_for_everything_is_a_collapse(bench, tmp_path):
    """A class far above its base rate: named with both shares."""
    weight = a_weight() * 1e-9
    first = measure.weigh_original(a_model(tmp_path / "one.onnx", a_weight()), bench)
    flat = measure.weigh_candidate(a_model(tmp_path / "two.onnx", weight), first, bench)

    assert flat.quality.answers.collapse


def test_vectors_in_a_cone_are_a_collapse():
    """All embeddings alike, though the original's were spread."""
    rng = np.random.default_rng(0)
    spread = rng.normal(size=(100, 16)).astype(np.float32)
    cone = np.ones((100, 16), np.float32) + 0.01 * spread
    rows = ExampleSet(origin="t", rows=tuple(range(100)))
    from wizard.nouns import Task

    profile = a_profile(task=Task.FEATURE_EXTRACTION)
    scored = quality.score(vectors_answered(cone), rows, profile, vectors_answered(spread))

    assert "same way" in scored.answers.collapse[0]


def test_an_unchanged_file_is_called_uncompressed(tmp_path):
    """Whatever it was asked to be, the label says 32-bit."""
    looked = audit.audit(a_model(tmp_path / "one.onnx", a_weight()).path)

    assert looked.label.startswith("32-bit weights, not compressed")
    assert looked.low_bit_weight_share == 0


def test_an_8_bit_file_is_called_what_it_is(tmp_path):
    """Dynamic int8 read from its nodes and initializers."""
    from onnxruntime.quantization import quantize_dynamic

    path = tmp_path / "one.onnx"
    a_model(path, np.random.default_rng(0).normal(size=(32, 40)))
    with np.errstate(all="ignore"):
        quantize_dynamic(path, tmp_path / "q.onnx", op_types_to_quantize=["MatMul", "Gather"])
    looked = audit.audit(tmp_path / "q.onnx")

    assert (looked.weight_bits, looked.activation_bits) == (8, 8)
    assert "8-bit weights, 8-bit activations" in looked.label


def test_a_weight_stored_twice_is_found(tmp_path):
    """Duplicates count by content, and large ones are a finding."""
    big = np.random.default_rng(0).normal(size=(200, 200)).astype(np.float32)
    extra = [numpy_helper.from_array(big, name) for name in ("a", "b")]
    looked = audit.audit(a_model(tmp_path / "one.onnx", a_weight(), extra=extra).path)

    assert looked.duplicated_bytes == big.nbytes
    assert "stored twice" in looked.findings[0]


def test_missing_external_data_is_found(tmp_path):
    """A model whose data file is gone is not opened."""
    path = tmp_path / "one.onnx"
    a_model(path, np.zeros((32, 4000)))
    model = onnx.load(str(path))
    onnx.save(model, str(path), save_as_external_data=True, location="one.data", size_threshold=0)
    (tmp_path / "one.data").unlink()

    assert not audit.audit(path).external_data_complete


def test_noise_is_measured_from_like_blocks():
    """Equal blocks have hardly any spread; a drifting machine has, and is called busy."""
    rng = np.random.default_rng(0)
    calm = [list(2 + 0.01 * rng.random(20)) for _ in range(14)]
    wild = [list((2 + 2 * (i % 3)) + 0.01 * rng.random(20)) for i in range(14)]

    assert speed.latency_of(calm, speed.spread(calm)).noise < 1.02
    assert speed.latency_of(wild, speed.spread(wild)).noise > 1.1
    assert speed.latency_of(wild, 1.0).busy


@pytest.mark.slow
def test_two_processes_of_one_file_are_apart_by_more_than_their_scatter():
    """A process that is a tenth slower is seen through scatter of 2 %; scatter alone is nothing."""
    rng = np.random.default_rng(0)
    first, alike = (2.0 * np.exp(0.02 * rng.normal(size=(7, 20))) for _ in range(2))

    assert speed.apart(first, alike) < 1.01
    assert speed.apart(first, 1.1 * alike) == pytest.approx(1.1, abs=0.02)
    assert speed.apart(1.1 * alike, first) == pytest.approx(1.1, abs=0.02)


def test_a_session_whose_processes_differ_is_less_sure_of_its_times():
    """The interval grows with what was measured between processes, never below what is assumed."""
    blocks = [[2.0, 2.01, 2.0, 1.99]] * 14
    widths = [
        one.p50.high - one.p50.low
        for one in (speed.latency_of(blocks, 1.0, between=b) for b in (1.0, 1.01, 1.1))
    ]

    assert widths[0] == widths[1] < 3 * widths[1] < widths[2]


def test_false_speed_ups_stay_below_one_in_twenty():
    """A/A simulations: the same model twice is called faster in at most 5 % of 400 tries."""
    from tests.factories import a_measurement
    from wizard.compare.turns import ratio

    rng = np.random.default_rng(1)
    false = 0
    for _ in range(400):
        made = []
        for _ in range(2):
            level = 2 * np.exp(0.05 * rng.normal(size=14))
            blocks = [list(one * np.exp(0.03 * rng.normal(size=10))) for one in level]
            made.append((blocks, speed.spread(blocks)))
        noise = max(made[0][1], made[1][1])
        medians = [float(np.median(np.concatenate(blocks))) for blocks, _ in made]
        shown = [
            dataclasses.replace(
                a_measurement().latency,
                p50=dataclasses.replace(a_measurement().latency.p50, value=median),
                noise=noise,
            )
            for median in medians
        ]
        after = a_measurement(latency=shown[1], against=shown[0])
        false += "faster" in ratio(a_measurement(), after).words()

    assert false / 400 <= 0.05 + 0.022


def test_zipped_size_is_that_of_the_content(tmp_path):
    """Zeros zip to almost nothing, noise does not."""
    plain = a_model(tmp_path / "zero.onnx", np.zeros((32, 40_000)))
    noisy = a_model(tmp_path / "noise.onnx", np.random.default_rng(0).normal(size=(32, 40_000)))

    assert memory.zipped_size_of(plain).value < 0.1 * memory.size_of(plain).value
    assert memory.zipped_size_of(noisy).value > 0.7 * memory.size_of(noisy).value


def test_pieces_stand_for_a_large_file(tmp_path, monkeypatch):
    """Half of it noise, half of it nearly all zeros: as if every byte had been zipped."""
    random = np.random.default_rng(0)
    sparse = random.normal(size=(32, 30_000)) * (random.random((32, 30_000)) < 0.1)
    weight = np.concatenate([random.normal(size=(32, 30_000)), sparse])
    artifact = a_model(tmp_path / "large.onnx", weight)
    whole = memory.zipped_size_of(artifact)
    monkeypatch.setattr(memory, "ZIPPED_UP_TO", artifact.bytes // 4)
    monkeypatch.setattr(memory, "PIECE", 1 << 14)
    some = memory.zipped_size_of(artifact)

    assert (whole.basis, some.basis) == (Basis.MEASURED, Basis.ESTIMATED)
    assert some.value == pytest.approx(whole.value, rel=0.02)


def loaded(count):
    """The processes that were loaded ahead, once all of them have."""
    process.get_ready(count)
    for _ in range(600):
        if len(process._ready) == count:
            break
        time.sleep(0.1)
    return [one.process for one in process._ready]


def test_what_is_loaded_ahead_is_what_measures(bench, tmp_path):
    """Once one is taken no further one is begun; one that was ended meanwhile is not used."""
    dead, alive = loaded(2)
    dead.kill()
    dead.wait()
    path = a_model(tmp_path / "one.onnx", a_weight()).path
    with Process(path, bench.feeds, 1) as taken, Process(path, bench.feeds, 1) as fresh:
        pids = (taken.pid, fresh.pid)
        left = list(process._ready)
        taken.ask("shape", batch=1, tokens=4)

        assert len(taken.ask("time", runs=3)["ms"]) == 3
    assert pids[0] == alive.pid
    assert pids[1] not in {dead.pid, alive.pid}
    assert left == []


def test_what_was_loaded_for_nothing_is_ended():
    """A job that fails before it measures leaves nobody behind."""
    (idle,) = loaded(1)
    process.stand_down()

    assert idle.poll() is not None
    assert process._ready == []


def test_the_protocol_is_json_lines(bench, tmp_path):
    """One request, one answer, each a line of JSON."""
    artifact = a_model(tmp_path / "one.onnx", a_weight())
    with Process(artifact.path, bench.feeds, 1) as process:
        process.ask("shape", batch=1, tokens=4)
        taken = process.ask("time", runs=3)

    assert json.loads(json.dumps(taken))["ms"]
    assert len(taken["ms"]) == 3
