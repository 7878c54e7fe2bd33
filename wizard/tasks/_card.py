"""What is known of a task: how its models are loaded, fed, answered, scored and shown.

Covers: the record of which every task is one. Does not cover: the tasks (one file each), the code
behind the names (examples/preparers, measure/reducers, measure/scorers, bundle/templates).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from wizard.nouns import Task


class Reads(StrEnum):
    """What a model is fed with, in a user's word."""

    TEXTS = "texts"
    PICTURES = "pictures"
    SOUND = "sound"


@dataclass(frozen=True, slots=True, kw_only=True)
class Layout:
    """A form that a table of this task may have: the names a column may go by, best first.

    `texts` has one tuple of names for each text of a row. `kind` says how the answer's cell is
    read: "label" (one of the model's), "choice" (a label of the data's own), "number", or a kind of
    examples/cells.py; `text_kind` is "words" where words may be given one by one. With
    `must_answer` the layout fits only a table that has the answer; `as_is` allows a table of a
    single column, whatever its name.
    """

    texts: tuple[tuple[str, ...], ...]
    answer: tuple[str, ...] = ()
    kind: str = "label"
    must_answer: bool = False
    as_is: bool = False
    text_kind: str = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One box of the playground: `reads` what, under which label, with which example in it.

    `choices`: what stands in it, apart by commas, is what the model chooses among; `optional`: it
    may stay empty.
    """

    label: str
    example: str
    reads: Reads = Reads.TEXTS
    choices: bool = False
    optional: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskCard:
    """A task. Names point to a file each, found by name.

    `auto_class` is transformers' (loading), `ort_class` Optimum's (named in the bundle's card);
    `inputs` are the graph inputs that we prepare, `outputs` the fields of the model's answer that
    are exported, in this order; `axes` the free axes of an input where they are not the usual ones
    of its name. `prepare`, `reduce`, `score` and `script` name files of examples/preparers,
    measure/reducers, measure/scorers and bundle/templates; `rows` is "table" or "pictures";
    `bundled` the sample whose rows stand in where the user has none. `check` says how check.py
    holds two answers together: "top", "labels", "number" or "vector". `labels`: it chooses among
    the config's labels; `several`: any number of them at once;
    `own_space`: answers of two networks cannot be compared with each other; `word_head`: it puts
    words, so its head may be the embedding table again; `writes`: it writes one token after the
    other and keeps what it has read, so that each further token has a time of its own;
    `labels_of_two`: labels, in small letters, of models that are asked about two texts, which then
    fill the two boxes of `asks_of_two`, and read the rows of `bundled_of_two`;
    `own_truth`: rows hold the right answers themselves, without a column of them;
    `stands_in_for`: tasks whose architecture it shares, and takes where the model's own card names
    this one.
    """

    task: Task
    title: str
    does: str
    reads: Reads
    auto_class: str
    ort_class: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    prepare: str
    reduce: str
    score: str
    metrics: tuple[str, ...]
    script: str
    rows: str = "table"
    layouts: tuple[Layout, ...] = ()
    bundled: str = "intents"
    check: str = "top"
    labels: bool = False
    several: bool = False
    own_space: bool = False
    word_head: bool = False
    writes: bool = False
    own_truth: bool = False
    labels_of_two: frozenset[str] = frozenset()
    asks_of_two: tuple[Field, ...] = ()
    bundled_of_two: str = ""
    stands_in_for: tuple[Task, ...] = ()
    packages: tuple[str, ...] = ("tokenizers",)
    axes: Mapping[str, Mapping[int, str]] = field(default_factory=dict)
    asks: tuple[Field, ...] = ()
    ask_hint: str = "The same text goes through the original and the compressed model."

    @property
    def two_parts(self) -> bool:
        """Whether one part reads or listens and another writes."""
        return "decoder_input_ids" in self.inputs
