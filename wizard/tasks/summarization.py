"""A long text is made a short one."""

import dataclasses

from wizard.nouns import Task
from wizard.tasks import text_to_text

CARD = dataclasses.replace(
    text_to_text.CARD,
    task=Task.SUMMARIZATION,
    title="summarization",
    does="Sums a text up",
    metrics=("ROUGE-L", "perplexity", "agreement"),
    stands_in_for=(Task.TEXT_TO_TEXT,),
    ask_hint="The original and the compressed model both sum up the same text.",
)
