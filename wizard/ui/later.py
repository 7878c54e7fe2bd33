"""What the first page does not need: components of later steps wait until the first step stands.

Gradio fetches the script of every component that is visible by itself and makes its nodes, also
in steps nobody has reached. Here they start invisible and are all let in, by the browser alone,
as soon as the first step can be used; no answer depends on them until then.
Covers: which components wait, the event that lets them in. Does not cover: those that a step
shows and hides by itself.
"""

from __future__ import annotations

from typing import Any

from gradio.components import Component


def hold(steps: Any) -> list[Any]:
    """Make what later steps show invisible for now; the components held."""
    held: list[Any] = []
    for step in steps.children[1:]:
        held += [one for one in _inside(step) if one.visible is True]
    for one in held:
        one.visible = False
    return held


def _inside(block: Any) -> list[Any]:
    """Every component below a layout, however deep."""
    if isinstance(block, Component):
        return [block]
    return [one for child in getattr(block, "children", ()) for one in _inside(child)]


def let_in(blocks: Any, held: list[Any]) -> None:
    """Show them when the first step stands, without asking the server."""
    blocks.load(
        None,
        None,
        held,
        js=f"() => compressionWizard.letIn({len(held)})",
        api_visibility="private",
        show_progress="hidden",
    )
