"""Bits by layer: what one layer costs, the order of giving up bits, the limit that is kept."""

import json

import numpy as np
import pytest

from tests import strategy_models as models
from tests.factories import a_measurement
from wizard.bundle import damage
from wizard.errors import CalibrationTooSmall, NotSupported
from wizard.measure import sensitivity
from wizard.nouns import LayerDamage, Step
from wizard.strategies import _contract as contract
from wizard.strategies import _graph, _sensitivity


def apply(artifact, bench, **settings):
    return contract.apply_step(Step(strategy="mixed_precision", settings=settings), artifact, bench)


def bits_of(artifact):
    nodes = [n for n in _graph.load(artifact.path).graph.node if n.op_type == "MatMulNBits"]
    return [_graph.attribute(node, "bits", 4) for node in nodes]


def answers(folder):
    model = _graph.load(models.exported("text").path)
    _graph.gemm_to_matmul(model)
    bench = models.a_bench(folder)
    bench.folder.mkdir()
    names = [node.input[1] for node in _graph.weight_matmuls(model)]
    return model, names, _sensitivity.Answers(model, names, 16, bench)


def test_the_original_weights_have_no_error_and_others_have(tmp_path):
    """One session, weights swapped per run; nothing is left on disk."""
    model, names, found = answers(tmp_path)
    known = _graph.stored(model)
    rows, columns = known[names[0]].dims

    assert found.error({}) == 0
    assert found.error({names[0]: np.zeros((rows, columns), np.float32)}) > 0.01
    assert not list((tmp_path / "made").iterdir())
    assert len(model.graph.input) == len(_graph.load(models.exported("text").path).graph.input)


def test_bits_are_taken_where_a_byte_costs_least():
    """The harmless large part first, the harmful one last; each part step by step."""
    damage = [[0, 0.01, 0.02], [0, 0.5, 0.9]]
    sizes = [[800, 400, 200], [800, 400, 200]]
    steps = [(one.part, one.form) for one in _sensitivity.order(damage, sizes)]

    assert steps == [(0, 1), (0, 2), (1, 1), (1, 2)]


def test_the_longest_beginning_within_the_limit_is_taken():
    """Halving finds the last step that keeps it; none when the first breaks it."""
    steps = [_sensitivity.Step(part=at, form=1) for at in range(7)]

    assert sum(_sensitivity.longest(steps, 7, lambda forms: sum(forms) <= 4)) == 4
    assert _sensitivity.longest(steps, 7, lambda forms: sum(forms) == 0) == [0] * 7
    assert _sensitivity.longest(steps, 7, lambda forms: True) == [1] * 7


def test_a_wider_limit_makes_a_smaller_file(tmp_path):
    """No room for error: 8 bits everywhere; all of it: the fewest, but for the last layer."""
    text, bench = models.exported("text"), models.a_bench(tmp_path)
    none, some, all_of_it = (apply(text, bench, error=limit) for limit in (0.0, 0.2, 9.0))

    assert none.bytes > some.bytes > all_of_it.bytes
    assert set(bits_of(none)) == {8}
    assert sorted(bits_of(all_of_it))[-1] == 8
    assert bits_of(all_of_it).count(8) == 1


def test_what_each_layer_costs_is_kept_beside_the_model(tmp_path):
    """Worst first, one line per layer or table, readable as layer damage."""
    after = apply(models.exported("text"), models.a_bench(tmp_path))
    found = sensitivity.read(after.path.parent)
    errors = [one.relative_error for one in found]

    assert errors == sorted(errors, reverse=True)
    assert errors[0] > 0
    assert len({one.layer for one in found}) == len(found)
    assert json.loads((after.path.parent / "sensitivity.json").read_text())
    assert sensitivity.read(tmp_path / "nowhere") == ()


def test_tables_go_below_four_bits_only_when_asked(tmp_path):
    """Two bits a word are for who says so."""
    text, bench = models.exported("text"), models.a_bench(tmp_path)
    usual, fewer = (apply(text, bench, error=9.0, fewest_table=bits) for bits in (4, 2))

    assert fewer.bytes < usual.bytes


def test_convolutions_and_too_few_rows_are_refused(tmp_path):
    """Each with its reason."""
    with pytest.raises(NotSupported):
        apply(models.exported("image"), models.a_bench(tmp_path, "image"))
    few = models.text_feeds(tmp_path / "few.npz", rows=7)
    with pytest.raises(CalibrationTooSmall):
        apply(models.exported("text"), models.a_bench(tmp_path, calibration=few))


def test_the_report_shows_what_each_layer_would_cost():
    """A chart and a table beside the damage; nothing where no technique looked."""
    found = LayerDamage(layer="head", operator="MatMul, 8 bits", relative_error=0.25)
    shown = damage.section(a_measurement(sensitivity=(found,)))

    assert "MatMul, 8 bits" in shown
    assert "25.0" in shown
    assert "fewest bits" not in damage.section(a_measurement())
