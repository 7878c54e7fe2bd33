"""What the exporter would trace once more: rewritten where that is enough, left to it elsewhere."""

import contextlib
import gc
import json

import numpy as np
import pytest
import torch
from torch import nn

from tests import strategy_models as models
from wizard.nouns import Step
from wizard.strategies import _as_traced
from wizard.strategies import _contract as contract

EXPORTERS = "torch.onnx._internal.exporter._fx_passes.decompose_with_registry"


class Says(nn.Module):
    """A module that answers with a function of its input and of itself."""

    def __init__(self, answer, **parts):
        super().__init__()
        self.answer = answer
        for name, part in parts.items():
            self.add_module(name, part)

    def forward(self, given):
        return self.answer(self, given)


def in_place(_, given):
    """A sum that nobody saw before."""
    value = given * 2
    value += given
    return value.relu_()


def seen_afterwards(_, given):
    """The old value of what is changed in place is a view that is looked at later."""
    value = given * 2
    part = value[:, :1]
    value += given
    return value + part


def used_afterwards(_, given):
    """The changed value under its old name."""
    value = given * 2
    value.add_(given)
    return value - 1


def without_gradients(_, given):
    """As the angles of positions are computed."""
    with torch.no_grad():
        angle = given.cos() + given.sin()
    return given * angle


def casts(_, given):
    """Types back and forth, one of them the same."""
    kept = (given > 0) & (given < 1)
    other = torch.min(given.to(torch.float64).to(torch.float32), given.to(given.device))
    return other.to(torch.float32) * kept.to(given.dtype) + (kept | (given > 2)).float()


def shaped(_, given):
    """A reshape to what is there already, and one whose last length is known."""
    same = given.reshape(given.shape[0], given.shape[1], 8, 8)
    return same.reshape(same.shape[0], same.shape[1], -1).transpose(1, 2)


def trained(module, given):
    """What a network of filters ends with."""
    return module.pool(module.norm(module.same(given)))


REWRITTEN = {
    "in place": Says(in_place),
    "the old name": Says(used_afterwards),
    "without gradients": Says(without_gradients),
    "casts": Says(casts),
    "shapes": Says(shaped),
    "filters": Says(
        trained,
        same=nn.Conv2d(3, 4, 3, padding="same", dilation=2),
        norm=nn.BatchNorm2d(4),
        pool=nn.AdaptiveAvgPool2d(1),
    ),
    "no padding": Says(
        lambda module, given: module.drop(module.valid(given)),
        valid=nn.Conv2d(3, 4, 3, stride=2, padding="valid", bias=False),
        drop=nn.Dropout(inplace=True),
    ),
    "length and direction": Says(
        lambda module, given: module.scaled(given),
        scaled=nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 4, 3), dim=1),
    ),
}
LEFT = {
    "a view seen afterwards": Says(seen_afterwards),
    "other pooling": Says(lambda module, given: module.pool(given), pool=nn.AdaptiveAvgPool2d(4)),
    "an uneven frame": Says(
        lambda module, given: module.same(given), same=nn.Conv2d(3, 4, 2, padding="same")
    ),
}


@pytest.fixture
def passes(monkeypatch):
    """How often the exporter's own pass was needed."""
    from torch.onnx._internal.exporter import _fx_passes

    whole, needed = _fx_passes.decompose_with_registry, []
    monkeypatch.setattr(EXPORTERS, lambda *given: needed.append(1) or whole(*given))
    return needed


def answers(program, given):
    """What ONNX Runtime makes of it."""
    import onnxruntime as ort

    session = ort.InferenceSession(program.model_proto.SerializeToString())
    return session.run(None, {session.get_inputs()[0].name: given.numpy()})[0]


def check(module):
    """Exported with free rows, it answers a number of rows that it was not exported with."""
    torch.manual_seed(0)
    module = module.eval()
    program = _as_traced.program_of(
        module, (torch.randn(2, 3, 8, 8),), dynamic_shapes=({0: "batch"},)
    )
    other = torch.randn(5, 3, 8, 8)
    with torch.no_grad():
        expected = module(other.clone()).numpy()
    np.testing.assert_allclose(answers(program, other), expected, atol=1e-5)


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", REWRITTEN)
def test_what_can_be_said_otherwise_is_traced_once(name, passes):
    """And answers as PyTorch does."""
    check(REWRITTEN[name])

    assert not passes


@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("name", LEFT)
def test_what_others_would_see_goes_the_whole_way(name, passes):
    """As does what is said in other words; the answers are right all the same."""
    check(LEFT[name])

    assert passes == [1]


@pytest.mark.filterwarnings("ignore")
def test_asked_to_trace_again_nothing_is_left_out(passes):
    """The exporter's own function is in its place again afterwards."""
    with _as_traced.traced_again():
        check(REWRITTEN["in place"])

    assert passes == [1]
    check(REWRITTEN["in place"])
    assert passes == [1]


@pytest.mark.filterwarnings("ignore")
def test_a_mistake_of_ours_ends_in_the_exporters_way(passes, monkeypatch):
    """What cannot be rewritten for a reason that nobody thought of is exported all the same."""

    def stumble(*_):
        raise IndexError

    monkeypatch.setattr(_as_traced, "rewritten", stumble)
    check(REWRITTEN["casts"])

    assert passes == [1]


@pytest.mark.filterwarnings("ignore")
def test_two_free_lengths_that_are_equal_now_stay_apart(passes):
    """A reshape between them does nothing in the example and something elsewhere."""
    module = Says(lambda _, given: given.reshape(-1, given.shape[0], 8).sum(-1)).eval()
    program = _as_traced.program_of(
        module, (torch.randn(4, 4, 8),), dynamic_shapes=({0: "rows", 1: "columns"},)
    )
    other = torch.randn(2, 6, 8)

    np.testing.assert_allclose(answers(program, other), module(other).numpy(), atol=1e-5)
    assert not passes


def mixed(_, given):
    """Whole numbers, truths, halves and doubles that meet, each brought to the other's type."""
    whole = (given * 10).to(torch.int64)
    sums = whole + given + (given > 0) * whole / 3 + given.half() * 2
    return (sums.double() * given + torch.where(whole > 1, whole, 0.5)).to(torch.float32)


@pytest.mark.filterwarnings("ignore")
def test_operands_of_two_types_meet_as_the_exporter_has_them_meet(monkeypatch):
    """The same operators in the same order, and the answers of PyTorch."""
    given = torch.randn(2, 3, 8, 8)
    module = Says(mixed).eval()

    def made():
        program = _as_traced.program_of(module, (given,), dynamic_shapes=({0: "batch"},))
        return program, [node.op_type for node in program.model.graph]

    program, ours = made()
    monkeypatch.setattr(_as_traced, "_told_their_types", contextlib.nullcontext)
    _, theirs = made()

    assert ours == theirs
    assert ours.count("Cast") >= 5
    other = torch.randn(5, 3, 8, 8)
    np.testing.assert_allclose(answers(program, other), module(other).numpy(), atol=1e-2)


@pytest.mark.filterwarnings("ignore")
def test_the_garbage_collector_is_as_it_was():
    """After an export that went well, and after one that did not."""
    check(REWRITTEN["casts"])
    assert gc.isenabled()

    def fails(*_):
        raise ValueError

    with pytest.raises(torch.onnx.OnnxExporterError):
        _as_traced.program_of(Says(fails).eval(), (torch.randn(2, 3),))
    assert gc.isenabled()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
def test_an_export_that_answers_differently_is_made_again_the_whole_way(
    tmp_path, passes, monkeypatch
):
    """Whatever was rewritten wrongly: the file that is kept answers as PyTorch does."""
    whole = _as_traced.rewritten

    def wrongly(program, translated):
        found = whole(program, translated)
        for node in program.graph_module.graph.nodes:
            if node.target is torch.ops.aten.add.Tensor:
                node.target = torch.ops.aten.sub.Tensor
        return found

    monkeypatch.setattr(_as_traced, "rewritten", wrongly)
    bench = models.a_bench(tmp_path, cache=tmp_path / "cache")
    start = contract.artifact_of(models.checkpoint("text"))
    made = contract.apply_step(Step(strategy="to_onnx"), start, bench)

    assert passes == [1]
    parity = json.loads((made.path.parent / "parity.json").read_text("utf-8"))
    assert parity["largest_difference"] < 1e-4
