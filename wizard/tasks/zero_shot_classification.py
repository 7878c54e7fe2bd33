"""A text gets one of the labels that the user names, by what follows from it (NLI)."""

from wizard.nouns import Task
from wizard.tasks import _names
from wizard.tasks._card import Field, Layout, Reads, TaskCard

CARD = TaskCard(
    task=Task.ZERO_SHOT_CLASSIFICATION,
    title="zero-shot classification",
    does="Sorts texts into classes that you name",
    reads=Reads.TEXTS,
    auto_class="AutoModelForSequenceClassification",
    ort_class="ORTModelForSequenceClassification",
    inputs=_names.TEXT_INPUTS,
    outputs=("logits",),
    prepare="choices",
    reduce="choices",
    score="choices",
    metrics=("top-1 accuracy", "agreement"),
    script="run_choices.py.txt",
    layouts=(Layout(texts=(_names.TEXT,), answer=_names.LABEL, kind="choice", must_answer=True),),
    labels=True,
    stands_in_for=(Task.TEXT_CLASSIFICATION,),
    asks=(
        Field(label="Your text", example="turn the volume up in the kitchen"),
        Field(
            label="The labels to choose from, with commas between them",
            example="music, light and heating, shopping",
            choices=True,
        ),
    ),
)
