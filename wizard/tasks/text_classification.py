"""A text, or two together, get one of the model's labels."""

from wizard.nouns import Task
from wizard.tasks import _names
from wizard.tasks._card import Field, Layout, Reads, TaskCard


def one_or_two(answer: tuple[str, ...], kind: str = "label") -> tuple[Layout, Layout]:
    """Tables of two texts, or of one, with such an answer."""
    two = Layout(texts=(_names.FIRST_OF_TWO, _names.SECOND_OF_TWO), answer=answer, kind=kind)
    return two, Layout(texts=(_names.TEXT,), answer=answer, kind=kind, as_is=True)


CARD = TaskCard(
    task=Task.TEXT_CLASSIFICATION,
    title="text classification",
    does="Sorts texts into classes",
    reads=Reads.TEXTS,
    auto_class="AutoModelForSequenceClassification",
    ort_class="ORTModelForSequenceClassification",
    inputs=_names.TEXT_INPUTS,
    outputs=("logits",),
    prepare="texts",
    reduce="classes",
    score="classes",
    metrics=("accuracy", "macro-F1", "agreement"),
    script="run_text.py.txt",
    layouts=one_or_two(_names.LABEL),
    labels=True,
    asks=(Field(label="Your text", example="please turn the lamp in the kitchen off"),),
    labels_of_two=_names.OF_TWO,
    asks_of_two=(
        Field(label="The first text", example="Please turn the lamp in the kitchen off."),
        Field(label="The second text", example="It shall be dark in the kitchen."),
    ),
    bundled_of_two="sentences",
)
