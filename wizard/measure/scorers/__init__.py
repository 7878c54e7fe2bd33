"""From kept answers to evidence for each row, one file for each kind; a task's card names its own.

Covers, in each file: `score(answered, examples, profile, original, asked)` (the score, and per row
what it is made of), `glance(answered, original)` (a short look) and `shown(answered, profile,
typed)` (one answer for the playground).
Does not cover: whether a loss is within tolerance (compare).
"""
