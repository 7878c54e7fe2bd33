"""The export that a job will ask for first, begun by the child that made the model's card.

It has PyTorch loaded and nothing more to do, while the plan is made and the job starts.
Covers: when that is worth it, the export into the cache that the job looks in.
Does not cover: waiting for it (strategies/to_onnx.py), the child (questions.py). Whatever goes
wrong here, the job makes the export itself, and says what is wrong with it.
"""

from __future__ import annotations

import contextlib
import os
import tempfile
from pathlib import Path

from wizard import intake
from wizard.nouns import ModelProfile, Step, SupportLevel
from wizard.shelf import EXPORTS, MAKING
from wizard.strategies import _contract as contract

# Float32 weights of larger models wait for the job, which knows what else is in memory.
BYTES_AT_MOST = 500_000_000
# What an export takes at most: BERT-base 1.7 GB of 438 MB (DECISIONS.md, 2026-11-30).
MEMORY_PER_BYTE, MEMORY_BESIDE = 4, 2_000_000_000


def begin(profile: ModelProfile, cache: str, turn: str) -> None:
    """Export into `cache`, unless a job is at work, whose measurements that would disturb."""
    import psutil

    weights = 4 * profile.parameters.total
    needed = MEMORY_PER_BYTE * weights + MEMORY_BESIDE
    known = profile.support.level is not SupportLevel.NOT_HERE and not profile.given
    if not known or weights > BYTES_AT_MOST or needed > psutil.virtual_memory().available:
        return
    if _is_taken(Path(turn)):
        return
    with contextlib.suppress(Exception):  # the job meets it again and has the words for it
        _export(profile, Path(cache))


def _is_taken(turn: Path) -> bool:
    from filelock import FileLock, Timeout

    turn.parent.mkdir(parents=True, exist_ok=True)
    try:
        with FileLock(str(turn), timeout=0):
            return False
    except Timeout:
        return True


def _export(profile: ModelProfile, cache: Path) -> None:
    os.environ["HF_HUB_OFFLINE"] = "1"
    folder = intake.folder_here(profile.ref)
    intake.check_weights(folder)
    exports = cache / EXPORTS
    exports.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=MAKING, dir=exports) as scratch:
        bench = contract.Workbench(
            folder=Path(scratch),
            model_folder=folder,
            profile=profile,
            device=intake.this_machine(intake.host_facts(cache)),
            calibration=None,
            cache=cache,
            seed=0,
            threads=1,
            report=lambda fraction, detail: None,
        )
        contract.apply_step(Step(strategy="to_onnx"), contract.artifact_of(folder), bench)
