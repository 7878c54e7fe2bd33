"""A text, or two together, get as many of the model's labels as hold."""

from dataclasses import replace

from wizard.nouns import Task
from wizard.tasks import _names, text_classification

CARD = replace(
    text_classification.CARD,
    task=Task.SEVERAL_LABELS,
    title="text classification with several labels",
    does="Gives texts as many labels as hold",
    score="several",
    metrics=("label F1", "exact match", "agreement"),
    script="run_labels.py.txt",
    layouts=text_classification.one_or_two(_names.LABELS, "several"),
    check="labels",
    several=True,
    stands_in_for=(Task.TEXT_CLASSIFICATION,),
)
