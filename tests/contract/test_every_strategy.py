"""Every technique found on disk, held to one contract from outside."""

import dataclasses
import json
import shutil
import subprocess
import sys

import numpy as np
import pytest

from tests import strategy_models as models
from wizard.errors import NotSupported, PresetBroken, PromiseBroken, UnknownName, WizardError
from wizard.nouns import Kind, Step, jsonable
from wizard.strategies import _contract as contract
from wizard.strategies import _graph

NAMES = sorted(contract.discover())
ON_ONNX = [name for name, one in contract.discover().items() if one.accepts is Kind.ONNX]
ROUNDING = [name for name in ON_ONNX if contract.discover()[name].stage == 4]
MODELS = ("text", "image")
CHECKPOINTS = sorted(set(NAMES) - set(ON_ONNX) - {"to_onnx"})
# A changed checkpoint is exported to see what it answers, which takes seconds.
ON_BOTH = [
    pytest.param(name, model, marks=[pytest.mark.slow] if name in CHECKPOINTS else [])
    for name in NAMES
    for model in MODELS
]
# What is shown on the tiny text model, unless the technique is for pictures only.
# Made for models that write; tests/slow/test_large_models.py shows what it makes.
FOR_WRITERS = {"streamed_weights"}
SHOWN = [name for name in NAMES if name not in FOR_WRITERS]
SHOWN_ON = {"batch_norm_recalibration": "image"}
MANY_WORDS = 4  # a reason is a clause
# How alike the answers of a random tiny model stay, as a cosine; 4 bits cost the most.
ALIKE = {
    "int4_weights": 0.90,
    "low_bit_weights": 0.90,
    "palettization": 0.90,
    "mixed_precision": 0.90,
    "structured_pruning": 0.90,
    "recovery": 0.70,  # it starts from a network that lost three fifths
    "quantization_aware_training": 0.70,
    "unstructured_sparsity": 0.90,
    "low_rank": 0.80,  # random layers have no direction to spare
    "smaller_sibling": -1.0,  # another network, with random weights of its own
}


# Enough steps of training to see one judged.
QUICK = {name: {"steps": 6} for name in ("recovery", "quantization_aware_training")}


def step(name, **settings):
    return Step(strategy=name, settings=settings)


def a_bench(folder, model="text", **changes):
    """A workbench on which every technique finds what it needs."""
    return models.a_bench(folder, model, sibling=models.sibling(model), **changes)


def bench_of(name, folder, model="text", **changes):
    """The same, with a teacher and more rows where there is training."""
    if contract.discover()[name].stage == 1:
        return models.a_school(folder, model, **changes)
    return a_bench(folder, model, **changes)


def start(name, model):
    """What the technique takes: the checkpoint, or the export of it."""
    strategy = contract.discover()[name]
    if strategy.accepts is Kind.CHECKPOINT and strategy.stage == 1:
        return models.pruned(model)
    if strategy.accepts is Kind.CHECKPOINT:
        return contract.artifact_of(models.checkpoint(model))
    return models.exported(model)


def made(name, model, folder):
    """The technique's artifact, or None when it gave a reason not to make one."""
    try:
        return contract.apply_step(
            step(name, **QUICK.get(name, {})), start(name, model), bench_of(name, folder, model)
        )
    except NotSupported as refusal:
        reason = str(refusal.facts["because"])
    return None if len(reason.split()) >= MANY_WORDS else pytest.fail(f"no reason: {reason}")


def as_file(artifact, model, folder):
    """An ONNX file as it is; a checkpoint's export."""
    if artifact.kind is Kind.ONNX:
        return artifact
    return contract.apply_step(step("to_onnx"), artifact, a_bench(folder, model))


def test_the_catalogue_is_the_folder():
    """A technique exists because its file does."""
    assert {
        "to_onnx", "lossless", "int8_dynamic", "int8_static", "int8_weights", "int4_weights",
        "low_bit_weights", "palettization", "float16", "int8_static_smooth", "mixed_precision",
        "structured_pruning",
    } <= set(NAMES)  # fmt: skip


def test_listing_the_techniques_loads_no_engine():
    """`wizard strategies` answers at once: no torch, onnx, ONNX Runtime or numpy behind it."""
    code = (
        "import sys; from wizard.strategies import _contract as c; c.discover();"
        "print(sorted({'torch','onnx','onnxruntime','numpy','transformers'} & set(sys.modules)))"
    )
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)

    assert shown.stdout.strip() == "[]"


@pytest.mark.parametrize("name", NAMES)
def test_a_technique_says_what_it_is(name):
    """Docstring, title, one-line summary, frozen settings whose defaults are complete."""
    strategy = contract.discover()[name]
    module = sys.modules[strategy.apply.__module__]

    assert "Covers:" in module.__doc__
    assert "Does not cover:" in module.__doc__
    assert strategy.title
    assert len(strategy.summary) <= 100
    assert dataclasses.fields(strategy.settings)
    with pytest.raises(dataclasses.FrozenInstanceError):
        setattr(strategy.settings(), dataclasses.fields(strategy.settings)[0].name, None)


@pytest.mark.parametrize("name", NAMES)
def test_settings_survive_json(name):
    """A plan is JSON: the complete settings read back as the same settings."""
    complete = contract.validate(step(name))
    again = Step(strategy=name, settings=json.loads(json.dumps(complete.settings)))

    assert contract.settings_of(again) == contract.discover()[name].settings()
    assert json.dumps(jsonable(contract.discover()[name].describe()))


@pytest.mark.parametrize("name", NAMES)
def test_a_misspelt_setting_is_caught_before_anything_runs(name):
    """The message names the nearest setting."""
    known = dataclasses.fields(contract.discover()[name].settings)[0].name

    with pytest.raises(PresetBroken) as caught:
        contract.validate(step(name, **{known + "s": 1}))
    assert known in str(caught.value.facts["because"])


@pytest.mark.parametrize("name", NAMES)
def test_an_ill_typed_setting_is_caught_before_anything_runs(name):
    """Types are checked, not guessed."""
    known = dataclasses.fields(contract.discover()[name].settings)[0].name

    with pytest.raises(PresetBroken):
        contract.validate(step(name, **{known: {"not": "a setting"}}))


def test_a_misspelt_technique_gets_a_suggestion():
    """Did you mean int8_dynamic."""
    with pytest.raises(UnknownName) as caught:
        contract.validate(step("int8_dynamik"))
    assert "int8_dynamic" in caught.value.facts["suggestion"]


@pytest.mark.parametrize("name", ON_ONNX)
def test_export_comes_before_everything_else(name):
    """Order follows from stages and kinds; no pair of names is written down."""
    contract.check_order([step("to_onnx"), step(name)])

    with pytest.raises(PresetBroken):
        contract.check_order([step(name), step("to_onnx")])


@pytest.mark.parametrize("name", NAMES)
def test_the_wrong_kind_is_refused(name, tmp_path):
    """A checkpoint is no ONNX file, and the other way round."""
    takes_onnx = contract.discover()[name].accepts is Kind.ONNX
    wrong = (
        contract.artifact_of(models.checkpoint("text")) if takes_onnx else models.exported("text")
    )

    with pytest.raises(NotSupported):
        contract.apply_step(step(name), wrong, a_bench(tmp_path))


@pytest.mark.parametrize(("name", "model"), ON_BOTH)
def test_a_technique_keeps_its_promise_or_says_why_not(name, model, tmp_path):
    """The file opens, answers with finite numbers like the original's; the input is untouched."""
    before = start(name, model)
    after = made(name, model, tmp_path)
    if after is None:
        assert not list((tmp_path / "made").glob("*"))
        return

    feed, file = models.a_feed(model), as_file(after, model, tmp_path)
    found, expected = models.answers(file.path, _for(file, feed)), _expected(model, feed)
    assert np.isfinite(found).all()
    assert models.likeness(found, expected) > ALIKE.get(name, 0.99)
    assert contract.artifact_of(before.path).sha256 == before.sha256
    assert (after.parent, after.made_by) == (before.sha256, name)


@pytest.mark.parametrize("name", ROUNDING)
def test_answers_do_not_depend_on_graph_optimization(name, tmp_path):
    """Whoever turns it off, or runs the file elsewhere, gets the answers that were measured."""
    after = made(name, "text", tmp_path)
    feed = _for(after, models.a_feed("text"))

    found, plain = models.answers(after.path, feed), models.plain_answers(after.path, feed)
    assert models.likeness(found, plain) > 0.99


def _for(artifact, feed):
    names = {value.name for value in _graph.load(artifact.path).graph.input}
    return {name: value for name, value in feed.items() if name in names}


def _expected(model, feed):
    original = models.exported(model)
    return models.answers(original.path, _for(original, feed))


@pytest.mark.parametrize("name", ON_ONNX)
def test_same_input_settings_and_seed_give_the_same_bytes(name, tmp_path):
    """A recipe can be replayed."""
    one, two = (made(name, "text", tmp_path / which) for which in ("one", "two"))

    assert one.sha256 == two.sha256


@pytest.mark.parametrize("name", SHOWN)
def test_nothing_but_the_result_is_left(name, tmp_path):
    """No working files; only the model and what proves it."""
    after = made(name, SHOWN_ON.get(name, "text"), tmp_path)

    left = {one.name for one in after.path.parent.iterdir()}
    stem = contract.discover()[name].file_stem
    assert left <= {stem, f"{stem}.onnx", f"{stem}.onnx.data", "parity.json", "sensitivity.json"}


@pytest.mark.parametrize("name", SHOWN)
def test_the_file_holds_no_name_of_this_machine(name, tmp_path):
    """Stack traces and paths of the exporter stay here."""
    path = made(name, SHOWN_ON.get(name, "text"), tmp_path).path
    files = [path] if path.is_file() else [one for one in path.rglob("*") if one.is_file()]
    content = b"".join(one.read_bytes() for one in files)

    for trace in (b"site-packages", b'.py"', sys.prefix.encode(), str(tmp_path).encode()):
        assert trace not in content


@pytest.mark.parametrize("name", ROUNDING)
def test_a_promise_can_be_broken(name, tmp_path, monkeypatch):
    """A technique that hands back its input is caught, and its file removed."""

    def does_nothing(artifact, settings, bench):
        return shutil.copy(artifact.path, bench.folder / "model.onnx")

    lazy = dataclasses.replace(
        contract.discover()[name], apply=lambda *given: models.Path(does_nothing(*given))
    )
    before, bench = models.exported("text"), a_bench(tmp_path)
    monkeypatch.setattr(contract, "discover", lambda: {name: lazy})

    with pytest.raises(PromiseBroken):
        contract.apply_step(step(name), before, bench)
    assert not list((tmp_path / "made").glob("*"))


@pytest.mark.parametrize("name", ON_ONNX)
def test_a_half_written_file_is_removed(name, tmp_path, monkeypatch):
    """Whatever goes wrong while writing, nothing stays."""

    def dies(artifact, settings, bench):
        (bench.folder / "model.onnx").write_bytes(b"half")
        raise KeyboardInterrupt

    dying = dataclasses.replace(contract.discover()[name], apply=dies)
    before, bench = models.exported("text"), a_bench(tmp_path)
    monkeypatch.setattr(contract, "discover", lambda: {name: dying})

    with pytest.raises(KeyboardInterrupt):
        contract.apply_step(step(name), before, bench)
    assert not list((tmp_path / "made").glob("*"))


@pytest.mark.parametrize("name", ON_ONNX)
def test_a_model_without_weights_is_refused_or_left_alone(name, tmp_path):
    """Nothing to do is said, not hidden: NotSupported, or (lossless) a file of the same size."""
    from onnx import helper

    bare = models.a_graph(tmp_path / "bare.onnx", [helper.make_node("Relu", ["x"], ["y"])], {})
    bench = a_bench(
        tmp_path,
        calibration=None if name == "lossless" else models.text_feeds(tmp_path / "rows.npz"),
    )
    try:
        after = contract.apply_step(step(name), bare, bench)
    except NotSupported:
        return
    assert after.bytes <= bare.bytes


@pytest.mark.parametrize("name", SHOWN)
def test_progress_only_rises(name, tmp_path):
    """A progress bar never runs backwards and ends within 0..1."""
    seen = []
    model = SHOWN_ON.get(name, "text")
    bench = bench_of(name, tmp_path, model, report=lambda fraction, detail: seen.append(fraction))
    contract.apply_step(step(name, **QUICK.get(name, {})), start(name, model), bench)

    assert seen == sorted(seen)
    assert all(0 <= one <= 1 for one in seen)


def test_a_file_without_a_strategy_is_our_mistake():
    """The message names the file."""
    with pytest.raises(PresetBroken):
        contract._strategy_in("wizard.strategies._rows", "_rows")


def test_what_is_no_model_is_said(tmp_path):
    """An empty folder, a missing file, a text file."""
    (tmp_path / "notes.onnx").write_text("hello")

    for path in (tmp_path, tmp_path / "nowhere.onnx", tmp_path / "notes.onnx"):
        with pytest.raises(WizardError):
            contract.artifact_of(path)
