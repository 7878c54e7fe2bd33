"""Makes the `digits` sample: a small ResNet that reads handwritten digits.

Run: `OMP_NUM_THREADS=2 python assets/samples/digits/make.py` (about two minutes on two cores).
Covers: scikit-learn's 1,797 digits (UCI optical digits, 8 x 8) upsampled to 32 x 32, the split by
row, training with shifted and noisy copies, the data files, the measured baseline.
Does not cover: compression; what each technique does to it is on the card.
Deterministic for given versions: every draw is seeded, torch runs its deterministic algorithms.
"""

from __future__ import annotations

import csv
import json
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from sklearn.datasets import load_digits
from torch import nn
from transformers import ResNetConfig, ResNetForImageClassification, ViTImageProcessor

HERE = Path(__file__).resolve().parent
SEED = 11
SIDE = 32
TEST_ROWS, CALIBRATION_ROWS, TRAIN_ROWS = 700, 200, 220
EPOCHS, BATCH, RATE = 8, 32, 2e-3
# Weights that read a channel which is always zero cost nothing in float32 and learn nothing, so
# they can have any size; one large one spoils the scale of a whole tensor (the per-tensor problem
# of Nagel et al. 2019). Short training leaves none, so we make one in each block.
STRAY = 70.0
MEAN, STD = 0.3, 0.35
WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def pictures() -> tuple[np.ndarray, np.ndarray]:
    """All digits as uint8 [n, 32, 32, 3] and their values."""
    digits = load_digits()
    raw = (digits.images / 16.0 * 255.0).round().astype(np.uint8)
    large = [np.asarray(Image.fromarray(one).resize((SIDE, SIDE), Image.BICUBIC)) for one in raw]
    return np.repeat(np.stack(large)[..., None], 3, axis=-1), digits.target


def split(count: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Row numbers for training, calibration and test; no row is in two of them."""
    order = np.random.default_rng(SEED).permutation(count)
    test, rest = order[:TEST_ROWS], order[TEST_ROWS:]
    training = rest[CALIBRATION_ROWS : CALIBRATION_ROWS + TRAIN_ROWS]
    return training, np.sort(rest[:CALIBRATION_ROWS]), np.sort(test)


def tensor(images: np.ndarray) -> torch.Tensor:
    """Normalized as the processor does it: float32 [n, 3, 32, 32]."""
    scaled = images.astype(np.float32) * np.float32(1 / 255)
    return torch.from_numpy(((scaled - MEAN) / STD).transpose(0, 3, 1, 2).copy())


def train(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> None:
    """AdamW on copies shifted by up to two pixels and with a little noise."""
    rng = np.random.default_rng(SEED + 1)
    steps = EPOCHS * (len(images) // BATCH)
    optimizer = torch.optim.AdamW(model.parameters(), lr=RATE, weight_decay=0.05)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, RATE, total_steps=steps)
    model.train()
    for _ in range(EPOCHS):
        order = rng.permutation(len(images))
        for start in range(0, len(order) - BATCH + 1, BATCH):
            rows = order[start : start + BATCH]
            shifted = [np.roll(images[row], rng.integers(-2, 3, 2), axis=(0, 1)) for row in rows]
            noisy = tensor(np.stack(shifted))
            noisy += torch.from_numpy(rng.normal(0, 0.1, noisy.shape).astype(np.float32))
            loss = model(noisy, labels=torch.from_numpy(labels[rows])).loss
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
    model.eval()


@torch.no_grad()
def leave_stray_weights(model: ResNetForImageClassification) -> None:
    """In each block, switch off the weakest inner channel and let one large weight read it."""
    for stage in model.resnet.encoder.stages:
        for block in stage.layers:
            first, second = block.layer[0], block.layer[1]
            off = int(first.normalization.weight.abs().argmin())
            first.normalization.weight[off] = 0
            first.normalization.bias[off] = 0
            reader = int(second.normalization.weight.abs().argmin())
            weights = second.convolution.weight
            weights[reader, off] = STRAY * weights.abs().max()


@torch.no_grad()
def accuracy(model: nn.Module, images: np.ndarray, labels: np.ndarray) -> float:
    """Share of rows answered rightly."""
    return float((model(tensor(images)).logits.argmax(-1).numpy() == labels).mean())


def write_rows(name: str, rows: np.ndarray, images: np.ndarray, labels: np.ndarray) -> None:
    """The images in one packed file and a table with the label, the ink and the original row."""
    np.savez_compressed(HERE / "data" / f"{name}-images.npz", images=images[rows])
    ink = images[rows].mean(axis=(1, 2, 3))
    thin, thick = np.quantile(images.mean(axis=(1, 2, 3)), (1 / 3, 2 / 3))
    with (HERE / "data" / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(("label", "ink", "row"))
        for row, amount in zip(rows, ink, strict=True):
            stroke = "thin" if amount < thin else "thick" if amount > thick else "medium"
            writer.writerow((WORDS[labels[row]], stroke, row))


def main() -> None:
    """Make everything and print the baseline."""
    began = time.time()
    torch.manual_seed(SEED)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)
    images, labels = pictures()
    training, calibration, test = split(len(images))
    names = dict(enumerate(WORDS))
    model = ResNetForImageClassification(
        ResNetConfig(
            embedding_size=16,
            hidden_sizes=[16, 32, 64],
            depths=[1, 1, 2],
            layer_type="basic",
            downsample_in_first_stage=False,
            id2label=names,
            label2id={name: index for index, name in names.items()},
        )
    )
    train(model, images[training], labels[training])
    before = accuracy(model, images[test], labels[test])
    leave_stray_weights(model)
    print(json.dumps({
        "parameters": sum(p.numel() for p in model.parameters()),
        "accuracy_before_stray_weights": before,
        "accuracy": accuracy(model, images[test], labels[test]),
        "seconds": round(time.time() - began),
    }))  # fmt: skip
    (HERE / "data").mkdir(exist_ok=True)
    write_rows("calibration", calibration, images, labels)
    write_rows("test", test, images, labels)
    model.save_pretrained(HERE / "model")
    ViTImageProcessor(
        size={"height": SIDE, "width": SIDE},
        do_resize=True,
        resample=Image.Resampling.BICUBIC,
        do_rescale=True,
        rescale_factor=1 / 255,
        do_normalize=True,
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    ).save_pretrained(HERE / "model")


if __name__ == "__main__":
    main()
