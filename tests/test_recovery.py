"""Short training on tiny models: nearer to the original or as it was given, never worse."""

import dataclasses
import json

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from tests import strategy_models as models
from wizard import examples
from wizard.errors import CalibrationTooSmall, NotSupported, PromiseBroken
from wizard.nouns import LEARNT, ParameterCount, Step, Task
from wizard.run.outcome import learnt_of
from wizard.strategies import _apart, _checkpoint, _distill, _practice, _recover, recovery
from wizard.strategies import _contract as contract


def trained(folder, name="text", source=None, bench=None, technique="recovery", **settings):
    given = Step(strategy=technique, settings={"steps": 8, **settings})
    bench = bench or models.a_school(folder, name)
    return contract.apply_step(given, source or models.pruned(name), bench)


def note(artifact):
    return json.loads((artifact.path / LEARNT).read_text(encoding="utf-8"))


def weights(artifact):
    return load_file(artifact.path / "model.safetensors")


@pytest.fixture(scope="module")
def after(tmp_path_factory):
    """The pruned text model after forty steps."""
    return trained(tmp_path_factory.mktemp("recovered"), steps=40, rate=1e-3)


def test_a_cut_network_comes_nearer_to_the_original(after):
    """The distance on rows held out falls, and the note says by how much."""
    said = note(after)

    assert said["improved"]
    assert said["after"]["distance"] < 0.9 * said["before"]["distance"]
    assert said["after"]["agreement"] >= said["before"]["agreement"]
    assert said["best_at"] <= said["steps"] <= said["planned"]


def test_it_keeps_its_shape(after):
    """Nothing that was cut comes back, and the folder opens as before."""
    before = models.pruned("text")
    was, now = weights(before), weights(after)

    assert {name: one.shape for name, one in was.items()} == {
        name: one.shape for name, one in now.items()
    }
    assert _checkpoint.shape_of(after.path) == _checkpoint.shape_of(before.path)


def test_the_walk_tells_what_came_of_it(after):
    """One sentence with steps, rows and both figures."""
    (sentence,) = learnt_of(after)

    assert "rows held out went from" in sentence
    assert learnt_of(models.pruned("text")) == ()


def test_the_same_seed_gives_the_same_weights(tmp_path):
    """A recipe can be replayed; another seed draws other variations."""
    one, two = (trained(tmp_path / which, rate=1e-3, steps=12) for which in ("one", "two"))
    bench = models.with_seed(models.a_school(tmp_path / "three"), 1)
    other = trained(tmp_path / "three", bench=bench, rate=1e-3, steps=12)

    assert one.sha256 == two.sha256 != other.sha256


def test_what_brings_nothing_leaves_the_weights_as_they_were_given(tmp_path):
    """A rate that breaks everything, tried again slower: still nothing, and it is said."""
    before = models.pruned("text")
    after = trained(tmp_path, rate=50.0, steps=16)
    was, now = weights(before), weights(after)

    assert not note(after)["improved"]
    assert "stayed as they were given" in note(after)["sentence"]
    assert all(torch.equal(was[name], now[name]) for name in was)


def test_the_time_allowed_ends_it(tmp_path):
    """A share of the job's seconds is all it takes, the rest is for measuring."""
    bench = dataclasses.replace(models.a_school(tmp_path), seconds=0.01)
    said = note(trained(tmp_path, bench=bench, steps=400, rate=1e-3))

    assert said["ended"] == "time"
    assert said["steps"] < 400


def test_fewer_steps_are_planned_where_time_is_short():
    """A power of two of the whole, so that a replay on a like machine plans the same."""
    lesson = _distill.Lesson(
        steps=400, rate=1.0, hidden=1.0, seconds=100.0, seed=0, report=lambda f, d: None
    )
    now = 1000.0
    fits = [_distill._that_fit(lesson, now - 4 * each, now - 4 * each, now) for each in (0.1, 0.4)]

    assert fits == [400, 200]


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({"model_folder": None}, NotSupported),
        ({"calibration": "few"}, CalibrationTooSmall),
        ({"profile": "large"}, NotSupported),
    ],
)
def test_what_cannot_be_trained_is_refused(changes, error, tmp_path):
    """The original itself, thirty-one rows, a model too large for minutes."""
    source, bench = models.pruned("text"), models.a_school(tmp_path)
    if "model_folder" in changes:
        source = contract.artifact_of(models.checkpoint("text"))
    if "calibration" in changes:
        bench = dataclasses.replace(
            bench, calibration=models.text_feeds(tmp_path / "few.npz", rows=31)
        )
    if "profile" in changes:
        count = ParameterCount(embedding=0, linear=200_000_000, conv=0, other=0)
        bench = dataclasses.replace(bench, profile=models.a_profile(parameters=count))

    with pytest.raises(error):
        trained(tmp_path, source=source, bench=bench)


@pytest.mark.parametrize("settings", [{"minutes": 0}, {"rate": -1.0}, {"hidden": -1.0}])
def test_settings_that_mean_nothing_are_refused(settings, tmp_path):
    """In a sentence, before anything is opened."""
    with pytest.raises(NotSupported):
        trained(tmp_path, **settings)


def test_layers_that_left_are_bridged(tmp_path):
    """The one layer that stayed is to hand on what the last one did."""
    bench = models.a_school(tmp_path)
    cut = Step(strategy="structured_pruning", settings={"macs": 0.4, "layers": 1})
    others = models.a_bench(tmp_path / "cut")
    one = contract.apply_step(cut, contract.artifact_of(models.checkpoint("text")), others)
    room, shape = _recover.opened(one, 64, bench)

    assert len(shape.kept["bert.encoder.layer"]) == 1
    assert room.pairs == ((shape.kept["bert.encoder.layer"][0], 0), (2, 1))
    assert note(trained(tmp_path, source=one, bench=bench, rate=1e-3, steps=24))["improved"]


def test_weights_that_moved_for_nothing_are_caught(after, tmp_path):
    """The promise is read from the weights and from what the rows held out said."""
    broken = tmp_path / "broken"
    broken.mkdir()
    for one in after.path.iterdir():
        (broken / one.name).write_bytes(one.read_bytes())
    said = note(after) | {"after": note(after)["before"]}
    (broken / LEARNT).write_text(json.dumps(said), encoding="utf-8")

    with pytest.raises(PromiseBroken):
        recovery.ensures(
            models.pruned("text"), contract.artifact_of(broken), recovery.Settings(steps=40)
        )


# --------------------------------------------------------------------------- rows


def the_rows(folder, name="text"):
    bench = models.a_school(folder, name)
    model = _checkpoint.load(models.checkpoint(name), models.TASKS[name])
    return _practice.practice(model, examples.load_feeds(bench.calibration), 1024, 0)


def test_rows_held_out_are_never_learnt_on(tmp_path):
    """A fifth of them, and none in both parts."""
    rows = the_rows(tmp_path)

    assert len(rows.held) == 8
    assert len(rows.learn) == 32
    assert not set(rows.held) & set(rows.learn)


def test_variations_are_made_of_the_users_own_words(tmp_path):
    """Only pieces of the rows learnt on; first and last piece stay where they are."""
    rows = the_rows(tmp_path)
    known = {int(at) for one in rows.learn for at in rows.feeds.row(one)["input_ids"][0]}
    batch = _practice.varied(rows, 16, np.random.default_rng(0))
    ids, mask = batch["input_ids"], batch["attention_mask"]

    assert set(ids[mask == 1].tolist()) <= known
    assert (ids[mask == 0] == rows.pad).all()
    firsts = {int(rows.feeds.row(one)["input_ids"][0, 0]) for one in rows.learn}
    assert set(ids[:, 0].tolist()) <= firsts


def test_pictures_are_varied_too(tmp_path):
    """Shifted and mixed, of the same shape and finite."""
    rows = the_rows(tmp_path, "image")
    given = rows.feeds.row(rows.learn[0])["pixel_values"]
    batch = _practice.varied(rows, 8, np.random.default_rng(0))["pixel_values"]

    assert batch.shape[1:] == given.shape[1:]
    assert torch.isfinite(batch).all()


# --------------------------------------------------------------------------- distances


@pytest.mark.parametrize(
    ("name", "shape"),
    [("logits", (4, 5)), ("logits", (4, 1)), ("logits", (4, 7, 5)), ("start_logits", (4, 7)),
     ("last_hidden_state", (4, 7, 6)), ("pred_boxes", (4, 3, 4)), ("logits", (4, 5, 6, 6))],
)  # fmt: skip
def test_answers_of_any_task_are_held_together(name, shape):
    """Zero for the same, more for others, a gradient; what is padding does not count."""
    torch.manual_seed(0)
    wanted = torch.randn(shape)
    found = torch.randn(shape, requires_grad=True)
    mask = torch.ones(4, 7, dtype=torch.long)
    mask[:, 5:] = 0
    batch = {"attention_mask": mask}
    far = _apart.distance(name, found, wanted, batch)
    far.backward()
    far = far.detach()

    assert float(_apart.distance(name, wanted, wanted, batch)) == pytest.approx(0, abs=1e-6)
    assert far.item() > 0.01
    assert found.grad.abs().sum() > 0
    assert _apart.agreed(name, wanted, wanted, batch).mean() == pytest.approx(1)
    if shape[:2] == (4, 7):
        assert found.grad.reshape(4, 7, -1)[:, 5:].abs().sum() == 0


def test_an_embedding_model_recovers_by_the_direction_of_its_vectors(tmp_path):
    """The same network without its head: likeness instead of equal answers."""
    profile = models.a_profile(Task.FEATURE_EXTRACTION)
    school = dataclasses.replace(models.a_school(tmp_path), profile=profile)
    others = dataclasses.replace(models.a_bench(tmp_path / "cut"), profile=profile)
    cut = Step(strategy="structured_pruning", settings={"macs": 0.4, "layers": 1})
    source = contract.apply_step(cut, contract.artifact_of(models.checkpoint("text")), others)
    said = note(trained(tmp_path, source=source, bench=school, steps=24, rate=1e-3))

    assert said["improved"]
    assert "likeness" in said["sentence"]
