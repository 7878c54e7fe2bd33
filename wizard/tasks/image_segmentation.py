"""Every pixel of a picture gets one of the model's labels."""

from wizard.nouns import Task
from wizard.tasks._card import Reads, TaskCard

CARD = TaskCard(
    task=Task.IMAGE_SEGMENTATION,
    title="image segmentation",
    does="Outlines things in pictures",
    reads=Reads.PICTURES,
    auto_class="AutoModelForSemanticSegmentation",
    ort_class="ORTModelForSemanticSegmentation",
    inputs=("pixel_values",),
    outputs=("logits",),
    rows="outlined pictures",
    prepare="outlines",
    reduce="outlines",
    score="outlines",
    metrics=("mean IoU", "agreement"),
    script="run_outlines.py.txt",
    bundled="scenes",
    check="vector",
    labels=True,
    packages=(),
)
