"""A text is said in another language."""

import dataclasses

from wizard.nouns import Task
from wizard.tasks import text_to_text

CARD = dataclasses.replace(
    text_to_text.CARD,
    task=Task.TRANSLATION,
    title="translation",
    does="Translates a text",
    metrics=("BLEU", "exact match", "perplexity", "agreement"),
    stands_in_for=(Task.TEXT_TO_TEXT,),
    ask_hint="The original and the compressed model both translate the same text.",
)
