"""What the picture makers share: drawn scenes of simple shapes, with outlines and boxes.

Covers: soft backgrounds, coloured shapes in any place and size, their masks and boxes, one file
of many pictures. Does not cover: what a sample asks about a scene.
"""

from __future__ import annotations

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _common import write_table
from PIL import Image, ImageDraw

FINE = 4  # pixels drawn for each pixel kept, a side
STEP, COARSE = 4, 8  # brightness is kept in steps, which pack better
COLOURS = {
    "red": (205, 60, 55),
    "green": (70, 160, 75),
    "blue": (60, 95, 200),
    "yellow": (220, 195, 60),
    "purple": (140, 75, 175),
    "orange": (225, 130, 50),
}
COUNTS, DIM = ("no", "one", "two", "three"), 115
SHAPES = ("circle", "square", "triangle", "star", "cross")


@dataclass(frozen=True)
class Thing:
    """One shape in a scene: centre and radius as shares of the side, and its turn."""

    shape: str
    colour: str
    x: float
    y: float
    radius: float
    turn: float

    def corners(self, side: int) -> list[tuple[float, float]]:
        """The outline in pixels."""
        return [
            (
                side * (self.x + self.radius * far * math.cos(at + self.turn)),
                side * (self.y + self.radius * far * math.sin(at + self.turn)),
            )
            for at, far in _outline(self.shape)
        ]


def _outline(shape: str) -> list[tuple[float, float]]:
    """Angles and distances from the centre, as a share of the radius."""
    if shape == "circle":
        return [(2 * math.pi * k / 40, 1.0) for k in range(40)]
    if shape == "star":
        return [(math.pi * k / 5, 1.0 if k % 2 else 0.42) for k in range(10)]
    if shape == "cross":
        near, wide = math.atan2(1, 3), math.hypot(0.32, 0.95)
        return [
            (math.pi * q / 2 + at, far)
            for q in range(4)
            for at, far in ((-near, wide), (near, wide), (math.pi / 4, 0.45))
        ]
    count = {"triangle": 3, "square": 4}[shape]
    return [(2 * math.pi * k / count, 1.0) for k in range(count)]


def background(rng: np.random.Generator, side: int) -> np.ndarray:
    """A soft ground of two tones and a little texture, float [side, side, 3]."""
    corners = rng.uniform(70, 190, (2, 2, 3)) * rng.uniform(0.7, 1.1)
    small = Image.fromarray(corners.clip(0, 255).astype(np.uint8))
    soft = np.asarray(small.resize((side, side), Image.BICUBIC), np.float32)
    texture = rng.normal(0, 9, (side // 4, side // 4)).astype(np.float32)
    grain = np.asarray(Image.fromarray(texture).resize((side, side), Image.BICUBIC))
    return soft + grain[..., None]


def drawn(rng: random.Random, things: Sequence[Thing], side: int) -> np.ndarray:
    """The scene as uint8 [side, side, 3], later things in front of earlier ones."""
    draws = np.random.default_rng(rng.getrandbits(32))
    picture = Image.fromarray(background(draws, side).clip(0, 255).astype(np.uint8))
    picture = picture.resize((side * FINE, side * FINE), Image.BICUBIC)
    pen = ImageDraw.Draw(picture)
    for thing in things:
        tint = draws.uniform(0.75, 1.1)
        colour = [
            round(max(0, min(255, value * tint + draws.normal(0, 10))))
            for value in COLOURS[thing.colour]
        ]
        pen.polygon(thing.corners(side * FINE), fill=tuple(colour))
    small = np.asarray(picture.resize((side, side), Image.BOX))
    return (small // STEP * STEP).clip(0, 255).astype(np.uint8)


def coarse(picture: np.ndarray) -> np.ndarray:
    """The same in coarser steps of brightness."""
    return picture // COARSE * COARSE


def mask(things: Sequence[Thing], side: int, names: Sequence[str]) -> np.ndarray:
    """For each pixel the place of its thing's colour in `names`, 0 for the ground."""
    picture = Image.new("L", (side * FINE, side * FINE), 0)
    pen = ImageDraw.Draw(picture)
    for thing in things:
        pen.polygon(thing.corners(side * FINE), fill=names.index(thing.colour))
    return np.asarray(picture)[FINE // 2 :: FINE, FINE // 2 :: FINE].copy()


def box(thing: Thing, side: int) -> tuple[float, float, float, float]:
    """Left, top, width, height in pixels, as COCO counts them."""
    across, down = zip(*thing.corners(side), strict=True)
    left, top = (max(0.0, min(values)) for values in (across, down))
    right, bottom = (min(float(side), max(values)) for values in (across, down))
    return left, top, right - left, bottom - top


def things(
    rng: random.Random, count: int, shapes: Sequence[str], apart: float = 1.2
) -> list[Thing]:
    """Things that lie in the scene and do not cover each other much."""
    found: list[Thing] = []
    while len(found) < count:
        radius = rng.uniform(0.13, 0.26)
        one = Thing(
            shape=rng.choice(shapes),
            colour=rng.choice(tuple(COLOURS)),
            x=rng.uniform(radius, 1 - radius),
            y=rng.uniform(radius, 1 - radius),
            radius=radius,
            turn=rng.uniform(0, 2 * math.pi),
        )
        if all(
            math.hypot(one.x - other.x, one.y - other.y) > apart * (radius + other.radius) * 0.8
            for other in found
        ):
            found.append(one)
        elif rng.random() < 0.02:  # too full a scene: begin anew
            found.clear()
    return found


def write_looks(path: Path, counts: Sequence[int], pictures: np.ndarray) -> None:
    """A table of what can be told apart: how many things are in a picture, and its light."""
    light = ["dim" if one.mean() < DIM else "bright" for one in pictures]
    named = [COUNTS[count] for count in counts]
    write_table(path, ("things", "light"), list(zip(named, light, strict=True)))


def write_pictures(path: Path, **arrays: np.ndarray) -> None:
    """Pictures (and masks) of one size in one file."""
    path.parent.mkdir(exist_ok=True)
    np.savez_compressed(path, **arrays)
