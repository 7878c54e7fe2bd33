"""A recording gets one of the model's labels."""

from wizard.nouns import Task
from wizard.tasks._card import Reads, TaskCard

CARD = TaskCard(
    task=Task.AUDIO_CLASSIFICATION,
    title="audio classification",
    does="Sorts sounds into classes",
    reads=Reads.SOUND,
    auto_class="AutoModelForAudioClassification",
    ort_class="ORTModelForAudioClassification",
    inputs=("input_values",),
    outputs=("logits",),
    rows="sounds",
    prepare="sounds",
    reduce="classes",
    score="classes",
    metrics=("accuracy", "macro-F1", "agreement"),
    script="run_sound.py.txt",
    bundled="sounds",
    labels=True,
    packages=(),
)
