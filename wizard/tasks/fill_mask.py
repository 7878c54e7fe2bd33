"""A word that was left out of a text is guessed."""

from wizard.nouns import Task
from wizard.tasks import _names
from wizard.tasks._card import Field, Layout, Reads, TaskCard

CARD = TaskCard(
    task=Task.FILL_MASK,
    title="fill-mask",
    does="Guesses words that were left out of texts",
    reads=Reads.TEXTS,
    auto_class="AutoModelForMaskedLM",
    ort_class="ORTModelForMaskedLM",
    inputs=_names.TEXT_INPUTS,
    outputs=("logits",),
    prepare="gaps",
    reduce="gaps",
    score="gaps",
    metrics=("token accuracy", "MRR", "agreement"),
    script="run_gaps.py.txt",
    layouts=(
        Layout(
            texts=(_names.TEXT,),
            answer=("answer", "answers", "word", "target"),
            kind="in order",
            as_is=True,
        ),
    ),
    word_head=True,
    own_truth=True,
    asks=(
        Field(
            label="Your text, with [MASK] for the missing word",
            example="turn [MASK] the light in the kitchen",
        ),
    ),
)
