"""A smaller published model through a whole job: two trained models of a hub, one contract."""

import json
from types import SimpleNamespace

import pytest

from tests import sibling_models as models
from tests.hub_server import a_hub
from tests.slow.test_command_line import wizard
from wizard import engine

pytestmark = [pytest.mark.slow, pytest.mark.timeout(420)]


@pytest.fixture(scope="module")
def hub():
    """Three repositories: the original, its smaller sibling, one whose labels stand otherwise."""
    with a_hub() as running:
        running.repositories["them/large"] = models.repository("large")
        running.repositories["them/small"] = models.repository("small")
        running.repositories["them/turned"] = models.repository("small", models.LABELS[::-1])
        yield running


def asked(hub, home, sibling, *more):
    """`wizard run` on the original with that sibling."""
    rows = models.a_table(home / "rows.csv")
    return wizard(
        "run", "them/large", "--sibling", sibling, "--data", str(rows), "--max-drop", "5",
        "--priority", "smallest", *more, "--json", "--quiet",
        home=home, **hub.environment(home),
    )  # fmt: skip


def ended(hub, home, *more):
    """The job's answer, and its bundle."""
    told = asked(hub, home, "them/small", *more, "--out", str(home / "out"))
    assert told.returncode in {0, 3, 4}, told.stderr[-2000:]
    return SimpleNamespace(answer=json.loads(told.stdout), bundle=home / "out")


def of_the_sibling(answer):
    return [
        one
        for one in answer["candidates"]
        if "smaller_sibling" in [step["strategy"] for step in one["steps"]] and one["measured"]
    ]


def test_the_sibling_is_measured_beside_the_originals_recipes(hub, new_home):
    """By the same contract; right answers are counted with its own word numbers."""
    answer = ended(hub, new_home()).answer
    found = of_the_sibling(answer)

    assert answer["verdict"]["overall"] == "PASS"
    assert found
    assert len([one for one in answer["candidates"] if one["measured"]]) > len(found)
    plain = next(one for one in found if one["title"] == "them/small, as it is")["measured"]
    assert plain["quality"]["value"]["value"] > 0.95
    assert plain["size"]["value"] < answer["original"]["size"]["value"]


def test_the_sibling_alone_is_handed_over_with_its_own_tokenizer(hub, new_home):
    """The bundle is whole, and reads texts as the sibling does, not as the original."""
    done = ended(hub, new_home(), "--only", "smaller_sibling")
    chosen = next(one for one in done.answer["candidates"] if one["id"] == done.answer["chosen"])
    words = json.loads((done.bundle / "tokenizer.json").read_text("utf-8"))["model"]["vocab"]

    assert done.answer["verdict"]["overall"] == "PASS"
    assert chosen in of_the_sibling(done.answer)
    assert words == models.vocabulary(backwards=True)
    assert engine.verify(done.bundle).files


def test_labels_in_another_order_are_refused_before_any_work(hub, new_home):
    """One sentence, and nothing is written."""
    home = new_home()
    told = asked(hub, home, "them/turned", "--out", str(home / "out"))

    assert told.returncode == 2
    assert "stand in another order" in json.loads(told.stdout)["message"]
    assert "Traceback" not in told.stderr
    assert not (home / "out").exists()
