"""Builds the page and serves it.

Covers: the frame (head, steps, your choices), finding a run again, the port, hosted mode.
Does not cover: what a step shows (step_*.py).
"""

from __future__ import annotations

import json
import os
import re
import secrets
import socket
import tempfile
import threading
from dataclasses import replace
from html import escape
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import gradio as gr
from starlette.middleware import Middleware

from wizard import limits
from wizard.errors import JobNotFound, PortTaken, WizardError
from wizard.nouns import Device, Needs
from wizard.ui import (
    api,
    files,
    pieces,
    step_device,
    step_model,
    step_plan,
    step_quality,
    step_result,
    step_run,
    theme,
    words,
)
from wizard.ui import (
    page as pages,
)
from wizard.ui.desk import Desk, Updates
from wizard.ui.engine_protocol import Engine
from wizard.ui.page import Page
from wizard.ui.session import Session

FIRST_PORT, PORTS_TRIED = 7860, 40
KEPT_SECONDS = 6 * 3600  # hosted: how long an ended job and its downloads stay
READY_AFTER = 2.0  # seconds: the first page comes first
DRAWN = (step_model, step_device, step_quality, step_plan, step_run, step_result)
STEP_IDS = ("model", "device", "quality", "plan", "run", "result")


def build(engine: Engine, *, hosted: bool = False) -> Any:
    """The whole app as gr.Blocks, not yet served."""
    desk = Desk(engine=engine, hosted=hosted, sign_in=_may_sign_in())
    with gr.Blocks(
        title=words.NAME,
        fill_width=True,
        delete_cache=(3600, KEPT_SECONDS),
        analytics_enabled=False,
    ) as blocks:
        api.publish(desk)  # first, or a handler of the page takes an endpoint's name
        page = _draw(desk)
        for step in DRAWN:
            step.wire(page, desk)
        _wire(blocks, page, desk)
    return blocks.queue(max_size=40, default_concurrency_limit=4)


def _may_sign_in() -> bool:
    """Whether this app is registered with the Hub (a Space with hf_oauth is) and can sign in."""
    needed = ("authlib", "itsdangerous")
    return bool(os.environ.get("OAUTH_CLIENT_ID")) and all(map(find_spec, needed))


def _draw(desk: Desk) -> Page:
    session = gr.State(Session())
    timer = gr.Timer(1.0, active=False)
    token, again = gr.Textbox(visible=False), gr.State("")
    gr.HTML(_head(), elem_id="head", apply_default_css=False)
    with gr.Row(elem_id="main"):
        with gr.Column(scale=3, elem_id="stage", min_width=320):
            steps, views = _draw_steps(desk)
        with gr.Column(scale=1, elem_id="side", min_width=230):
            rail = gr.HTML(_rail(Session(), None), elem_id="rail", apply_default_css=False)
    return Page(session, steps, rail, timer, token, again, *views)


def _draw_steps(desk: Desk) -> tuple[Any, list[Any]]:
    views = []
    with gr.Walkthrough(selected=0, elem_id="wiz") as steps:
        for number, (step, name) in enumerate(zip(DRAWN, words.STEPS, strict=True)):
            with gr.Step(name, id=number, elem_id=f"s-{STEP_IDS[number]}"):
                views.append(step.draw(desk))
    return steps, views


def _head() -> str:
    return (
        f"<header class='top'><h1 class='mark'>{pieces.picture('mark')}"
        f"<span>{words.NAME}</span></h1><span class='tag'>{words.TAGLINE}</span></header>"
    )


def _rail(session: Session, device: Device | None) -> str:
    """What was chosen so far; a choice not yet confirmed is not shown."""
    unset = f"<span class='mut'>{words.NOT_SET}</span>"
    values = [unset] * len(words.RAIL)
    if session.profile is not None and session.asked:
        values[0] = escape(session.profile.title)
    needs = session.needs
    if needs is not None and session.answered >= 2:
        limits = {one.quantity: one for one in needs.budgets}
        latency = limits.get("latency")
        often = ", 95 of 100" if latency and latency.percentile == 95 else ""
        values[1] = escape(device.name) if device else unset
        values[2] = f"{pieces.milliseconds(latency.at_most)}{often}" if latency else unset
        values[5] = f"the {needs.priority.value}"
    if needs is not None and session.answered >= 3:
        points = needs.tolerance.points
        values[3] = f"{points:g} point{'' if points == 1 else 's'} less at most"
        values[4] = "bundled" if needs.data == "sample" else "your own"
    named = [*zip(words.RAIL, values, strict=True)]
    if needs is not None and session.answered >= 2 and (others := _other_limits(needs)):
        named.append((words.RAIL_LIMITS, others))
    rows = "".join(f"<div><dt>{name}</dt><dd>{value}</dd></div>" for name, value in named)
    return f"<aside class='rail'><h2>{words.CHOICES}</h2><dl>{rows}</dl></aside>"


def _other_limits(needs: Needs) -> str:
    """What is limited beside the time of one answer."""
    return ", ".join(
        words.RAIL_LIMIT[one.quantity].format(
            at_most=one.at_most, ms=pieces.milliseconds(one.at_most)
        )
        for one in needs.budgets
        if one.quantity in words.RAIL_LIMIT
    )


def _wire(blocks: Any, page: Page, desk: Desk) -> None:
    def chosen(session: Session) -> str:
        needs = session.needs
        device = desk.engine.devices().get(needs.device_id) if needs else None
        return _rail(session, device)

    def first(remembered: str) -> Updates:
        return opened(page, desk, remembered)

    def found(remembered: str) -> Updates:
        return restored(page, desk, remembered)

    quiet = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
    page.session.change(chosen, page.session, page.rail, **quiet)
    page.steps.change(None, None, None, js="() => compressionWizard.arrive()")
    for view, number in ((page.device, 0), (page.quality, 1), (page.plan, 2), (page.run, 3)):
        view.back.click(
            None, None, page.steps, js=f"() => ({{__type__: 'update', selected: {number}}})"
        )
    queued = {**quiet, "queue": True}
    remember = "(token) => compressionWizard.remember(token)"
    new = [page.session, page.again, page.token, page.model.card, page.model.alert]
    recall = "() => compressionWizard.recall()"
    event = blocks.load(first, page.token, new, js=recall, **queued)
    event.then(None, [page.token], None, js=remember)
    event = page.again.change(found, page.again, _all(page), **queued)
    event.then(None, [page.token], None, js=remember)


def _all(page: Page) -> list[Any]:
    """Everything that finding a run again may change."""
    listed = [
        *step_run.entering(page),
        *step_result.shown(page),
        *page.device.answers(),
        page.quality.tolerance,
        page.quality.points,
        page.quality.meaning,
        *page.plan.shown(),
        page.model.card,
        page.model.alert,
        page.model.choice,
        page.run.alert,
        page.steps,
    ]
    return list(dict.fromkeys(listed))


def opened(page: Page, desk: Desk, remembered: str) -> Updates:
    """A fresh start; a run to be found again is passed on, since that changes the whole page."""
    linked, kept, owner = _recalled(remembered)
    if linked or kept:
        return {page.again: remembered}
    return _fresh(page, desk, Session(owner=owner), None)


def restored(page: Page, desk: Desk, remembered: str) -> Updates:
    """The page as it was: a running job, a result, or a fresh start with the first model's card."""
    linked, kept, owner = _recalled(remembered)
    session = Session(owner=owner)
    for job in (linked, kept):
        try:
            if job:
                return _found(page, desk, session, job)
        except WizardError as error:
            if job == linked:
                return _fresh(page, desk, session, error)
    return _fresh(page, desk, session, None)


def _recalled(remembered: str) -> tuple[str, str, str]:
    """What the browser said, each part checked: it may say anything."""
    try:
        said = json.loads(remembered or "{}")
    except json.JSONDecodeError:
        said = {}
    said = said if isinstance(said, dict) else {}
    parts = [str(said.get(name, "")) for name in ("linked", "kept", "owner")]
    linked, kept, owner = (one if re.fullmatch(r"[0-9a-f]{1,64}", one) else "" for one in parts)
    if said.get("linked") and not linked:
        linked = "0"
    return linked, kept, owner if len(owner) == 32 else secrets.token_hex(16)


def _fresh(page: Page, desk: Desk, session: Session, error: WizardError | None) -> Updates:
    said = pieces.alert(desk.explained(error)) if error else ""
    names = desk.engine.samples()
    first = step_model.FIRST_SAMPLE if step_model.FIRST_SAMPLE in names else next(iter(names), "")
    updates: dict[Any, Any] = {page.model.alert: said}
    try:
        session = step_model.examined(desk, session, step_model.Asked(text=f"sample:{first}"))
        updates[page.model.card] = step_model.card_of(desk, session)
    except WizardError as trouble:
        updates[page.model.alert] = pieces.alert(desk.explained(trouble))
    return {**updates, page.session: session, page.token: step_run.token_of(session)}


def _found(page: Page, desk: Desk, session: Session, job: str) -> Updates:
    """A run by its id: its plan back in the widgets, its progress or its result on the page."""
    glance = desk.engine.status(job)
    session = _answers_of(desk, replace(session, job=job), job)
    updates = {
        **step_run.entered(page, desk, session),
        **step_device.show(page.device, desk, session),
        **step_quality.restored(page.quality, desk, session),
        **step_plan.show(page.plan, desk, session),
        page.model.card: step_model.card_of(desk, session),
        page.steps: gr.Walkthrough(selected=pages.RUN),
    }
    if glance.state not in step_run.UNFINISHED:
        updates.update(_result_if_any(page, desk, session))
    return updates


def _answers_of(desk: Desk, session: Session, job: str) -> Session:
    """The answers behind a job: its plan's, or those accepted since."""
    outcome = desk.engine.compare(job)
    plan = outcome.plan if outcome is not None else desk.engine.plan_of(job)
    asked = str(plan.profile.ref)
    needs = replace(plan.needs, only=None)
    return replace(session, asked=asked, profile=plan.profile, needs=needs, answered=4)


def _result_if_any(page: Page, desk: Desk, session: Session) -> Updates:
    try:
        shown = step_result.show(page, desk, session)
    except JobNotFound:
        return {}
    return {**shown, page.steps: gr.Walkthrough(selected=pages.RESULT)}


def launch_options(engine: Engine) -> dict[str, Any]:
    """How the app is always launched, whoever does it."""
    groups = dict.fromkeys(one.group for one in engine.devices().values())
    return {
        **theme.looks(groups),
        "app_kwargs": {"middleware": [Middleware(files.KeptFiles)]},
        "ssr_mode": False,
        "footer_links": [],
        "run_history": False,
        "enable_monitoring": False,
        "show_error": True,
        "max_file_size": limits.limits().upload_bytes,
        "quiet": True,
    }


def serve(
    engine: Engine,
    *,
    host: str = "127.0.0.1",
    port: int | None = None,
    hosted: bool = False,
    open_browser: bool = False,
) -> None:
    """Serve until interrupted. Raises PortTaken when the named port is in use."""
    if hosted:
        home = Path(tempfile.gettempdir()) / "compression-wizard"
        os.environ.setdefault("WIZARD_HOME", str(home))
        os.environ[limits.HOSTED] = "1"
        engine.sweep(KEPT_SECONDS)
    blocks = build(engine, hosted=hosted)
    soon = threading.Timer(READY_AFTER, engine.keep_ready, kwargs={"for_jobs": not hosted})
    soon.daemon = True
    soon.start()
    blocks.launch(
        server_name=host,
        server_port=free_port(host, port),
        inbrowser=open_browser,
        **launch_options(engine),
    )


def free_port(host: str, port: int | None) -> int:
    """The port asked for; without one, 7860 or the next free. Raises PortTaken."""
    wanted = [port] if port is not None else range(FIRST_PORT, FIRST_PORT + PORTS_TRIED)
    for one in wanted:
        with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                probe.bind((host, one))
            except OSError:
                continue
            return one
    raise PortTaken(port=port if port is not None else FIRST_PORT)
