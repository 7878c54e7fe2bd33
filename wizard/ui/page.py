"""The whole page as one value: what all steps share, and the view of each step.

Covers: names only. Does not cover: drawing (step_*.py) or wiring (app.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

from wizard.ui import (
    step_device,
    step_model,
    step_plan,
    step_quality,
    step_result,
    step_run,
)

MODEL, DEVICE, QUALITY, PLAN, RUN, RESULT = range(6)


class Page(NamedTuple):
    """`token` carries what the browser shall remember, `again` what it remembered of a run.

    `timer` ticks during a run only.
    """

    session: Any
    steps: Any
    rail: Any
    timer: Any
    token: Any
    again: Any
    model: step_model.View
    device: step_device.View
    quality: step_quality.View
    plan: step_plan.View
    run: step_run.View
    result: step_result.View
