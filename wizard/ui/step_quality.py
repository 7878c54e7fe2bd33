"""Step 3, Quality: how wrong it may be, and on which examples that is judged.

Covers: the tolerance on the model's real number, bundled / pasted / uploaded examples, what that
many examples can and cannot tell.
Does not cover: scoring (measure) and judging (compare).
"""

from __future__ import annotations

import hashlib
import math
import tempfile
from collections.abc import Mapping
from dataclasses import replace
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import gradio as gr

from wizard import charts
from wizard.errors import BadNeeds
from wizard.nouns import Needs, Sample, Source, Tolerance
from wizard.ui import pieces, step_plan, words
from wizard.ui.desk import Desk, Updates, Values, tie
from wizard.ui.session import Session

if TYPE_CHECKING:
    from wizard.ui.page import Page

# One-sided 95 %, and the share of answers that a compressed model typically changes.
Z_ONE_SIDED, USUALLY_CHANGED = 1.645, 0.02


class View(NamedTuple):
    """The widgets of this step."""

    tolerance: Any
    points: Any
    meaning: Any
    data: Any
    pasted: Any
    file: Any
    hub: Any
    set: Any
    config: Any
    split: Any
    columns: Any
    check: Any
    rows: Any
    alert: Any
    back: Any
    next: Any

    def answers(self) -> list[Any]:
        """The widgets that hold an answer."""
        named = [self.set, self.config, self.split, self.columns]
        return [self.tolerance, self.points, self.data, self.pasted, self.file, *named]


def draw(desk: Desk) -> View:
    """The tolerance on top, the examples below."""
    gr.HTML(pieces.heading(words.QUALITY_TITLE, words.QUALITY_LEAD), apply_default_css=False)
    tolerance = gr.Radio(
        list(words.TOLERANCES),
        value="1",
        label=words.TOLERANCE,
        elem_id="tolerance",
        elem_classes=["cards", "four"],
        interactive=True,
    )
    with gr.Row(elem_classes="pair"):
        points = gr.Number(
            1,
            label=words.POINTS,
            info=words.POINTS_HINT,
            elem_id="points",
            min_width=280,
            interactive=True,
        )
        meaning = gr.HTML("", elem_id="meaning", apply_default_css=False, min_width=280)
    data = gr.Radio(
        list(words.DATA_CHOICES),
        value=words.DATA_BUNDLED,
        label=words.DATA,
        elem_id="data",
        elem_classes=["cards", "two"],
        interactive=True,
    )
    pasted, file = _own_examples()
    hub, named = _on_the_hub()
    said = (words.COLUMNS, words.COLUMNS_HINT, words.COLUMNS_PLACEHOLDER)
    columns = _line(*said, "data-columns", max_length=400, visible=False)
    check = gr.Button(words.CHECK, visible=False, elem_id="check")
    rows = gr.HTML("", elem_id="rows", apply_default_css=False)
    alert = gr.HTML("", elem_id="alert-quality", apply_default_css=False)
    with gr.Row(elem_classes="nav"):
        back = gr.Button(words.BACK, elem_id="back-quality")
        forward = gr.Button(
            words.NEXT_PLAN, variant="primary", elem_id="next-quality", elem_classes="waits"
        )
    last = (columns, check, rows, alert, back, forward)
    return View(tolerance, points, meaning, data, pasted, file, hub, *named, *last)


def _on_the_hub() -> tuple[Any, tuple[Any, Any, Any]]:
    """A data set, its configuration and its split."""
    boxes = (
        (words.SET, words.SET_HINT, words.SET_PLACEHOLDER, "data-set", 3),
        (words.CONFIG, words.CONFIG_HINT, "", "data-config", 2),
        (words.SPLIT, words.SPLIT_HINT, "", "data-split", 2),
    )
    with gr.Row(visible=False, elem_id="data-hub", elem_classes="boxes") as hub:
        named = [_line(*said, max_length=200, scale=scale, min_width=170) for *said, scale in boxes]
    return hub, (named[0], named[1], named[2])


def _line(label: str, hint: str, placeholder: str, name: str, **more: Any) -> Any:
    """A box for one line of text."""
    return gr.Textbox(
        label=label,
        info=hint,
        placeholder=placeholder,
        max_lines=1,
        elem_id=name,
        interactive=True,
        **more,
    )


def _own_examples() -> tuple[Any, Any]:
    pasted = gr.Textbox(
        label=words.PASTED,
        info=words.PASTED_HINT,
        placeholder=words.PASTED_PLACEHOLDER,
        lines=6,
        max_length=500_000,
        visible=False,
        elem_id="pasted",
        interactive=True,
    )
    file = gr.File(
        label=words.FILE,
        file_types=[".csv", ".tsv", ".txt", ".jsonl", ".json", ".parquet", ".zip"],
        type="filepath",
        visible=False,
        elem_id="file",
        height=150,
        interactive=True,
    )
    return pasted, file


def read(view: View, values: Values, before: Needs) -> Needs:
    """The needs with this step's answers in them."""
    points = values[view.points]
    if points is None:
        raise BadNeeds(name=words.POINTS, value="empty", because="write a number")
    return replace(before, tolerance=Tolerance(points=float(points)), data=_data(view, values))


def _data(view: View, values: Values) -> str:
    if values[view.data] == words.DATA_FILE:
        if not values[view.file]:
            raise BadNeeds(name=words.FILE, value="empty", because=words.NO_FILE)
        return str(values[view.file]) + _columns(view, values)
    if values[view.data] == words.DATA_PASTED:
        text = (values[view.pasted] or "").strip()
        if not text:
            raise BadNeeds(name=words.PASTED, value="empty", because=words.NO_EXAMPLES)
        return str(_kept(text))
    if values[view.data] == words.DATA_HUB:
        return _set(view, values) + _columns(view, values)
    return "sample"


def _columns(view: View, values: Values) -> str:
    """What the user says of the columns, behind the data's name."""
    said = (values[view.columns] or "").strip()
    return f"#columns={said.replace('#', '%23')}" if said else ""


def _set(view: View, values: Values) -> str:
    """hub:ID:CONFIG:SPLIT; a whole hub: name, or a pasted address, is taken as it is."""
    parts = [(values[one] or "").strip() for one in (view.set, view.config, view.split)]
    name = parts[0].removeprefix("https://huggingface.co/datasets/").strip("/")
    if not name:
        raise BadNeeds(name=words.SET, value="empty", because=words.NO_SET)
    if any("#" in part for part in parts):  # what stands behind it may name files of this machine
        raise BadNeeds(name=words.SET, value=name, because=words.NO_SET)
    return "hub:" + ":".join((name.removeprefix("hub:"), *parts[1:])).rstrip(":")


def _kept(text: str) -> Path:
    """Pasted lines as a file named by their content; a header makes it a table."""
    folder = Path(tempfile.gettempdir()) / "compression-wizard-pasted"
    folder.mkdir(mode=0o700, exist_ok=True)
    header = text.splitlines()[0].lower().replace(" ", "").split(",")
    ending = "csv" if {"text", "label", "sentence1"} & set(header) else "txt"
    path = folder / f"{hashlib.sha256(text.encode()).hexdigest()[:20]}.{ending}"
    path.write_text(text + "\n", encoding="utf-8")
    return path


def meaning(sample: Sample | None, points: float | None) -> str:
    """The tolerance on the model's real number, where that is known."""
    if points is None or not math.isfinite(points):
        return ""
    shown = f"{points:g} point{'' if points == 1 else 's'}"
    if sample is None:
        said = (
            f"Whatever the original scores, the new one may score at most <b>{shown}</b> less. "
            "<span class='mut'>The original is measured first, at the start of the run.</span>"
        )
        return f"<p class='said'>{said}</p>"
    if sample.metric == "accuracy":
        before, after = f"{100 * sample.baseline:.1f}\u00a0%", 100 * sample.baseline - points
        now = f"{after:.1f}\u00a0%"
    else:
        before, now = f"{sample.baseline:.3f}", f"{sample.baseline - points / 100:.3f}"
    return (
        f"<p class='said'><b>{before}</b> right may become <b>{now}</b>.</p>"
        if sample.metric == "accuracy"
        else f"<p class='said'>A score of <b>{before}</b> may become <b>{now}</b>.</p>"
    )


def show(look: Mapping[str, Any], points: float | None, *, classes: bool) -> str:
    """What the examples are, and what that many can and cannot tell."""
    test, calibration = int(look["test_rows"]), int(look["calibration_rows"])
    counted = f"<b>{charts.show_number(test)} examples</b> to judge on, {calibration} others"
    lines = [f"{counted} to learn from. {words.NEVER_OVERLAP}"]
    if classes and test:
        lines.append(_resolution(test, points))
    if look["labels"]:
        shown = ", ".join(escape(str(one)) for one in look["labels"][:6])
        more = len(look["labels"]) - 6
        lines.append(f"Labels found: {shown}{f' and {more} more' if more > 0 else ''}.")
    lines += [escape(str(note)) for note in look["notes"]]
    items = "".join(f"<li>{line}</li>" for line in lines)
    return f"<section class='card rows'><ul>{items}</ul>{_first(look)}</section>"


def _first(look: Mapping[str, Any]) -> str:
    """The first rows as they are read: what was mistaken for a text or a label shows at once."""
    rows = "".join(
        f"<li>{escape(' | '.join(one['texts']))}"
        + (f" <span class='mut'>{escape(one['answer'])}</span>" if one["answer"] else "")
        + "</li>"
        for one in look.get("first", ())
    )
    return f"<h4>{words.FIRST_ROWS}</h4><ul class='first'>{rows}</ul>" if rows else ""


def _resolution(rows: int, points: float | None) -> str:
    finest = 100 * Z_ONE_SIDED * math.sqrt(USUALLY_CHANGED / rows)
    said = (
        f"If 2 in 100 answers change, that many can tell a loss of about "
        f"<b>{charts.show_number(finest)} points</b> from luck, and nothing finer."
    )
    if points and finest > points:
        wanted = USUALLY_CHANGED * (100 * Z_ONE_SIDED / points) ** 2
        said += (
            f" Your {points:g} is finer, so the answer may be \u201ccannot tell\u201d; about "
            f"{charts.show_number(float(f'{wanted:.2g}'))} examples would settle it."
        )
    return said


def restored(view: View, desk: Desk, session: Session) -> Updates:
    """The widgets as the session's needs have them."""
    if session.needs is None:
        return {}
    points = session.needs.tolerance.points
    known = [value for _, value in words.TOLERANCES if value == f"{points:g}"]
    return {
        view.tolerance: known[0] if known else words.OWN,
        view.points: points,
        view.meaning: meaning(sample_of(desk, session), points),
    }


def sample_of(desk: Desk, session: Session) -> Sample | None:
    """The bundled model of this session, if it is one."""
    profile = session.profile
    if profile is None or profile.ref.source is not Source.SAMPLE:
        return None
    return desk.engine.samples().get(profile.ref.name)


def looked(desk: Desk, session: Session, path: str, points: float | None) -> str:
    """A look into the examples, in words."""
    profile = session.profile
    if profile is None:
        return ""
    look = desk.engine.preview_data(profile, path)
    return show(look, points, classes=bool(profile.labels))  # type: ignore[arg-type]


def arrive(event: Any, page: Page, desk: Desk) -> None:
    """After Next of the step before: the number and the bundled examples of this model."""
    view = page.quality

    def arrived(values: Values) -> Updates:
        session, points = values[page.session], values[view.points]
        if session.answered < 2 or values[view.data] != words.DATA_BUNDLED:
            return {view.meaning: meaning(sample_of(desk, session), points)}
        rows = looked(desk, session, "sample", points)
        return {view.meaning: meaning(sample_of(desk, session), points), view.rows: rows}

    inputs = [page.session, view.points, view.data]
    desk.on(event.then, arrived, inputs, [view.meaning, view.rows], view.alert)


def wire(page: Page, desk: Desk) -> None:
    """A level sets the points; a kind of examples shows its box; Next looks into them."""
    view = page.quality

    def said(values: Values) -> Updates:
        return {view.meaning: meaning(sample_of(desk, values[page.session]), values[view.points])}

    def kind(values: Values) -> Updates:
        chosen = values[view.data]
        return {
            view.pasted: gr.Textbox(visible=chosen == words.DATA_PASTED),
            view.file: gr.File(visible=chosen == words.DATA_FILE),
            view.hub: gr.Row(visible=chosen == words.DATA_HUB),
            view.columns: gr.Textbox(visible=chosen in {words.DATA_FILE, words.DATA_HUB}),
            view.check: gr.Button(visible=chosen != words.DATA_BUNDLED),
            view.rows: "",
        }

    def look(values: Values) -> Updates:
        session = values[page.session]
        needs = read(view, values, session.needs)
        return {view.rows: looked(desk, session, needs.data, needs.tolerance.points)}

    def forward(values: Values) -> Updates:
        session = values[page.session]
        needs = read(view, values, session.needs)
        rows = looked(desk, session, needs.data, needs.tolerance.points)
        session = replace(session, needs=needs, answered=max(3, session.answered))
        return {
            page.session: session,
            view.rows: rows,
            page.steps: gr.Walkthrough(selected=3),
            **step_plan.show(page.plan, desk, session),
        }

    inputs = [page.session, *view.answers()]
    levels = {name: float(name) for _, name in words.TOLERANCES if name != words.OWN}
    for event in tie(view.tolerance, view.points, levels, words.OWN):
        desk.on(event.then, said, [page.session, view.points], [view.meaning], view.alert)
    boxes = [view.pasted, view.file, view.hub, view.columns, view.check, view.rows]
    event = desk.on(view.data.input, kind, inputs, boxes, view.alert)
    arrive(event, page, desk)
    desk.on(view.check.click, look, inputs, [view.rows], view.alert)
    outputs = [page.session, view.rows, page.steps, *page.plan.shown()]
    desk.forward(view.next, forward, inputs, outputs, view.alert)
