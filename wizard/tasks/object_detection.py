"""Things in a picture are found: a label and a box for each."""

from wizard.nouns import Task
from wizard.tasks._card import Reads, TaskCard

CARD = TaskCard(
    task=Task.OBJECT_DETECTION,
    title="object detection",
    does="Finds things in pictures",
    reads=Reads.PICTURES,
    auto_class="AutoModelForObjectDetection",
    ort_class="ORTModelForObjectDetection",
    inputs=("pixel_values",),
    outputs=("logits", "pred_boxes"),
    rows="framed pictures",
    prepare="pictures",
    reduce="boxes",
    score="boxes",
    metrics=("detection F1", "agreement"),
    script="run_boxes.py.txt",
    bundled="shapes",
    check="vector",
    labels=True,
    packages=(),
)
