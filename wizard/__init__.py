"""Compression Wizard: from a Hugging Face model to a compressed one that keeps its promise.

    import wizard
    profile = wizard.examine(wizard.parse_ref("sample:intents"))
    plan = wizard.advise(profile, needs)
    job = wizard.start(plan)
    for event in wizard.follow(job): ...
    outcome, bundle = wizard.compare(job), wizard.pack(job)

Covers: the public names, all of them re-exported, each loaded when it is first asked for (PEP 562),
so that `wizard --help` waits for none. Does not cover: anything else.
"""

from __future__ import annotations

import importlib
import sys
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from wizard.engine import advise, cancel, compare, examine, follow, pack, parse_ref, start
    from wizard.errors import WizardError
    from wizard.nouns import Budget, ModelRef, Needs, Priority, Tolerance, Workload

__version__ = "0.1.0"

__all__ = [
    "Budget",
    "ModelRef",
    "Needs",
    "Priority",
    "Tolerance",
    "WizardError",
    "Workload",
    "advise",
    "cancel",
    "compare",
    "examine",
    "follow",
    "pack",
    "parse_ref",
    "start",
]

ROOMS = ("wizard.nouns", "wizard.errors", "wizard.engine")


class _Front(ModuleType):
    """Two of the functions share their name with a room; the public name is the function's."""

    def __getattr__(self, name: str) -> Any:
        if name in __all__:
            for room in map(importlib.import_module, ROOMS):
                if hasattr(room, name):
                    return getattr(room, name)
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")

    def __setattr__(self, name: str, value: Any) -> None:
        if not (name in __all__ and isinstance(value, ModuleType)):  # as importing a room would
            super().__setattr__(name, value)

    def __dir__(self) -> list[str]:
        return sorted({*super().__dir__(), *__all__})


sys.modules[__name__].__class__ = _Front
