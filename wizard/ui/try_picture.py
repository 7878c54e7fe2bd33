"""Try both models on a picture or a sound: the visitor's own, or the next of those judged on.

Covers: the widgets, among them the labels to choose from where a visitor names them; the picture
or sound with both answers below it.
Does not cover: texts (step_result.py), opening a stranger's file (a child process does).
"""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from wizard import tasks
from wizard.nouns import Json, ModelProfile
from wizard.ui import overlay, result_parts, words
from wizard.ui.desk import Desk, Updates, Values

if TYPE_CHECKING:
    from wizard.ui.page import Page


class View(NamedTuple):
    """The widgets; `seen` counts the examples looked at."""

    place: Any
    seen: Any
    labels: Any
    file: Any
    another: Any
    both: Any

    def shown(self) -> list[Any]:
        """What a new result changes."""
        return [self.place, self.labels, self.file, self.both]


def draw() -> View:
    """A box for a file and a button for one of ours; hidden where texts are what it is on."""
    seen = gr.State(0)
    with gr.Column(visible=False, elem_id="try-picture") as place:
        gr.HTML(
            f"<h3 class='sec'>{words.TRY}</h3><p class='mut'>{words.TRY_PICTURE_HINT}</p>",
            apply_default_css=False,
        )
        labels = gr.Textbox(
            label="",
            info=words.TRY_LABELS_HINT,
            max_length=words.LABELS_TYPED,
            visible=False,
            elem_id="try-labels",
            interactive=True,
        )
        file = gr.File(
            label=words.TRY_PICTURE,
            file_types=[".png", ".jpg", ".jpeg", ".bmp", ".webp", ".wav", ".flac", ".ogg", ".mp3"],
            type="filepath",
            visible=False,
            elem_id="try-file",
            height=120,
            interactive=True,
        )
        with gr.Row(elem_classes="nav"):
            another = gr.Button(words.TRY_EXAMPLE, elem_id="try-example", elem_classes="waits")
        both = gr.HTML("", elem_id="both-pictures", apply_default_css=False)
    return View(place, seen, labels, file, another, both)


def show(view: View, profile: ModelProfile) -> Updates:
    """Open where the model looks at pictures or listens, and empty."""
    card = tasks.card_of(profile.task)
    reads = card.reads
    there = reads is not tasks.Reads.TEXTS
    named = next((one for one in card.asks if there and one.choices), None)
    return {
        view.place: gr.Column(visible=there),
        view.labels: gr.Textbox(
            value="",
            label=named.label if named else "",
            placeholder=named.example if named else "",
            visible=named is not None,
        ),
        view.file: gr.File(value=None, visible=there, label=words.TRY_FILES[reads.value]),
        view.both: "",
    }


def answers(said: Json) -> str:
    """The picture or sound, what it should be where that is known, and both answers."""
    if not isinstance(said, dict):
        return ""
    name, label, true = str(said["name"]), str(said["label"]), _true(said)
    if true:
        label = overlay.names(true)
    known = name + (f", labelled \u201c{label}\u201d" if label else "")
    alt = escape(known, quote=True)
    if "sound" in said:
        wave = f"data:audio/wav;base64,{said['sound']}"
        itself = f"<audio controls src='{wave}' aria-label='{alt}'></audio>"
    else:
        itself = f"<img src='data:image/png;base64,{said['picture']}' alt='{alt}'>"
    if true:
        itself = overlay.drawn(said["picture"], {"boxes": true}, words.AS_LABELLED)
    return (
        f"<figure class='tried-picture'>{itself}<figcaption>{escape(known)}</figcaption></figure>"
        f"{result_parts.both(said)}"
    )


def _true(said: Json) -> list[Json]:
    """The boxes that should be found, where they are known."""
    before = said["before"] if isinstance(said, dict) else {}
    true = before.get("true") if isinstance(before, dict) else None
    return true if isinstance(true, list) else []


def wire(page: Page, desk: Desk) -> None:
    """A file is tried as soon as it is there; the button goes through the examples.

    Other labels are tried on the file that is there, or on the example last looked at.
    """
    view = page.result.pictures

    def tried(values: Values, file: str | None, number: int) -> str:
        job, labels = values[page.session].job, str(values[view.labels] or "")
        return answers(desk.engine.try_picture(job, file, number, labels))

    def own(values: Values) -> Updates:
        file = values[view.file]
        return {view.both: tried(values, str(file), 0) if file else ""}

    def example(values: Values) -> Updates:
        number = values[view.seen]
        return {view.both: tried(values, None, number), view.seen: number + 1}

    def again(values: Values) -> Updates:
        file = values[view.file]
        before = max(0, values[view.seen] - 1)
        return {view.both: tried(values, str(file) if file else None, before)}

    quiet = {"concurrency_id": "answers", "concurrency_limit": 2}
    alert = page.result.alert
    inputs = [page.session, view.seen, view.labels, view.file]
    desk.on(view.file.upload, own, inputs, [view.both], alert, **quiet)
    desk.on(view.labels.submit, again, inputs, [view.both], alert, **quiet)
    desk.forward(view.another, example, inputs, [view.both, view.seen], alert, **quiet)
