"""What a model's image processor does to a picture, said in full, and done in numpy and Pillow.

Covers: the defaults and peculiarities of each processor class of transformers 5.23 that our
families use; resize, centre crop, channel order. Does not cover: processors not in the table;
they are refused by name.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from wizard.examples import prepared

if TYPE_CHECKING:
    import numpy as np

Settings: TypeAlias = dict[str, Any]  # preprocessor_config.json, with every default written out

BILINEAR, BICUBIC = 2, 3  # PIL's codes
STANDARD = {"image_mean": [0.5] * 3, "image_std": [0.5] * 3}
CLIP = {
    "image_mean": [0.48145466, 0.4578275, 0.40821073],
    "image_std": [0.26862954, 0.26130258, 0.27577711],
}
IMAGENET = {"image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
WARPED_FROM = 384  # ConvNext: from this edge on pictures are warped, below they are cropped
COMMON: Settings = {
    "do_resize": True,
    "do_center_crop": False,
    "do_rescale": True,
    "rescale_factor": 1 / 255,
    "do_normalize": True,
    "do_flip_channel_order": False,
    "resample": BICUBIC,
    **STANDARD,
}
CROPPED = {"do_center_crop": True, "crop_size": 224}
# Processor class, without its suffix -> where it departs from COMMON. `square` says how it reads
# a size that is one number: as both sides, or as the shorter one.
CLASSES: Mapping[str, Settings] = {
    "ViT": {"size": 224, "resample": BILINEAR, "square": True},
    "DeiT": {"size": 256, **CROPPED, "square": True},
    "Beit": {"size": 224, "crop_size": 224, "square": True},
    "Siglip": {"size": 224, "square": True},
    "EfficientNet": {"size": 346, "crop_size": 289, "square": True, "include_top": True},
    "Segformer": {"size": 512, "resample": BILINEAR, "square": True, **IMAGENET},
    "Yolos": {"size": 800, "resample": BILINEAR, "square": True, "warped": True, **IMAGENET},
    "Detr": {"size": 800, "resample": BILINEAR, "square": True, "warped": True, **IMAGENET},
    "ConvNext": {"size": 384, "square": False, "crop_pct": 224 / 256},
    "Bit": {"size": 224, **CROPPED, **CLIP, "square": False},
    "CLIP": {"size": 224, **CROPPED, **CLIP, "square": False},
    "MobileNetV1": {"size": 256, **CROPPED, "resample": BILINEAR, "square": False},
    "MobileNetV2": {"size": 256, **CROPPED, "resample": BILINEAR, "square": False},
    "MobileViT": {
        "size": 224,
        "do_center_crop": True,
        "crop_size": 256,
        "do_normalize": False,
        "do_flip_channel_order": True,
        "square": False,
    },
}
SUFFIXES = ("ImageProcessorFast", "ImageProcessorPil", "ImageProcessor", "FeatureExtractor")


def read(folder: Path) -> Settings:
    """The settings of the model in `folder`, in full. Raises ConfigUnreadable."""
    return prepared.read(folder, in_full)


def class_of(written: Mapping[str, Any]) -> str:
    """The processor class without its suffix; ViT's, the plainest, where none is named."""
    named = str(
        written.get("image_processor_type") or written.get("feature_extractor_type") or "ViT"
    )
    for suffix in SUFFIXES:
        named = named.removesuffix(suffix)
    return named


def in_full(written: Mapping[str, Any]) -> Settings:
    """The same settings with every default written out and no peculiarity left.

    `size` is {height, width} or {shortest_edge}, `crop_size` {height, width}. Raises ValueError
    for a processor that is not in the table.
    """
    named = class_of(written)
    if named not in CLASSES:
        raise ValueError(f"the processor {named} is not one we know")
    said = {key: value for key, value in written.items() if value is not None}
    full = {**COMMON, **CLASSES[named], **said}
    if full.get("warped") and isinstance(full["size"], dict):
        full["size"] = _warped(full["size"])
    full["size"] = _size(full["size"], square=full["square"])
    if "crop_size" in full:
        full["crop_size"] = _size(full["crop_size"], square=True)
    if named == "ConvNext":
        _crop_as_convnext(full)
    if not full["do_rescale"]:
        full["rescale_factor"] = 1.0
    _fold_normalizing(full)
    return {key: full[key] for key in (*COMMON, "size", "crop_size") if key in full}


def _warped(size: Settings) -> Settings:
    """A square of the shorter edge: one file takes pictures of one size, and boxes are shares."""
    if "longest_edge" not in size:
        return size
    return {"height": size["shortest_edge"], "width": size["shortest_edge"]}


def _size(size: Any, *, square: bool) -> Settings:
    if isinstance(size, int):
        return {"height": size, "width": size} if square else {"shortest_edge": size}
    if isinstance(size, list | tuple):
        return {"height": int(size[0]), "width": int(size[1])}
    if "height" in size:
        return {"height": int(size["height"]), "width": int(size["width"])}
    if "longest_edge" in size:
        raise ValueError("a longest edge is not one of the sizes we know")
    return {"shortest_edge": int(size["shortest_edge"])}


def _crop_as_convnext(full: Settings) -> None:
    edge = full["size"].get("shortest_edge") or full["size"]["height"]
    if edge < WARPED_FROM:
        full["size"] = {"shortest_edge": int(edge / full["crop_pct"])}
        full |= {"do_center_crop": True, "crop_size": {"height": edge, "width": edge}}
    else:
        full["size"] = {"height": edge, "width": edge}


def _fold_normalizing(full: Settings) -> None:
    """Every peculiarity of EfficientNet's arithmetic as one mean and one deviation.

    It may take 1 off after rescaling, and it divides by the deviation a second time.
    """
    mean, std = full["image_mean"], full["image_std"]
    mean = [mean] * 3 if isinstance(mean, int | float) else list(mean)
    std = [std] * 3 if isinstance(std, int | float) else list(std)
    first = std if full["do_normalize"] else [1.0] * len(std)
    mean = mean if full["do_normalize"] else [0.0] * len(mean)
    if full.get("rescale_offset"):
        mean = [value + 1.0 for value in mean]
    if full.get("include_top"):
        first = [one * again for one, again in zip(first, std, strict=True)]
    full |= {"do_normalize": True, "image_mean": mean, "image_std": first}


def side(settings: Settings) -> tuple[int, int]:
    """Height and width of what the model is fed with."""
    size = settings["crop_size"] if settings["do_center_crop"] else settings["size"]
    if "shortest_edge" in size:
        return size["shortest_edge"], size["shortest_edge"]
    return size["height"], size["width"]


def pixels(image: np.ndarray[Any, Any], settings: Settings) -> np.ndarray[Any, Any]:
    """One picture [height, width, channels] as uint8 [channels, height, width], sized."""
    import numpy as np
    from PIL import Image

    colour = image if image.ndim == 3 else np.repeat(image[..., None], 3, -1)
    if settings["do_resize"]:
        height, width = colour.shape[:2]
        picture = Image.fromarray(colour)
        resample = Image.Resampling(settings["resample"])
        colour = np.asarray(picture.resize(_target(settings["size"], width, height), resample))
    if settings["do_center_crop"]:
        size = settings["crop_size"]
        colour = _cropped(colour, size["height"], size["width"])
    if settings["do_flip_channel_order"]:
        colour = colour[..., ::-1]
    return np.ascontiguousarray(colour.transpose(2, 0, 1))


def _target(size: Settings, width: int, height: int) -> tuple[int, int]:
    """Width and height to resize to: exact, or the shorter edge with the same aspect."""
    if "shortest_edge" not in size:
        return size["width"], size["height"]
    edge = size["shortest_edge"]
    longer = int(edge * max(width, height) / min(width, height))
    return (edge, longer) if width <= height else (longer, edge)


def _cropped(image: np.ndarray[Any, Any], height: int, width: int) -> np.ndarray[Any, Any]:
    """The centre; a picture smaller than that stands in the middle of black."""
    import numpy as np

    short = [
        max(0, wanted - has) for wanted, has in zip((height, width), image.shape, strict=False)
    ]
    # transformers puts the larger half of the black above and to the left.
    margins = [(math.ceil(one / 2), one // 2) for one in short]
    image = np.pad(image, (*margins, (0, 0)))
    top, left = (image.shape[0] - height) // 2, (image.shape[1] - width) // 2
    return image[top : top + height, left : left + width]
