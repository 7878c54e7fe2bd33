"""A text is turned into another, by a model that reads it whole and then writes."""

from wizard.nouns import Task
from wizard.tasks import _names
from wizard.tasks._card import Field, Layout, Reads, TaskCard

CARD = TaskCard(
    task=Task.TEXT_TO_TEXT,
    title="text to text",
    does="Turns a text into another",
    reads=Reads.TEXTS,
    auto_class="AutoModelForSeq2SeqLM",
    ort_class="ORTModelForSeq2SeqLM",
    inputs=_names.SOURCE_INPUTS,
    outputs=("logits",),
    prepare="sources",
    reduce="written",
    score="rewritten",
    metrics=("exact match", "BLEU", "ROUGE-L", "perplexity", "agreement"),
    script="run_rewrite.py.txt",
    layouts=(
        Layout(
            texts=((*_names.SOURCE, *_names.TEXT),),
            answer=_names.REWRITTEN,
            kind="any of",
            as_is=True,
        ),
    ),
    bundled="translations",
    check="next",
    word_head=True,
    writes=True,
    asks=(Field(label="Your text", example="mach bitte das Licht in der Küche an"),),
    ask_hint="The original and the compressed model both rewrite the same text.",
)
