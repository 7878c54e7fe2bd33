"""The dry run in the Plan step, in Chromium, on a fake engine."""

import pytest
from playwright.sync_api import expect

from tests.ui import steps

pytestmark = [pytest.mark.browser, pytest.mark.filterwarnings("ignore")]


@pytest.mark.parametrize("mode", ["light", "phone"])
def test_a_dry_run_fills_a_table_and_the_plan_can_still_be_run(visit, picture, mode):
    """One click; progress; measured size and speed; quality not measured; then the real run."""
    page = visit(phone=mode == "phone", dark=mode == "phone")
    steps.plan(page)
    page.locator("#dry-run").click()
    expect(page.locator("#dry-run-found .bar")).to_be_visible()
    expect(page.locator("#dry-run-found table")).to_be_visible()
    expect(page.locator("#dry-run-found")).to_contain_text("not measured")
    expect(page.locator("#dry-run-found")).to_contain_text("latency PASS")
    picture(page, f"{mode}-dry-run")
    page.locator("#start").click()

    expect(page.locator("#progress .bar")).to_be_visible()


def test_a_changed_plan_forgets_what_was_tried(visit):
    """Figures of another contract must not stand beside this one."""
    page = visit()
    steps.plan(page)
    page.locator("#dry-run").click()
    expect(page.locator("#dry-run-found table")).to_be_visible()
    page.locator("#back-plan").click()
    page.locator("#next-quality").click()

    expect(page.locator("#dry-run-found table")).to_have_count(0)
    expect(page.locator("#dry-run")).to_be_visible()
