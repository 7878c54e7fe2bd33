"""Every word gets one of the model's tags; names and the like are spans of them."""

from wizard.nouns import Task
from wizard.tasks import _names
from wizard.tasks._card import Field, Layout, Reads, TaskCard

CARD = TaskCard(
    task=Task.TOKEN_CLASSIFICATION,
    title="token classification",
    does="Marks words in texts: names, places, times",
    reads=Reads.TEXTS,
    auto_class="AutoModelForTokenClassification",
    ort_class="ORTModelForTokenClassification",
    inputs=_names.TEXT_INPUTS,
    outputs=("logits",),
    prepare="words",
    reduce="tags",
    score="tags",
    metrics=("span F1", "token accuracy", "agreement"),
    script="run_tags.py.txt",
    layouts=(
        Layout(
            texts=(("tokens", "words", *_names.TEXT),),
            answer=("tags", "ner_tags", "labels", "pos_tags", "upos"),
            kind="in order",
            as_is=True,
            text_kind="words",
        ),
    ),
    labels=True,
    asks=(Field(label="Your text", example="wake me up at half past seven on Friday"),),
)
