"""Makes the `pairs` sample: a small CLIP that tells which colour lies left of which.

Run: `OMP_NUM_THREADS=1 python assets/samples/pairs/make.py` (some minutes on one core).
Covers: pictures of two drawn things with their colours in words, training the two parts together,
labels that no training picture had, the data files, the measured baseline.
Does not cover: compression; what each technique does to it is on the card.
Deterministic for given versions: every draw is seeded, torch runs its deterministic algorithms.
"""

from __future__ import annotations

import math
import random
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tokenizers import normalizers
from torch import nn
from transformers import CLIPConfig, CLIPImageProcessor, CLIPModel, PreTrainedTokenizerFast

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
from _common import begin, byte_pairs, normalized, one_cycle, tell, write_table
from _scenes import COLOURS, SHAPES, Thing, coarse, drawn, write_pictures

HERE = Path(__file__).resolve().parent
SEED = 53
SIDE, PATCH, LONGEST, VOCABULARY = 48, 6, 24, 384
OF_EACH, CALIBRATION_ROWS, TEST_ROWS = 240, 64, 320
STEPS, PEAK_RATE = 2400, 1.5e-3
MEAN, STD = 0.5, 0.25
FIRST, LAST = "<|startoftext|>", "<|endoftext|>"
# In training no picture shows these: only calibration and test have them, among all others.
NEVER = (
    ("red", "green"),
    ("green", "purple"),
    ("blue", "yellow"),
    ("yellow", "orange"),
    ("purple", "red"),
    ("orange", "blue"),
)
ALL = tuple((left, right) for left in COLOURS for right in COLOURS if left != right)
SEEN = tuple(one for one in ALL if one not in NEVER)
SENTENCES = ("a photo of a {}.", "a picture of a {}.", "a {}", "{}")
COLUMNS = ("label", "seen in training", "smaller thing")
BOTH, LEFT, RIGHT = "{} thing left of a {} one", "{} thing on the left", "{} thing on the right"


@dataclass(frozen=True)
class Shown:
    """A picture, the colours of its left and its right thing, the smaller one's radius."""

    picture: np.ndarray
    colours: tuple[str, str]
    radius: float

    @property
    def label(self) -> str:
        return BOTH.format(*self.colours)


def shown(rng: random.Random, among: Sequence[tuple[str, str]]) -> Shown:
    """Two things of any shape side by side, in colours that `among` names."""
    colours = rng.choice(among)
    middle = rng.uniform(0.42, 0.58)
    two = []
    for colour, (start, end) in zip(colours, ((0.0, middle), (middle, 1.0)), strict=True):
        radius = rng.uniform(0.1, 0.2)
        two.append(
            Thing(
                shape=rng.choice(SHAPES),
                colour=colour,
                x=rng.uniform(start + radius, end - radius),
                y=rng.uniform(radius, 1 - radius),
                radius=radius,
                turn=rng.uniform(0, 2 * math.pi),
            )
        )
    picture = coarse(drawn(rng, two, SIDE))
    return Shown(picture, colours, min(one.radius for one in two))


def tensor(rows: Sequence[Shown]) -> torch.Tensor:
    """Normalized as the processor does it: float32 [n, 3, 48, 48]."""
    return normalized(np.stack([one.picture for one in rows]), MEAN, STD)


def names() -> list[str]:
    """Everything that is said of a picture: both colours, or one."""
    some = [one.format(colour) for one in (LEFT, RIGHT) for colour in COLOURS]
    return [BOTH.format(*one) for one in ALL] + some


def words() -> PreTrainedTokenizerFast:
    """Byte pairs of the captions between CLIP's two signs, in lower case."""
    captions = [sentence.format(one) for sentence in SENTENCES for one in names()]
    made = byte_pairs(
        captions,
        VOCABULARY,
        template=f"{FIRST} $A {LAST}",
        longest=LONGEST,
        spaced=True,
        bos_token=FIRST,
        eos_token=LAST,
    )
    made.backend_tokenizer.normalizer = normalizers.Lowercase()
    made.pad_token = LAST
    return made


def network(tokenizer: PreTrainedTokenizerFast) -> CLIPModel:
    """Three layers that look and two that read, a quarter of a million parameters."""
    common = {"num_attention_heads": 4, "attention_dropout": 0.0}
    eyes = {"hidden_size": 80, "intermediate_size": 160, "num_hidden_layers": 3, **common}
    reads = {"hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, **common}
    ids = {
        "bos_token_id": tokenizer.bos_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "pad_token_id": tokenizer.pad_token_id,
    }
    return CLIPModel(
        CLIPConfig(
            text_config={
                **reads,
                **ids,
                "vocab_size": len(tokenizer),
                "max_position_embeddings": LONGEST,
            },
            vision_config={**eyes, "image_size": SIDE, "patch_size": PATCH},
            projection_dim=64,
        )
    )


def told(tokenizer: PreTrainedTokenizerFast, texts: Sequence[str]) -> dict[str, torch.Tensor]:
    """The texts as the model reads them."""
    made: dict[str, torch.Tensor] = tokenizer(list(texts), padding=True, return_tensors="pt")
    return made


def questions(rng: random.Random) -> list[tuple[list[str], list[int]]]:
    """What is asked of one picture of each seen pair: texts to choose among, right places.

    Once by both colours, once by the left, once by the right: so that each place has a meaning.
    """
    sentence, colours = rng.choice(SENTENCES), list(COLOURS)
    asked = [
        ([BOTH.format(*one) for one in SEEN], list(range(len(SEEN)))),
        ([LEFT.format(one) for one in colours], [colours.index(one) for one, _ in SEEN]),
        ([RIGHT.format(one) for one in colours], [colours.index(one) for _, one in SEEN]),
    ]
    return [([sentence.format(one) for one in texts], right) for texts, right in asked]


def loss_of(
    model: CLIPModel, tokenizer: PreTrainedTokenizerFast, seen: torch.Tensor, rng: random.Random
) -> torch.Tensor:
    """Each picture finds its text among those of each question."""
    asked = questions(rng)
    texts = told(tokenizer, [text for some, _ in asked for text in some])
    logits = model(pixel_values=seen, **texts).logits_per_image
    parts = logits.split([len(some) for some, _ in asked], dim=1)
    rights = [torch.tensor(right) for _, right in asked]
    return sum(
        (nn.functional.cross_entropy(*one) for one in zip(parts, rights, strict=True)),
        torch.zeros(()),
    )


def train(model: CLIPModel, tokenizer: PreTrainedTokenizerFast) -> None:
    """AdamW on a picture of every seen pair at a time."""
    rng = random.Random(SEED + 3)
    rows = {one: tensor([shown(rng, [one]) for _ in range(OF_EACH)]) for one in SEEN}
    optimizer, schedule = one_cycle(model, PEAK_RATE, STEPS)
    model.train()
    for step in range(STEPS):
        picked = [rows[one][rng.randrange(OF_EACH)] for one in SEEN]
        loss = loss_of(model, tokenizer, torch.stack(picked), rng)
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 100 == 99:
            print(f"step {step + 1}/{STEPS}  loss {loss.item():.4f}", flush=True)
    model.eval()


@torch.no_grad()
def right(
    model: CLIPModel, tokenizer: PreTrainedTokenizerFast, rows: Sequence[Shown]
) -> list[bool]:
    """Whether each picture's label is the likeliest of all thirty."""
    labels = sorted(BOTH.format(*one) for one in ALL)
    texts = told(tokenizer, [SENTENCES[0].format(one) for one in labels])
    said = model(pixel_values=tensor(rows), **texts).logits_per_image.argmax(1)
    return [labels[at] == one.label for at, one in zip(said.tolist(), rows, strict=True)]


def write_rows(name: str, rows: Sequence[Shown]) -> None:
    """Pictures in one file, and a table of their labels and what can be told apart."""
    write_pictures(
        HERE / "data" / f"{name}-images.npz", images=np.stack([one.picture for one in rows])
    )
    table = [
        (
            one.label,
            "no" if one.colours in NEVER else "yes",
            "small" if one.radius < 0.13 else "large",
        )
        for one in rows
    ]
    write_table(HERE / "data" / f"{name}.csv", COLUMNS, table)


def main() -> None:
    """Make everything and print the baseline."""
    began = begin(SEED)
    test, calibration = (
        [shown(random.Random(SEED * 1000 + at + row), ALL) for row in range(count)]
        for at, count in ((0, TEST_ROWS), (500, CALIBRATION_ROWS))
    )
    tokenizer = words()
    model = network(tokenizer)
    train(model, tokenizer)
    found = right(model, tokenizer, test)
    unseen = [ok for ok, one in zip(found, test, strict=True) if one.colours in NEVER]
    tell(
        model,
        began,
        accuracy=sum(found) / len(found),
        never_seen=len(unseen),
        accuracy_of_never_seen=sum(unseen) / len(unseen),
    )
    write_rows("calibration", calibration)
    write_rows("test", test)
    model.save_pretrained(HERE / "model")
    tokenizer.save_pretrained(HERE / "model")
    CLIPImageProcessor(
        size={"shortest_edge": SIDE},
        crop_size={"height": SIDE, "width": SIDE},
        resample=Image.Resampling.BICUBIC,
        image_mean=[MEAN] * 3,
        image_std=[STD] * 3,
    ).save_pretrained(HERE / "model")


if __name__ == "__main__":
    main()
