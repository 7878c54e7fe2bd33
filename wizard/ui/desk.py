"""The desk every step works at: the engine, where errors go, how a handler is wired.

Covers: catching a WizardError and showing it beside the buttons, hosted mode's extra refusals.
Does not cover: what a step does with an answer.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import gradio as gr

from wizard.errors import ModelNotFound, QueueFull, RepoGated, RepoNotFound, WizardError
from wizard.jobs import caller
from wizard.nouns import Explained, ModelRef, Source
from wizard.ui import pieces, words
from wizard.ui.engine_protocol import Engine

Values = Mapping[Any, Any]
Updates = Mapping[Any, Any]
Handler = Callable[..., Updates]


@dataclass(frozen=True, slots=True, kw_only=True)
class Desk:
    """`hosted`: strangers use this app, so no folder of this machine is opened.

    `sign_in`: visitors may sign in at the Hub, and the engine then asks in their name.
    """

    engine: Engine
    hosted: bool
    sign_in: bool = False

    def ref(self, text: str) -> ModelRef:
        """The model as typed. In hosted mode a folder is refused whether or not it exists."""
        if not self.hosted:
            return self.engine.parse_ref(text)
        if text.startswith((".", "/", "~")) or "\\" in text or re.match(r"[A-Za-z]:", text):
            raise ModelNotFound(model=text, suggestion=words.FOLDERS_NOT_HERE)
        ref = self.engine.parse_ref(text)
        return replace(ref, source=Source.HUB, name=text) if ref.source is Source.FOLDER else ref

    def explained(self, error: WizardError) -> Explained:
        """The error in words. A job's id opens it, so a full queue never names whose job it is."""
        said = self.engine.explain(error)
        if isinstance(error, QueueFull):
            return replace(said, next=words.BUSY_NEXT)
        if self.sign_in and isinstance(error, RepoGated | RepoNotFound):
            return replace(said, next=words.SIGN_IN_NEXT)
        return said

    def guarded(self, handler: Handler, alert: Any) -> Handler:
        """The handler, or its error in words; on an error nothing else on the page changes."""

        def answer(values: Values) -> Updates:
            try:
                return {alert: "", **handler(values)}
            except WizardError as error:
                return {alert: pieces.alert(self.explained(error))}

        # Gradio hands over the token of whoever signed in where this very type is asked for.
        def answer_visitor(values: Values, token: gr.OAuthToken | None) -> Updates:
            with caller.on_behalf_of(token.token if token else None):
                return answer(values)

        found = answer_visitor if self.sign_in else answer
        found.__name__ = handler.__name__
        return found

    def forward(
        self,
        button: Any,
        handler: Handler,
        inputs: Iterable[Any],
        outputs: Iterable[Any],
        alert: Any,
        **options: Any,
    ) -> Any:
        """Wire the button that leads on: it shows that it was pressed until the answer is there."""
        event = self.on(button.click, handler, inputs, outputs, alert, **options)
        quiet = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
        event.then(None, None, None, js="() => compressionWizard.answered()", **quiet)
        return event

    def on(
        self,
        trigger: Callable[..., Any],
        handler: Handler,
        inputs: Iterable[Any],
        outputs: Iterable[Any],
        alert: Any,
        **options: Any,
    ) -> Any:
        """Wire a guarded handler; private, so that it is no endpoint of the API."""
        return trigger(
            self.guarded(handler, alert),
            inputs=set(inputs),
            outputs=[*outputs, alert],
            **{"api_visibility": "private", "show_progress": "hidden", **options},
        )


def tie(cards: Any, number: Any, values: Mapping[str, float], own: str) -> tuple[Any, Any]:
    """Keep cards and the number beside them in step, within the browser.

    A card writes its number; a number that no card has chooses the card `own`. The server is not
    asked, so no answer of its own can come late and overwrite what was typed meanwhile. Returns
    both events, to say more about the number after either.
    """
    known = json.dumps(values)
    named = f"Object.entries({known}).find(([name, value]) => value === number)"
    quiet = {"api_visibility": "private", "show_progress": "hidden", "queue": False}
    choose = f"(card, number) => ({known})[card] ?? number"
    write = f"(number) => ({named} ?? [{json.dumps(own)}])[0]"
    return (
        cards.input(None, [cards, number], [number], js=choose, **quiet),
        number.input(None, [number], [cards], js=write, **quiet),
    )
