"""Faults put into a real sample's artifact, its data or its measurement; each must be named.

A fault is a function that plants it and returns what the wizard told. It is caught when the
verdict is not PASS and every word of `names` stands in what was said.
"""

from __future__ import annotations

import csv
import dataclasses
import json
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from tests.planted.stage import (
    Stage,
    Told,
    Verdict,
    after_output,
    output_of,
    refused,
    rewrite,
    stage,
    stored,
    told,
    weight_of,
)
from tests.saturation_models import a_fragile_model, some_rows
from wizard import examples, intake, measure
from wizard.compare import judge
from wizard.errors import WizardError
from wizard.nouns import Artifact, ExampleSet, Step
from wizard.strategies import _contract as contract
from wizard.strategies import _graph


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """`names` are words the sentences must hold; `verdict` is set where only one is right."""

    title: str
    names: tuple[str, ...]
    plant: Callable[[], Told]
    verdict: Verdict | None = None

    def caught(self, told: Told) -> bool:
        right = told.verdict is self.verdict if self.verdict else told.verdict is not Verdict.PASS
        return right and all(word.lower() in told.said.lower() for word in self.names)


FAULTS: list[Fault] = []
LAYER = "bert.encoder.layer.{}.attention.self"  # of `intents`
# A token of the sample that writes, neither padding nor an end.
WORD = 500


def fault(title: str, *names: str, verdict: Verdict | None = None):
    """Register a planted fault."""

    def keep(plant: Callable[[], Told]) -> Callable[[], Told]:
        FAULTS.append(Fault(title=title, names=names, plant=plant, verdict=verdict))
        return plant

    return keep


# --------------------------------------------------------------------------- broken answers


@fault("one class swallows the others", "one answer to")
def collapsed_class() -> Told:
    """A bias that beats every other class."""

    def change(model: onnx.ModelProto) -> None:
        rewrite(stored(model, like="classifier.bias"), lambda bias: lowered(bias, -50.0, 7))

    return told_of("collapsed", change)


@fault("not a number in one layer", "not numbers")
def nan_in_one_layer() -> Told:
    """One weight of one feed-forward layer."""

    def change(model: onnx.ModelProto) -> None:
        rewrite(stored(model, shape=(256, 1024)), lambda weight: spoiled(weight, np.nan))

    return told_of("nan", change)


def spoiled(weight: np.ndarray, value: float) -> np.ndarray:
    weight.flat[0] = value
    return weight


@fault("one answer whatever the input", "same answer to every row")
def constant_output() -> Told:
    """The head multiplies by nothing, and its bias answers."""

    def change(model: onnx.ModelProto) -> None:
        rewrite(stored(model, like="classifier.weight"), np.zeros_like)

    return told_of("constant", change)


@fault("every confidence is full", "all but certain")
def saturated_confidence() -> Told:
    """Right answers, but the probabilities are worth nothing."""

    def change(model: onnx.ModelProto) -> None:
        model.graph.initializer.append(numpy_helper.from_array(np.float32(1000), "thousand"))
        after_output(model, helper.make_node("Mul", ["planted", "thousand"], [output_of(model)]))

    return told_of("saturated", change)


@fault("one word for ever", "repeat themselves over and over")
def endless_repetition() -> Told:
    """A model that writes finds one word likelier than any other, after every word."""
    here = stage("calls", rows=40)

    def change(model: onnx.ModelProto) -> None:
        loud = np.zeros(here.profile.vocabulary, np.float32)
        loud[WORD] = 1e3
        model.graph.initializer.append(numpy_helper.from_array(loud, "loud"))
        after_output(model, helper.make_node("Add", ["planted", "loud"], [output_of(model)]))

    return here.tell(here.changed("endless", change))


@fault("all vectors in one cone", "point the same way")
def cone() -> Told:
    """The same large vector is added to every sentence."""

    def change(model: onnx.ModelProto) -> None:
        far = np.random.default_rng(0).normal(size=192).astype(np.float32) * 60
        model.graph.initializer.append(numpy_helper.from_array(far, "far"))
        after_output(model, helper.make_node("Add", ["planted", "far"], [output_of(model)]))

    return told_of("cone", change, of="sentences")


@fault("a layer lost its weights", "lost", "points of accuracy")
def zeroed_layer() -> Told:
    """One attention projection is zero; the rest works on."""

    def change(model: onnx.ModelProto) -> None:
        rewrite(weight_of(model, f"{LAYER.format(0)}.value"), np.zeros_like)
        rewrite(stored(model, shape=(1024, 256)), np.zeros_like)

    return told_of("zeroed", change)


@fault("output columns in another order", "labels in another order")
def permuted_output() -> Told:
    """The head's columns are rotated by one, as a wrong id2label does."""

    def change(model: onnx.ModelProto) -> None:
        for name in ("classifier.weight", "classifier.bias"):
            rewrite(stored(model, like=name), lambda values: np.roll(values, 1, axis=0))

    return told_of("permuted", change)


@fault("another answer at every run", "each time")
def random_answers() -> Told:
    """A random operator is left in the graph, as dropout in training mode would be."""

    def change(model: onnx.ModelProto) -> None:
        name = output_of(model)
        noise = helper.make_node("RandomNormalLike", ["planted"], ["noise"], scale=3.0)
        after_output(model, noise, helper.make_node("Add", ["planted", "noise"], [name]))

    return told_of("random", change)


@fault("answers that depend on graph optimization", "graph optimization")
def depends_on_optimization() -> Told:
    """A 4-bit layer that is exact as written and rounded to nothing once it is fused."""

    def change(model: onnx.ModelProto) -> None:
        name, wide = output_of(model), 32
        far = np.zeros((1, wide), np.float32)
        far[0, -1] = 1e5
        identity = np.eye(wide, dtype=np.int8)
        identity[-1, -1] = 0
        model.graph.initializer.extend(
            [
                helper.make_tensor(
                    "eye", TensorProto.INT4, [wide, wide], identity.ravel().tolist()
                ),
                numpy_helper.from_array(np.ones((1, wide), np.float32), "scale"),
                numpy_helper.from_array(far, "far"),
                numpy_helper.from_array(np.eye(20, wide, dtype=np.float32), "widen"),
                numpy_helper.from_array(np.array([20], np.int64), "twenty"),
                numpy_helper.from_array(np.array([0], np.int64), "zero"),
                numpy_helper.from_array(np.array([1], np.int64), "axis"),
            ]
        )
        after_output(
            model,
            helper.make_node("MatMul", ["planted", "widen"], ["wide"]),
            helper.make_node("Add", ["wide", "far"], ["outlier"]),
            helper.make_node("DequantizeLinear", ["eye", "scale"], ["unit"], axis=0, block_size=32),
            helper.make_node("MatMul", ["outlier", "unit"], ["through"]),
            helper.make_node("Slice", ["through", "zero", "twenty", "axis"], [name]),
        )
        del model.opset_import[:]
        model.opset_import.append(helper.make_opsetid("", 21))

    return told_of("optimization", change)


# --------------------------------------------------------------------------- empty promises


@fault("an unchanged file called int8", "8-bit matrix multiplication", "none")
def unchanged_called_int8() -> Told:
    """A copy of the export is handed in as the result of dynamic int8."""
    return held_to_promise("int8_dynamic", lambda here: here.changed("copy", lambda model: None))


@fault("weights rounded, then stored in 32 bits again", "not compressed", "above your limit")
def dequantized_back() -> Told:
    """Damage without any saving; the label comes from the file."""

    def change(model: onnx.ModelProto) -> None:
        for one in model.graph.initializer:
            if len(one.dims) == 2 and one.data_type == 1:
                rewrite(one, rounded)

    return told_of("rounded", change, size=8.0)


def rounded(weight: np.ndarray) -> np.ndarray:
    scale = np.abs(weight).max(axis=0, keepdims=True) / 127 + 1e-12
    return (np.round(weight / scale) * scale).astype(np.float32)


@fault("half of the layers stayed in float", "at most", "MB")
def float_fallback() -> Told:
    """The quantizer skipped layers without a word."""

    def half(here: Stage) -> Artifact:
        from onnxruntime.quantization import QuantType, quantize_dynamic

        path = here.folder / "half.onnx"
        with _graph.quiet():
            names = [n.name for n in onnx.load(str(here.export.path)).graph.node]
            quantize_dynamic(
                str(here.export.path),
                str(path),
                op_types_to_quantize=["MatMul"],
                nodes_to_exclude=names[: len(names) * 2 // 3],
                weight_type=QuantType.QInt8,
            )
        return contract.artifact_of(path)

    return held_to_promise("int8_dynamic", half)


@fault("the attention mask quantized", "infinite", "mask")
def quantized_mask() -> Told:
    """Static quantization with the quantizer's default list of operators."""

    def everything(here: Stage) -> Artifact:
        from onnxruntime.quantization import quantize_static

        path = here.folder / "everything.onnx"
        with _graph.quiet():
            quantize_static(
                str(here.export.path), str(path), Reader(here), op_types_to_quantize=None
            )
        return contract.artifact_of(path)

    return held_to_promise("int8_static", everything)


class Reader:
    """Calibration rows for ONNX Runtime's quantizer: all padded to one length."""

    def __init__(self, here: Stage) -> None:
        from wizard.examples import load_feeds

        feeds = load_feeds(here.calibration)
        batch = feeds.padded(range(32), 32)
        names = {one.name for one in onnx.load(str(here.export.path)).graph.input}
        self._left = iter(
            [{n: v[i : i + 1] for n, v in batch.items() if n in names} for i in range(32)]
        )

    def get_next(self):
        return next(self._left, None)

    def set_range(self, start_index: int, end_index: int) -> None:
        del start_index, end_index


@fault("the word table stored twice", "stored twice", "above your limit")
def duplicated_embedding() -> Told:
    """Two equal tables, both used, as an untied head leaves behind."""

    def change(model: onnx.ModelProto) -> None:
        table = stored(model, like="word_embeddings")
        twin = onnx.TensorProto()
        twin.CopyFrom(table)
        twin.name = "twin"
        look = next(n for n in model.graph.node if n.op_type == "Gather" and table.name in n.input)
        at = list(model.graph.node).index(look)
        first, name = "first_look", look.output[0]
        second = helper.make_node("Gather", ["twin", look.input[1]], ["second_look"])
        mean = helper.make_node("Mean", [first, "second_look"], [name])
        look.output[0] = first
        model.graph.initializer.append(twin)
        model.graph.node.insert(at + 1, second)
        model.graph.node.insert(at + 2, mean)

    return told_of("twice", change, size=20.0)


@fault("external data missing", "external data", "missing")
def external_missing() -> Told:
    """The graph came along, its weights did not."""
    artifact = with_external("missing")
    Path(f"{artifact.path}.data").unlink()
    return stage("intents").tell(artifact)


@fault("external data swapped", "has changed")
def external_swapped() -> Told:
    """Somebody else's weights of the same length lie beside the graph."""
    artifact = with_external("swapped")
    beside = Path(f"{artifact.path}.data")
    beside.write_bytes(bytes(reversed(beside.read_bytes())))
    return stage("intents").tell(artifact)


def with_external(name: str) -> Artifact:
    here = stage("intents")
    path = here.folder / name / "model.onnx"
    path.parent.mkdir()
    model = onnx.load(str(here.export.path))
    onnx.save(model, str(path), save_as_external_data=True, location="model.onnx.data")
    return contract.artifact_of(path)


@fault("weights cut short", "model.safetensors")
def truncated_weights() -> Told:
    """A download that stopped in the middle."""
    folder = stage_copy(stage("intents"), "cut")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1_000_000])
    try:
        intake.check_weights(folder)
    except WizardError as error:
        return refused(error)
    return Told(verdict=Verdict.PASS, said="")


# --------------------------------------------------------------------------- speed


@fault("a slower model", "slower than the original")
def slower_model() -> Told:
    """Sixteen million needless multiplications a request."""

    def change(model: onnx.ModelProto) -> None:
        name, wide = output_of(model), 2048
        model.graph.initializer.extend(
            [
                numpy_helper.from_array(np.zeros((20, wide), np.float32), "out_there"),
                numpy_helper.from_array(np.eye(wide, dtype=np.float32), "round"),
                numpy_helper.from_array(np.zeros((wide, 20), np.float32), "and_back"),
            ]
        )
        walk = [helper.make_node("MatMul", ["planted", "out_there"], ["step_0"])]
        walk += [
            helper.make_node("MatMul", [f"step_{i}", "round"], [f"step_{i + 1}"]) for i in range(4)
        ]
        walk.append(helper.make_node("MatMul", ["step_4", "and_back"], ["nothing"]))
        after_output(model, *walk, helper.make_node("Add", ["planted", "nothing"], [name]))

    return told_of("slower", change, times=1.3)


@fault("noise sold as a speed-up", "no real speed-up")
def noise_as_speed() -> Told:
    """The same file again, under a limit that only a faster one could keep."""
    return told_of("same", lambda model: None, times=0.9)


# --------------------------------------------------------------------------- the yardstick


@fault("another model's tokenizer", "tokenizer", "guessing", verdict=Verdict.CANNOT_TELL)
def foreign_tokenizer() -> Told:
    """The files of another sample's vocabulary lie in the model's folder."""
    here = stage("intents")
    folder = stage_copy(here, "foreign")
    other = stage("sentences").model_folder / "tokenizer.json"
    shutil.copy(other, folder / "tokenizer.json")
    return original_told(here, feeds=here.feeds(here.data.test, "foreign", folder))


@fault("a tokenizer larger than the model", "do not belong together")
def larger_tokenizer() -> Told:
    """Word pieces that the model's table does not have."""
    here = stage("sentences")
    folder = stage_copy(here, "larger")
    shutil.copy(stage("intents").model_folder / "tokenizer.json", folder / "tokenizer.json")
    return original_told(here, feeds=here.feeds(here.data.test, "larger", folder))


@fault("labels of the data in another order", "another order", "id2label")
def permuted_labels() -> Told:
    """config.json lists the labels in the order of another training run."""
    here = stage("intents")
    profile = dataclasses.replace(here.profile, labels=tuple(sorted(here.profile.labels)[::-1]))
    return original_told(here, profile=profile)


@fault("two labels swapped", "another order", "id2label")
def swapped_labels() -> Told:
    """Only two of ten; nine tenths of the rows look fine."""
    here = stage("digits")
    labels = list(here.profile.labels)
    labels[3], labels[8] = labels[8], labels[3]
    return original_told(here, profile=dataclasses.replace(here.profile, labels=tuple(labels)))


@fault("pictures not rescaled", "do_rescale")
def wrong_preprocessing() -> Told:
    """0..255 where the model was trained on -1..1."""
    here = stage("digits")
    folder = stage_copy(here, "unscaled")
    settings = json.loads((folder / "preprocessor_config.json").read_text())
    settings |= {"do_rescale": False, "do_normalize": False}
    (folder / "preprocessor_config.json").write_text(json.dumps(settings))
    return original_told(here, feeds=here.feeds(here.data.test, "unscaled", folder))


@fault("the baseline changed in place", "has changed")
def poisoned_baseline() -> Told:
    """A quantizer wrote over the original, so the candidate is compared with itself."""
    here = stage("intents")
    artifact = here.changed("poisoned", lambda model: None)
    original = measure.weigh_original(artifact, here.bench)
    candidate = here.make("int4_weights", block=128)
    shutil.copy(candidate.path, artifact.path)
    return here.tell(candidate, original=original)


@fault("the evaluation cut short", "same rows")
def truncated_rows() -> Told:
    """Fifty of the rows were answered, and the score would be of those."""
    from tests.planted.stage import first_rows

    here = stage("intents")
    feeds = here.feeds(first_rows(here.data.test, 50), "fifty")
    bench = dataclasses.replace(here.bench, feeds=feeds)
    return here.tell(here.make("int8_dynamic"), bench=bench)


@fault("twenty rows for one point", "more examples", verdict=Verdict.CANNOT_TELL)
def too_few_rows() -> Told:
    """No loss at all on twenty rows says little about one point."""
    here = stage("intents", 20)
    return here.tell(here.make("int8_dynamic"))


@fault("calibration on noise", "look nothing like")
def calibration_on_noise() -> Told:
    """Ranges learnt from dim noise cut real pictures off."""
    here = stage("digits")
    with np.load(here.calibration, allow_pickle=False) as file:
        kept = {name: file[name] for name in file.files}
    noise = np.random.default_rng(0).integers(0, 12, kept["pixel_values.rows"].shape)
    kept["pixel_values.rows"] = noise.astype(kept["pixel_values.rows"].dtype)
    place = here.folder / "noise.npz"
    np.savez(place, **kept)
    doubts = measure.calibration_doubts(place, here.test)
    told = here.tell(here.make("int8_static", calibration=place))
    return dataclasses.replace(told, said=f"{told.said} {' '.join(doubts)}")


@fault("calibration on test rows", "also stand in the calibration rows")
def calibration_on_test_rows() -> Told:
    """The user's two files share forty rows."""
    here = stage("intents")
    rows = list(zip(here.data.test.inputs, here.data.test.labels, strict=True))
    first = table(here.folder / "first.csv", rows[:300])
    second = table(here.folder / "second.csv", rows[260:400])
    try:
        examples.read(here.profile, f"{first}#calibration={second}", seed=0)
    except WizardError as error:
        return refused(error)
    return Told(verdict=Verdict.PASS, said="")


@fault("a few rows copied fifty times", "repeat an earlier text", verdict=Verdict.CANNOT_TELL)
def copied_rows() -> Told:
    """Thirty rows pose as three thousand, and every interval would shrink by ten."""
    here = stage("intents")
    rows = list(zip(here.data.test.inputs, here.data.test.labels, strict=True))[:60]
    read = examples.read(here.profile, str(table(here.folder / "copies.csv", rows * 50)), seed=0)
    feeds = here.feeds(read.test, "copies")
    judged = original_told(here, examples=read.test, feeds=feeds)
    return dataclasses.replace(judged, said=f"{judged.said} {' '.join(read.notes)}")


def table(path: Path, rows: list[tuple[str, str]]) -> Path:
    """A CSV of texts and labels."""
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerows([("text", "label"), *rows])
    return path


@fault("sums that overflow on the target's processor", "overflow", "emulated")
def saturating_processor() -> Told:
    """Right on every row here; half wrong on a processor without VNNI."""
    here = stage("intents")
    folder = here.folder / "fragile"
    folder.mkdir()
    labels = some_rows(folder / "rows.npz", 200)
    bench = dataclasses.replace(
        here.bench,
        profile=dataclasses.replace(here.profile, labels=("no", "yes", "maybe"), vocabulary=None),
        feeds=folder / "rows.npz",
        examples=ExampleSet(origin="planted", labels=labels, rows=tuple(range(200))),
        folder=folder,
        host=dataclasses.replace(here.host, machine="arm64", isa=frozenset({"dotprod"})),
        saturates=True,
    )
    artifact = a_fragile_model(folder / "fragile.onnx")
    original = measure.weigh_original(artifact, bench)
    step = Step(strategy="int8_dynamic")
    made = contract.apply_step(step, artifact, here.workbench("fragile-made"))
    after = measure.weigh_candidate(made, original, bench)
    old = dataclasses.replace(
        here.plan().device, name="Older laptop", isa=frozenset({"avx2"}), arch="x86_64"
    )
    plan = dataclasses.replace(here.plan(), device=old)
    return told(judge(plan, "planted", original, after), after)


# --------------------------------------------------------------------------- near the limit


@fault("a drop just above the tolerance", "more examples", verdict=Verdict.CANNOT_TELL)
def just_above() -> Told:
    """A quarter of a point beyond is within what these rows can tell."""
    return near_the_limit("above", -0.25)


@fault("a drop just below the tolerance", "more examples", verdict=Verdict.CANNOT_TELL)
def just_below() -> Told:
    """A quarter of a point inside is, too."""
    return near_the_limit("below", +0.25)


def near_the_limit(name: str, spare: float) -> Told:
    """Zero one attention projection, which costs all kinds of rows; allow that and `spare`."""
    here = stage("intents")
    value = f"{LAYER.format(1)}.value"
    candidate = here.changed(name, lambda model: rewrite(weight_of(model, value), np.zeros_like))
    after = measure.weigh_candidate(candidate, here.original, here.bench)
    lost = 100 * (here.original.quality.value.value - after.quality.value.value)
    return here.tell(candidate, drop=lost + spare)


def weaker_class(by: float, label: int = 4) -> Callable[[onnx.ModelProto], None]:
    """Lower one class's logit."""

    def change(model: onnx.ModelProto) -> None:
        rewrite(stored(model, like="classifier.bias"), lambda bias: lowered(bias, by, label))

    return change


def lowered(bias: np.ndarray, by: float, label: int) -> np.ndarray:
    return (bias - by * (np.arange(len(bias)) == label)).astype(np.float32)


@fault("a loss hidden in one part of the data", "parts of the data", "alarm", "a part may lose")
def hidden_in_a_part() -> Told:
    """One of twenty intents is ruined; on average a point or two are lost, and allowed."""
    here = stage("intents", 2400)
    label = here.profile.labels.index("set_alarm")
    return here.tell(here.changed("hidden", weaker_class(9.0, label)), drop=4.0)


# --------------------------------------------------------------------------- helpers


def told_of(
    name: str,
    change: Callable[[onnx.ModelProto], None],
    of: str = "intents",
    **contract_asked: float,
) -> Told:
    """Plant `change` in the sample's export, weigh it, judge it."""
    here = stage(of)
    return here.tell(here.changed(name, change), **contract_asked)


def held_to_promise(name: str, make: Callable[[Stage], Artifact]) -> Told:
    """Hand a file in as the result of the technique `name`."""
    here = stage("intents")
    strategy = contract.discover()[name]
    try:
        strategy.ensures(here.export, make(here), strategy.settings())
    except WizardError as error:
        return refused(error)
    return Told(verdict=Verdict.PASS, said="")


def original_told(here: Stage, **changes: object) -> Told:
    """Weigh the original under wrong circumstances, then judge a harmless candidate by it."""
    folder = here.folder / f"original-{len(list(here.folder.iterdir()))}"
    folder.mkdir()
    bench = dataclasses.replace(here.bench, folder=folder, **changes)
    try:
        original = measure.weigh_original(here.export, bench)
    except WizardError as error:
        return refused(error)
    candidate = here.changed(folder.name, lambda model: None)
    return here.tell(candidate, original=original, bench=bench)


def stage_copy(here: Stage, name: str) -> Path:
    """The sample's model folder, free to be changed."""
    folder = here.folder / f"folder-{name}"
    shutil.copytree(here.model_folder, folder)
    return folder
