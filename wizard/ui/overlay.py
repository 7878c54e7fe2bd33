"""What a model sees in a picture, drawn on it: boxes with their names, or coloured areas.

Covers: the HTML of a picture with marks on it, the legend's swatches.
Does not cover: finding anything (measure/scorers). Colours come from the classes k0 to k7, so that
both models' marks of one label look alike. Everything from outside is escaped.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from wizard.nouns import Json

COLOURS = 8
HIGH, FAR = 12, 60  # per cent from the top and the left: a name would be cut off


def drawn(picture: Json, answer: Mapping[str, Json], whose: str) -> str:
    """The picture (PNG in base64) with the answer's marks; empty where it has none."""
    boxes, areas = answer.get("boxes"), answer.get("map")
    if not isinstance(picture, str):
        return ""
    if isinstance(boxes, list | tuple):
        told = names(boxes) or "nothing"
        return _over(picture, "".join(_box(*one) for one in boxes), f"{whose}: {told}")
    if isinstance(areas, list | tuple):
        return _over(picture, _areas(areas), f"{whose}: its outlines")
    return ""


def names(boxes: Sequence[Any]) -> str:
    """What is in the boxes, with commas between."""
    return ", ".join(str(one[0]) for one in boxes)


def _over(picture: str, marks: str, said: str) -> str:
    said = escape(said, quote=True)
    image = f"<img src='data:image/png;base64,{picture}' alt='{said}'>"
    return f"<div class='marked'>{image}{marks}</div>"


def swatch(label: int) -> str:
    """The colour of a label, beside its name."""
    return f"<i class='sw k{label % COLOURS}' aria-hidden='true'></i>"


def _box(name: str, label: int, *place: float) -> str:
    """`place` is left, top, width, height in shares of the sides."""
    left, top, width, height = (100 * min(1.0, max(0.0, part)) for part in place)
    style = f"left:{left:.1f}%;top:{top:.1f}%;width:{width:.1f}%;height:{height:.1f}%"
    turned = (" low" if top < HIGH else "") + (" end" if left > FAR else "")
    css = f"bx k{label % COLOURS}{turned}"
    return f"<span class='{css}' style='{style}' aria-hidden='true'><b>{escape(name)}</b></span>"


def _areas(rows: Sequence[Sequence[int]]) -> str:
    """One path for each label, a strip for each run of pixels in a row."""
    paths: dict[int, list[str]] = defaultdict(list)
    for down, row in enumerate(rows):
        start = 0
        for at in range(1, len(row) + 1):
            if at == len(row) or row[at] != row[start]:
                wide = at - start
                paths[row[start]].append(f"M{start} {down}h{wide}v1h-{wide}z")
                start = at
    shapes = "".join(
        f"<path class='k{label % COLOURS}' d='{''.join(runs)}'/>" for label, runs in paths.items()
    )
    size = f"0 0 {len(rows[0])} {len(rows)}"
    return f"<svg viewBox='{size}' preserveAspectRatio='none' aria-hidden='true'>{shapes}</svg>"
