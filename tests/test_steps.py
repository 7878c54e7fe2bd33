"""A step in a process of its own: the same artifact, the same refusals, and no death in the job."""

import os

import pytest

from tests import strategy_models as models
from wizard.errors import NotSupported, WorkerFailed
from wizard.jobs.steps import apply_apart
from wizard.nouns import Step
from wizard.strategies import _contract as contract


class Deadly:
    """Ends the process that reads it."""

    def __reduce__(self):
        return os._exit, (9,)


def test_a_step_apart_makes_the_same_file(tmp_path):
    """Bit for bit what the same step makes in this process."""
    step, start = Step(strategy="int8_weights"), models.exported("text")
    here = contract.apply_step(step, start, models.a_bench(tmp_path / "here"))

    apart = apply_apart(step, start, models.a_bench(tmp_path / "apart"))

    assert apart.sha256 == here.sha256
    assert apart.path.is_file()


def test_progress_comes_back_while_the_step_works(tmp_path):
    """Fractions from the step itself, ascending to the end."""
    said = []
    bench = models.a_bench(tmp_path, report=lambda fraction, detail: said.append(fraction))

    apply_apart(Step(strategy="int8_weights"), models.exported("text"), bench)

    assert len(said) > 1
    assert said == sorted(said)


def test_a_refusal_arrives_as_it_was_raised(tmp_path):
    """The same error with the same facts as in this process."""
    step, start = Step(strategy="int8_dynamic"), models.exported("image")
    with pytest.raises(NotSupported) as here:
        contract.apply_step(step, start, models.a_bench(tmp_path / "here"))

    with pytest.raises(NotSupported) as apart:
        apply_apart(step, start, models.a_bench(tmp_path / "apart"))

    assert apart.value.facts == here.value.facts


def test_a_process_that_dies_is_one_failed_step(tmp_path):
    """A crash inside a library names the technique and the status; the job lives on."""
    with pytest.raises(WorkerFailed) as failed:
        apply_apart(Step(strategy="lossless"), Deadly(), models.a_bench(tmp_path))

    assert "status 9" in failed.value.facts["because"]


def test_a_file_that_is_gone_is_the_machines_own_error(tmp_path):
    """An error of the operating system keeps its number, so that a full disk is known as one."""
    start = contract.artifact_of(models.exported("text").path)
    moved = models.a_bench(tmp_path)
    copy = tmp_path / "copy.onnx"
    copy.write_bytes(start.path.read_bytes())
    gone = contract.artifact_of(copy)
    copy.unlink()

    with pytest.raises(FileNotFoundError):
        apply_apart(Step(strategy="int8_weights"), gone, moved)
