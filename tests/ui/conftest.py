"""One browser for the session, one context per test, the real app on loopback."""

from pathlib import Path

import pytest

from tests.ui.browser import ARGUMENTS, find
from tests.ui.fake_engine import FakeEngine

ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
WAIT_MS = 20_000


@pytest.fixture(scope="session")
def browser():
    from playwright.sync_api import expect, sync_playwright

    expect.set_options(timeout=WAIT_MS)
    path = find()
    with sync_playwright() as playwright:
        found = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        yield found
        found.close()


def _served(engine, *, hosted=False):
    from wizard.ui import app

    blocks = app.build(engine, hosted=hosted)
    options = app.launch_options(engine)
    _, url, _ = blocks.launch(prevent_thread_lock=True, server_name="127.0.0.1", **options)
    return blocks, url


@pytest.fixture(scope="module")
def engine(tmp_path_factory):
    return FakeEngine(tmp_path_factory.mktemp("fake"), seconds=3)


@pytest.fixture(scope="module")
def url(engine):
    blocks, address = _served(engine)
    yield address
    blocks.close()


@pytest.fixture(scope="module")
def hosted_url(engine):
    blocks, address = _served(engine, hosted=True)
    yield address
    blocks.close()


@pytest.fixture
def visit(browser, url):
    """Open the app as a new visitor; `visit(phone=True, dark=True, at="#run=...")`."""
    contexts = []

    def opened(*, phone=False, dark=False, at="", address=None):
        size = {"width": 390, "height": 844} if phone else {"width": 1280, "height": 860}
        scheme = "dark" if dark else "light"
        context = browser.new_context(viewport=size, color_scheme=scheme, accept_downloads=True)
        contexts.append(context)
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.goto((address or url) + at)
        return page

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def picture():
    """Keep a screenshot under tests/artifacts/ (not in git)."""
    ARTIFACTS.mkdir(exist_ok=True)

    def take(page, name):
        page.screenshot(path=ARTIFACTS / f"{name}.png", full_page=True)

    return take
