"""Texts that repeat themselves over and over: the collapse of a model that writes.

Covers: the share of a text's runs of four tokens that stood in it before, and whether a candidate
repeats itself where the original did not.
Does not cover: writing the texts; other collapses (quality.py).
Source: Welleck et al. 2020, arXiv 1908.04319 (seq-rep-4). Some healthy models repeat themselves
when they write greedily, so a candidate is held against the original's texts to the same rows.
"""

from __future__ import annotations

from collections.abc import Sequence

RUN = 4
# Half of a text said twice (judgement: people's texts have 1 to 3 % of such runs, Welleck et al.).
REPEATED_SHARE = 0.5
# Shorter texts have too few runs to tell.
TOKENS_AT_LEAST = 12
# A fifth of the texts more than the original's, and so uneven by chance once in a hundred times.
TEXTS_MORE, BY_CHANCE = 0.2, 0.01


def repeated_share(tokens: Sequence[int]) -> float:
    """Of the runs of four tokens, the share that stood in the text before; 0 for short texts."""
    if len(tokens) < TOKENS_AT_LEAST:
        return 0.0
    runs = [tuple(tokens[at : at + RUN]) for at in range(len(tokens) - RUN + 1)]
    return 1 - len(set(runs)) / len(runs)


def repeating(written: Sequence[Sequence[int]], original: Sequence[Sequence[int]]) -> list[str]:
    """One sentence if many texts repeat themselves that did not, else nothing.

    Both hold the tokens of one text for each row, without those of the prompt and of padding; the
    same rows in the same order (ValueError otherwise).
    """
    from scipy.stats import binom

    pairs = [
        (repeated_share(now) > REPEATED_SHARE, repeated_share(was) > REPEATED_SHARE)
        for now, was in zip(written, original, strict=True)
    ]
    if not pairs:
        return []
    now, was = (sum(one[side] for one in pairs) for side in (0, 1))
    broke = sum(after and not before for after, before in pairs)
    mended = sum(before and not after for after, before in pairs)
    luck = float(binom.cdf(mended, broke + mended, 0.5))
    if now - was <= TEXTS_MORE * len(pairs) or luck > BY_CHANCE:
        return []
    return [
        f"{now} of {len(pairs)} texts repeat themselves over and over; of the original's {was} do."
    ]
