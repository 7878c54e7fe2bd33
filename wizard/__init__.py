"""Compression Wizard: from a Hugging Face model to a compressed one that keeps its promise.

    import wizard
    profile = wizard.examine(wizard.parse_ref("sample:intents"))
    plan = wizard.advise(profile, needs)
    job = wizard.start(plan)
    for event in wizard.follow(job): ...
    outcome, bundle = wizard.compare(job), wizard.pack(job)

Covers: the public names, all of them re-exported. Does not cover: anything else.
"""

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
