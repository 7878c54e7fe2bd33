"""The endpoints as a script calls them, over loopback, on a fake engine."""

import time

import pytest

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]
NAMES = {"/examine", "/advise", "/start", "/follow", "/cancel", "/compare", "/pack"}


@pytest.fixture(scope="module")
def client(url):
    from gradio_client import Client

    return Client(url, verbose=False)


def test_exactly_the_seven_functions_are_published(client):
    """Every callback of the page is private."""
    assert set(client.view_api(return_format="dict")["named_endpoints"]) == NAMES


def test_a_script_goes_from_a_name_to_a_packed_bundle(client):
    """Plain JSON in, plain JSON out."""
    plan = client.predict("sample:intents", {"latency_ms": 5}, api_name="/advise")
    job = client.predict("sample:intents", {"latency_ms": 5}, api_name="/start")
    deadline = time.monotonic() + 20
    while client.predict(job, api_name="/follow")[-1:] == [] or (
        client.predict(job, api_name="/follow")[-1]["event"] != "finished"
    ):
        assert time.monotonic() < deadline

    assert plan["candidates"]
    assert client.predict(job, api_name="/compare")["comparison"]["overall"] == "PASS"
    assert any(f["file"] == "MANIFEST.json" for f in client.predict(job, api_name="/pack")["files"])


def test_a_refusal_is_one_sentence_with_its_code(client):
    """No traceback crosses the line."""
    with pytest.raises(Exception, match=r"\[repo-not-found\]"):
        client.predict("nobody/nothing", api_name="/examine")
