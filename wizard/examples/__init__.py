"""The rows: read, checked, sampled, split for calibration and test, turned into model inputs.

Covers: bundled rows, CSV / TSV / JSON lines, folders and ZIPs of images and
sounds, pasted lines; `prepare` (rows -> one .npz of model inputs) and `load_feeds` (reading it
back).
Does not cover: what a model answers to them (measure).
"""

from wizard.examples.feeds import Feeds, load_feeds
from wizard.examples.naming import DataName, parse, stated
from wizard.examples.pictures import as_png
from wizard.examples.prepare import prepare
from wizard.examples.reading import Rows, bundled_counts, counts, pick, read, read_one
from wizard.examples.sounds import as_wav
from wizard.examples.typed import listed, typed
from wizard.nouns import ExampleSet

__all__ = [
    "DataName",
    "ExampleSet",
    "Feeds",
    "Rows",
    "as_png",
    "as_wav",
    "bundled_counts",
    "counts",
    "listed",
    "load_feeds",
    "parse",
    "pick",
    "prepare",
    "read",
    "read_one",
    "stated",
    "typed",
]
