"""Turns rows into model inputs with the model's own tokenizer or image processor settings.

Covers: text through tokenizer.json, images through preprocessor_config.json (resize, centre crop,
rescale, normalize, as transformers does it). Does not cover: padding; rows stay as they are.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wizard.errors import ConfigUnreadable, DataNotForTask
from wizard.nouns import ExampleSet, ModelProfile, Task, Workload

if TYPE_CHECKING:
    import numpy as np

LONGEST = 512
# PIL's resampling codes, as stored in preprocessor_config.json.
BILINEAR = 2


def prepare(
    profile: ModelProfile, model_folder: Path, examples: ExampleSet, workload: Workload, out: Path
) -> Path:
    """Write the inputs of every row to `out` (.npz) and return it.

    A pair gives two rows, 2i and 2i+1. `workload` bounds nothing here: rows keep their length,
    up to the model's maximum or 512 tokens.
    """
    import numpy as np

    if profile.task is Task.IMAGE_CLASSIFICATION:
        arrays = _images(profile, model_folder, examples)
    else:
        arrays = _texts(profile, model_folder, examples, out.parent)
    temporary = out.with_suffix(".tmp.npz")
    np.savez(temporary, **arrays)
    temporary.replace(out)
    return out


def _texts(profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path) -> dict[str, Any]:
    import numpy as np
    from tokenizers import Tokenizer

    tokenizer = Tokenizer.from_file(str(_tokenizer(profile, folder, kept)))
    tokenizer.no_padding()
    tokenizer.enable_truncation(max_length=min(profile.max_tokens or LONGEST, LONGEST))
    flat = [text for pair in examples.pairs for text in pair] or list(examples.inputs)
    if not flat:
        raise DataNotForTask(path=examples.origin, task=_task(profile), needed="texts are needed")
    encoded = tokenizer.encode_batch(flat)
    lengths = [len(one.ids) for one in encoded]
    return {
        "ids": np.concatenate([np.asarray(one.ids, np.int32) for one in encoded]),
        "types": np.concatenate([np.asarray(one.type_ids, np.int32) for one in encoded]),
        "offsets": np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64),
        "pad": np.int64(_pad_id(folder)),
    }


def _tokenizer(profile: ModelProfile, folder: Path, kept: Path) -> Path:
    """The model's tokenizer.json; one made from older files is kept in `kept` for the bundle."""
    path, made = folder / "tokenizer.json", kept / "tokenizer.json"
    if path.is_file():
        return path
    if made.is_file():
        return made
    from transformers import AutoTokenizer

    try:
        slow = AutoTokenizer.from_pretrained(folder, local_files_only=True)
        slow.backend_tokenizer.save(str(made))
    except (OSError, ValueError, AttributeError, ImportError) as error:
        because = "it has no tokenizer.json and none can be made from its files"
        raise ConfigUnreadable(model=profile.title, because=because) from error
    return made


def _task(profile: ModelProfile) -> str:
    return profile.task.value if profile.task else "nothing we do"


def _pad_id(folder: Path) -> int:
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    found = config.get("pad_token_id")
    return found if isinstance(found, int) else 0


def _images(profile: ModelProfile, folder: Path, examples: ExampleSet) -> dict[str, Any]:
    import numpy as np

    if examples.images is None:
        raise DataNotForTask(path=examples.origin, task=_task(profile), needed="images are needed")
    settings = _processor(folder)
    raw = np.load(examples.images, allow_pickle=False)
    side = _size(settings, profile)
    pixels = np.stack([_resized(raw[row], settings, side) for row in examples.rows])
    normalize = settings.get("do_normalize", True)
    channels = pixels.shape[1]
    mean = settings.get("image_mean", [0.5] * channels) if normalize else [0.0] * channels
    std = settings.get("image_std", [0.5] * channels) if normalize else [1.0] * channels
    rescale = settings.get("rescale_factor", 1 / 255) if settings.get("do_rescale", True) else 1.0
    return {
        "pixels": pixels,
        "rescale": np.float32(rescale),
        "mean": np.asarray(mean, np.float32),
        "std": np.asarray(std, np.float32),
    }


def _processor(folder: Path) -> dict[str, Any]:
    path = folder / "preprocessor_config.json"
    if not path.is_file():
        raise ConfigUnreadable(model=folder.name, because="it has no preprocessor_config.json")
    settings: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return settings


def _size(settings: dict[str, Any], profile: ModelProfile) -> tuple[int, int]:
    """Height and width the model is fed with."""
    for key in ("crop_size", "size") if settings.get("do_center_crop") else ("size",):
        size = settings.get(key)
        if isinstance(size, int):
            return size, size
        if isinstance(size, dict) and "height" in size:
            return int(size["height"]), int(size["width"])
        if isinstance(size, dict) and "shortest_edge" in size:
            return int(size["shortest_edge"]), int(size["shortest_edge"])
    side = profile.image_size or 224
    return side, side


def _resized(
    image: np.ndarray[Any, Any], settings: dict[str, Any], side: tuple[int, int]
) -> np.ndarray[Any, Any]:
    """One image as uint8 [channels, height, width], resized and cropped like the processor."""
    import numpy as np
    from PIL import Image

    picture = Image.fromarray(image if image.ndim == 3 else np.repeat(image[..., None], 3, -1))
    if settings.get("do_resize", True):
        resample = Image.Resampling(settings.get("resample", BILINEAR))
        picture = picture.resize(_target(settings, picture.size, side), resample)
    pixels = np.asarray(picture)
    if settings.get("do_center_crop"):
        pixels = _cropped(pixels, side)
    return np.ascontiguousarray(pixels.transpose(2, 0, 1))


def _target(
    settings: dict[str, Any], size: tuple[int, int], side: tuple[int, int]
) -> tuple[int, int]:
    """Width and height to resize to: the exact size, or the shortest edge with the same aspect."""
    wanted = settings.get("size", {})
    edge = wanted if isinstance(wanted, int) else wanted.get("shortest_edge")
    if edge is None:
        height = int(wanted.get("height", side[0]))
        return int(wanted.get("width", side[1])), height
    if "crop_pct" in settings and edge < 384:
        edge = int(edge / settings["crop_pct"])
    width, height = size
    if width < height:
        return int(edge), int(edge * height / width)
    return int(edge * width / height), int(edge)


def _cropped(pixels: np.ndarray[Any, Any], side: tuple[int, int]) -> np.ndarray[Any, Any]:
    height, width = pixels.shape[:2]
    top, left = (height - side[0]) // 2, (width - side[1]) // 2
    return pixels[top : top + side[0], left : left + side[1]]


def batches(rows: Iterable[int], size: int) -> Iterator[list[int]]:
    """Rows in groups of `size`, the last one shorter."""
    group: list[int] = []
    for row in rows:
        group.append(row)
        if len(group) == size:
            yield group
            group = []
    if group:
        yield group
