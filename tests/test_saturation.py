"""Overflowing 8-bit sums are emulated to the last bit, said, and cured by a smaller range."""

import dataclasses

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tests import strategy_models as models
from tests.factories import (
    a_device,
    a_host,
    a_measurement,
    a_plan,
    a_profile,
    a_quantity,
    some_answers,
    some_needs,
)
from tests.golden import plans
from tests.saturation_models import a_fragile_model, by_hand, some_rows
from wizard import intake, library, measure
from wizard.compare import judge
from wizard.measure import saturation
from wizard.nouns import ExampleSet, Priority, Quality, Step, Verdict, Workload
from wizard.strategies import _contract as contract
from wizard.strategies import _graph

ROWS = 200
OLD = {"arch": "x86_64", "isa": frozenset({"sse4_2", "avx", "avx2"}), "name": "Older laptop"}


def run(path, **feed):
    return _graph.session(path).run(None, feed)


def saved(path, nodes, inputs, stored, out):
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in inputs],
        [helper.make_tensor_value_info(out, TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in stored.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    onnx.save(model, str(path))
    return path


def extreme(rng, *shape):
    """Weights of which many are as large as 8 bits allow."""
    return rng.choice([-127, 127, 5, -90, 0], shape).astype(np.int8)


def a_matmul(path, weight):
    nodes = [
        helper.make_node("DynamicQuantizeLinear", ["x"], ["raw", "step", "zero"]),
        helper.make_node("MatMulInteger", ["raw", "w", "zero"], ["whole"], "layer"),
        helper.make_node("Cast", ["whole"], ["y"], to=TensorProto.FLOAT),
    ]
    return saved(path, nodes, ["x"], {"w": weight}, "y")


def a_conv(path, weight, **attributes):
    """One convolution between quantizers, ranges 0..255 in steps of one."""
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "one", "zero"], ["raw"]),
        helper.make_node("DequantizeLinear", ["raw", "one", "zero"], ["back"]),
        helper.make_node("DequantizeLinear", ["w", "one", "nought"], ["weight"]),
        helper.make_node("Conv", ["back", "weight"], ["y"], "layer", **attributes),
    ]
    stored = {"one": np.float32(1), "zero": np.uint8(3), "nought": np.int8(0), "w": weight}
    return saved(path, nodes, ["x"], stored, "y")


@pytest.mark.parametrize("length", [16, 17])
def test_a_product_is_cut_off_as_the_instruction_does(tmp_path, length):
    """Neighbours along K, clipped to 16 bits, then summed whole; an odd length included."""
    rng = np.random.default_rng(length)
    weight = extreme(rng, length, 6)
    made = saturation.emulate(a_matmul(tmp_path / "m.onnx", weight), tmp_path / "e.onnx")
    x = rng.choice([0.0, 1.0, 0.9], (5, length)).astype(np.float32)
    x[:, 0] = 1.0
    raw = np.rint(x / (x.max() / 255)).astype(np.int64)

    found, share = run(made.path, x=x)

    assert np.array_equal(found, by_hand(raw, weight))
    pairs = -(-length // 2) * found.size
    cut = sum(
        int((np.abs(raw[:, k : k + 2] @ weight[k : k + 2].astype(np.int64) + 0.5) > 32768).sum())
        for k in range(0, length, 2)
    )
    assert share == pytest.approx(cut / pairs)
    assert cut > 0


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"pads": [1, 1, 1, 1], "strides": [2, 2]},
        {"dilations": [2, 1], "pads": [2, 0, 1, 1]},
        {"group": 2},
    ],
)
def test_a_convolution_is_cut_off_by_position_then_channel(tmp_path, attributes):
    """K runs over height, width, channel of a filter; edges hold the zero point."""
    rng = np.random.default_rng(0)
    group = attributes.get("group", 1)
    weight = extreme(rng, 4, 6 // group, 3, 2)
    made = saturation.emulate(
        a_conv(tmp_path / "c.onnx", weight, **attributes), tmp_path / "e.onnx"
    )
    x = rng.choice([-3.0, 252.0, 200.0], (2, 6, 7, 8)).astype(np.float32)

    found = run(made.path, x=x)[0]

    assert np.array_equal(found, convolved_by_hand(x + 3, weight, 3, **attributes))
    assert run(made.path, x=x)[1] > 0


def convolved_by_hand(raw, weight, zero, pads=(0,) * 4, strides=(1, 1), dilations=(1, 1), group=1):
    """Every position of every filter, one at a time."""
    raw = np.pad(
        raw, ((0, 0), (0, 0), (pads[0], pads[2]), (pads[1], pads[3])), constant_values=zero
    )
    filters, inner, high, wide = weight.shape
    tall = (raw.shape[2] - (high - 1) * dilations[0] - 1) // strides[0] + 1
    broad = (raw.shape[3] - (wide - 1) * dilations[1] - 1) // strides[1] + 1
    out = np.zeros((len(raw), filters, tall, broad))
    for one, at, row, column in np.ndindex(out.shape):
        first = at // (filters // group) * inner
        seen = raw[
            one,
            first : first + inner,
            row * strides[0] : row * strides[0] + (high - 1) * dilations[0] + 1 : dilations[0],
            column * strides[1] : column * strides[1] + (wide - 1) * dilations[1] + 1 : dilations[
                1
            ],
        ]
        flat = seen.transpose(1, 2, 0).reshape(1, -1)
        codes = weight[at].transpose(1, 2, 0).reshape(-1, 1)
        out[one, at, row, column] = by_hand(flat, codes)[0, 0] - zero * codes.sum()
    return out


@pytest.mark.parametrize("technique", ["int8_dynamic", "int8_static"])
def test_without_the_cut_the_copy_answers_as_a_processor_with_vnni(tmp_path, technique):
    """And with it, as one without: this host's own answers are one of the two."""
    host = intake.host_facts(tmp_path)
    bench = models.a_bench(tmp_path)
    artifact = models.exported("text")
    file = contract.apply_step(Step(strategy=technique), artifact, bench).path
    cut = saturation.saturates(host.machine, host.isa)
    made = saturation.emulate(file, tmp_path / "copy.onnx", cut=cut)
    feed = models.a_feed("text")

    here, copy = models.answers(file, feed), models.answers(made.path, feed)

    assert models.likeness(here, copy) > 0.9999


def test_seven_bit_weights_are_proved_safe(tmp_path):
    """Two products of at most 255 x 64 fit in 16 bits, whatever the input."""
    weight = np.full((16, 2), 64, np.int8)
    made = saturation.emulate(a_matmul(tmp_path / "m.onnx", weight), tmp_path / "e.onnx")

    assert made.path is None
    assert made.safe == {"whole"}


def test_an_operator_nobody_looked_into_is_named(tmp_path):
    """A promise about it would be a guess."""
    inputs = ["x", "s", "z", "w", "s", "v", "s", "z"]
    node = helper.make_node("QLinearMatMul", inputs, ["y"], "layer")
    stored = {"s": np.float32(1), "z": np.uint8(0), "v": np.int8(0), "w": np.ones((4, 4), np.int8)}
    made = saturation.emulate(
        saved(tmp_path / "m.onnx", [node], ["x"], stored, "y"), tmp_path / "e"
    )

    assert made.unread == ("QLinearMatMul",)


@pytest.fixture
def fragile(tmp_path):
    """The fragile model, its rows, a bench with a target whose sums overflow."""
    labels = some_rows(tmp_path / "rows.npz", ROWS)
    bench = measure.Bench(
        profile=a_profile(),
        feeds=tmp_path / "rows.npz",
        examples=ExampleSet(origin="t", labels=labels, rows=tuple(range(ROWS))),
        workload=Workload(tokens=8),
        threads=1,
        folder=tmp_path,
        host=dataclasses.replace(a_host(), machine="arm64", isa=frozenset({"dotprod"})),
        report=lambda fraction, detail: None,
        seconds=0.2,
        saturates=True,
    )
    artifact = a_fragile_model(tmp_path / "fragile.onnx")
    return artifact, measure.weigh_original(artifact, bench), bench


def weighed(fragile, tmp_path, **settings):
    artifact, original, bench = fragile
    step = Step(strategy="int8_dynamic", settings=settings)
    made = contract.apply_step(step, artifact, models.a_bench(tmp_path / "work"))
    after = measure.weigh_candidate(made, original, bench)
    inside = measure.look_inside(made, original, bench)
    return original, dataclasses.replace(after, layers=inside)


def quality_on(device, original, after):
    plan = a_plan(device=a_device(**device), needs=some_needs(drop=1.0))
    return judge(plan, "x", original, after).clauses[-1]


def test_the_wizard_says_that_answers_differ_without_vnni(fragile, tmp_path):
    """Right on every row where sums are whole, half wrong where they overflow: a miss there."""
    original, after = weighed(fragile, tmp_path)
    clause = quality_on(OLD, original, after)

    assert original.quality.value.value == 1.0
    assert after.saturating.value.value < 0.7
    assert max(one.saturated or 0 for one in after.layers) > 0.01
    assert clause.verdict is Verdict.MISS
    assert "On Older laptop 8-bit sums can overflow" in clause.because
    assert f"emulated on {ROWS} rows" in clause.because


def test_a_processor_with_vnni_is_judged_by_whole_sums(fragile, tmp_path):
    """The emulated figure is for others; this one does not hear of it."""
    original, after = weighed(fragile, tmp_path)
    whole = after.quality.value.value == 1.0  # not so where this host overflows itself
    clause = quality_on({**OLD, "isa": frozenset({"avx2", "avx_vnni"})}, original, after)

    assert (clause.verdict is Verdict.MISS) is not whole
    assert "overflow" not in clause.because


def test_a_reduced_range_cures_it(fragile, tmp_path):
    """Seven bits cannot overflow, so nothing is emulated and nothing is lost."""
    original, after = weighed(fragile, tmp_path, reduce_range=True)
    clause = quality_on(OLD, original, after)

    assert after.saturating is None
    assert after.quality.value.value == 1.0
    assert {one.saturated for one in after.layers if "MatMul" in one.operator} == {0.0}
    assert clause.verdict is not Verdict.MISS


def test_unsigned_weights_cure_it_too(fragile, tmp_path):
    """U8U8 is summed in 32 bits from the start."""
    original, after = weighed(fragile, tmp_path, weight_type="uint8")

    assert after.saturating is None
    assert quality_on(OLD, original, after).verdict is not Verdict.MISS


def test_what_could_not_be_emulated_is_not_promised(fragile, tmp_path, monkeypatch):
    """A file too large to emulate gets CANNOT TELL, and says why."""
    monkeypatch.setattr(saturation, "EMULATED_UP_TO", 10)
    original, after = weighed(fragile, tmp_path)
    clause = quality_on(OLD, original, after)

    assert after.saturating is None
    assert clause.verdict is not Verdict.PASS
    assert saturation.NOT_EMULATED in clause.because


def test_an_emulation_of_fewer_rows_is_compared_on_those_rows():
    """Both models by the same rows and the same score, each pair of answers its own."""
    before = some_answers(1000, right=900)
    there = some_answers(400, right=340)
    after = a_measurement(
        answers=some_answers(1000, right=900),
        saturating=Quality(metric="accuracy", value=a_quantity(0.85, "share"), answers=there),
    )
    clause = quality_on(OLD, a_measurement(answers=before), after)

    assert (clause.before, clause.after) == (100.0, 85.0)
    assert clause.verdict is Verdict.MISS
    assert "emulated on 400 rows (85.0 % there, 90.0 % here)" in clause.because


def every_old_processor():
    return [one for one in library.devices().values() if saturation.saturates(one.arch, one.isa)]


def test_some_devices_of_ours_have_no_vnni():
    """Else the next tests would say nothing."""
    assert {one.id for one in every_old_processor()} >= {"laptop-avx2", "laptop-amd-zen3"}


@pytest.mark.parametrize("device", [one.id for one in every_old_processor()])
@pytest.mark.parametrize("sample", ["intents", "digits", "sentences"])
@pytest.mark.parametrize("only", [None, "int8_dynamic", "int8_static"])
def test_an_old_processor_gets_a_range_that_cannot_overflow(device, sample, only):
    """Every 8-bit recipe for it has seven-bit or unsigned weights, whatever matters most."""
    profile = plans.profile_of(sample)
    for priority in Priority:
        needs = some_needs(device_id=device, only=only, size=4.0, priority=priority)
        made = plans.plan_for(dataclasses.replace(needs, workload=profile.workload), profile)
        steps = [step for candidate in made.candidates for step in candidate.steps]
        for step in steps:
            if step.strategy in {"int8_dynamic", "int8_static"}:
                settings = contract.validate(step).settings
                assert settings["reduce_range"] or settings.get("weight_type") == "uint8"


def a_fused(path, weight, operator, *, biased):
    """A product that ONNX Runtime fused with its scales, and its bias where there is one."""
    stored = {"w": weight, "s": np.full(weight.shape[1], 0.5, np.float32), "n": np.int8(0)}
    bias = ["b"] * biased
    stored |= {"b": np.arange(weight.shape[1], dtype=np.float32)} if biased else {}
    quantize = helper.make_node("DynamicQuantizeLinear", ["x"], ["raw", "step", "zero"])
    nodes = {
        "MatMulIntegerToFloat": [
            quantize,
            helper.make_node("MatMulIntegerToFloat", ["raw", "w", "step", "s", "zero", "n", *bias],
                             ["y"], "layer", domain="com.microsoft"),
        ],
        "DynamicQuantizeMatMul": [
            helper.make_node("DynamicQuantizeMatMul", ["x", "w", "s", "n", *bias], ["y"], "layer",
                             domain="com.microsoft"),
        ],
    }[operator]  # fmt: skip
    saved(path, nodes, ["x"], stored, "y")
    model = onnx.load(str(path))
    model.opset_import.append(helper.make_opsetid("com.microsoft", 1))
    onnx.save(model, str(path))
    return path


@pytest.mark.parametrize("biased", [True, False])
@pytest.mark.parametrize("operator", ["MatMulIntegerToFloat", "DynamicQuantizeMatMul"])
def test_fused_products_are_read_with_their_bias(tmp_path, operator, biased):
    """Optimized files hold them: cut off as the instruction does, scaled, the bias added once."""
    rng = np.random.default_rng(4)
    weight = extreme(rng, 16, 6)
    path = a_fused(tmp_path / "m.onnx", weight, operator, biased=biased)
    values = rng.integers(0, 256, (5, 16)).astype(np.float32)
    values[0, 0], values[0, 1] = 255, 0  # steps of one from zero
    made = saturation.emulate(path, tmp_path / "cut.onnx")
    whole = saturation.emulate(path, tmp_path / "whole.onnx", cut=False)

    bias = np.arange(6) if biased else 0
    expected = by_hand(values.astype(np.int64), weight) * 0.5 + bias
    assert made.unread == ()
    assert set(made.counters) == {"y"}
    assert np.allclose(run(made.path, x=values)[0], expected, rtol=1e-6)
    # The machine itself adds in one of the two ways.
    host = intake.host_facts(tmp_path)
    here = made if saturation.saturates(host.machine, host.isa) else whole
    assert np.allclose(run(here.path, x=values)[0], run(path, x=values)[0], rtol=1e-5)


def test_a_fused_product_that_cannot_overflow_is_known_as_safe(tmp_path):
    """Small weights: named by the output that the file has."""
    weight = np.ones((16, 6), np.int8)
    path = a_fused(tmp_path / "m.onnx", weight, "MatMulIntegerToFloat", biased=True)

    assert saturation.emulate(path, tmp_path / "cut.onnx").safe == {"y"}
