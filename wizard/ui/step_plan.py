"""Step 4, Plan: what would be tried, why, why not the rest, and what would change it.

Covers: the contract in a sentence, candidate cards, counter-offers, the command, the job's cost.
Does not cover: any advice; all sentences come with the plan.
"""

from __future__ import annotations

from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from wizard.advise.trace import record_of
from wizard.cited import cited
from wizard.nouns import Candidate, CounterOffer, Forecast, Needs, Plan, Refusal, RuleTrace
from wizard.ui import pieces, plan_dry, plan_siblings, step_device, step_run, words
from wizard.ui.desk import Desk, Updates, Values
from wizard.ui.session import Session

if TYPE_CHECKING:
    from wizard.ui.page import Page

OFFERS = 3


class View(NamedTuple):
    """The widgets of this step; `offers` are as many buttons as a plan makes offers.

    `siblings` are the buttons of smaller published models, the last one leaves the accepted out.
    """

    contract: Any
    offers_title: Any
    offers: list[Any]
    siblings_title: Any
    siblings: list[Any]
    candidates: Any
    dry: plan_dry.View
    rest: Any
    only: Any
    alert: Any
    back: Any
    start: Any

    def shown(self) -> list[Any]:
        """What a new plan changes."""
        return [
            self.contract,
            self.offers_title,
            *self.offers,
            self.siblings_title,
            *self.siblings,
            self.candidates,
            *self.dry,
            self.rest,
            self.only,
            self.start,
        ]


def draw(desk: Desk) -> View:
    """Contract, offers, candidates, the rest; an expert's drawer at the end."""
    gr.HTML(pieces.heading(words.PLAN_TITLE, words.PLAN_LEAD), apply_default_css=False)
    contract = gr.HTML("", elem_id="contract", apply_default_css=False)
    offers_title = gr.HTML("", elem_id="offers", apply_default_css=False)
    with gr.Row(elem_classes="offers"):
        offers = offer_buttons("offer")
    siblings_title, siblings = plan_siblings.draw()
    candidates = gr.HTML("", elem_id="candidates", apply_default_css=False)
    dry = plan_dry.draw()
    rest = gr.HTML("", elem_id="plan-rest", apply_default_css=False)
    with gr.Accordion(words.EXPERT, open=False, elem_id="expert"):
        only = gr.Radio(
            [(words.ALL_OF_THEM, "")],
            value="",
            show_label=False,
            label=words.EXPERT,
            elem_id="only",
            elem_classes=["cards", "small"],
            interactive=True,
        )
    alert = gr.HTML("", elem_id="alert-plan", apply_default_css=False)
    with gr.Row(elem_classes="nav"):
        back = gr.Button(words.BACK, elem_id="back-plan")
        start = gr.Button(words.START, variant="primary", elem_id="start", elem_classes="waits")
    return View(
        contract,
        offers_title,
        offers,
        siblings_title,
        siblings,
        candidates,
        dry,
        rest,
        only,
        alert,
        back,
        start,
    )


def offer_buttons(name: str) -> list[Any]:
    """As many buttons as there are offers at most, hidden until one is made."""
    return [
        gr.Button("", visible=False, elem_id=f"{name}-{number}", size="md")
        for number in range(OFFERS)
    ]


def read(view: View, values: Values, before: Needs) -> Needs:
    """The needs; an expert may want one technique only."""
    return replace(before, only=values[view.only] or None)


def show(view: View, desk: Desk, session: Session) -> Updates:
    """A new plan for the session's needs, all of it."""
    if session.profile is None or session.needs is None:
        return {}
    plan = desk.engine.advise(session.profile, session.needs)
    choices = [(words.ALL_OF_THEM, "")]
    choices += [(one.title, one.technique) for one in plan.candidates]
    return {
        view.contract: _contract(plan),
        view.offers_title: offers_title(words.OFFERS, plan.counter_offers),
        **offered(view.offers, plan.counter_offers),
        view.siblings_title: plan_siblings.title(plan),
        **plan_siblings.offered(view.siblings, plan),
        view.candidates: candidates(plan),
        **plan_dry.forgotten(view.dry),
        view.rest: rest(plan, desk.engine.command_for(plan)),
        view.only: gr.Radio(choices=choices, value=""),
        view.start: gr.Button(interactive=bool(plan.candidates)),
    }


def offers_title(said: str, offers: tuple[CounterOffer, ...]) -> str:
    """What stands above the buttons, if there are any."""
    return f"<p class='offer'>{said}</p>" if offers else ""


def offered(buttons: list[Any], offers: tuple[CounterOffer, ...]) -> Updates:
    """A button for each offer."""
    shown: dict[Any, Any] = {}
    for number, button in enumerate(buttons):
        there = number < len(offers)
        said = words.ACCEPT + offers[number].sentence if there else ""
        shown[button] = gr.Button(value=said, visible=there)
    return shown


def _contract(plan: Plan) -> str:
    hurry = (
        f"<ul class='why'><li class='watch'><b>{words.WATCH}:</b> {escape(plan.hurry)}</li></ul>"
        if plan.hurry
        else ""
    )
    return f"<p class='contract'>{escape(plan.sentence)}</p>{hurry}"


def candidates(plan: Plan) -> str:
    """A card each, best first; without any, the refusals say why."""
    if not plan.candidates:
        return f"<section class='card none'>{_refusals(plan.refusals)}</section>"
    cards = "".join(_card(plan, one, rank) for rank, one in enumerate(plan.candidates, 1))
    return f"<ol class='candidates'>{cards}</ol>"


def _times(cast: Forecast, base: Forecast) -> list[tuple[str, str]]:
    """Of one answer; of a model that writes, of its first token and of each further one."""
    if cast.token is None or base.token is None:
        return [(words.ONE_ANSWER, _figure(pieces.span(cast.latency), pieces.span(base.latency)))]
    return [
        (words.FIRST_TOKEN, _figure(pieces.span(cast.latency), pieces.span(base.latency))),
        (words.FURTHER_TOKEN, _figure(pieces.span(cast.token), pieces.span(base.token))),
    ]


def _card(plan: Plan, candidate: Candidate, rank: int) -> str:
    kind = (words.TRIED_FIRST, "maybe") if plan.counter_offers else (words.FIRST_CHOICE, "good")
    first = pieces.badge(*kind) if rank == 1 else ""
    cast, base = candidate.forecast, plan.baseline
    figures = pieces.facts(
        (
            ("File", _figure(pieces.span(cast.size), pieces.span(base.size))),
            *_times(cast, base),
            ("Loss", pieces.span(cast.drop)),
            ("Memory", _figure(pieces.span(cast.memory), pieces.span(base.memory))),
        )
    )
    css = "candidate first" if rank == 1 else "candidate"
    return (
        f"<li class='card {css}'><div class='card-head'><h3>{escape(candidate.title)}</h3>{first}"
        f"</div>{figures}{_reasons(plan, candidate)}{_steps(candidate)}</li>"
    )


def _figure(now: str, before: str) -> str:
    return f"<b>{now}</b> <small>original {before}</small>"


def _reasons(plan: Plan, candidate: Candidate) -> str:
    said = [("", words.WHY, one) for one in candidate.reasons]
    said += [(" class='watch'", words.WATCH, one) for one in candidate.warnings]
    items = "".join(
        f"<li{css}><b>{word}:</b> {escape(one.sentence)}{_source(one.source)}"
        f"{_record(record_of(plan, one.rule_id))}</li>"
        for css, word, one in said
    )
    return f"<ul class='why'>{items}</ul>"


def _record(held: str) -> str:
    return f" <span class='held'>{words.TRACK_RECORD} {escape(held)}.</span>" if held else ""


def _source(source: str | None) -> str:
    return f" <cite>{cited(source)}</cite>" if source else ""


def _steps(candidate: Candidate) -> str:
    lines = [
        f"{step.strategy} ({', '.join(f'{k}={v}' for k, v in step.settings.items())})"
        for step in candidate.steps
    ]
    items = "".join(f"<li><code>{escape(line)}</code></li>" for line in lines)
    return f"<details><summary>The exact recipe</summary><ol class='recipe'>{items}</ol></details>"


def rest(plan: Plan, command: str) -> str:
    """What would change the plan, why not the others, the cost, the command."""
    parts = []
    if plan.would_change:
        items = "".join(
            f"<li><b>{escape(one.fact)}</b>, {escape(_lowered(one.then))}</li>"
            for one in plan.would_change
        )
        parts.append(f"<section class='sub'><h3>{words.CHANGE}</h3><ul>{items}</ul></section>")
    others = (*plan.refusals, *plan.also_considered) if plan.candidates else plan.also_considered
    if others:
        parts.append(
            f"<details class='sub'><summary>{words.WHY_NOT} ({len(others)})</summary>"
            f"{_refusals(others)}</details>"
        )
    parts.append(_rules(plan.rules))
    parts.append(
        f"<section class='sub'><h3>{words.JOB_COST}</h3>{_cost(plan)}</section>"
        f"<section class='sub'><h3>{words.COMMAND}</h3>{pieces.copyable('command', command)}"
        "</section>"
    )
    return "".join(parts)


def _lowered(sentence: str) -> str:
    return sentence[:1].lower() + sentence[1:] if sentence[1:2].islower() else sentence


def _refusals(refusals: tuple[Refusal, ...]) -> str:
    items = "".join(
        f"<li><b>{escape(one.what)}.</b> {escape(one.because)}"
        f"{f' <em>{escape(one.relax)}</em>' if one.relax else ''}{_source(one.source)}</li>"
        for one in refusals
    )
    return f"<ul class='refusals'>{items}</ul>"


def _rules(traces: tuple[RuleTrace, ...]) -> str:
    """Every rule, what became of it, why, and who says so."""
    groups = []
    for outcome, head in words.RULE_OUTCOMES:
        items = "".join(
            f"<li><b>{escape(one.title)}.</b> {escape(one.because)}{_source(one.source)}"
            f"{_record(one.record)}</li>"
            for one in traces
            if one.outcome == outcome
        )
        if items:
            groups.append(f"<h4>{head}</h4><ul class='refusals'>{items}</ul>")
    if not groups:
        return ""
    head = f"{words.EVERY_RULE} ({len(traces)})"
    return f"<details class='sub' id='rules'><summary>{head}</summary>{''.join(groups)}</details>"


def _cost(plan: Plan) -> str:
    job = plan.job
    return pieces.facts(
        (
            ("Time", f"<b>{pieces.span_of_time(job.seconds)}</b>"),
            ("First verdict", f"after <b>{pieces.span_of_time(job.first)}</b>"),
            ("Memory", f"<b>{pieces.span(job.memory)}</b>"),
            ("Disk", f"<b>{pieces.span(job.disk)}</b>"),
        )
    )


def wire(page: Page, desk: Desk) -> None:
    """An offer changes the needs and the plan; Run starts the job."""
    view = page.plan

    def accept(number: int) -> Any:
        def take(values: Values) -> Updates:
            session = values[page.session]
            plan = desk.engine.advise(session.profile, session.needs)
            if number >= len(plan.counter_offers):
                return {}
            needs = desk.engine.relaxed(session.needs, plan.counter_offers[number])
            session = replace(session, needs=needs)
            shown = show(view, desk, session)
            return {page.session: session, **shown, **step_device.show(page.device, desk, session)}

        return take

    def narrow(values: Values) -> Updates:
        session = values[page.session]
        plan = desk.engine.advise(session.profile, read(view, values, session.needs))
        return {view.rest: rest(plan, desk.engine.command_for(plan))}

    def start(values: Values) -> Updates:
        session = values[page.session]
        plan = desk.engine.advise(session.profile, read(view, values, session.needs))
        session = step_run.begun(desk, session, plan)
        return {**step_run.entered(page, desk, session), page.steps: gr.Walkthrough(selected=4)}

    changed = [page.session, *view.shown(), *page.device.answers()]
    for number, button in enumerate(view.offers):
        desk.on(button.click, accept(number), [page.session], changed, view.alert)
    _wire_siblings(page, desk)
    plan_dry.wire(page, desk)
    inputs = [page.session, view.only]
    desk.on(view.only.input, narrow, inputs, [view.rest], view.alert)
    outputs = [*step_run.entering(page), page.steps]
    event = desk.forward(view.start, start, inputs, outputs, view.alert)
    event.then(None, [page.token], None, js="(token) => compressionWizard.remember(token)")


def _wire_siblings(page: Page, desk: Desk) -> None:
    """One click has a smaller published model measured too; another leaves it out."""
    view = page.plan

    def measure_too(number: int) -> Any:
        def take(values: Values) -> Updates:
            session = values[page.session]
            plan = desk.engine.advise(session.profile, session.needs)
            needs = replace(session.needs, sibling=plan_siblings.named(plan, number))
            session = replace(session, needs=needs)
            return {page.session: session, **show(view, desk, session)}

        return take

    for number, button in enumerate(view.siblings):
        outputs = [page.session, *view.shown()]
        desk.on(button.click, measure_too(number), [page.session], outputs, view.alert)
