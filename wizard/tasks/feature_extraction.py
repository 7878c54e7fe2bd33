"""A text becomes a vector; pairs of texts are compared by the cosine of theirs."""

from wizard.nouns import Task
from wizard.tasks import _names
from wizard.tasks._card import Field, Layout, Reads, TaskCard

CARD = TaskCard(
    task=Task.FEATURE_EXTRACTION,
    title="feature extraction",
    does="Turns texts into vectors, to find similar ones",
    reads=Reads.TEXTS,
    auto_class="AutoModel",
    ort_class="ORTModelForFeatureExtraction",
    inputs=_names.TEXT_INPUTS,
    outputs=("last_hidden_state",),
    prepare="texts",
    reduce="vectors",
    score="vectors",
    metrics=("spearman", "agreement"),
    script="run_vector.py.txt",
    layouts=(
        Layout(
            texts=(_names.FIRST, _names.SECOND),
            answer=_names.SCORE,
            kind="number",
            must_answer=True,
        ),
        Layout(texts=(_names.TEXT,), as_is=True),
    ),
    check="vector",
    own_space=True,
    asks=(Field(label="Your text", example="please turn the lamp in the kitchen off"),),
)
