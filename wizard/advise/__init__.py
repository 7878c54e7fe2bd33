"""Chooses what to try, in which order, and says why. Pure.

Covers: facts, rule effects, ranking, refusals with what to relax, what would change the choice,
counter-offers, the contract in one sentence, the command that does the same.
Does not cover: forecasts (estimate), running anything (run).
"""

from wizard.advise.facts import Firing, facts_of, fires
from wizard.advise.needs import check_needs, command, command_for_job, sentence_of
from wizard.advise.plan import advise, look_elsewhere

__all__ = [
    "Firing",
    "advise",
    "check_needs",
    "command",
    "command_for_job",
    "facts_of",
    "fires",
    "look_elsewhere",
    "sentence_of",
]
