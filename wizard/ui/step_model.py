"""Step 1, Model: pick a bundled one or name your own, and see what it is.

Covers: the choice, the card from the description alone, what the job will cost.
Does not cover: weights; none are read here.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from wizard import tasks
from wizard.errors import BadInput, BadNeeds
from wizard.nouns import (
    Budget,
    HubModel,
    ModelProfile,
    Needs,
    Plan,
    Source,
    SupportLevel,
    Task,
    Tolerance,
)
from wizard.ui import pieces, step_device, words
from wizard.ui.desk import Desk, Updates, Values
from wizard.ui.session import Session

if TYPE_CHECKING:
    from wizard.ui.page import Page

FIRST_SAMPLE = "intents"
USUAL_LATENCY_MS = 100.0


class View(NamedTuple):
    """The widgets of this step."""

    choice: Any
    own: Any
    look: Any
    found: Any
    upload: Any
    card: Any
    alert: Any
    next: Any


def draw(desk: Desk) -> View:
    """The choice on top, the card below."""
    samples = desk.engine.samples()
    names = sorted(samples, key=lambda name: (name != FIRST_SAMPLE, name))
    choices = [(f"{samples[one].title}\n{samples[one].sentence}", one) for one in names]
    hint = words.OWN_MODEL_HINT_HOSTED if desk.hosted else words.OWN_MODEL_HINT
    gr.HTML(pieces.heading(words.MODEL_TITLE, words.MODEL_LEAD), apply_default_css=False)
    choice = gr.Radio(
        choices,
        value=names[0] if names else None,
        label=words.SAMPLES,
        elem_id="sample",
        elem_classes=["cards", "three"],
        interactive=True,
    )
    with gr.Row(elem_classes="own-model"):
        own = gr.Textbox(
            label=words.OWN_MODEL,
            info=hint,
            placeholder=words.OWN_MODEL_PLACEHOLDER,
            max_lines=1,
            max_length=400,
            elem_id="own-model",
            scale=4,
        )
        look = gr.Button(words.LOOK, elem_id="look", scale=0)
    found = gr.Radio(
        [],
        label=words.ON_THE_HUB,
        visible=False,
        elem_id="hub-found",
        elem_classes=["cards", "two", "small"],
        interactive=True,
    )
    _sign_in(desk)
    upload = gr.File(
        label=words.UPLOAD,
        file_count="multiple",
        type="filepath",
        height=120,
        elem_id="upload",
        interactive=True,
    )
    gr.HTML(f"<p class='mut'>{words.UPLOAD_HINT}</p>", apply_default_css=False)
    card = gr.HTML(_waiting(), elem_id="model-card", apply_default_css=False)
    alert = gr.HTML("", elem_id="alert-model", apply_default_css=False)
    with gr.Row(elem_classes="nav"):
        forward = gr.Button(
            words.NEXT_DEVICE, variant="primary", elem_id="next-model", elem_classes="waits"
        )
    return View(choice, own, look, found, upload, card, alert, forward)


def _sign_in(desk: Desk) -> None:
    """Only where the app is registered with the Hub, as a Space is."""
    if desk.sign_in:
        gr.LoginButton(words.SIGN_IN, logout_value=words.SIGN_OUT, elem_id="sign-in", scale=0)
        why = f"<p class='mut'>{words.SIGN_IN_WHY}</p>"
        gr.HTML(why, elem_id="sign-in-why", apply_default_css=False)


class Asked(NamedTuple):
    """A model as typed, or the files that hold it."""

    text: str = ""
    files: tuple[str, ...] = ()


def read(view: View, values: Values) -> Asked:
    """A name of one's own wins over files, and files over a bundled model."""
    own = (values[view.own] or "").strip()
    if own:
        return Asked(text=str(own))
    if values[view.upload]:
        return Asked(files=tuple(values[view.upload]))
    if values[view.choice]:
        return Asked(text=f"sample:{values[view.choice]}")
    raise BadNeeds(name="The model", value="empty", because=words.NOTHING_CHOSEN)


def show(
    profile: ModelProfile, plan: Plan | None, left: int = 0, starts: Sequence[str] = ()
) -> str:
    """The card. `plan` is a first one, for the cost of the job; None when there is none.

    `left` are the bytes still to download, `starts` ONNX files of the same repository.
    """
    facts = _facts(profile, plan, left)
    if starts:
        told = f"<code>{escape(starts[0])}</code> <span class='mut'>{words.STARTS_HINT}</span>"
        facts.append((words.STARTS, told))
    support = profile.support
    nearest = f" <span class='mut'>{escape(support.nearest)}</span>" if support.nearest else ""
    head = (
        f"<div class='card-head'><h3>{escape(profile.title)}</h3>"
        f"{pieces.badge(support.level.value, pieces.SUPPORT_CSS[support.level])}</div>"
        f"<p class='because'>{escape(support.because)}{nearest}</p>"
    )
    return f"<section class='card model'>{head}{pieces.facts(facts)}</section>"


def _download(profile: ModelProfile, left: int) -> str:
    if not left:
        return words.ALL_HERE
    shown, whole = pieces.megabytes(left), pieces.megabytes(profile.download_bytes)
    return shown if shown == whole else f"{shown} <span class='mut'>of {whole}</span>"


def _facts(profile: ModelProfile, plan: Plan | None, left: int) -> list[tuple[str, str]]:
    task = tasks.card_of(profile.task).does if profile.task else "not known"
    licence = escape(profile.licence) if profile.licence else words.NO_LICENCE
    pairs = [
        ("What it does", escape(task)),
        ("Family", f"{escape(profile.family)} <span class='mut'>{escape(profile.dtype)}</span>"),
        ("Size", pieces.megabytes(profile.weights_bytes)),
        *([("To download", _download(profile, left))] if profile.downloads else []),
        ("Numbers in it", pieces.count(profile.parameters.total)),
        ("Licence", licence),
    ]
    if profile.labels:
        chosen = "any" if tasks.card_of(profile.task).several else "one"
        pairs.insert(1, ("Answers", f"{chosen} of {len(profile.labels)} classes"))
    if plan is not None:
        pairs.append(("The run will take", _cost(plan)))
    return pairs


def _cost(plan: Plan) -> str:
    job = plan.job
    return (
        f"{pieces.span_of_time(job.seconds)}, {pieces.span(job.memory)} of memory, "
        f"{pieces.span(job.disk)} of disk <span class='mut'>estimated</span>"
    )


def _waiting() -> str:
    return f"<section class='card model wait' aria-busy='true'>{words.LOOKING}</section>"


def examined(desk: Desk, session: Session, asked: Asked) -> Session:
    """The session with this model's card; nothing is asked twice."""
    named = asked.text or "\n".join(asked.files)
    if session.asked == named and session.profile is not None:
        return session
    ref = desk.engine.take_upload(asked.files) if asked.files else desk.ref(asked.text)
    profile = desk.engine.examine(ref)
    return replace(
        session, asked=named, profile=profile, needs=first_needs(desk, profile), answered=0
    )


def first_needs(desk: Desk, profile: ModelProfile) -> Needs:
    """Safe defaults: the first device we know, the sample's own goal, one point."""
    samples = desk.engine.samples()
    sample = samples.get(profile.ref.name) if profile.ref.source is Source.SAMPLE else None
    goal = sample.latency_ms if sample else USUAL_LATENCY_MS
    return Needs(
        device_id=next(iter(desk.engine.devices())),
        budgets=(Budget(quantity="latency", at_most=goal, unit="ms", percentile=50),),
        tolerance=Tolerance(points=1.0),
        workload=profile.workload,
    )


def card_of(desk: Desk, session: Session) -> str:
    """The card of the session's model, with a first forecast where one is possible."""
    profile, needs = session.profile, session.needs
    if profile is None or needs is None:
        return _waiting()
    here = profile.support.level is not SupportLevel.NOT_HERE
    plan = desk.engine.advise(profile, needs) if here else None
    left, starts = desk.engine.left_to_download(profile), desk.engine.starts(profile)
    return show(profile, plan, left, starts)


def found(desk: Desk, typed: str) -> list[tuple[str, str]]:
    """Models on the Hub much like what was typed so far, as choices of two lines."""
    wanted = typed.strip()
    if wanted.startswith((".", "/", "~", "sample:", "http")) or "\\" in wanted:
        return []
    try:
        hits = desk.engine.search(wanted.partition("@")[0])
    except BadInput:  # said when the model is looked at; nobody wants it while typing
        return []
    return [(_hit(one), one.name) for one in hits if one.name != wanted]


def _hit(one: HubModel) -> str:
    ours = one.task in set(Task)
    said = [tasks.card_of(Task(one.task)).does if ours else one.task or words.NO_TASK]
    said += [f"{pieces.count(one.downloads)} {words.HITS_DOWNLOADS}"] if one.downloads else []
    said += [words.HITS_GATED] if one.gated else []
    return f"{one.name}\n{', '.join(said)}"


def wire(page: Page, desk: Desk) -> None:
    """Choosing shows the card; Next needs a model that we can do."""
    view = page.model

    def chose(values: Values) -> Updates:
        asked = Asked(text=f"sample:{values[view.choice]}")
        session = examined(desk, values[page.session], asked)
        return {
            page.session: session,
            view.own: "",
            view.upload: None,
            view.found: gr.Radio(visible=False),
            view.card: card_of(desk, session),
        }

    def uploaded(values: Values) -> Updates:
        session = examined(desk, values[page.session], Asked(files=tuple(values[view.upload])))
        return {
            page.session: session,
            view.own: "",
            view.choice: None,
            view.found: gr.Radio(visible=False),
            view.card: card_of(desk, session),
        }

    def typing(values: Values) -> Updates:
        hits = found(desk, values[view.own] or "")
        return {view.found: gr.Radio(choices=hits, value=None, visible=bool(hits))}

    def took(values: Values) -> Updates:
        name = values[view.found]
        session = examined(desk, values[page.session], Asked(text=name))
        return {
            page.session: session,
            view.upload: None,
            view.card: card_of(desk, session),
            view.own: name,
            view.choice: None,
            view.found: gr.Radio(choices=[], value=None, visible=False),
        }

    def look(values: Values) -> Updates:
        session = examined(desk, values[page.session], read(view, values))
        return {
            page.session: session,
            view.card: card_of(desk, session),
            view.found: gr.Radio(visible=False),
            **({view.choice: None, view.upload: None} if values[view.own] else {}),
        }

    def forward(values: Values) -> Updates:
        session = examined(desk, values[page.session], read(view, values))
        desk.engine.advise(session.profile, session.needs)  # type: ignore[arg-type]
        fresh = step_device.show(page.device, desk, session) if session.answered == 0 else {}
        return {
            page.session: replace(session, answered=max(1, session.answered)),
            view.card: card_of(desk, session),
            page.steps: gr.Walkthrough(selected=1),
            **fresh,
        }

    inputs = [page.session, view.choice, view.own, view.found, view.upload]
    shown = [page.session, view.card, view.choice, view.own, view.found, view.upload]
    first = {"js": "(...values) => compressionWizard.settled(...values)"}
    desk.on(view.choice.input, chose, inputs, shown, view.alert, **first)
    desk.on(view.look.click, look, inputs, shown, view.alert, **first)
    desk.on(view.own.submit, look, inputs, shown, view.alert, **first)
    desk.on(view.found.input, took, inputs, shown, view.alert, **first)
    desk.on(view.upload.upload, uploaded, inputs, shown, view.alert, **first)
    last = {"trigger_mode": "always_last"}
    desk.on(view.own.input, typing, inputs, [view.found], view.alert, **last)
    outputs = [*shown, page.steps, *page.device.answers()]
    desk.forward(view.next, forward, inputs, outputs, view.alert, **first)
