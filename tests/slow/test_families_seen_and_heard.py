"""Families that look at pictures or listen: a tiny random one of each, inspected and exported.

Covers: the model card without weights, agreement with PyTorch at three shapes that the exporter
did not see. Does not cover: quality, which random weights do not have (the samples have it).
"""

from __future__ import annotations

import json
import os

import pytest

from tests.slow.test_every_family_exports import record
from tests.strategy_models import saved
from wizard import intake
from wizard.nouns import SupportLevel, Task
from wizard.strategies import _torch

pytestmark = pytest.mark.slow

SIDE, LABELS = 32, 5
PICTURES, SOUNDS, SPEECH = (
    Task.IMAGE_CLASSIFICATION,
    Task.AUDIO_CLASSIFICATION,
    Task.SPEECH_RECOGNITION,
)
OUTLINES, BOXES = Task.IMAGE_SEGMENTATION, Task.OBJECT_DETECTION
NAMED = Task.ZERO_SHOT_IMAGES
SMALL = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
}
PATCHES = {**SMALL, "image_size": SIDE, "patch_size": 8}
WAVES = {
    **SMALL,
    "vocab_size": 20,
    "conv_dim": [16, 16, 16],
    "conv_kernel": [10, 8, 4],
    "conv_stride": [5, 4, 4],
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "classifier_proj_size": 16,
}
DINO = {key: value for key, value in PATCHES.items() if key != "intermediate_size"}
READS = {**SMALL, "vocab_size": 120}
BOTH = {"vision_config": PATCHES, "projection_dim": 24}
STAGES = {"hidden_sizes": [8, 16, 24, 32], "depths": [1, 1, 1, 1]}
# Family, class of its model (without its config's), changes to the config.
FAMILIES = [
    ("vit", "ViTForImageClassification", PICTURES, PATCHES),
    ("deit", "DeiTForImageClassification", PICTURES, PATCHES),
    ("beit", "BeitForImageClassification", PICTURES, PATCHES),
    ("dinov2", "Dinov2ForImageClassification", PICTURES, DINO),
    (
        "swin",
        "SwinForImageClassification",
        PICTURES,
        {
            "image_size": SIDE,
            "patch_size": 2,
            "embed_dim": 16,
            "depths": [2, 2],
            "num_heads": [2, 4],
            "window_size": 4,
        },
    ),
    ("convnext", "ConvNextForImageClassification", PICTURES, STAGES),
    (
        "resnet",
        "ResNetForImageClassification",
        PICTURES,
        {"embedding_size": 8, "hidden_sizes": [8, 16], "depths": [1, 1]},
    ),
    (
        "mobilenet_v2",
        "MobileNetV2ForImageClassification",
        PICTURES,
        {"image_size": SIDE, "depth_multiplier": 0.35},
    ),
    (
        "mobilevit",
        "MobileViTForImageClassification",
        PICTURES,
        {
            "image_size": SIDE,
            "hidden_sizes": [16, 24, 32],
            "neck_hidden_sizes": [8, 8, 16, 16, 24, 24, 32],
            "num_attention_heads": 2,
        },
    ),
    (
        "efficientnet",
        "EfficientNetForImageClassification",
        PICTURES,
        {
            "image_size": SIDE,
            "width_coefficient": 0.25,
            "depth_coefficient": 0.25,
            "hidden_dim": 320,
            "in_channels": [32, 16, 24],
            "out_channels": [16, 24, 40],
            "kernel_sizes": [3, 3, 5],
            "strides": [1, 2, 2],
            "expand_ratios": [1, 6, 6],
            "num_block_repeats": [1, 1, 1],
            "depthwise_padding": [],
        },
    ),
    (
        "segformer",
        "SegformerForSemanticSegmentation",
        OUTLINES,
        {**STAGES, "num_attention_heads": [1, 1, 2, 2], "decoder_hidden_size": 16},
    ),
    (
        "yolos",
        "YolosForObjectDetection",
        BOXES,
        {**PATCHES, "image_size": [SIDE, SIDE], "num_detection_tokens": 10},
    ),
    (
        "detr",
        "DetrForObjectDetection",
        BOXES,
        {
            "use_timm_backbone": False,
            "use_pretrained_backbone": False,
            "backbone": None,
            "backbone_config": {
                "model_type": "resnet",
                "embedding_size": 8,
                **STAGES,
                "out_features": ["stage4"],
            },
            "d_model": 32,
            "encoder_layers": 2,
            "decoder_layers": 2,
            "encoder_attention_heads": 2,
            "decoder_attention_heads": 2,
            "encoder_ffn_dim": 64,
            "decoder_ffn_dim": 64,
            "num_queries": 10,
        },
    ),
    # The end of a text is its highest number, as in the first models, or a number that is named.
    ("clip", "CLIPModel", NAMED, {**BOTH, "text_config": {**READS, "eos_token_id": 2}}),
    ("clip", "CLIPModel", NAMED, {**BOTH, "text_config": {**READS, "eos_token_id": 119}}),
    (
        "siglip",
        "SiglipModel",
        NAMED,
        {"vision_config": PATCHES, "text_config": {**READS, "projection_size": 32}},
    ),
    ("wav2vec2", "Wav2Vec2ForCTC", SPEECH, WAVES),
    ("wav2vec2", "Wav2Vec2ForSequenceClassification", SOUNDS, WAVES),
    ("hubert", "HubertForCTC", SPEECH, WAVES),
    ("hubert", "HubertForSequenceClassification", SOUNDS, WAVES),
    (
        "audio-spectrogram-transformer",
        "ASTForAudioClassification",
        SOUNDS,
        {
            **SMALL,
            "max_length": 64,
            "num_mel_bins": 32,
            "patch_size": 8,
            "frequency_stride": 8,
            "time_stride": 8,
        },
    ),
]
PROCESSORS = {
    PICTURES: {"size": {"height": SIDE, "width": SIDE}},
    OUTLINES: {
        "size": {"height": SIDE, "width": SIDE},
        "image_processor_type": "SegformerImageProcessor",
    },
    BOXES: {
        "size": {"height": SIDE, "width": SIDE},
        "image_processor_type": "DetrImageProcessor",
    },
    NAMED: {
        "size": {"height": SIDE, "width": SIDE},
        "image_processor_type": "SiglipImageProcessor",
    },
    SOUNDS: {"sampling_rate": 8_000},
    SPEECH: {"sampling_rate": 8_000},
}


def a_model(folder, kind, task, changes):
    """A checkpoint with random weights and its processor's file."""
    import torch
    import transformers

    torch.manual_seed(3)
    maker = getattr(transformers, kind)
    saved(maker(maker.config_class(**changes, num_labels=LABELS)), folder)
    (folder / "preprocessor_config.json").write_text(json.dumps(PROCESSORS[task]))
    return folder


@pytest.mark.parametrize(("family", "kind", "task", "changes"), FAMILIES)
def test_a_family_is_known_and_exports(family, kind, task, changes, tmp_path, monkeypatch):
    """The card is right without weights, and the file answers as PyTorch does at three shapes."""
    folder = a_model(tmp_path / "model", kind, task, changes)
    monkeypatch.setattr(_torch, "UNSEEN", ((1, 7), (3, 33), (4, 12)))

    card = intake.examine(intake.parse_ref(str(folder)))
    parity = _torch.checked_export(
        folder,
        task,
        tmp_path / "model.onnx",
        opset=20,
        image_size=card.image_size,
        report=lambda fraction, detail: None,
    )

    assert (card.family, card.task) == (family, task)
    assert card.support.level in {SupportLevel.TESTED, SupportLevel.SHOULD_WORK}
    assert len(card.labels) == (0 if task in {SPEECH, NAMED} else LABELS)
    assert card.macs > 0
    assert parity.largest_difference <= 1e-3
    assert [shape[0] for shape in parity.shapes] == [1, 3, 4]
    if os.environ.get("WIZARD_RECORD"):
        record(json.loads((folder / "config.json").read_text())["model_type"], task, parity)
