"""The Plan step's dry run: every candidate tried on random weights before anything is downloaded.

Covers: the button, the progress while it runs, the table of measured size and speed afterwards.
Does not cover: what is tried and measured (run/dry.py); the real run (step_run.py).
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from wizard import charts
from wizard.nouns import Ending, Json, Verdict
from wizard.ui import words
from wizard.ui.desk import Desk, Updates, Values
from wizard.ui.session import Session
from wizard.ui.view import view_of

if TYPE_CHECKING:
    from wizard.ui.page import Page


class View(NamedTuple):
    """The widgets: the button, what it found, the clock that follows it."""

    button: Any
    found: Any
    timer: Any


def draw() -> View:
    """A button that costs nothing to press, and the place for what it finds."""
    found = gr.HTML("", elem_id="dry-run-found", apply_default_css=False)
    with gr.Row(elem_classes="offers"):
        button = gr.Button(words.DRY_RUN, elem_id="dry-run", size="md")
    return View(button, found, gr.Timer(1.0, active=False))


def forgotten(view: View) -> Updates:
    """A changed plan has not been tried."""
    return {
        view.found: "",
        view.timer: gr.Timer(active=False),
        view.button: gr.Button(visible=True),
    }


def _followed(view: View, desk: Desk, session: Session) -> Updates:
    job = session.dry_job
    if job is None:
        return forgotten(view)
    run = view_of(desk.engine.events(job), time.time())
    if run.ending is None:
        said = run.now.title if run.now else words.WAITING
        told = f"<p role='status'>{escape(said)} \u2026</p>{_bar(round(100 * run.fraction))}"
        return {view.found: _card(told), view.button: gr.Button(visible=False)}
    if run.ending.ending is not Ending.FINISHED:
        said = f"{run.ending.sentence} {run.ending.next}"
        return {**forgotten(view), view.found: _card(f"<p role='status'>{escape(said)}</p>")}
    return {
        view.found: _card(table(desk.engine.result(job, None))),
        view.timer: gr.Timer(active=False),
        view.button: gr.Button(visible=False),
    }


def _card(inside: str) -> str:
    return f"<section class='sub dry'><h3>{words.DRY_RUN_TITLE}</h3>{inside}</section>"


def _bar(percent: int) -> str:
    return (
        "<div class='bar' role='progressbar' aria-label='Progress of the dry run' "
        f"aria-valuemin='0' aria-valuemax='100' aria-valuenow='{percent}'>"
        f"<div style='width:{percent}%'></div></div>"
    )


def table(tried: Mapping[str, Json]) -> str:
    """Measured size, time and verdicts of every candidate; quality is said to be unknown."""
    rows = [("The original's shape", _figure(tried["size"]), _figure(tried["latency"]), "", "")]
    for one in _objects(tried["candidates"]):
        if one["failed"]:
            rows.append((str(one["title"]), "\u2013", "\u2013", str(one["failed"]), "\u2013"))
            continue
        clauses = ", ".join(
            f"{_short(str(clause['name']))} {Verdict(str(clause['verdict'])).value}"
            for clause in _objects(one["clauses"])
        )
        rows.append(
            (str(one["title"]), _figure(one["size"]), _time(one), clauses, words.NOT_MEASURED)
        )
    headings = ("What", "File", "One answer here", "Your limits", "Quality")
    told = f"<p class='best'>{escape(str(tried['sentence']))}</p>"
    return f"{told}<p class='mut'>{words.DRY_RUN_MEANS}</p>{charts.table(headings, rows)}"


def _short(name: str) -> str:
    return name.partition(",")[0]


def _time(one: Mapping[str, Json]) -> str:
    before, now = one["original_latency"], one["latency"]
    share = f" ({_value(now) / _value(before):.2f} of the original's)" if before else ""
    return f"{_figure(now)}{share}"


def _figure(quantity: Json) -> str:
    unit = quantity["unit"] if isinstance(quantity, Mapping) else ""
    return f"{charts.show_number(_value(quantity))} {unit}"


def _value(quantity: Json) -> float:
    assert isinstance(quantity, Mapping)  # noqa: S101 - the shape of wizard.dry-run/1
    return float(str(quantity["value"]))


def _objects(many: Json) -> list[Mapping[str, Json]]:
    assert isinstance(many, list)  # noqa: S101 - the shape of wizard.dry-run/1
    return [one for one in many if isinstance(one, Mapping)]


def wire(page: Page, desk: Desk) -> None:
    """The button starts it, the clock follows it."""
    view = page.plan.dry

    def begin(values: Values) -> Updates:
        session = values[page.session]
        plan = desk.engine.dry_plan(desk.engine.advise(session.profile, session.needs))
        job = desk.engine.start(plan, owner=session.owner)
        session = replace(session, dry_job=job)
        shown = _followed(view, desk, session)
        return {**shown, page.session: session, view.timer: gr.Timer(active=True)}

    def tick(values: Values) -> Updates:
        return _followed(view, desk, values[page.session])

    alert = page.plan.alert
    desk.on(view.button.click, begin, [page.session], [page.session, *view], alert)
    desk.on(
        view.timer.tick, tick, [page.session], [*view], alert, queue=False, concurrency_limit=None
    )
