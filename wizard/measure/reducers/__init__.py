"""What is kept of a model's raw outputs, one file for each kind; a task's card names its own.

Covers: `reduce(rows)` in each file, from the (inputs, outputs) of an example's rows, by name, to
what is kept of the example, by name. Numpy only: measuring processes load these files by path.
Does not cover: what the kept numbers mean (scorers).
"""
