"""How a plan looks in a terminal: candidates, what was left out, what would change it, the rules.

Covers: layout. Does not cover: what is shown (advise), everything else (show.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from wizard.advise.trace import record_of
from wizard.cli import show, show_dry
from wizard.nouns import Json, Plan, Quantity, RuleTrace, jsonable

PLAN_SCHEMA = "wizard.plan/1"
# Rules that stayed silent are many; these are the nearest to speaking.
SILENT_SHOWN = 5
HEADS = (
    ("fired", "Rules that spoke"),
    ("lost", "Rules that spoke in vain"),
    ("blocked", "Rules that stayed silent, nearest first"),
)


def plan(
    made: Plan, command: str, tried: Mapping[str, Json] | None = None, *, as_json: bool
) -> None:
    """The contract, the candidates with ranges and reasons, and what was not chosen.

    `tried` is the wizard.dry-run/1 object of a dry run.
    """
    if as_json:
        dry = {"dry_run": tried} if tried is not None else {}
        show.emit({"schema": PLAN_SCHEMA, **_object(made), **dry, "command": command})
        return
    if tried is not None:
        show_dry.table(tried)
        show.say()
    show.say(made.sentence)
    for rank, candidate in enumerate(made.candidates, 1):
        show.say()
        show.say(f"{rank}. {candidate.title}  [{candidate.id}]")
        cast = candidate.forecast
        each = f", each further token {_range(cast.token)}" if cast.token else ""
        show.say(f"   size {_range(cast.size)}, latency {_range(cast.latency)}{each} (estimated)")
        show.say(
            f"   loses {_range(cast.drop)}; takes about {_number(cast.seconds.value)} s to try"
        )
        for reason in candidate.reasons:
            held = record_of(made, reason.rule_id)
            show.say(f"   because {reason.sentence}{f' ({held})' if held else ''}")
        for warning in candidate.warnings:
            show.say(f"   mind    {warning.sentence}")
    _siblings(made)
    _not_chosen(made)
    _rules(made)
    _cost(made)
    show.say()
    show.say(command)


def _siblings(made: Plan) -> None:
    """Smaller published models, and how to have one measured too."""
    if made.siblings:
        show.say("\nSmaller published models, before anything is compressed:")
    for offer in made.siblings:
        show.say(f"   {offer.sentence}")
        show.say(f"      measure it too with --sibling {offer.sibling.model}")


def _not_chosen(made: Plan) -> None:
    for title, refusals in (("Refused", made.refusals), ("Not chosen", made.also_considered)):
        if refusals:
            show.say(f"\n{title}:")
        for refusal in refusals:
            relax = f" {refusal.relax}" if refusal.relax else ""
            show.say(f"   {refusal.what}: {refusal.because}{relax}")
    if made.would_change:
        show.say("\nThe choice would change:")
    for change in made.would_change:
        show.say(f"   {change.fact}: {change.then}")
    if made.counter_offers:
        show.say("\nAs it stands, this looks out of reach. What would do:")
    for offer in made.counter_offers:
        show.say(f"   {offer.sentence}")


def _cost(made: Plan) -> None:
    """What the run costs here, and whether the minutes look too short."""
    job = made.job
    show.say("\nWhat the run costs here (estimated):")
    show.say(f"   {_range(job.seconds)}, a first verdict after {_range(job.first)}")
    show.say(f"   {_range(job.memory)} of memory, {_range(job.disk)} of disk")
    if made.hurry:
        show.say(f"   mind    {made.hurry}")


def _rules(made: Plan) -> None:
    """Every rule that spoke or lost with its source; of the silent ones the nearest."""
    for outcome, head in HEADS:
        group = [one for one in made.rules if one.outcome == outcome]
        if not group:
            continue
        shown = group[:SILENT_SHOWN] if outcome == "blocked" else group
        more = f", {len(shown)} of {len(group)}; all with --json" if len(shown) < len(group) else ""
        show.say(f"\n{head}{more}:")
        for one in shown:
            show.say(_rule(one))


def _rule(one: RuleTrace) -> str:
    held = f" [{one.record}]" if one.record else ""
    first = one.source.partition("; ")[0]
    return f"   {one.effect.value:<7} {one.rule_id}: {one.because} ({first}){held}"


def _object(made: Plan) -> Mapping[str, Json]:
    plain = jsonable(made)
    assert isinstance(plain, Mapping)  # noqa: S101 - a noun's JSON form
    return plain


def _range(quantity: Quantity) -> str:
    if quantity.low is None or quantity.high is None:
        return f"{_number(quantity.value)} {quantity.unit}"
    return f"{_number(quantity.low)} to {_number(quantity.high)} {quantity.unit}"


def _number(value: float) -> str:
    return f"{value:.3g}" if abs(value) < 1000 else f"{value:.0f}"
