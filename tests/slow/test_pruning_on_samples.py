"""Where a smaller network helps, and where it breaks: the bundled models, all rows, no training."""

import pytest

from tests.planted.stage import stage
from wizard import measure
from wizard.errors import NotSupported
from wizard.nouns import Step
from wizard.strategies import _contract as contract

pytestmark = pytest.mark.slow
EVERY_ROW = 10**6


def measured(sample, *after, **settings):
    """The sample pruned, translated, and put through `after`."""
    bench = sample.workbench(f"pruned-{len(list(sample.folder.iterdir()))}")
    artifact = contract.artifact_of(sample.model_folder)
    steps = [Step(strategy="structured_pruning", settings=settings)]
    for step in [*steps, *(Step(strategy=name) for name in ("to_onnx", *after))]:
        artifact = contract.apply_step(step, artifact, bench)
    return measure.weigh_candidate(artifact, sample.original, sample.bench)


def layers_of(sample, after):
    """How far each of the layers that both have is off."""
    return measure.look_inside(after.artifact, sample.original, sample.bench)


def lost(sample, after):
    """Points of the sample's metric."""
    return 100 * (sample.original.quality.value.value - after.quality.value.value)


def share(sample, after):
    """Bytes of the original's."""
    return after.artifact.bytes / sample.export.bytes


@pytest.mark.parametrize("name", ["intents", "sentences"])
def test_half_of_a_text_model_is_hardly_missed(name):
    """0.1 points in all are lost; in 8 bits it is a fifth of the file at most."""
    sample = stage(name, EVERY_ROW)
    half, small = measured(sample, macs=0.5), measured(sample, "int8_dynamic", macs=0.5)

    assert lost(sample, half) < 0.5
    assert lost(sample, small) < 0.5
    assert half.audit.work_share < 0.6
    assert share(sample, small) < 0.2


def test_three_tenths_of_the_voice_commands_do():
    """Kept within a point, and the label and the layers say what was done."""
    sample = stage("intents", EVERY_ROW)
    after = measured(sample, macs=0.3)

    assert lost(sample, after) < 1
    assert after.audit.label == "a smaller network (53% of the weights): 32-bit weights"
    assert after.audit.work_share < 0.4
    layers = layers_of(sample, after)
    assert any(one.layer.endswith("3.output.dense") and one.own_error for one in layers)


def test_digits_bear_a_sixth_less_and_not_two_fifths():
    """A network of few filters has little to spare, and half is out of reach."""
    sample = stage("digits", EVERY_ROW)
    little, much = measured(sample, macs=0.85), measured(sample, macs=0.6)

    assert lost(sample, little) < 1 < 3 < lost(sample, much)
    with pytest.raises(NotSupported):
        measured(sample, macs=0.5)


def test_layers_that_left_are_not_taken_for_others():
    """With a layer gone, only layers that are the same in both files are compared."""
    sample = stage("intents", 200)
    layers = layers_of(sample, measured(sample, macs=0.6, layers=1))

    assert layers
    assert all(one.relative_error < 1 for one in layers)
