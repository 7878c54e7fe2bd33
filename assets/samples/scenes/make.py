"""Makes the `scenes` sample: a small SegFormer that outlines coloured things in a drawn scene.

Run: `OMP_NUM_THREADS=1 python assets/samples/scenes/make.py` (some minutes on one core).
Covers: scenes of one to three shapes on soft grounds, their masks, training, the data files, the
measured baseline. Does not cover: compression; what each technique does to it is on the card.
Deterministic for given versions: every draw is seeded, torch runs its deterministic algorithms.
"""

from __future__ import annotations

import random
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import nn
from transformers import (
    SegformerConfig,
    SegformerForSemanticSegmentation,
    SegformerImageProcessor,
)

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _common import batches, begin, normalized, one_cycle, tell
from _scenes import COLOURS, SHAPES, drawn, mask, things, write_looks, write_pictures

HERE = Path(__file__).resolve().parent
SEED = 41
SIDE = 64
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 640, 64, 240
EPOCHS, BATCH, PEAK_RATE = 5, 8, 4e-3
MEAN, STD = 0.5, 0.25
NAMES = ("ground", *COLOURS)


@dataclass(frozen=True)
class Scene:
    """A picture, its mask and how many things are in it."""

    picture: np.ndarray
    mask: np.ndarray
    count: int


def scenes(count: int, seed: int) -> list[Scene]:
    """That many scenes."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        inside = things(rng, rng.randint(1, 3), SHAPES, apart=0.9)
        found.append(
            Scene(drawn(rng, inside, SIDE), mask(inside, SIDE, NAMES).astype(np.uint8), len(inside))
        )
    return found


def tensor(rows: list[Scene]) -> torch.Tensor:
    """Normalized as the processor does it: float32 [n, 3, 64, 64]."""
    return normalized(np.stack([one.picture for one in rows]), MEAN, STD)


def masks(rows: list[Scene]) -> torch.Tensor:
    """Class numbers, [n, 64, 64]."""
    return torch.from_numpy(np.stack([one.mask for one in rows]).astype(np.int64))


def train(model: nn.Module, rows: list[Scene]) -> None:
    """AdamW on scenes and their mirror images."""
    rng = random.Random(SEED + 1)
    optimizer, schedule = one_cycle(model, PEAK_RATE, EPOCHS * (len(rows) // BATCH))
    model.train()
    for _ in range(EPOCHS):
        for group in batches(rng, rows, BATCH):
            seen, wanted = tensor(group), masks(group)
            if rng.random() < 0.5:
                seen, wanted = seen.flip(-1), wanted.flip(-1)
            grown = nn.functional.interpolate(
                model(seen).logits, size=(SIDE, SIDE), mode="bilinear", align_corners=False
            )
            loss = nn.functional.cross_entropy(grown, wanted)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


@torch.no_grad()
def mean_iou(model: nn.Module, rows: list[Scene]) -> float:
    """Mean over the classes of intersection over union, pixels of all rows together."""
    logits = nn.functional.interpolate(
        model(tensor(rows)).logits, size=(SIDE, SIDE), mode="bilinear", align_corners=False
    )
    found, wanted = logits.argmax(1), masks(rows)
    shares = []
    for index in range(len(NAMES)):
        both = ((found == index) & (wanted == index)).sum()
        shares.append(float(both / ((found == index) | (wanted == index)).sum()))
    return sum(shares) / len(shares)


def write_rows(name: str, rows: list[Scene]) -> None:
    """Pictures and masks in one file, and a table of what can be told apart."""
    pictures, outlines = (np.stack([getattr(one, part) for one in rows]) for part in PARTS)
    write_pictures(HERE / "data" / f"{name}-images.npz", images=pictures, masks=outlines)
    write_looks(HERE / "data" / f"{name}.csv", [one.count for one in rows], pictures)


PARTS = ("picture", "mask")


def main() -> None:
    """Make everything and print the baseline."""
    began = begin(SEED)
    torch.use_deterministic_algorithms(True, warn_only=True)  # enlarging has one way back only
    test, calibration, training = (
        scenes(count, SEED + at)
        for at, count in enumerate((TEST_ROWS, CALIBRATION_ROWS, TRAIN_ROWS))
    )
    model = SegformerForSemanticSegmentation(
        SegformerConfig(
            hidden_sizes=[16, 24, 32, 48],
            depths=[1, 1, 1, 1],
            num_attention_heads=[1, 2, 2, 4],
            sr_ratios=[4, 2, 1, 1],
            mlp_ratios=[2, 2, 2, 2],
            decoder_hidden_size=48,
            drop_path_rate=0.0,
            classifier_dropout_prob=0.0,
            id2label=dict(enumerate(NAMES)),
            label2id={name: index for index, name in enumerate(NAMES)},
        )
    )
    train(model, training)
    tell(model, began, mean_iou=mean_iou(model, test))
    write_rows("calibration", calibration)
    write_rows("test", test)
    model.save_pretrained(HERE / "model")
    SegformerImageProcessor(
        size={"height": SIDE, "width": SIDE},
        resample=Image.Resampling.BILINEAR,
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    ).save_pretrained(HERE / "model")


if __name__ == "__main__":
    main()
