"""The report's words on smaller published models: the one that was measured, those that were not.

Covers: both as HTML. Does not cover: which ones are offered (advise/siblings.py).
"""

from __future__ import annotations

from html import escape

from wizard.cited import on_the_hub
from wizard.nouns import ModelProfile, Outcome


def section(outcome: Outcome) -> str:
    """A heading and a list; nothing where no sibling is known."""
    plan = outcome.plan
    items = [_measured(plan.sibling)] if plan.sibling is not None else []
    items += [
        f"<li>{escape(one.sentence)} Not measured: nobody asked for it. "
        f"<code>--sibling {escape(one.sibling.model)}</code> "
        f"<span class='mut'>({on_the_hub(one.sibling.model)})</span></li>"
        for one in plan.siblings
    ]
    return f"<h2>Smaller published models</h2><ul>{''.join(items)}</ul>" if items else ""


def _measured(profile: ModelProfile) -> str:
    licence = f", licence {escape(profile.licence)}" if profile.licence else ""
    return (
        f"<li>{escape(profile.title)} ({profile.parameters.total / 1e6:.3g} million parameters"
        f"{licence}) was measured by the same contract, on the same rows, with its own tokenizer "
        "or image processor. It is another network, so its layers are not held against the "
        "original's.</li>"
    )
