"""From rows to model inputs, one file for each way; a task's card names its own.

Covers: `prepare(profile, folder, examples, kept)` in each file: the arrays of one .npz as
examples/feeds.py writes them. Does not cover: which task takes which (wizard/tasks).
"""
