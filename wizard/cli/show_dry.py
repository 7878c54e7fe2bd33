"""How a dry run looks in a terminal: a line for every candidate, its clauses, what is not known.

Covers: layout. Does not cover: what was measured (run/dry.py).
"""

from __future__ import annotations

from collections.abc import Mapping

from wizard.cli import show
from wizard.nouns import Json


def table(tried: Mapping[str, Json]) -> None:
    """Measured size and speed of every candidate, and what each clause says of it."""
    show.say(str(tried["sentence"]))
    show.say("Measured here on random weights of this architecture; nothing was downloaded.")
    show.say(f"   the original: {_figure(tried['size'])}, {_figure(tried['latency'])} a request")
    for one in _objects(tried["candidates"]):
        if one["failed"]:
            show.say(f"   {one['title']}: {one['failed']}")
            continue
        show.say(f"   {one['title']} ({one['label']}): {_figures(one)}")
        for clause in _objects(one["clauses"]):
            show.say(f"      {clause['verdict']}  {clause['name']}: {clause['because']}")
        show.say("      not measured  quality: random weights have none")


def _figures(one: Mapping[str, Json]) -> str:
    before, now = one["original_latency"], one["latency"]
    ratio = f", {_value(now) / _value(before):.2f} of the original's time" if before else ""
    return f"{_figure(one['size'])}, {_figure(now)} a request{ratio}"


def _figure(quantity: Json) -> str:
    assert isinstance(quantity, Mapping)  # noqa: S101 - the shape of wizard.dry-run/1
    return f"{_value(quantity):.3g} {quantity['unit']}"


def _value(quantity: Json) -> float:
    assert isinstance(quantity, Mapping)  # noqa: S101 - the shape of wizard.dry-run/1
    return float(str(quantity["value"]))


def _objects(many: Json) -> list[Mapping[str, Json]]:
    assert isinstance(many, list)  # noqa: S101 - the shape of wizard.dry-run/1
    return [one for one in many if isinstance(one, Mapping)]
