"""The foreman: walks a plan from checkpoint to bundle and always keeps the best so far.

Covers: `plan_for` (profile + needs -> plan), `walk` (plan -> events and an outcome on disk),
`dry` (candidates tried on random weights), `result_object` (outcome -> the wizard.run/1 JSON
object), `pair` (two given models compared), `offers` (what to relax; a job judged by another
contract), `evidence` (rules held against the bundled samples), `shared` (work that a later job
uses again).
Does not cover: processes, limits, cancelling; those are `jobs`.
"""

from wizard.run import dry, evidence, offers, pair, shared
from wizard.run.outcome import read_outcome
from wizard.run.planning import plan_for
from wizard.run.result import result_object
from wizard.run.sibling import FOLDER as SIBLING_FOLDER
from wizard.run.state import ORIGINAL, Site
from wizard.run.walk import walk

__all__ = [
    "ORIGINAL",
    "SIBLING_FOLDER",
    "Site",
    "dry",
    "evidence",
    "offers",
    "pair",
    "plan_for",
    "read_outcome",
    "result_object",
    "shared",
    "walk",
]
