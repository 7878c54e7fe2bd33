"""The walk with the real engine: Next six times, a measured verdict, a bundle that verifies."""

import zipfile
from pathlib import Path

import pytest
from playwright.sync_api import expect, sync_playwright

from tests.ui import steps
from tests.ui.browser import ARGUMENTS, find

pytestmark = [
    pytest.mark.browser,
    pytest.mark.slow,
    pytest.mark.filterwarnings("ignore"),  # gradio's queue with pandas 3
]
ARTIFACTS = Path(__file__).resolve().parents[1] / "artifacts"
RUN_MS = 240_000


@pytest.fixture
def page():
    from wizard import engine
    from wizard.ui import app

    blocks = app.build(engine)
    options = app.launch_options(engine)
    _, url, _ = blocks.launch(prevent_thread_lock=True, server_name="127.0.0.1", **options)
    path = find()
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(ARGUMENTS))
        context = browser.new_context(viewport={"width": 1280, "height": 860})
        context.set_default_timeout(60_000)
        expect.set_options(timeout=60_000)
        opened = context.new_page()
        opened.goto(url)
        yield opened
        browser.close()
    blocks.close()


def test_a_visitor_presses_next_and_holds_a_bundle_that_verifies(page, tmp_path):
    """Nothing but Next on the first sample: a verdict on latency and quality, a whole bundle."""
    from wizard import engine

    steps.run(page)
    expect(page.locator("#see")).to_be_visible(timeout=RUN_MS)
    steps.see(page)
    expect(page.locator("#verdict .clause")).to_have_count(2)
    page.locator("#try-button").click()
    expect(page.locator("#both .duo .pb").first).to_be_visible()
    ARTIFACTS.mkdir(exist_ok=True)
    page.screenshot(path=ARTIFACTS / "real-6-result.png", full_page=True)
    with page.expect_download() as taken:
        page.locator("#get-bundle").click()
    taken.value.save_as(tmp_path / "bundle.zip")
    with zipfile.ZipFile(tmp_path / "bundle.zip") as archive:
        archive.extractall(tmp_path / "bundle")
    manifest = next((tmp_path / "bundle").rglob("MANIFEST.json"))

    assert engine.verify(manifest.parent).files
