"""In whose name the Hub is asked, and that no other process learns the token."""

import json

import pytest

from tests.hub_server import a_hub
from tests.test_intake import BERT, a_weight_file
from wizard import jobs, limits
from wizard.jobs import caller
from wizard.jobs.control import child_environment

pytestmark = pytest.mark.slow  # each asks a fresh process that loads the real client

TOKEN = "hf_" + "e" * 34


def test_the_machines_own_token_is_used_on_ones_own_machine(monkeypatch):
    """HF_TOKEN, or the login that the client finds by itself."""
    assert caller.token() is None
    monkeypatch.setenv("HF_TOKEN", TOKEN)

    assert caller.token() == TOKEN


def test_strangers_are_not_lent_the_machines_token(monkeypatch):
    """In a hosted app only a visitor's own token opens anything."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv(limits.HOSTED, "1")

    assert caller.token() == caller.NOBODY
    with caller.on_behalf_of("hf_visitor"):
        assert caller.token() == "hf_visitor"
        assert caller.is_visitor()
    assert caller.token() == caller.NOBODY


def test_no_child_inherits_a_token(monkeypatch):
    """Neither the machine's own nor the secret of the app's login."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("OAUTH_CLIENT_SECRET", "secret")

    assert not {"HF_TOKEN", "OAUTH_CLIENT_SECRET"} & set(child_environment())


def test_a_child_is_told_the_token_and_opens_what_is_closed(monkeypatch):
    """It travels on standard input; the Hub hears it, and the card of a private model is made."""
    monkeypatch.setenv("HF_TOKEN", TOKEN)
    monkeypatch.setenv("HF_HUB_DISABLE_XET", "1")
    with a_hub() as hub:
        hub.repositories["me/mine"] = {
            "config.json": json.dumps(BERT).encode(),
            "model.safetensors": a_weight_file(),
        }
        hub.faults["me/mine"], hub.token = "private", TOKEN
        monkeypatch.setenv("HF_ENDPOINT", hub.url)
        ref = {"source": "hub", "name": "me/mine", "revision": None}
        card = jobs.ask("examine", {"ref": ref, "workload": None, "cache": None})

    assert card["ref"]["revision"]
    assert dict(card["downloads"])["model.safetensors"] == len(a_weight_file())
    assert TOKEN not in json.dumps(card)
