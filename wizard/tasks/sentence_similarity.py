"""Two texts are held against each other by the cosine of their vectors."""

from dataclasses import replace

from wizard.nouns import Task
from wizard.tasks import feature_extraction
from wizard.tasks._card import Field

CARD = replace(
    feature_extraction.CARD,
    task=Task.SENTENCE_SIMILARITY,
    title="sentence similarity",
    does="Says how alike two texts are",
    stands_in_for=(Task.FEATURE_EXTRACTION,),
    asks=(
        Field(label="Your text", example="please turn the lamp in the kitchen off"),
        Field(label="Another text", example="no more light in the kitchen"),
    ),
    ask_hint="Both texts go through the original and the compressed model.",
)
