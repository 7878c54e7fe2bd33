"""A picture gets one of the model's labels."""

from wizard.nouns import Task
from wizard.tasks._card import Reads, TaskCard

CARD = TaskCard(
    task=Task.IMAGE_CLASSIFICATION,
    title="image classification",
    does="Sorts pictures into classes",
    reads=Reads.PICTURES,
    auto_class="AutoModelForImageClassification",
    ort_class="ORTModelForImageClassification",
    inputs=("pixel_values",),
    outputs=("logits",),
    rows="pictures",
    prepare="pictures",
    reduce="classes",
    score="classes",
    metrics=("accuracy", "macro-F1", "agreement"),
    script="run_image.py.txt",
    bundled="digits",
    labels=True,
    packages=(),
)
