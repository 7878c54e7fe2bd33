"""Step 6, Result: the verdict first, then the proof, then what to take home.

Covers: which part shows when, try-both, downloads, starting over.
Does not cover: the HTML of the parts (result_parts.py), the bundle itself (wizard.bundle).
"""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from functools import lru_cache
from itertools import zip_longest
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from wizard import tasks
from wizard.errors import BadNeeds, JobNotFound
from wizard.nouns import ModelProfile, Outcome
from wizard.ui import (
    result_history,
    result_layers,
    result_parts,
    step_device,
    step_plan,
    step_quality,
    step_run,
    try_picture,
    words,
)
from wizard.ui.desk import Desk, Updates, Values
from wizard.ui.session import Session

if TYPE_CHECKING:
    from wizard.ui.page import Page

TYPED = 4000  # characters


class View(NamedTuple):
    """The widgets of this step."""

    verdict: Any
    offers_title: Any
    offers: list[Any]
    proof: Any
    payers: Any
    changed: Any
    flips_head: Any
    flips: Any
    tried: Any
    trying: Any
    hint: Any
    texts: tuple[Any, Any]
    compare: Any
    both: Any
    pictures: try_picture.View
    alert: Any
    bundle: Any
    report: Any
    recipe: Any
    how: Any
    again: Any


def draw(desk: Desk) -> View:
    """Verdict, proof, playground, downloads, how it was measured."""
    verdict = gr.HTML("", elem_id="verdict", apply_default_css=False)
    offers_title = gr.HTML("", elem_id="measured-offers", apply_default_css=False)
    with gr.Row(elem_classes="offers"):
        offers = step_plan.offer_buttons("measured-offer")
    proof = gr.HTML("", elem_id="proof", apply_default_css=False)
    payers = gr.HTML("", elem_id="payers", apply_default_css=False)
    with gr.Column(visible=False, elem_id="changed") as changed:
        flips_head = gr.HTML("", apply_default_css=False)
        flips = _flips_table()
    tried = gr.HTML("", elem_id="tried", apply_default_css=False)
    with gr.Column(visible=False, elem_id="try") as trying:
        hint = gr.HTML("", apply_default_css=False)
        texts = (
            gr.Textbox(label="", max_length=TYPED, elem_id="try-text", interactive=True),
            gr.Textbox(
                label="", max_length=TYPED, elem_id="try-more", interactive=True, visible=False
            ),
        )
        with gr.Row(elem_classes="nav"):
            compare = gr.Button(words.TRY_BUTTON, elem_id="try-button", elem_classes="waits")
        both = gr.HTML("", elem_id="both", apply_default_css=False)
    pictures = try_picture.draw()
    alert = gr.HTML("", elem_id="alert-result", apply_default_css=False)
    gr.HTML(_section(words.TAKE, words.TAKE_HINT), apply_default_css=False)
    with gr.Row(elem_classes="downloads"):
        bundle = _download(words.BUNDLE, "get-bundle", variant="primary")
        report = _download(words.REPORT, "get-report")
        recipe = _download(words.RECIPE, "get-recipe")
    how = gr.HTML("", elem_id="how", apply_default_css=False)
    with gr.Row(elem_classes="nav"):
        again = gr.Button(words.ANOTHER, elem_id="again")
    paying = (payers, changed, flips_head, flips, tried)
    taking = (alert, bundle, report, recipe, how, again)
    playing = (trying, hint, texts, compare, both, pictures)
    return View(verdict, offers_title, offers, proof, *paying, *playing, *taking)


def _download(word: str, name: str, **options: str) -> Any:
    """A button that appears with its file; until then its script is not fetched either."""
    return gr.DownloadButton(word, elem_id=name, visible=False, **options)


def _flips_table() -> Any:
    """Sorted by its headings, kept by its filter; nobody edits it."""
    return gr.Dataframe(
        headers=list(result_parts.FLIP_HEADINGS),
        datatype=["str"] * 5 + ["number"] * 2,
        type="array",
        label=words.CHANGED,
        show_label=False,
        interactive=False,
        show_search="filter",
        wrap=True,
        max_height=420,
        visible=False,  # until there are rows; its script is the biggest of the page
        column_widths=["140px", "388px", "160px", "160px", "160px", "100px", "100px"],
        elem_id="flips",
    )


def _section(title: str, hint: str) -> str:
    return f"<h3 class='sec'>{title}</h3><p class='mut'>{hint}</p>"


def shown(page: Page) -> list[Any]:
    """What `show` changes."""
    view = page.result
    parts = [
        view.verdict,
        view.offers_title,
        *view.offers,
        view.proof,
        view.payers,
        view.changed,
        view.flips_head,
        view.flips,
    ]
    parts += [view.tried, view.trying, view.hint, *view.texts, view.both]
    parts += view.pictures.shown()
    return [*parts, view.bundle, view.report, view.recipe, view.how, page.session, page.token]


def show(page: Page, desk: Desk, session: Session) -> Updates:
    """The result of the session's job, with its files ready to take."""
    job, view = session.job or "", page.result
    outcome = desk.engine.compare(job)
    if outcome is None or result_parts.best_of(outcome) is None:
        raise JobNotFound(job=job)
    plan = outcome.plan
    session = replace(session, profile=plan.profile, needs=plan.needs, answered=4, finished=True)
    bundle, report, recipe = _taken(desk, job, plan.sentence)
    return {
        page.session: session,
        page.token: step_run.token_of(session),
        view.verdict: result_parts.verdict(outcome) + result_parts.tiles(outcome),
        view.offers_title: step_plan.offers_title(words.MEASURED_OFFERS, outcome.counter_offers),
        **step_plan.offered(view.offers, outcome.counter_offers),
        view.proof: result_parts.figures(outcome),
        **_paying(view, outcome),
        view.tried: result_layers.damage(outcome) + result_parts.tried(outcome),
        **_playground(view, outcome),
        **try_picture.show(view.pictures, plan.profile),
        view.bundle: gr.DownloadButton(value=bundle, visible=True),
        view.report: gr.DownloadButton(value=report, visible=True),
        view.recipe: gr.DownloadButton(value=recipe, visible=True),
        view.how: result_parts.measured_how(outcome)
        + result_history.history(desk.engine.history(session.owner), job),
    }


def _paying(view: View, outcome: Outcome) -> Updates:
    rows = result_parts.flips(outcome)
    return {
        view.payers: result_parts.who_pays(outcome),
        view.changed: gr.Column(visible=bool(rows)),
        view.flips_head: result_parts.flips_words(outcome),
        view.flips: gr.Dataframe(value=rows, visible=bool(rows)),
    }


def _typed(profile: ModelProfile, boxes: Sequence[str | None]) -> list[str]:
    """What stands in the boxes that the task asks for. Raises BadNeeds for an empty one."""
    fields = tasks.asks(profile.task, profile.labels)
    texts = [(box or "").strip() for box in boxes[: len(fields)]]
    for field, text in zip(fields, texts, strict=True):
        if not text and not field.optional:
            raise BadNeeds(name=field.label, value="empty", because=words.TRY_EMPTY)
    return texts


def _playground(view: View, outcome: Outcome) -> Updates:
    """One box for each field that the task asks for; pictures and sounds have a place of theirs."""
    profile = outcome.plan.profile
    card = tasks.card_of(profile.task)
    asks = tasks.asks(profile.task, profile.labels) if card.reads is tasks.Reads.TEXTS else ()
    hint = _section(words.TRY, card.ask_hint)
    found = {view.trying: gr.Column(visible=bool(asks)), view.hint: hint, view.both: ""}
    for box, field in zip_longest(view.texts, asks):
        found[box] = (
            gr.Textbox(value=field.example, label=field.label, visible=True)
            if field
            else gr.Textbox(visible=False)
        )
    return found


@lru_cache(maxsize=1)
def _shelf() -> tempfile.TemporaryDirectory[str]:
    """Copies for download; gone with this process."""
    return tempfile.TemporaryDirectory(prefix="compression-wizard-")


def _taken(desk: Desk, job: str, contract: str) -> tuple[str, str, str]:
    """The bundle's zip, its report and its recipe where Gradio may read them; each contract's."""
    place = Path(_shelf().name) / job / hashlib.sha256(contract.encode()).hexdigest()[:12]
    files = tuple(place / name for name in ("bundle.zip", "report.html", "recipe.json"))
    if not all(file.is_file() for file in files):
        packed = desk.engine.pack(job)
        place.mkdir(parents=True, exist_ok=True)
        sources = (packed.zip, packed.folder / "report.html", packed.folder / "recipe.json")
        for source, file in zip(sources, files, strict=True):
            shutil.copyfile(source or packed.folder, file)
    return str(files[0]), str(files[1]), str(files[2])


def wire(page: Page, desk: Desk) -> None:
    """See the result of a run; try both models; start over."""
    view = page.result

    def see(values: Values) -> Updates:
        return {**show(page, desk, values[page.session]), page.steps: gr.Walkthrough(selected=5)}

    def compare(values: Values) -> Updates:
        session = values[page.session]
        typed = _typed(session.profile, [values[box] for box in view.texts])
        return {view.both: result_parts.both(desk.engine.try_both(session.job, typed))}

    def accept(number: int) -> Any:
        def take(values: Values) -> Updates:
            session = values[page.session]
            outcome = desk.engine.compare(session.job)
            if outcome is None or number >= len(outcome.counter_offers):
                return {}
            needs = desk.engine.relaxed(outcome.plan.needs, outcome.counter_offers[number])
            outcome = desk.engine.accept(session.job, needs)
            session = replace(session, needs=replace(outcome.plan.needs, only=None))
            earlier = {
                **step_device.show(page.device, desk, session),
                **step_quality.restored(page.quality, desk, session),
                **step_plan.show(page.plan, desk, session),
            }
            return {**earlier, **show(page, desk, session)}

        return take

    answers = [*page.device.answers(), *page.plan.shown()]
    answers += [page.quality.tolerance, page.quality.points, page.quality.meaning]
    for number, button in enumerate(view.offers):
        outputs = list(dict.fromkeys([*answers, *shown(page)]))
        desk.on(button.click, accept(number), [page.session], outputs, view.alert)
    event = desk.forward(
        page.run.see, see, [page.session], [*shown(page), page.steps], page.run.alert
    )
    event.then(None, [page.token], None, js="(token) => compressionWizard.remember(token)")
    inputs = [page.session, *view.texts]
    quiet = {"concurrency_id": "answers", "concurrency_limit": 2}
    desk.forward(view.compare, compare, inputs, [view.both], view.alert, **quiet)
    desk.on(view.texts[0].submit, compare, inputs, [view.both], view.alert, **quiet)
    try_picture.wire(page, desk)
    view.again.click(None, None, None, js="() => compressionWizard.forget()")
