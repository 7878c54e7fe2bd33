"""A recording is written down, letter by letter (CTC)."""

from wizard.nouns import Task
from wizard.tasks._card import Reads, TaskCard

CARD = TaskCard(
    task=Task.SPEECH_RECOGNITION,
    title="speech recognition",
    does="Writes down what is said",
    reads=Reads.SOUND,
    auto_class="AutoModelForCTC",
    ort_class="ORTModelForCTC",
    inputs=("input_values",),
    outputs=("logits",),
    rows="sounds",
    prepare="speech",
    reduce="transcripts",
    score="transcripts",
    metrics=("WER", "CER", "agreement"),
    script="run_speech.py.txt",
    bundled="spoken",
    packages=(),
)
