"""A question is answered by a piece of a text, however long that is."""

from wizard.nouns import Task
from wizard.tasks import _names
from wizard.tasks._card import Field, Layout, Reads, TaskCard

CARD = TaskCard(
    task=Task.QUESTION_ANSWERING,
    title="question answering",
    does="Finds the answer to a question in a text",
    reads=Reads.TEXTS,
    auto_class="AutoModelForQuestionAnswering",
    ort_class="ORTModelForQuestionAnswering",
    inputs=_names.TEXT_INPUTS,
    outputs=("start_logits", "end_logits"),
    prepare="questions",
    reduce="spans",
    score="spans",
    metrics=("answer F1", "exact match", "agreement"),
    script="run_answer.py.txt",
    bundled="answers",
    layouts=(
        Layout(
            texts=(("question", "query"), ("context", "passage", "paragraph", "document")),
            answer=("answers", "answer"),
            kind="any of",
        ),
    ),
    asks=(
        Field(label="Your question", example="When is the team meeting?"),
        Field(
            label="The text that holds the answer",
            example="The dentist is on Friday at noon. The team meeting is tomorrow at 8:15.",
        ),
    ),
    ask_hint="The same question goes through the original and the compressed model.",
)
