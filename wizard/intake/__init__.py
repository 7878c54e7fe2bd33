"""What came to the door: a model's name -> its card; the machine -> its facts. No weights.

Covers: resolving a name (sample, folder, Hub id with revision), the card from config and file
list, weights checked without being loaded, the machine we run on.
Does not cover: what to do with the model (advise), its data (examples).
"""

from wizard.intake.card import cached, examine
from wizard.intake.machine import host_facts, this_machine
from wizard.intake.source import folder_here, folder_of, parse_ref, resolve
from wizard.intake.tempo import pace
from wizard.intake.uploads import take, take_from_hub
from wizard.intake.weightless import with_random_weights
from wizard.intake.weights import check_weights

__all__ = [
    "cached",
    "check_weights",
    "examine",
    "folder_here",
    "folder_of",
    "host_facts",
    "pace",
    "parse_ref",
    "resolve",
    "take",
    "take_from_hub",
    "this_machine",
    "with_random_weights",
]
