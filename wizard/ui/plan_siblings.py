"""The Plan step's offer of smaller published models: said once, taken with one click.

Covers: the sentences above the buttons, the buttons, what a click on each one means.
Does not cover: which models are offered (the plan says), the click itself (step_plan.py).
"""

from __future__ import annotations

from html import escape
from typing import Any

import gradio as gr

from wizard.cited import on_the_hub
from wizard.nouns import Plan
from wizard.ui import words
from wizard.ui.desk import Updates

OFFERS = 3


def draw() -> tuple[Any, list[Any]]:
    """A place for the sentences, and a button for each offer and for the one accepted."""
    said = gr.HTML("", elem_id="siblings", apply_default_css=False)
    with gr.Row(elem_classes="offers"):
        buttons = [
            gr.Button("", visible=False, elem_id=f"sibling-{number}", size="md")
            for number in range(OFFERS + 1)
        ]
    return said, buttons


def title(plan: Plan) -> str:
    """What is offered, with sources; what was accepted."""
    items = [
        f"<li>{escape(one.sentence)} <cite>{on_the_hub(one.sibling.model)}</cite></li>"
        for one in plan.siblings
    ]
    if plan.sibling is not None:
        items.insert(0, f"<li><b>{escape(plan.sibling.title)}</b> {words.SIBLING_TAKEN}</li>")
    if not items:
        return ""
    head = f"<h3>{words.SIBLINGS}</h3>"
    note = f"<p class='mut'>{words.SIBLING_TRUTH}</p>"
    return f"<section class='card'>{head}<ul class='why'>{''.join(items)}</ul>{note}</section>"


def offered(buttons: list[Any], plan: Plan) -> Updates:
    """A button for each offer; the last one takes the accepted model out again."""
    labels = [words.SIBLING_TAKE + one.sibling.title for one in plan.siblings[:OFFERS]]
    labels += [""] * (OFFERS - len(labels))
    labels.append(words.SIBLING_LEAVE + plan.sibling.title if plan.sibling else "")
    return {
        button: gr.Button(value=label, visible=bool(label))
        for button, label in zip(buttons, labels, strict=True)
    }


def named(plan: Plan, number: int) -> str:
    """What the needs name after a click on that button."""
    return plan.siblings[number].sibling.model if number < len(plan.siblings) else ""
