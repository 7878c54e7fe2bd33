"""Where training brings answers back, and where it does not: the bundled models, all rows."""

import json

import pytest

from tests.planted.stage import stage
from wizard import measure
from wizard.errors import NotSupported
from wizard.nouns import LEARNT, Step
from wizard.strategies import _contract as contract

pytestmark = pytest.mark.slow
EVERY_ROW = 10**6
CUT, ANEW = ("structured_pruning", {"macs": 0.6}), ("recovery", {"rate": 0.001})
TABLES = ("palettization", {"bits": 4, "informed": True})
SEVEN = ("int8_static", {"reduce_range": True, "per_channel": True})
EXPORT = ("to_onnx", {})


@pytest.fixture(scope="module")
def digits():
    return stage("digits", EVERY_ROW)


KNOWN = {}


def made(sample, *steps):
    """The artifact after the steps; a beginning made before is not made again."""
    artifact, done = contract.artifact_of(sample.model_folder), sample.name
    for name, settings in steps:
        done += json.dumps([name, settings])
        if done not in KNOWN:
            step = Step(strategy=name, settings=settings)
            bench = sample.workbench(f"recovered-{len(KNOWN)}")
            KNOWN[done] = contract.apply_step(step, artifact, bench)
        artifact = KNOWN[done]
    return artifact


def lost(sample, *steps):
    """Points of the sample's metric, and the file's share of the original's."""
    artifact = made(sample, *steps)
    after = measure.weigh_candidate(artifact, sample.original, sample.bench)
    points = sample.original.quality.value.value - after.quality.value.value
    return 100 * points, artifact.bytes / sample.export.bytes


def note(artifact):
    return json.loads((artifact.path / LEARNT).read_text(encoding="utf-8"))


def test_two_fifths_of_the_digits_filters_can_go_if_the_rest_learns(digits):
    """Four points lost without training, about one with it, in a fifteenth of the file."""
    without, _ = lost(digits, CUT, EXPORT)
    plain, _ = lost(digits, CUT, ANEW, EXPORT)
    tables, share = lost(digits, CUT, ANEW, EXPORT, TABLES)

    print(f"\ndigits at 0.6: {without:.2f} lost, recovered {plain:.2f}, in tables {tables:.2f}")
    print(f"of the file {share:.4f}; {note(made(digits, CUT, ANEW))['sentence']}")
    assert plain < 1.5 < 3 < without
    assert tables < 1.5
    assert share < 0.08


def test_filters_learn_to_bear_seven_bits(digits):
    """What keeps sums from overflowing costs a point, and nothing once it was trained for."""
    aware = ("quantization_aware_training", {"bits": 7, "steps": 200})
    without, _ = lost(digits, EXPORT, SEVEN)
    trained, _ = lost(digits, aware, EXPORT, SEVEN)

    print(f"\ndigits in 7 bits: {without:.2f} lost, trained for it {trained:.2f}")
    assert trained < 0.6 < without


def test_coarse_filters_want_their_statistics_measured_anew(digits):
    """With 3 bits a filter rows held out come nearer; after a cut made up for, nothing is kept."""
    coarse = note(made(digits, ("batch_norm_recalibration", {"bits": 3})))
    after_a_cut = note(made(digits, CUT, ("batch_norm_recalibration", {})))

    print(f"\n3 bits: {coarse['sentence']}\nafter a cut: {after_a_cut['sentence']}")
    assert coarse["improved"]
    assert not after_a_cut["improved"]


def test_where_there_is_nothing_to_win_back_it_is_said():
    """The original itself is refused; so are batch norms in a text model."""
    sentences = stage("sentences", 64)
    for name in ("recovery", "batch_norm_recalibration"):
        with pytest.raises(NotSupported):
            made(sentences, (name, {}))


def test_two_parts_are_not_trained_for_few_bits():
    """Pictures held against labels: training is refused with its reason."""
    with pytest.raises(NotSupported, match="one part"):
        made(stage("pairs", 64), ("quantization_aware_training", {}))
