"""Step 2, Device and feel: where the model must run and how fast it must feel.

Covers: the device by kind, the use and its milliseconds, size and memory limits, what is best.
Does not cover: what a device can do; that is its card in presets, and advice.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from wizard import tasks
from wizard.errors import BadNeeds
from wizard.nouns import Budget, Device, Needs, Priority, Workload
from wizard.ui import pieces, step_quality, words
from wizard.ui.desk import Desk, Updates, Values, tie
from wizard.ui.session import Session

if TYPE_CHECKING:
    from wizard.ui.page import Page


class View(NamedTuple):
    """The widgets of this step."""

    group: Any
    device: Any
    use: Any
    latency: Any
    percentile: Any
    tokens: Any
    token: Any
    size: Any
    memory: Any
    minutes: Any
    improve: Any
    priority: Any
    alert: Any
    back: Any
    next: Any

    def answers(self) -> list[Any]:
        """The widgets that hold an answer."""
        return list(self[:12])


def draw(desk: Desk) -> View:
    """Device on top, then the use, then what is best; limits in a drawer."""
    devices = desk.engine.devices()
    groups = _groups(devices)
    gr.HTML(pieces.heading(words.DEVICE_TITLE, words.DEVICE_LEAD), apply_default_css=False)
    group = gr.Radio(
        groups,
        value=groups[0],
        label=words.GROUP,
        elem_id="group",
        elem_classes=["cards", "pictures"],
        interactive=True,
    )
    device = gr.Radio(
        _choices(devices, groups[0]),
        value=_choices(devices, groups[0])[0][1],
        label=words.DEVICE,
        elem_id="device",
        elem_classes=["cards", "two"],
        interactive=True,
    )
    use = gr.Radio(
        [(f"{one.title}\n{one.why}", one.id) for one in words.USES],
        value=words.OWN,
        label=words.USE,
        elem_id="use",
        elem_classes=["cards", "three"],
        interactive=True,
    )
    latency, percentile = _feel()
    tokens, token, size, memory, minutes, improve = _limits()
    priority = gr.Radio(
        list(words.PRIORITIES),
        value="fastest",
        label=words.PRIORITY,
        elem_id="priority",
        elem_classes=["cards", "three"],
        interactive=True,
    )
    alert = gr.HTML("", elem_id="alert-device", apply_default_css=False)
    with gr.Row(elem_classes="nav"):
        back = gr.Button(words.BACK, elem_id="back-device")
        forward = gr.Button(
            words.NEXT_QUALITY, variant="primary", elem_id="next-device", elem_classes="waits"
        )
    limits = (tokens, token, size, memory, minutes, improve)
    return View(group, device, use, latency, percentile, *limits, priority, alert, back, forward)


def _feel() -> tuple[Any, Any]:
    with gr.Row(elem_classes="pair"):
        latency = gr.Number(
            100,
            label=words.LATENCY,
            info=words.LATENCY_HINT,
            elem_id="latency",
            min_width=280,
            interactive=True,
        )
        percentile = gr.Radio(
            list(words.PERCENTILES),
            value=50,
            label=words.PERCENTILE,
            elem_id="percentile",
            elem_classes=["cards", "small"],
            min_width=280,
            interactive=True,
        )
    return latency, percentile


def _limits() -> tuple[Any, Any, Any, Any, Any, Any]:
    with gr.Accordion(words.LIMITS, open=False, elem_id="limits"):
        with gr.Row(elem_classes="pair"):
            made = _numbers()
        improve = gr.Radio(
            list(words.IMPROVES),
            value=True,
            label=words.IMPROVE,
            elem_id="improve",
            elem_classes=["cards", "small"],
            interactive=True,
        )
    size, memory, tokens, token, minutes = made
    return tokens, token, size, memory, minutes, improve


def _numbers() -> list[Any]:
    """Size, memory, tokens, time of each, minutes."""
    return [
        gr.Number(value, label=label, info=hint, elem_id=name, min_width=220, interactive=True)
        for name, value, label, hint in (
            ("size", None, words.SIZE, words.SIZE_HINT),
            ("memory", None, words.MEMORY, words.MEMORY_HINT),
            ("tokens", None, words.TOKENS, words.TOKENS_HINT),
            ("token", None, words.EACH_TIME, words.EACH_TIME_HINT),
            ("minutes", 10, words.MINUTES, words.MINUTES_HINT),
        )
    ]


def _groups(devices: Mapping[str, Device]) -> list[str]:
    return list(dict.fromkeys(one.group for one in devices.values()))


def _choices(devices: Mapping[str, Device], group: str) -> list[tuple[str, str]]:
    return [
        (f"{one.name}\n{one.subtitle}", one.id) for one in devices.values() if one.group == group
    ]


def read(view: View, values: Values, before: Needs) -> Needs:
    """The needs with this step's answers in them."""
    budgets = [
        Budget(
            quantity="latency",
            at_most=_number(words.LATENCY, values[view.latency]),
            unit="ms",
            percentile=values[view.percentile],
        )
    ]
    if values[view.token] is not None:
        budgets.append(
            Budget(
                quantity="token",
                at_most=values[view.token],
                unit="ms",
                percentile=values[view.percentile],
            )
        )
    if values[view.size] is not None:
        budgets.append(Budget(quantity="size", at_most=values[view.size], unit="MB"))
    if values[view.memory] is not None:
        budgets.append(Budget(quantity="memory", at_most=values[view.memory], unit="MB"))
    tokens = values[view.tokens]
    return replace(
        before,
        device_id=values[view.device],
        budgets=tuple(budgets),
        priority=Priority(values[view.priority]),
        minutes=_number(words.MINUTES, values[view.minutes]),
        improve=bool(values[view.improve]),
        workload=replace(before.workload, tokens=int(tokens)) if tokens else before.workload,
    )


def _number(name: str, value: float | None) -> float:
    if value is None:
        raise BadNeeds(name=name, value="empty", because="write a number")
    return float(value)


def show(view: View, desk: Desk, session: Session) -> Updates:
    """The widgets as the session's needs have them."""
    needs = session.needs
    if needs is None:
        return {}
    devices = desk.engine.devices()
    group = devices[needs.device_id].group
    limits = {one.quantity: one for one in needs.budgets}
    latency = limits.get("latency")
    goal = latency.at_most if latency else None
    is_text = needs.workload.tokens is not None
    return {
        view.group: group,
        view.device: gr.Radio(choices=_choices(devices, group), value=needs.device_id),
        view.use: next((one.id for one in words.USES if one.latency_ms == goal), words.OWN),
        view.latency: goal,
        view.percentile: (latency.percentile if latency else None) or 50,
        view.tokens: gr.Number(value=needs.workload.tokens, visible=is_text),
        view.token: gr.Number(
            value=limits["token"].at_most if "token" in limits else None,
            visible=session.profile is not None and tasks.writes(session.profile.task),
        ),
        view.size: limits["size"].at_most if "size" in limits else None,
        view.memory: limits["memory"].at_most if "memory" in limits else None,
        view.minutes: needs.minutes,
        view.improve: needs.improve,
        view.priority: needs.priority.value,
    }


def answered(desk: Desk, session: Session, needs: Needs) -> Session:
    """The session with these needs, checked; a new length of input needs a new card."""
    profile = session.profile
    assert profile is not None  # noqa: S101 - Next of step 1 made it
    if needs.workload != profile.workload:
        workload = Workload(batch=1, tokens=needs.workload.tokens)
        profile = desk.engine.examine(profile.ref, workload)
    desk.engine.advise(profile, needs)
    return replace(session, profile=profile, needs=needs, answered=max(2, session.answered))


def wire(page: Page, desk: Desk) -> None:
    """A kind shows its devices, a use its milliseconds; Next checks the limits."""
    view = page.device

    def kind(values: Values) -> Updates:
        choices = _choices(desk.engine.devices(), values[view.group])
        return {view.device: gr.Radio(choices=choices, value=choices[0][1])}

    def forward(values: Values) -> Updates:
        session = values[page.session]
        session = answered(desk, session, read(view, values, session.needs))
        return {page.session: session, page.steps: gr.Walkthrough(selected=2)}

    desk.on(view.group.input, kind, [view.group], [view.device], view.alert, queue=False)
    uses = {one.id: one.latency_ms for one in words.USES if one.latency_ms is not None}
    tie(view.use, view.latency, uses, words.OWN)
    inputs = [page.session, *view.answers()]
    event = desk.forward(view.next, forward, inputs, [page.session, page.steps], view.alert)
    step_quality.arrive(event, page, desk)
