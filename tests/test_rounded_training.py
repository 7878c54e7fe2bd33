"""Training with rounded weights, and batch norms measured anew, on tiny models."""

import dataclasses
import json

import pytest
import torch

from tests import strategy_models as models
from tests.test_recovery import note, trained, weights
from wizard import examples
from wizard.errors import NotSupported
from wizard.nouns import Step
from wizard.strategies import _checkpoint, _distill, _norms, _practice, _rounding
from wizard.strategies import _contract as contract

QAT, NORMS = "quantization_aware_training", "batch_norm_recalibration"


def source(name="text"):
    return contract.artifact_of(models.checkpoint(name))


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_blocks_hold_as_many_numbers_as_their_bits_allow(bits):
    """And rounding what was rounded changes nothing."""
    torch.manual_seed(0)
    flat = torch.randn(6, 70)
    seen = _rounding.in_blocks(flat, bits, 32)
    levels = [len(one.unique()) for row in seen for one in row.split(32)]

    assert max(levels) <= 2**bits
    assert torch.allclose(_rounding.in_blocks(seen, bits, 32), seen, atol=1e-6)
    assert float((seen - flat).abs().max()) < 6 / (2**bits - 1)


@pytest.mark.parametrize("bits", [7, 8])
def test_a_row_is_rounded_as_eight_bit_files_are(bits):
    """Whole multiples of one scale, the loudest number met exactly."""
    flat = torch.randn(4, 50)
    seen = _rounding.by_row(flat, bits)
    top = 2 ** (bits - 1) - 1
    whole = seen / (flat.abs().amax(1, keepdim=True) / top)

    assert torch.allclose(whole, whole.round(), atol=1e-3)
    assert torch.allclose(seen.abs().amax(1), flat.abs().amax(1))


def test_gradients_pass_as_if_nothing_had_been_rounded():
    """Straight through, to the last digit."""
    one = torch.randn(4, 32, requires_grad=True)
    rounded = _rounding.Rounded({"w": _rounding.Form(bits=4, block=16)})
    rounded.weights({"w": one})["w"].sum().backward()

    assert torch.equal(one.grad, torch.ones_like(one))


def test_each_weight_has_the_form_its_file_will_have(tmp_path):
    """Matrices in blocks, tables by their own bits, the last layer spared, norms and biases not."""
    model = _checkpoint.load(models.checkpoint("text"), models.TEXT)
    batch = {"input_ids": torch.arange(10, 24).reshape(2, 7)}
    wanted = _rounding.Wanted(bits=2, block=32, tables=4, spare_last=True)
    forms = _rounding.forms_of(model, batch, wanted)

    assert forms["classifier.weight"].bits == 8
    assert forms["bert.encoder.layer.0.output.dense.weight"].bits == 2
    assert forms["bert.embeddings.word_embeddings.weight"].bits == 4
    assert not [name for name in forms if "LayerNorm" in name or name.endswith("bias")]


def test_the_weights_are_written_as_they_were_seen(tmp_path):
    """Every block of the file has at most sixteen numbers, and few bits cost less than before."""
    after = trained(
        tmp_path, source=source(), technique=QAT, bits=4, block=32, tables=32, even=False,
        spare_last=False, inputs=False, steps=30, rate=1e-3,
    )  # fmt: skip
    dense = weights(after)["bert.encoder.layer.0.output.dense.weight"]

    assert note(after)["improved"]
    assert "4-bit weights" in note(after)["sentence"]
    assert max(len(one.unique()) for row in dense for one in row.split(32)) <= 16


def test_few_bits_want_blocks(tmp_path):
    """One scale for a whole output cannot hold four bits."""
    with pytest.raises(NotSupported):
        trained(tmp_path, source=source(), technique=QAT, bits=4)


def test_filters_learn_seven_bits(tmp_path):
    """A network of convolutions, its inputs rounded as well."""
    after = trained(tmp_path, "image", source("image"), technique=QAT, bits=7, steps=20, rate=1e-3)

    assert note(after)["before"]["distance"] > note(after)["after"]["distance"] * (1 - 1e-9) > 0
    assert all(torch.isfinite(one).all() for one in weights(after).values())


# --------------------------------------------------------------------------- norms


def well_measured(folder):
    """The tiny picture model whose statistics are those of the rows."""
    model = _checkpoint.load(models.checkpoint("image"), models.IMAGE)
    feeds = examples.load_feeds(models.image_feeds(folder / "rows.npz", 40))
    rows = _practice.practice(model, feeds, 1024, 0)
    _norms.measure_anew(model, rows, _distill.Rounding())
    where = folder / "well"
    return _checkpoint.save(model, _checkpoint.Shape(), models.checkpoint("image"), where)


def test_wrong_statistics_are_measured_anew_and_nothing_else_moves(tmp_path):
    """Means and variances change, weights do not, and the answers come back."""
    original = well_measured(tmp_path)
    bench = models.a_school(tmp_path, "image")
    bench = dataclasses.replace(bench, model_folder=original)
    model = _checkpoint.load(original, models.IMAGE)
    for one in model.modules():
        if isinstance(one, torch.nn.BatchNorm2d):
            one.running_var.mul_(4.0)
    where = _checkpoint.save(model, _checkpoint.Shape(), original, tmp_path / "wrong")
    before = contract.artifact_of(where)
    after = contract.apply_step(Step(strategy=NORMS), before, bench)
    was, now = weights(before), weights(after)
    moved = {name for name in was if not torch.equal(was[name], now[name])}

    assert note(after)["improved"]
    assert note(after)["after"]["distance"] < 0.1 * note(after)["before"]["distance"]
    assert all(name.endswith(("running_mean", "running_var")) for name in moved)


def test_right_statistics_stay(tmp_path):
    """What brings rows held out no nearer is not kept."""
    original = well_measured(tmp_path)
    bench = dataclasses.replace(models.a_school(tmp_path, "image"), model_folder=original)
    after = contract.apply_step(Step(strategy=NORMS), contract.artifact_of(original), bench)

    assert not note(after)["improved"]
    assert json.loads((after.path / "learnt.json").read_text())["steps"] == 0


def test_text_models_have_no_batch_norms(tmp_path):
    """Refused in a sentence."""
    with pytest.raises(NotSupported) as caught:
        contract.apply_step(Step(strategy=NORMS), models.pruned("text"), models.a_school(tmp_path))
    assert "batch norms" in str(caught.value.facts["because"])
