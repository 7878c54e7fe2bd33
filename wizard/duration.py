"""Forecasts of seconds: a model exported, made smaller, answered and timed. Pure.

Covers: exports by operators and weights, what each technique takes beyond plain rounding, rows
answered one at a time, texts written token by token, training, the minutes that are allowed.
Does not cover: how fast a request is on a device (estimate.py), how fast this machine is
(intake/tempo.py).
Sources: jobs of the peers' bench and of tests/benchmarks/forecasts.py, each alone on two cores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wizard import tasks
from wizard.nouns import (
    AS_MEASURED,
    UNCOUNTED,
    Basis,
    ModelProfile,
    Needs,
    Pace,
    Quantity,
    Scoring,
    Step,
)
from wizard.storage import Storage, number, storage_of

# Operators left after ONNX Runtime has fused what it can: per transformer layer, per block of a
# convolutional network (two or three convolutions and their sum), and outside of both.
NODES_PER_LAYER, NODES_PER_BLOCK, NODES_BESIDE = 18, 5, 12
LAYERS_UNKNOWN, BLOCKS_UNKNOWN = 8, 16
# On the machines that a pace is held against (DECISIONS.md, 2026-11-29 to 12-01): an export by
# operators and weights; what is made and opened, zipped and hashed by weights.
EXPORT_SECONDS, EXPORT_SECONDS_PER_NODE, EXPORT_SECONDS_PER_MB = 2.2, 0.02, 0.01
# A model that writes is translated with its cache, by a longer way.
EXPORT_WRITER_SECONDS = 2.0
SECONDS_PER_MB, MEASURE_SECONDS, CANDIDATE_SECONDS = 0.012, 0.5, 0.4
# What a technique takes beyond plain rounding: layers watched on sample rows, codes searched.
BEYOND_SECONDS_PER_MB = {
    "mixed_precision": 0.12,
    "low_rank": 0.16,
    "low_bit_weights": 0.09,
    "palettization": 0.08,
    "int8_weights": 0.01,
}
SEARCH_MACS_PER_SECOND = 1.75e7
# Small models answer two rows at once, others each with both cores.
ROWS, SECONDS_PER_ROW, ROWS_TOGETHER, MACS_PER_SECOND = 2000, 2e-4, 0.8, 1.3e11
# How long a row is beside the request where nobody has looked, and at most.
ROW_SHARE, ROW_SHARE_AT_MOST = 0.6, 4.0
# Whatever a row's length, the weights come from memory once: products of some rows, of one row.
READ_SECONDS_PER_MB, READ_SECONDS_PER_MB_ONE = 5e-5, 3.6e-5
# Products of 8-bit numbers beside those of 32 bits.
EIGHT_BITS = 0.5
# Weights that are stored in few bits and opened in 32.
OPENED_WHOLE = frozenset({"float16", "palettization", "unstructured_sparsity"})
# A text of that many tokens where nothing is known, and of what was said; at most where it is.
WRITTEN, WRITTEN_HEARD, WRITTEN_AT_MOST = 32, 12, 128
# What a request or a token costs beside its weights, by operators.
SECONDS_PER_NODE = 6e-6
# Of the seconds left, the original's answers may take so much: each candidate takes as long again.
# So many rows are answered whatever they take (measure/quality.py).
SHARE_FOR_ORIGINAL, ROWS_AT_LEAST = 0.25, 100
# Both sides in turns (speed.py): blocks of so many seconds and no more requests than are enough,
# before them the warming up and the choice of threads; no fewer requests of slow models. The
# original beside itself takes half as long.
TIMED_BLOCKS, TIMED_BLOCK, TIMED_ENOUGH, TIMED_ENOUGH_SECONDS, TIMED_MOST = 28, 0.072, 10, 0.02, 40
TIMED_BEFORE, TIMED_AT_LEAST, TIMED_ALONE = 84, 140, 0.5
# A row with the value of every operator written down, in runs: filters give many values. Layers
# are looked at on so many rows, for so many seconds at most; ranges are learnt on so many.
INSIDE, INSIDE_FILTERS = 8, 37
LOOKED_AT, LOOKED_SECONDS, LEARNT_ROWS = 32, 3.0, 64
LEARNING = frozenset({"int8_static", "int8_static_smooth"})
# Pruning looks at its rows with PyTorch (intents: 11 s for 256 rows on a machine of half the pace).
PRUNING_ROWS, PRUNING_PER_ROW, PRUNING_PASSES = 256, 0.015, 12
# Training: 32 rows a step, forwards and twice that backwards, and the original forwards. Rows are
# shorter than the request, PyTorch slower than ONNX Runtime (intents 0.25 s, digits 0.05 s a step
# on a machine of half the pace).
TRAINING = frozenset({"recovery", "quantization_aware_training"})
TRAINING_ROWS, TRAINING_MACS_PER_SECOND, SECONDS_PER_STEP = 32, 6e10, 0.02


def nodes_of(profile: ModelProfile) -> int:
    """About how many operators a run starts."""
    if convolutional(profile):
        return NODES_BESIDE + NODES_PER_BLOCK * (profile.layers or BLOCKS_UNKNOWN)
    return NODES_BESIDE + NODES_PER_LAYER * (profile.layers or LAYERS_UNKNOWN)


def convolutional(profile: ModelProfile) -> bool:
    """Whether most of the layers' weights are filters."""
    return profile.parameters.conv > profile.parameters.linear


def scoring_of(profile: ModelProfile, needs: Needs) -> Scoring:
    """What is known of the rows that score a model, from the needs."""
    known = Scoring(requests=needs.requests, written=needs.written_tokens, minutes=needs.minutes)
    tokens = needs.workload.tokens or profile.workload.tokens
    if not tokens or needs.row_tokens is None:
        return known
    share = min(ROW_SHARE_AT_MOST, needs.row_tokens / tokens)
    return replace(known, share=share, tokens=needs.row_tokens)


def to_export(profile: ModelProfile, pace: Pace = AS_MEASURED) -> float:
    """Seconds of translating the model to ONNX on a machine of that pace."""
    weights = 4 * profile.parameters.total / 1e6
    seconds = EXPORT_SECONDS + EXPORT_SECONDS_PER_NODE * nodes_of(profile)
    seconds += EXPORT_WRITER_SECONDS if tasks.writes(profile.task) else 0.0
    return pace.interpreter * (seconds + EXPORT_SECONDS_PER_MB * weights)


def to_measure(
    profile: ModelProfile,
    share: float = 1.0,
    steps: Sequence[Step] = (),
    scoring: Scoring = UNCOUNTED,
    pace: Pace = AS_MEASURED,
) -> Quantity:
    """Seconds of making and measuring what keeps `share`; without `steps` of the original.

    Training on the way: the steps asked for, as far as its minutes allow.
    """
    plain = _untrained(profile, share, steps, scoring, pace)
    seconds = 0.0
    for step in steps:
        if step.strategy in TRAINING:
            macs = TRAINING_ROWS * profile.macs * (1 + 3 * share) / TRAINING_MACS_PER_SECOND
            each = SECONDS_PER_STEP * pace.interpreter + macs * pace.arithmetic
            asked = each * number(step.settings.get("steps"), 400)
            seconds += min(asked, 60 * number(step.settings.get("minutes"), 5.0))
    if not seconds:
        return _quantity(plain, 0.4, 2.5)
    if share >= 1:  # another checkpoint is exported anew
        seconds += to_export(profile, pace)
    return _quantity(plain + seconds, 0.3, 2.5)


def _quantity(seconds: float, low: float, high: float) -> Quantity:
    return Quantity(
        value=seconds, unit="s", basis=Basis.ESTIMATED, low=low * seconds, high=high * seconds
    )


def _untrained(
    profile: ModelProfile, share: float, steps: Sequence[Step], scoring: Scoring, pace: Pace
) -> float:
    weights = 4 * profile.parameters.total / 1e6
    each = pace.arithmetic * profile.macs / MACS_PER_SECOND
    inside = each * (INSIDE_FILTERS if convolutional(profile) else INSIDE)
    original = _read_mb(profile, ())
    read = READ_SECONDS_PER_MB * pace.reading * (original + _read_mb(profile, steps)) / 2
    rows = _rows(profile, scoring, pace)
    answering = rows * _row(profile, steps, scoring, pace)
    once = each + read + SECONDS_PER_NODE * nodes_of(profile) * pace.interpreter
    running = _timed(once, 1.0 if steps else TIMED_ALONE)
    running *= 2 if tasks.writes(profile.task) else 1  # the first token, and each further one
    running += answering
    beside = MEASURE_SECONDS + SECONDS_PER_MB * weights
    if steps:
        beside += CANDIDATE_SECONDS
        running += min(LOOKED_SECONDS, LOOKED_AT * inside)
    if any(step.strategy in LEARNING for step in steps):
        running += LEARNT_ROWS * inside
    beside += weights * sum(BEYOND_SECONDS_PER_MB.get(step.strategy, 0.0) for step in steps)
    if any(step.strategy == "mixed_precision" for step in steps):  # each layer is tried alone
        running += pace.arithmetic * profile.macs / SEARCH_MACS_PER_SECOND
    if share < 1:  # the model is run forwards and backwards, and exported anew
        beside += PRUNING_ROWS * PRUNING_PER_ROW
        running += PRUNING_ROWS * PRUNING_PASSES * each
    seconds = beside * pace.interpreter + running
    return seconds + (to_export(profile, pace) if share < 1 else 0.0)


def _timed(each: float, part: float) -> float:
    """Seconds of timing a model that takes `each` a request, in `part` of the usual time."""
    enough = min(TIMED_MOST, max(TIMED_ENOUGH, TIMED_ENOUGH_SECONDS / each))
    requests = TIMED_BEFORE + TIMED_BLOCKS * min(enough, TIMED_BLOCK / each)
    return each * max(TIMED_AT_LEAST, part * requests)


def _rows(profile: ModelProfile, scoring: Scoring, pace: Pace) -> float:
    """How many rows are answered: as many as the original manages in its part of the minutes."""
    rows = float(ROWS if scoring.requests is None else scoring.requests)
    if scoring.minutes is None:
        return rows
    allowed = SHARE_FOR_ORIGINAL * max(0.0, 60 * scoring.minutes - to_export(profile, pace))
    return min(rows, max(ROWS_AT_LEAST, allowed / _row(profile, (), scoring, pace)))


def _row(profile: ModelProfile, steps: Sequence[Step], scoring: Scoring, pace: Pace) -> float:
    """Seconds of one row's answer: its own length, all weights once; then what is written."""
    length = ROW_SHARE if scoring.share is None else scoring.share
    read = _read_mb(profile, steps)
    eight = EIGHT_BITS if storage_of(steps).activations == 8 else 1.0
    once = ROWS_TOGETHER * length * eight * pace.arithmetic * profile.macs / MACS_PER_SECOND
    once += READ_SECONDS_PER_MB * pace.reading * read + SECONDS_PER_ROW * pace.interpreter
    if not tasks.writes(profile.task):
        return once
    alone = not tasks.card_of(profile.task).two_parts  # else a part of its own writes
    token = READ_SECONDS_PER_MB_ONE * pace.reading
    token *= _read_mb(profile, steps, 1.0 if alone else 0.5)
    token += SECONDS_PER_NODE * nodes_of(profile) * pace.interpreter * (1.0 if alone else 0.5)
    # A model that only continues texts is asked twice: what it writes, what it thinks of the text.
    return (2 if alone else 1) * once + _written(profile, scoring) * token


def _written(profile: ModelProfile, scoring: Scoring) -> float:
    """Tokens of an answer: as many as the right ones have, else as the source or as allowed."""
    if scoring.written is not None:
        return min(scoring.written, WRITTEN_AT_MOST)
    card = tasks.card_of(profile.task)
    if card.reads is tasks.Reads.SOUND:
        return WRITTEN_HEARD
    if not card.two_parts or scoring.tokens is None:
        return WRITTEN
    return min(scoring.tokens, WRITTEN)


def _read_mb(profile: ModelProfile, steps: Sequence[Step], part: float = 1.0) -> float:
    """Megabytes of weights that a pass through a part of the layers reads.

    Of the word table only where it is a layer too, as in models that write.
    """
    whole = any(step.strategy in OPENED_WHOLE for step in steps)
    bits = Storage() if whole else storage_of(steps)
    counts = profile.parameters
    read = part * (counts.linear * bits.linear + counts.conv * bits.conv)
    if profile.tied_embeddings and tasks.writes(profile.task):
        read += counts.embedding * (bits.linear if bits.apart else bits.embedding)
    return read / 8e6
