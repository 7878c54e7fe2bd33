"""A visitor looks for a model on the Hub, and signs in for a closed one."""

import gradio as gr
import pytest
from playwright.sync_api import expect

from tests.ui import steps
from wizard.errors import HubUnreachable, RepoGated
from wizard.jobs import caller
from wizard.ui import step_model, words
from wizard.ui.desk import Desk


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("mode", [{}, {"phone": True, "dark": True}], ids=["wide", "phone"])
def test_typing_finds_models_and_choosing_one_shows_its_card(visit, picture, mode):
    """Each with what it does and how often it is used; one press and its card is there."""
    page = visit(**mode)
    steps.model(page)
    page.locator("#own-model textarea, #own-model input").first.press_sequentially("intents")
    expect(page.locator("#hub-found label")).to_have_count(3)
    picture(page, f"hub-{'phone' if mode else 'wide'}")
    expect(page.locator("#hub-found")).to_contain_text("1.25 million downloads")
    page.locator("#hub-found label").first.click()

    expect(page.locator("#model-card h3")).to_have_text("them/tiny-intents")
    expect(page.locator("#hub-found")).not_to_be_visible()


def test_a_path_or_an_address_is_not_searched_for(engine):
    """Only names are; the sample prefix and folders are known by themselves."""
    desk = Desk(engine=engine, hosted=False)

    assert step_model.found(desk, "intents")
    for typed in ("./intents", "/intents", "~/intents", "sample:intents", "C:\\intents", "i"):
        assert step_model.found(desk, typed) == []


def test_a_hub_that_does_not_answer_says_nothing_while_typing(engine, monkeypatch):
    """It is told when the model is looked at."""

    def unreachable(words):
        raise HubUnreachable(model=words, because="no network")

    monkeypatch.setattr(engine, "search", unreachable)

    assert step_model.found(Desk(engine=engine, hosted=False), "intents") == []


def test_a_visitor_who_signed_in_is_asked_for_in_their_name(engine):
    """Only while their request lasts."""
    desk = Desk(engine=engine, hosted=True, sign_in=True)
    seen = []

    def handler(values):
        seen.append(caller.token())
        return {}

    guarded = desk.guarded(handler, "alert")
    theirs = "hf_theirs"
    guarded({}, gr.OAuthToken(token=theirs, scope="read-repos", expires_at=1))
    guarded({}, None)

    assert seen == [theirs, None]
    assert caller.token() is None


def test_a_gated_model_says_to_sign_in_where_one_can(engine):
    """And names the terminal's command where one cannot."""
    error = RepoGated(model="them/closed")

    assert Desk(engine=engine, hosted=True, sign_in=True).explained(error).next == (
        words.SIGN_IN_NEXT
    )
    assert "hf auth login" in Desk(engine=engine, hosted=False).explained(error).next


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore")
def test_a_model_comes_as_files(visit, tmp_path):
    """Its card replaces the sample's; what is no model is told and changes nothing."""
    page = visit()
    steps.model(page)
    for name in ("mine.onnx", "tokenizer.json", "notes.txt"):
        (tmp_path / name).write_bytes(b"x")
    chosen = page.locator("#upload input[type=file]")
    chosen.set_input_files([tmp_path / "mine.onnx", tmp_path / "tokenizer.json"])

    expect(page.locator("#model-card h3")).to_contain_text("mine")
    expect(page.locator("#rail")).to_contain_text("mine")


@pytest.mark.browser
@pytest.mark.filterwarnings("ignore")
def test_a_data_set_of_the_hub_is_named_in_three_boxes(visit, engine, monkeypatch):
    """Its id, a configuration and a split where one is wanted; its columns where they must be."""
    seen = []
    known = engine.preview_data

    def look(profile, path):
        seen.append(path)
        return known(profile, "sample")

    monkeypatch.setattr(engine, "preview_data", look)
    page = visit()
    steps.quality(page)
    page.get_by_text("From the Hub").click()
    page.locator("#check").click()
    steps.says(page, "quality", words.NO_SET)
    page.locator("#data-set textarea, #data-set input").first.fill("me/commands")
    page.locator("#data-split textarea, #data-split input").first.fill("test")
    page.locator("#check").click()
    expect(page.locator("#rows li").first).to_be_visible()

    assert seen[-1] == "hub:me/commands::test"
    page.locator("#data-columns textarea, #data-columns input").first.fill("text=said, label=meant")
    asked = len(seen)
    page.locator("#check").click()
    while len(seen) == asked:  # the rows of the first look stand there meanwhile
        page.wait_for_timeout(20)
    assert seen[-1] == "hub:me/commands::test#columns=text=said, label=meant"
