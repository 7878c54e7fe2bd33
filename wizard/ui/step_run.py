"""Step 5, Run: measured progress, what was found so far, cancel.

Covers: starting, following by a timer, stopping, what a waiting or an interrupted run looks like.
Does not cover: the job itself; it lives without this page.
"""

from __future__ import annotations

import json
import time
from dataclasses import replace
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from wizard import charts
from wizard.measure.metrics import named
from wizard.nouns import Measured, Needs, Plan, Verdict
from wizard.ui import pieces, words
from wizard.ui.desk import Desk, Updates, Values
from wizard.ui.session import Session
from wizard.ui.view import PhaseView, RunView, view_of

if TYPE_CHECKING:
    from wizard.ui.page import Page

UNFINISHED = ("waiting", "running")
ORIGINAL = "original"


class View(NamedTuple):
    """The widgets of this step."""

    progress: Any
    link: Any
    alert: Any
    cancel: Any
    back: Any
    see: Any


def draw(desk: Desk) -> View:
    """Progress, the link, one button at a time."""
    gr.HTML(pieces.heading(words.RUN_TITLE, words.RUN_LEAD), apply_default_css=False)
    progress = gr.HTML("", elem_id="progress", apply_default_css=False)
    link = gr.HTML("", elem_id="run-link", apply_default_css=False)
    alert = gr.HTML("", elem_id="alert-run", apply_default_css=False)
    with gr.Row(elem_classes="nav"):
        cancel = gr.Button(words.CANCEL, variant="stop", elem_id="cancel")
        back = gr.Button(words.BACK, elem_id="back-run", visible=False)
        see = gr.Button(
            words.SEE_RESULT, variant="primary", elem_id="see", elem_classes="waits", visible=False
        )
    return View(progress, link, alert, cancel, back, see)


def begun(desk: Desk, session: Session, plan: Plan) -> Session:
    """The session with a job for this plan; the job that runs already, if it is the same one."""
    if session.job is not None:
        glance = desk.engine.status(session.job)
        same = glance.command == desk.engine.command_for(plan)
        if same and glance.state in UNFINISHED:
            return session
    job = desk.engine.start(plan, owner=session.owner)
    return replace(session, job=job, answered=4, finished=False)


def token_of(session: Session) -> str:
    """What the browser remembers: the visitor's token, the run, whether its result was seen."""
    return json.dumps({"owner": session.owner, "run": session.job, "seen": session.finished})


def entering(page: Page) -> list[Any]:
    """What `entered` changes."""
    return [page.session, page.token, *following(page), page.run.link]


def following(page: Page) -> list[Any]:
    """What a tick changes."""
    view = page.run
    return [page.timer, view.progress, view.cancel, view.back, view.see]


def entered(page: Page, desk: Desk, session: Session) -> Updates:
    """The page when it comes to a run, new or found again."""
    said = pieces.copyable(
        "link", f"#run={session.job}", words.COPY_LINK, link=f"#run={session.job}"
    )
    link = _section(words.LINK, f"{said}<p class='mut'>{words.LINK_HINT}</p>")
    return {
        page.session: session,
        page.token: token_of(session),
        page.run.link: link,
        **followed(page, desk, session),
    }


def followed(page: Page, desk: Desk, session: Session) -> Updates:
    """The progress now; the timer stops with the run."""
    view, job = page.run, session.job
    if job is None:
        return {page.timer: gr.Timer(active=False)}
    run = view_of(desk.engine.events(job), time.time())
    glance = desk.engine.status(job)
    needs = desk.engine.plan_of(job).needs
    over = run.ending is not None
    there = run.best is not None
    kept = run.best is not None and run.best.overall is Verdict.PASS
    return {
        page.timer: gr.Timer(active=not over),
        view.progress: show(run, needs, glance.position if glance.state == "waiting" else None),
        view.cancel: gr.Button(words.TAKE_BEST if kept else words.CANCEL, visible=not over),
        view.back: gr.Button(visible=over and not there),
        view.see: gr.Button(visible=over and there),
    }


def show(run: RunView, needs: Needs, position: int | None) -> str:
    """The card of a run: title and time, bar, phases, what was found."""
    css = "card run over" if run.ending else "card run"
    return (
        f"<section class='{css}'>{_head(run, position)}{_bar(run)}"
        f"<ol class='stages'>{''.join(_phase(one) for one in run.phases)}</ol></section>"
        f"{_found(run)}{_plot(run, needs)}{_notes(run)}"
    )


def _head(run: RunView, position: int | None) -> str:
    if run.ending is not None:
        said = run.ending.sentence or run.ending.ending.value.capitalize()
        again = f"<p class='mut'>{escape(run.ending.next)}</p>" if run.ending.next else ""
        took = f"<span class='mono'>{pieces.duration(run.elapsed)}</span>"
        return f"<div class='rh' role='status'><h3>{escape(said)}</h3>{took}</div>{again}"
    if not run.phases:
        ahead = f" \u2013 {position} before yours" if position else ""
        return f"<div class='rh' role='status'><h3>{words.WAITING}{ahead}</h3></div>"
    at = next((n for n, one in enumerate(run.phases, 1) if one.state == "now"), len(run.phases))
    title = run.now.title if run.now else run.phases[-1].title
    left = f" \u00b7 about {pieces.duration(max(1, run.left))} left" if run.left is not None else ""
    return (
        f"<div class='rh'><h3><span role='status'>Part {at} of {len(run.phases)}: "
        f"{escape(title)}</span></h3>"
        f"<span class='mono'>{pieces.duration(run.elapsed)}{left}</span></div>"
    )


def _bar(run: RunView) -> str:
    percent = round(100 * run.fraction)
    return (
        "<div class='bar' role='progressbar' aria-label='Progress of the run' aria-valuemin='0' "
        f"aria-valuemax='100' aria-valuenow='{percent}'><div style='width:{percent}%'></div></div>"
    )


def _phase(phase: PhaseView) -> str:
    state = words.STATES[phase.state]
    if phase.state == "done" and phase.seconds is not None:
        state = pieces.duration(phase.seconds) if phase.seconds >= 0.5 else "at once"
    elif phase.state == "todo" and phase.forecast >= 1:
        state = f"about {pieces.duration(phase.forecast)}"
    elif phase.state == "now" and phase.fraction:
        state = f"{100 * phase.fraction:.0f}\u00a0%"
    shows = phase.detail and phase.state in {"now", "failed", "stopped"}
    detail = f"<p>{escape(phase.detail)}</p>" if shows else ""
    return (
        f"<li class='{phase.state}'><i aria-hidden='true'></i><div><b>{escape(phase.title)}</b>"
        f"{detail}</div><span class='st'>{state}</span></li>"
    )


def _found(run: RunView) -> str:
    if not run.measured and not run.failed:
        return _section(words.FOUND, f"<p class='mut'>{words.NOTHING_FOUND}</p>")
    rows = [_row(run, one) for one in run.measured]
    rows += [
        (run.title_of(one.candidate_id), "\u2013", "\u2013", "\u2013", one.because)
        for one in run.failed
    ]
    rows += [
        (run.title_of(one.candidate_id), "\u2013", "\u2013", "\u2013", one.because)
        for one in run.discarded
    ]
    headings = ("What", "File", "One answer here", "Score", "What came of it")
    return _section(words.FOUND, charts.table(headings, rows) + _best(run))


def _plot(run: RunView, needs: Needs) -> str:
    """Size against score of everything measured so far; the zone that keeps both is shaded."""
    original = next((one for one in run.measured if one.candidate_id == ORIGINAL), None)
    if original is None or len(run.measured) == 1:
        return ""
    metric = named(original.metric)
    points = [
        charts.Point(
            name=run.title_of(one.candidate_id),
            cost=one.size_mb,
            score=metric.hundredths * one.score,
            score_low=metric.hundredths * one.score,
            score_high=metric.hundredths * one.score,
            chosen=run.best is not None and one.candidate_id == run.best.candidate_id,
            original=one is original,
        )
        for one in run.measured
    ]
    limit = next((one.at_most for one in needs.budgets if one.quantity == "size"), None)
    drawn = charts.trade_off(
        points,
        cost_limit=limit,
        score_limit=metric.allowed(original.score, needs.tolerance.points),
        higher_is_better=metric.higher_is_better,
    )
    return (
        "<figure class='card fig narrow' id='so-far'><figcaption><b>Size against score</b>"
        "<span>MB and score; the shaded zone keeps your contract</span></figcaption>"
        f"{drawn}</figure>"
    )


def _section(title: str, inside: str) -> str:
    return f"<section class='sub'><h3>{title}</h3>{inside}</section>"


def _row(run: RunView, one: Measured) -> tuple[str, str, str, str, str]:
    return (
        run.title_of(one.candidate_id),
        f"{charts.show_number(one.size_mb)} MB",
        f"{charts.show_number(one.latency_ms)} ms",
        f"{named(one.metric).hundredths * one.score:.1f}",
        one.label,
    )


def _best(run: RunView) -> str:
    if run.best is None:
        return ""
    sign = pieces.verdict_badge(run.best.overall)
    word = {Verdict.PASS: "Best so far", Verdict.MISS: "Nearest so far"}
    said = word.get(run.best.overall, "So far")
    return f"<p class='best'>{sign} <b>{said}:</b> {escape(run.best.sentence)}</p>"


def _notes(run: RunView) -> str:
    if not run.notes:
        return ""
    items = "".join(f"<li>{escape(one)}</li>" for one in run.notes)
    return f"<ul class='notes'>{items}</ul>"


def wire(page: Page, desk: Desk) -> None:
    """The timer follows; Cancel stops."""
    view = page.run

    def tick(values: Values) -> Updates:
        return followed(page, desk, values[page.session])

    def cancel(values: Values) -> Updates:
        session = values[page.session]
        desk.engine.cancel(session.job)
        return followed(page, desk, session)

    outputs = following(page)
    desk.on(
        page.timer.tick,
        tick,
        [page.session],
        outputs,
        view.alert,
        queue=False,
        concurrency_limit=None,
    )
    desk.on(view.cancel.click, cancel, [page.session], outputs, view.alert)
