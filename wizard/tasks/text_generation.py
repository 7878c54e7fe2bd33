"""A text is gone on with, one token after the other."""

from wizard.nouns import Task
from wizard.tasks import _names
from wizard.tasks._card import Field, Layout, Reads, TaskCard

CARD = TaskCard(
    task=Task.TEXT_GENERATION,
    title="text generation",
    does="Goes on writing a text",
    reads=Reads.TEXTS,
    auto_class="AutoModelForCausalLM",
    ort_class="ORTModelForCausalLM",
    inputs=("input_ids", "attention_mask", "position_ids"),
    outputs=("logits",),
    prepare="prompts",
    reduce="written",
    score="written",
    metrics=("exact match", "perplexity", "agreement"),
    script="run_write.py.txt",
    layouts=(
        Layout(
            texts=((*_names.PROMPT, *_names.TEXT),),
            answer=_names.FOLLOWS,
            kind="any of",
            as_is=True,
        ),
    ),
    check="next",
    word_head=True,
    writes=True,
    asks=(Field(label="Your text", example="please turn the lamp in the kitchen off =>"),),
    ask_hint="The original and the compressed model both go on from the same text.",
)
