"""A visitor walks the wizard in Chromium, on a fake engine."""

import re
import zipfile
from base64 import b64decode

import pytest
from playwright.sync_api import expect

from tests.ui import steps
from tests.ui.fake_engine import PIXEL

pytestmark = [
    pytest.mark.browser,
    # gradio 6.31 with pandas 3 warns in its own queueing.py; its event loops close late.
    pytest.mark.filterwarnings("ignore"),
]
# Longer than the server needs for an answer that could come late.
TYPED_MS = 1200
MODES = {"light": {}, "dark": {"dark": True}, "phone": {"phone": True, "dark": True}}


@pytest.mark.parametrize("mode", MODES)
def test_pressing_next_six_times_ends_with_a_verdict_and_a_bundle(visit, picture, mode, tmp_path):
    """Defaults are safe: nothing but Next leads to a verdict and a whole zip."""
    page = visit(**MODES[mode])
    walk = (steps.model, steps.device, steps.quality, steps.plan, steps.run)
    steps.model(page)
    picture(page, f"{mode}-1-model")
    buttons = ("#next-model", "#next-device", "#next-quality", "#start", "#see")
    marks = ("#group", "#rows li >> nth=0", ".candidates", "#progress table", "h2.verdict")
    for number, (button, mark) in enumerate(zip(buttons, marks, strict=True), 2):
        page.locator(button).click()
        expect(page.locator(mark)).to_be_visible()
        picture(page, f"{mode}-{number}-{walk[min(number, 5) - 1].__name__}")
    expect(page.locator("#verdict .overall")).to_contain_text("PASS")
    with page.expect_download() as taken:
        page.locator("#get-bundle").click()
    taken.value.save_as(tmp_path / "bundle.zip")

    assert "MANIFEST.json" in zipfile.ZipFile(tmp_path / "bundle.zip").namelist()


def test_going_back_keeps_every_answer(visit):
    """Back to step 2 and forward again: the device, the limit and the priority are as they were."""
    page = visit()
    steps.device(page)
    page.get_by_label("Small board").check(force=True)
    expect(page.locator("#device label")).not_to_have_count(1)
    page.locator("#latency input").fill("42")
    page.get_by_text("The smallest").click()
    page.locator("#next-device").click()
    expect(page.locator("#tolerance")).to_be_visible()
    page.locator("#back-quality").click()

    expect(page.locator("#latency input")).to_have_value("42")
    expect(page.get_by_label("Small board")).to_be_checked()
    expect(page.locator("#rail")).to_contain_text("42")


def test_a_new_visitor_meets_no_answers(visit):
    """The list at the side says Not set until a step was confirmed."""
    page = visit()
    steps.model(page)

    expect(page.locator("#rail")).to_contain_text("Voice commands")
    expect(page.locator("#rail dd").nth(1)).to_have_text("Not set")


@pytest.mark.parametrize(
    ("typed", "words"),
    [("nobody/nothing", "no model"), ("somebody/generator", "writes texts")],
)
def test_a_model_we_cannot_do_is_refused_where_it_was_named(visit, typed, words):
    """One sentence above the button; the visitor stays, and what was typed stays."""
    page = visit()
    steps.model(page)
    page.locator("#own-model input, #own-model textarea").fill(typed)
    page.locator("#next-model").click()

    steps.says(page, "model", words)
    expect(page.locator("#own-model input, #own-model textarea")).to_have_value(typed)


def within(page, value):
    """Types a limit of time once the sample's own, which comes with the step, stands there."""
    expect(page.locator("#latency input").first).to_have_value("5")
    page.locator("#latency input").first.fill(value)


@pytest.mark.parametrize("value", ["", "0", "-5", "99999999999"])
def test_an_absurd_limit_is_refused_where_it_was_written(visit, value):
    """Empty, zero, negative and absurd: a sentence, and the number stays to be mended."""
    page = visit()
    steps.device(page)
    within(page, value)
    page.locator("#next-device").click()

    steps.says(page, "device", "cannot be")
    page.locator("#latency input").fill("5")
    page.locator("#next-device").click()
    expect(page.locator("#tolerance")).to_be_visible()


def test_a_card_and_its_number_agree_and_nothing_typed_is_lost(visit):
    """A card writes its number, a number chooses its card; typed at once, it stays."""
    page = visit()
    steps.device(page)
    uses, latency = page.locator("#use input"), page.locator("#latency input").first
    expect(latency).to_have_value("5")  # the sample's own, at arrival
    uses.first.check(force=True)
    shown = "33"
    expect(latency).to_have_value(shown)
    uses.last.check(force=True)
    expect(latency).to_have_value(shown)
    latency.fill("7")
    page.wait_for_timeout(TYPED_MS)
    expect(latency).to_have_value("7")
    latency.fill(shown)
    expect(uses.first).to_be_checked()
    page.locator("#next-device").click()
    expect(page.locator("#rows li").first).to_be_visible()
    levels, points = page.locator("#tolerance input"), page.locator("#points input").first
    levels.last.check(force=True)
    points.fill("0.1")
    page.wait_for_timeout(TYPED_MS)
    expect(points).to_have_value("0.1")
    points.fill("3")
    expect(page.get_by_label("Loose")).to_be_checked()
    expect(page.locator("#stage")).to_contain_text("right may become")


def test_too_few_pasted_examples_are_refused(visit):
    """Two lines judge nothing."""
    page = visit()
    steps.quality(page)
    page.get_by_text("Some I paste").click()
    page.locator("#pasted textarea").fill("one\ntwo")
    page.locator("#next-quality").click()

    steps.says(page, "quality", "only 2")


def test_a_counter_offer_is_accepted_with_one_click(visit):
    """Out of reach: the offer relaxes the clause, and the limit in step 2 changes with it."""
    page = visit()
    steps.device(page)
    within(page, "0.3")
    page.locator("#next-device").click()
    expect(page.locator("#rows li").first).to_be_visible()
    page.locator("#next-quality").click()
    expect(page.locator(".candidate.first")).to_contain_text("Tried first")
    page.locator("#offer-0").click()

    expect(page.locator("#contract")).to_contain_text("2.2 ms")
    expect(page.locator("#offer-0")).to_be_hidden()
    expect(page.locator(".candidate.first")).to_contain_text("Recommended")


def test_a_measured_offer_is_accepted_without_measuring_again(visit, picture):
    """A missed limit: one click judges the same measurements by an easier one; both are shown."""
    page = visit()
    steps.device(page)
    within(page, "0.3")
    page.locator("#next-device").click()
    expect(page.locator("#rows li").first).to_be_visible()
    page.locator("#next-quality").click()
    page.locator("#start").click()
    steps.see(page)
    expect(page.locator("#verdict .overall")).to_contain_text("MISS")
    picture(page, "result-missed")
    page.locator("#measured-offer-0").click()

    expect(page.locator("#verdict .overall")).to_contain_text("PASS")
    expect(page.locator("#verdict")).to_contain_text("You first asked:")
    expect(page.locator("#measured-offer-0")).to_be_hidden()
    expect(page.locator("#rail")).not_to_contain_text("0.3 ms")


def test_a_reload_before_anything_is_measured_keeps_every_answer(visit, engine, monkeypatch):
    """Running or cancelled: back from the run, limits and plan are those that were typed."""
    monkeypatch.setattr(engine, "seconds", 60)
    page = visit()
    steps.device(page)
    within(page, "7")
    steps.limits(page)
    page.locator("#size input").first.fill("2.5")
    page.locator("#next-device").click()
    expect(page.locator("#rows li").first).to_be_visible()
    page.locator("#next-quality").click()
    page.locator("#start").click()
    page.wait_for_url(re.compile("#run=[0-9a-f]{24}"))
    page.reload()

    expect(page.locator("#progress .bar")).to_be_visible()
    expect(page.locator("#rail")).to_contain_text("7 ms")
    expect(page.locator("#rail")).to_contain_text(re.compile(r"2.5\sMB of file"))
    page.locator("#cancel").click()
    expect(page.locator("#back-run")).to_be_visible()
    page.reload()
    page.locator("#back-run").click()
    expect(page.locator("#contract")).to_contain_text("7 ms")
    page.locator("#back-plan").click()
    page.locator("#back-quality").click()
    expect(page.locator("#latency input")).to_have_value("7")


def test_cancel_stops_the_run_and_says_so(visit):
    """Within seconds; the page offers the way back."""
    page = visit()
    steps.run(page)
    page.locator("#cancel").click()

    expect(page.locator("#progress")).to_contain_text("You cancelled")
    expect(page.locator("#cancel")).to_be_hidden()


def test_a_reload_in_mid_run_finds_the_run_again(visit):
    """The address carries the run; progress goes on to its result."""
    page = visit()
    steps.run(page)
    page.wait_for_url(re.compile("#run=[0-9a-f]{24}"))
    page.reload()

    expect(page.locator("#progress .bar")).to_be_visible()
    steps.see(page)


def test_a_link_to_an_ended_run_opens_its_result(visit):
    """In another browser, with nothing but the link."""
    page = visit()
    steps.result(page)
    other = visit(at="#" + page.url.split("#")[1])

    expect(other.locator("h2.verdict")).to_be_visible()


def test_an_unknown_run_is_said_to_be_unknown(visit):
    """Never a silent first step."""
    page = visit(at="#run=" + "0" * 24)

    steps.says(page, "model", "0000")


def test_an_interrupted_run_says_so(visit, engine):
    """A run whose process died is shown as such, with what it had found."""
    page = visit()
    steps.run(page)
    page.wait_for_url(re.compile("#run=[0-9a-f]{24}"))
    engine.kill(page.url.split("=")[1])

    expect(page.locator("#progress")).to_contain_text("cut off")


def test_a_second_visitor_waits_and_sees_nothing_of_the_first(visit):
    """Two at once: the second waits, gets an own run, and no trace of the other's."""
    first, second = visit(), visit()
    steps.run(first)
    steps.run(second)

    first.wait_for_url(re.compile("#run="))
    second.wait_for_url(re.compile("#run="))
    mine = first.url.split("=")[1]
    assert mine not in second.content()
    assert mine != second.url.split("=")[1]


def test_the_hosted_app_opens_no_folder(visit, hosted_url):
    """Existing or not, a folder is refused with the same words."""
    page = visit(address=hosted_url)
    steps.model(page)
    page.locator("#own-model input, #own-model textarea").fill("/etc")
    page.locator("#look").click()

    steps.says(page, "model", "hosted")


def test_the_arrow_keys_choose_within_a_group(visit):
    """Each group of cards is one tab stop, as radio buttons should be."""
    page = visit()
    steps.device(page)
    expect(page.locator("#s-device-panel h2, .st-h h2:visible").first).to_be_focused()
    page.locator("#priority input").first.focus()
    page.keyboard.press("ArrowDown")

    expect(page.locator("#priority input").nth(1)).to_be_checked()


def test_focus_moves_to_the_new_heading(visit):
    """Who cannot see the change of step hears it."""
    page = visit()
    steps.device(page)

    expect(page.locator("#s-device-panel h2, .st-h h2:visible").first).to_be_focused()


def test_the_result_says_who_pays_and_shows_every_changed_answer(visit):
    """The sentence, the chart with its table, and the changed answers, sorted and filtered."""
    page = visit()
    steps.result(page)
    paying = page.locator("#payers")

    expect(paying).to_contain_text("No part of the data lost more than the rest")
    expect(paying.locator("svg[role=img]")).to_be_visible()
    expect(paying.locator("table tbody tr")).to_have_count(6)
    flips = page.locator("#flips")
    expect(flips).to_contain_text("please do thing number")
    first = flips.locator("[role=gridcell][data-col='0']").first
    expect(first).to_contain_text("right to wrong")
    flips.locator("th[title=Change]").last.hover()
    flips.locator("th[title=Change] .cell-menu-button").last.click()
    page.get_by_role("menuitem").filter(has_text="Sort descending").click()
    expect(first).to_contain_text("wrong to right")
    flips.get_by_placeholder("Filter").fill("number 388")
    expect(flips.locator("[role=gridcell][data-col='1']")).to_have_text(
        ["please do thing number 388"]
    )


def test_a_button_that_was_pressed_shows_it_until_the_answer_is_there(visit):
    """On a busy machine that takes seconds; without a sign the press seems to be lost."""
    page = visit()
    steps.device(page)
    expect(page.locator(".nav [aria-busy=true]")).to_have_count(0)
    pressed = "one => { one.click(); return one.getAttribute('aria-busy'); }"

    assert page.locator("#next-device").evaluate(pressed) == "true"
    expect(page.locator("#rows li").first).to_be_visible()
    expect(page.locator(".nav [aria-busy=true]")).to_have_count(0)


def test_both_models_are_tried_on_pictures_of_ours_and_of_ones_own(visit, picture):
    """Example after example, each with its label; a file as soon as it is there."""
    page = visit()
    steps.model(page)
    page.locator("#sample input[value='digits']").check(force=True)
    steps.result(page)
    expect(page.locator("#try-text")).to_be_hidden()
    page.locator("#try-example").click()
    tried = page.locator("#both-pictures")
    expect(tried.locator("figcaption")).to_have_text("Example 1 of 700, labelled \u201cseven\u201d")
    expect(tried.locator(".duo .pb").first).to_be_visible()
    page.locator("#try-example").click()
    expect(tried.locator("figcaption")).to_contain_text("Example 2")
    mine = {"name": "mine.png", "mimeType": "image/png", "buffer": b64decode(PIXEL)}
    page.locator("#try-file input[type=file]").set_input_files(mine)

    expect(tried.locator("figcaption")).to_have_text("mine.png")
    picture(page, "result-pictures")


def test_the_result_lists_the_visitors_other_runs_and_nobody_elses(visit):
    """A second run links to the first; another visitor's result links to neither."""
    page = visit()
    steps.result(page)
    first = page.url.split("=")[1]
    page.locator("#again").click()
    steps.result(page)
    page.locator("#history summary").click()
    expect(page.locator("#history tbody tr")).to_have_count(1)
    page.locator("#history tbody a").click()
    page.wait_for_url(re.compile(first))

    expect(page.locator("h2.verdict")).to_be_visible()
    other = visit(at=f"#run={first}")
    expect(other.locator("#how summary").first).to_be_visible()
    assert other.locator("#history").count() == 0
