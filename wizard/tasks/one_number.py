"""Two texts together, or one, get a number: how well a passage answers, how alike, how good."""

from dataclasses import replace

from wizard.nouns import Task
from wizard.tasks import _names, text_classification
from wizard.tasks._card import Field

BOXES = (
    Field(label="The first text, or the question", example="When is the team meeting?"),
    Field(
        label="The second text, or what may answer it (empty for a model of one text)",
        example="We meet tomorrow at 8:15.",
        optional=True,
    ),
)
CARD = replace(
    text_classification.CARD,
    task=Task.ONE_NUMBER,
    title="text scoring",
    does="Gives texts a number: how relevant, how alike, how good",
    score="number",
    metrics=("spearman", "agreement"),
    script="run_number.py.txt",
    layouts=text_classification.one_or_two(_names.RATED, "number"),
    check="number",
    labels=False,
    labels_of_two=frozenset(),
    asks=BOXES,
    asks_of_two=(),
    bundled="sentences",
    bundled_of_two="",
    ask_hint="Both texts go through the original and the compressed model, read together.",
    stands_in_for=(Task.TEXT_CLASSIFICATION,),
)
