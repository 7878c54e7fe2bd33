"""Healthy candidates: every technique that is free or nearly so on each sample. None is accused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from tests.planted.stage import Told, stage

# What a technique may honestly cost on a sample (its card says so): the contract asks no less.
DROP = 2.0
TEXT = (
    ("lossless", {}),
    ("float16", {}),
    ("int8_dynamic", {}),
    ("int8_dynamic", {"embeddings": False}),
    ("int8_dynamic", {"per_channel": False}),
    ("int8_static", {}),
    ("int8_static", {"method": "percentile"}),
    ("int8_static", {"method": "entropy"}),
    ("int8_weights", {}),
    ("int8_static_smooth", {}),
    ("low_bit_weights", {}),
    ("mixed_precision", {}),
    ("palettization", {}),
)
PICTURES = (
    ("lossless", {}),
    ("float16", {}),
    ("int8_static", {}),
    ("int8_static", {"method": "percentile"}),
    ("int8_static", {"method": "entropy"}),
    ("palettization", {"informed": True}),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Healthy:
    """One honest candidate."""

    title: str
    make: Callable[[], Told]


def honest(sample: str, technique: str, settings: dict) -> Healthy:
    """The technique as the wizard makes it, judged by a contract it can keep."""

    def make() -> Told:
        here = stage(sample)
        return here.tell(here.make(technique, **settings), drop=DROP)

    words = " ".join(f"{name}={value}" for name, value in settings.items())
    return Healthy(title=f"{sample}: {technique} {words}".strip(), make=make)


# One scale for a whole matrix honestly costs the embeddings two points: not a healthy candidate.
EMBEDDINGS = tuple(one for one in TEXT if one[1] != {"per_channel": False})

HEALTHY = [
    honest(sample, technique, settings)
    for sample, techniques in (("intents", TEXT), ("sentences", EMBEDDINGS), ("digits", PICTURES))
    for technique, settings in techniques
]
