"""The fold "Your other runs" of the result page.

Covers: the visitor's own runs, newest first, each a link. Does not cover: anybody else's; an id
opens a run, so only the owner is shown it.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from html import escape

from wizard.ui import words
from wizard.ui.engine_protocol import JobGlance

SHOWN = 30


def history(runs: Sequence[JobGlance], current: str) -> str:
    """Every run but the current one; empty when there is none."""
    others = [one for one in runs if one.id != current]
    if not others:
        return ""
    rows = "".join(_row(one) for one in others[:SHOWN])
    heads = "".join(f"<th scope='col'>{name}</th>" for name in words.RUN_COLUMNS)
    return (
        f"<details class='sub' id='history'><summary>{words.HISTORY} ({len(others)})</summary>"
        f"<div class='tw'><table class='tb'><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody>"
        "</table></div></details>"
    )


def _row(run: JobGlance) -> str:
    began = time.gmtime(run.created)
    when = (
        f"<a href='#run={escape(run.id)}'><time datetime='{time.strftime('%FT%TZ', began)}'>"
        f"{time.strftime('%d %b %Y, %H:%M', began)}</time></a>"
    )
    said = run.sentence or words.RUN_STATES.get(run.state, run.state)
    cells = zip(words.RUN_COLUMNS[1:], (run.model, run.device, said), strict=True)
    rest = "".join(f"<td data-l='{name}'>{escape(cell)}</td>" for name, cell in cells)
    return f"<tr><th scope='row'>{when}</th>{rest}</tr>"
