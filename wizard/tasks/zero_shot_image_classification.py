"""A picture gets one of the labels that the user names: it is held against a text for each."""

from wizard.nouns import Task
from wizard.tasks._card import Field, Reads, TaskCard

LABELS = {0: "labels", 1: "sequence"}  # the axes of the texts: not one for each picture

CARD = TaskCard(
    task=Task.ZERO_SHOT_IMAGES,
    title="zero-shot image classification",
    does="Sorts pictures into classes that you name",
    reads=Reads.PICTURES,
    auto_class="AutoModelForZeroShotImageClassification",
    ort_class="ORTModelForZeroShotImageClassification",
    inputs=("pixel_values", "input_ids", "attention_mask"),
    outputs=("logits_per_image",),
    rows="pictures to name",
    prepare="pictures_beside_labels",
    reduce="held_against",
    score="held_against",
    metrics=("top-1 accuracy", "agreement"),
    script="run_names.py.txt",
    bundled="pairs",
    axes={"input_ids": LABELS, "attention_mask": LABELS},
    asks=(
        Field(
            label="The labels to choose from, with commas between them",
            example="red thing on the left, green thing on the left, blue thing on the left",
            choices=True,
        ),
    ),
)
