"""The fold with the damage of each layer, opened as a visitor does."""

import pytest
from playwright.sync_api import expect

from tests.ui import steps

pytestmark = [
    pytest.mark.browser,
    # gradio 6.31 with pandas 3 warns in its own queueing.py; its event loops close late.
    pytest.mark.filterwarnings("ignore"),
]
MODES = {"light": {}, "dark": {"dark": True}, "phone": {"phone": True}}


@pytest.mark.parametrize("mode", MODES)
def test_where_the_damage_is_opens_on_request(visit, picture, mode):
    """Closed at first; by keyboard it opens to a sentence, a chart with its numbers, a table."""
    page = visit(**MODES[mode])
    steps.result(page)
    fold = page.locator("#damage")
    expect(fold.locator("svg")).to_be_hidden()

    fold.locator("summary").focus()
    page.keyboard.press("Enter")

    expect(fold.locator("p").first).to_contain_text("Most of the damage is made in bert.encoder")
    expect(fold.locator("svg desc")).to_contain_text("bert.encoder.layer.0.intermediate.dense adds")
    expect(fold.locator("tbody tr")).to_have_count(12)
    picture(page, f"damage-{mode}")
