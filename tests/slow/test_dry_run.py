"""`wizard plan --dry-run` on a Hub model: size and speed measured, no weight ever asked for."""

import json

import pytest

from tests.hub_server import a_hub
from tests.slow.test_command_line import wizard
from wizard import library

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]
WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def tried(tmp_path_factory):
    """The plan on stdout, and what the hub was asked for."""
    home = tmp_path_factory.mktemp("dry")
    small = library.samples()["intents"].folder / "model"
    with a_hub() as hub:
        hub.repositories["me/commands"] = {
            one.name: one.read_bytes() for one in small.iterdir() if one.suffix != ".safetensors"
        } | {WEIGHTS: b"never to be read"}
        done = wizard(
            "plan", "me/commands", "--latency-ms", "200", "--size-mb", "6", "--dry-run",
            "--json", "--quiet",
            home=home, **hub.environment(home),
        )  # fmt: skip
        assert done.returncode == 0, done.stderr[-2000:]
        return json.loads(done.stdout), list(hub.asked), home


def test_no_weight_is_downloaded(tried):
    """The hub was asked for the config and the tokenizer, never for the weights."""
    asked = [str(one) for one in tried[1]]

    assert any("config.json" in one for one in asked)
    assert not any(WEIGHTS in one and "resolve" in one for one in asked)


def test_every_candidate_has_a_measured_size_and_speed(tried):
    """In turns with the original's shape; every file is smaller than that."""
    plan, _, _ = tried
    dry = plan["dry_run"]

    assert dry["schema"] == "wizard.dry-run/1"
    assert {one["candidate_id"] for one in dry["candidates"]} == {
        one["id"] for one in plan["candidates"]
    }
    made = [one for one in dry["candidates"] if not one["failed"]]
    assert len(made) >= 2
    for one in made:
        assert one["latency"]["basis"] == "measured here"
        assert one["original_latency"]["value"] > 0
        assert one["size"]["value"] < dry["size"]["value"]


def test_clauses_say_what_was_measured_and_quality_is_no_clause(tried):
    """Latency and size are judged; nothing is said of a quality that random weights do not have."""
    names = {
        clause["name"].partition(",")[0]
        for one in tried[0]["dry_run"]["candidates"]
        for clause in one["clauses"]
    }

    assert names == {"latency", "size"}
    assert "quality is not measured" in tried[0]["dry_run"]["sentence"]


def test_the_command_is_the_one_that_was_typed(tried):
    """Whoever copies it gets a dry run again, not a job."""
    command = tried[0]["command"]

    assert command.startswith("wizard plan me/commands@")
    assert command.endswith("--dry-run")


def test_nothing_but_figures_is_left_in_the_job(tried):
    """The files made from random weights are of no use to anybody."""
    folders = list((tried[2] / "wizard" / "jobs").glob("*/made"))
    folders += list(tried[2].glob("**/made/*.onnx"))

    assert folders == []
