"""Takes the README's pictures from the real page: `python assets/pictures/take.py` (a minute).

A walk through the six steps with the first sample and a contract that is a little too strict for
its examples; then the first counter-offer is accepted, and the result is judged anew.
Covers: verdict.png (the clauses), result.png (the upper part of the page).
Does not cover: checking what the page says (tests/slow/test_walk_real.py).
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from playwright.sync_api import Page

HERE = Path(__file__).resolve().parent
sys.path.insert(0, str(HERE.parents[1]))

RUN_MS, WAIT_MS = 400_000, 60_000
# Milliseconds, megabytes, minutes, points: no 2,400 rows can tell so small a loss from none.
LATENCY, SIZE, MINUTES, POINTS = "8", "5", "1.5", "0.1"
ABOVE_MS = 500


def walk(page: Page) -> None:
    """From the first step to the verdict."""
    from playwright.sync_api import expect

    from tests.ui import steps

    steps.device(page)
    page.locator("#limits button").first.click()
    for name, value in (("latency", LATENCY), ("size", SIZE), ("minutes", MINUTES)):
        field = page.locator(f"#{name} input").first
        field.fill(value)
        field.blur()
    page.locator("#next-device").click()
    expect(page.locator("#rows li").first).to_be_visible()
    page.locator("#tolerance input").last.check(force=True)
    page.wait_for_timeout(ABOVE_MS)  # the choice fills in a number first
    page.locator("#points input").first.fill(POINTS)
    page.locator("#points input").first.blur()
    page.locator("#next-quality").click()
    expect(page.locator(".candidates")).to_be_visible()
    page.locator("#start").click()
    expect(page.locator("#see")).to_be_visible(timeout=RUN_MS)
    steps.see(page)


def accept(page: Page) -> str:
    """One click on the first offer; its words."""
    offer = page.locator("[id^=measured-offer-]:visible").first
    said = offer.inner_text()
    before = page.locator("h2.verdict").inner_text()
    offer.click()
    page.wait_for_function(
        "was => document.querySelector('h2.verdict').innerText !== was", arg=before
    )
    return said


def main() -> None:
    """Serve the app with the real engine, walk, photograph."""
    from playwright.sync_api import expect, sync_playwright

    from tests.ui.browser import ARGUMENTS, find
    from wizard import engine
    from wizard.ui import app

    blocks = app.build(engine)
    options = app.launch_options(engine)
    _, url, _ = blocks.launch(prevent_thread_lock=True, server_name="127.0.0.1", **options)
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=find(), args=list(ARGUMENTS))
        expect.set_options(timeout=WAIT_MS)
        page = browser.new_page(viewport={"width": 1280, "height": 860}, color_scheme="light")
        page.set_default_timeout(WAIT_MS)
        page.goto(url)
        walk(page)
        page.wait_for_timeout(ABOVE_MS)
        page.locator("#verdict").screenshot(path=HERE / "verdict.png")
        print(page.locator("#verdict").inner_text())
        print("accepted:", accept(page))
        page.wait_for_timeout(ABOVE_MS)
        print(page.locator("#verdict").inner_text())
        size = {"x": 0, "y": 0, "width": 1280, "height": 1180}
        page.screenshot(path=HERE / "result.png", full_page=True, clip=size)
        browser.close()
    blocks.close()


if __name__ == "__main__":
    main()
