"""The card of a model that was given as ONNX, from what was found when it was taken in.

Covers: its counts, its work at a request, what is said of it. Needs neither torch nor the graph.
Does not cover: taking it in (uploads.py).
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path

from wizard.errors import ConfigUnreadable
from wizard.intake.count import Count
from wizard.nouns import Support, SupportLevel, Workload

GIVEN = "given.json"
TAKEN = "An ONNX file of yours, checked and tried out; it is taken as it is."


@dataclass(frozen=True, slots=True, kw_only=True)
class Given:
    """What was found; `counts` by kind of layer, as uploads.count says."""

    task: str
    width: int
    image_size: int | None
    compressed: bool
    sha256: str
    counts: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def count(self, workload: Workload) -> Count:
        """Parameters, and multiply-adds of one request (without attention's own products)."""
        known = self.counts
        macs = known["applied"] * (workload.tokens or 1) + known["conv_macs"]
        return Count(
            embedding=known["embedding"],
            linear=known["linear"],
            conv=known["conv"],
            other=known["other"],
            depthwise=known["depthwise"],
            macs=macs * workload.batch,
        )

    def support(self) -> Support:
        """It should work; what is compressed already is not compressed again."""
        if self.compressed:
            because = "Its weights are compressed already; start from the original model."
            return Support(level=SupportLevel.NOT_HERE, because=because)
        because = " ".join((TAKEN, *self.notes))
        return Support(level=SupportLevel.SHOULD_WORK, because=because)


def read(folder: Path) -> Given | None:
    """What was found of the ONNX file in that folder; None for any other model."""
    path = folder / GIVEN
    if not path.is_file():
        return None
    try:
        return Given(**json.loads(path.read_text(encoding="utf-8")))
    except (ValueError, TypeError) as error:
        raise ConfigUnreadable(model=folder.name, because=f"{GIVEN} is damaged") from error
