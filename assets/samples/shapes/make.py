"""Makes the `shapes` sample: a small YOLOS that frames coloured things in a drawn scene.

Run: `OMP_NUM_THREADS=1 python assets/samples/shapes/make.py` (eight minutes of one core).
Covers: scenes of one to three shapes on soft grounds, their boxes, training, the data files, the
measured baseline. Does not cover: compression; what each technique does to it is on the card.
Deterministic for given versions: every draw is seeded, torch runs its deterministic algorithms.

A detector learns slowly while it does not know which of its queries should answer for what. So
each query answers for a field of the picture first; then for whatever it frames best, as in
Carion et al. 2020 (DETR, arXiv 2005.12872), which does away with two frames for one thing.
The architecture is that of Fang et al. 2021 (YOLOS, arXiv 2106.00666).
"""

from __future__ import annotations

import json
import random
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.optimize import linear_sum_assignment
from torch import nn
from transformers import YolosConfig, YolosForObjectDetection, YolosImageProcessor

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _common import batches, begin, normalized, one_cycle, tell
from _scenes import COLOURS, SHAPES, box, coarse, drawn, things, write_looks, write_pictures

HERE = Path(__file__).resolve().parent
SEED = 43
SIDE, FIELDS = 64, 4  # a query for each of the 4 x 4 fields
TRAIN_ROWS, CALIBRATION_ROWS, TEST_ROWS = 3000, 52, 340
EPOCHS, BATCH, PEAK_RATE = 40, 16, 1.5e-3
BY_FIELD = 0.6  # of the rounds
BOX_WEIGHT, OVERLAP_WEIGHT, NOTHING_WEIGHT = 5.0, 2.0, 0.3
MEAN, STD = 0.5, 0.25
NAMES = tuple(COLOURS)


@dataclass(frozen=True)
class Scene:
    """A picture; of each thing its class and its box: centre, width, height in shares."""

    picture: np.ndarray
    classes: np.ndarray
    boxes: np.ndarray


def scenes(count: int, seed: int) -> list[Scene]:
    """That many scenes."""
    rng = random.Random(seed)
    found = []
    for _ in range(count):
        inside = things(rng, rng.randint(1, 3), SHAPES)
        framed = np.array([box(one, SIDE) for one in inside], np.float32) / SIDE
        framed[:, :2] += framed[:, 2:] / 2
        classes = np.array([NAMES.index(one.colour) for one in inside])
        found.append(Scene(drawn(rng, inside, SIDE), classes, framed))
    return found


def coarser(scene: Scene) -> Scene:
    """The scene as it is kept."""
    return Scene(coarse(scene.picture), scene.classes, scene.boxes)


def turned(rng: random.Random, scene: Scene) -> Scene:
    """The scene mirrored, upside down or with its axes exchanged, by chance."""
    picture, boxes = scene.picture, scene.boxes.copy()
    if rng.random() < 0.5:
        picture, boxes[:, 0] = picture[:, ::-1], 1 - boxes[:, 0]
    if rng.random() < 0.5:
        picture, boxes[:, 1] = picture[::-1], 1 - boxes[:, 1]
    if rng.random() < 0.5:
        picture, boxes = picture.transpose(1, 0, 2), boxes[:, [1, 0, 3, 2]]
    return Scene(picture, scene.classes, boxes)


def tensor(rows: list[Scene]) -> torch.Tensor:
    """Normalized as the processor does it: float32 [n, 3, 64, 64]."""
    return normalized(np.stack([one.picture for one in rows]), MEAN, STD)


def by_field(scene: Scene) -> np.ndarray:
    """The query of each thing: that of the field in which its centre lies."""
    across, down = (scene.boxes[:, :2] * FIELDS).astype(int).clip(0, FIELDS - 1).T
    return down * FIELDS + across


@torch.no_grad()
def by_fit(scene: Scene, logits: torch.Tensor, boxes: torch.Tensor) -> np.ndarray:
    """The query of each thing: all together cost least (Hungarian method)."""
    wanted = torch.from_numpy(scene.boxes)
    cost = -logits.softmax(-1)[:, torch.from_numpy(scene.classes)]
    cost = cost + BOX_WEIGHT * torch.cdist(boxes, wanted, p=1)
    cost = cost - OVERLAP_WEIGHT * overlap(boxes[:, None], wanted[None])
    queries, order = linear_sum_assignment(cost.numpy())
    return queries[np.argsort(order)]


def overlap(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    """Generalized intersection over union of boxes [..., 4] (Rezatofighi et al. 2019)."""
    both = torch.stack(torch.broadcast_tensors(one, other))
    low, high = (both[..., :2] + sign * both[..., 2:] / 2 for sign in (-1, 1))
    common = (high.amin(0) - low.amax(0)).clamp_min(0).prod(-1)
    either = both[..., 2:].prod(-1).sum(0) - common
    around = (high.amax(0) - low.amin(0)).prod(-1)
    return common / either - (around - either) / around


def loss_of(model: nn.Module, rows: list[Scene], *, fields: bool) -> torch.Tensor:
    """Cross entropy of every query, distance and overlap of the boxes of those with a thing."""
    said = model(pixel_values=tensor(rows))
    classes = torch.full(said.logits.shape[:2], len(NAMES))
    places: list[tuple[int, int]] = []
    for at, scene in enumerate(rows):
        queries = by_field(scene) if fields else by_fit(scene, said.logits[at], said.pred_boxes[at])
        classes[at, queries] = torch.from_numpy(scene.classes)
        places += [(at, int(query)) for query in queries]
    weight = torch.ones(len(NAMES) + 1)
    weight[-1] = NOTHING_WEIGHT
    named = nn.functional.cross_entropy(said.logits.flatten(0, 1), classes.flatten(), weight)
    rows_of, queries_of = torch.tensor(places).T
    found = said.pred_boxes[rows_of, queries_of]
    wanted = torch.from_numpy(np.concatenate([one.boxes for one in rows]))
    apart = (found - wanted).abs().sum(-1).mean()
    return named + BOX_WEIGHT * apart + OVERLAP_WEIGHT * (1 - overlap(found, wanted)).mean()


@torch.no_grad()
def know_places(model: nn.Module) -> None:
    """Patches, and the query of each field, begin with waves that say where they lie.

    Queries and keys begin alike, so that a query looks at the patches of its own field at first;
    without that it takes dozens of rounds to find them.
    """
    embeddings = model.vit.embeddings
    width = embeddings.position_embeddings.shape[-1]
    patches = SIDE // model.config.patch_size
    for count, first in ((patches, 1), (FIELDS, 1 + patches**2)):
        at = (torch.arange(count) + 0.5) / count
        down, across = torch.meshgrid(at, at, indexing="ij")
        waves = torch.cat([_waves(one.flatten(), width // 2) for one in (across, down)], 1)
        embeddings.position_embeddings[0, first : first + count**2] = 0.5 * waves
    for layer in model.vit.encoder.layer:
        inside = layer.attention.attention
        nn.init.orthogonal_(inside.query.weight)
        inside.key.weight.copy_(inside.query.weight)
        rest = (layer.attention.output.dense, layer.intermediate.dense, layer.output.dense)
        for part in (inside.value, *rest):
            nn.init.xavier_uniform_(part.weight)
    nn.init.xavier_uniform_(embeddings.patch_embeddings.projection.weight.flatten(1))


def _waves(at: torch.Tensor, width: int) -> torch.Tensor:
    turns = torch.pi * 2 ** torch.linspace(0, 3, width // 2)
    angles = at[:, None] * turns
    return torch.cat([angles.sin(), angles.cos()], 1)


def train(model: nn.Module, rows: list[Scene], test: list[Scene]) -> None:
    """AdamW, first by fields, then by fit."""
    rng = random.Random(SEED + 1)
    optimizer, schedule = one_cycle(model, PEAK_RATE, EPOCHS * (len(rows) // BATCH))
    for epoch in range(EPOCHS):
        model.train()
        total, fields = 0.0, epoch < BY_FIELD * EPOCHS
        for group in batches(rng, rows, BATCH):
            loss = loss_of(model, [turned(rng, one) for one in group], fields=fields)
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 1.0)
            optimizer.step()
            schedule.step()
            total += loss.item()
        model.eval()
        print(
            f"round {epoch + 1}/{EPOCHS}  loss {total / (len(rows) // BATCH):.3f}  "
            f"F1 {f1(model, test[:120]):.3f}",
            flush=True,
        )


@torch.no_grad()
def f1(model: nn.Module, rows: list[Scene]) -> float:
    """Of all things, at half certainty and half overlap."""
    said = model(pixel_values=tensor(rows))
    shares = said.logits.softmax(-1)[..., :-1]
    right = told = 0
    for at, scene in enumerate(rows):
        kept = shares[at].amax(-1) >= 0.5
        order = shares[at][kept].amax(-1).argsort(descending=True)
        classes = shares[at][kept].argmax(-1)[order].numpy()
        boxes = said.pred_boxes[at][kept][order]
        told += len(classes)
        free = list(range(len(scene.classes)))
        for name, one in zip(classes, boxes, strict=True):
            fits = [
                (shared(one.numpy(), scene.boxes[k]), k) for k in free if scene.classes[k] == name
            ]
            best = max(fits, default=(0.0, -1))
            if best[0] >= 0.5:
                free.remove(best[1])
                right += 1
    return 2 * right / (told + sum(len(one.classes) for one in rows))


def shared(one: np.ndarray, other: np.ndarray) -> float:
    """Intersection over union."""
    low = np.maximum(one[:2] - one[2:] / 2, other[:2] - other[2:] / 2)
    high = np.minimum(one[:2] + one[2:] / 2, other[:2] + other[2:] / 2)
    both = float((high - low).clip(0).prod())
    return both / float(one[2:].prod() + other[2:].prod() - both)


def write_rows(name: str, rows: list[Scene]) -> None:
    """Pictures in one file, boxes as COCO writes them, and a table of what can be told apart."""
    pictures = np.stack([one.picture for one in rows])
    write_pictures(HERE / "data" / f"{name}-images.npz", images=pictures)
    marks = []
    for at, scene in enumerate(rows):
        corners = scene.boxes * SIDE
        corners[:, :2] -= corners[:, 2:] / 2
        marks += [
            {
                "id": len(marks) + k,
                "image_id": at,
                "category_id": int(kind),
                "bbox": [round(float(part), 2) for part in frame],
            }
            for k, (kind, frame) in enumerate(zip(scene.classes, corners, strict=True))
        ]
    coco = {
        "images": [
            {"id": at, "file_name": str(at), "width": SIDE, "height": SIDE}
            for at in range(len(rows))
        ],
        "categories": [{"id": at, "name": one} for at, one in enumerate(NAMES)],
        "annotations": marks,
    }
    path = HERE / "data" / f"{name}-boxes.json"
    path.write_text(json.dumps(coco, separators=(",", ":")) + "\n", encoding="utf-8")
    write_looks(HERE / "data" / f"{name}.csv", [len(one.classes) for one in rows], pictures)


def main() -> None:
    """Make everything and print the baseline."""
    began = begin(SEED)
    test, calibration, training = (
        scenes(count, SEED + at)
        for at, count in enumerate((TEST_ROWS, CALIBRATION_ROWS, TRAIN_ROWS))
    )
    test, calibration = ([coarser(one) for one in rows] for rows in (test, calibration))
    model = YolosForObjectDetection(
        YolosConfig(
            hidden_size=72,
            num_hidden_layers=4,
            num_attention_heads=4,
            intermediate_size=144,
            image_size=[SIDE, SIDE],
            patch_size=8,
            num_detection_tokens=FIELDS**2,
            hidden_dropout_prob=0.0,
            attention_probs_dropout_prob=0.0,
            auxiliary_loss=False,
            id2label=dict(enumerate(NAMES)),
            label2id={name: index for index, name in enumerate(NAMES)},
        )
    )
    know_places(model)
    train(model, training, test)
    tell(model, began, f1=f1(model, test))
    write_rows("calibration", calibration)
    write_rows("test", test)
    model.save_pretrained(HERE / "model")
    YolosImageProcessor(
        size={"height": SIDE, "width": SIDE},
        resample=Image.Resampling.BILINEAR,
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
        do_pad=False,
    ).save_pretrained(HERE / "model")


if __name__ == "__main__":
    main()
