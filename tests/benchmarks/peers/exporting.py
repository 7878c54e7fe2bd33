"""The float32 file that every peer starts from, made by a process of its own, as by hand.

`python -m tests.benchmarks.peers.exporting JOB SCRATCH`: the same export as the wizard's, with
PyTorch loaded first (the wizard loads it while it plans).
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmarks.peers.making import THREADS
from wizard import intake
from wizard.nouns import Step
from wizard.run import read_outcome
from wizard.strategies import _contract as contract


def main(job: Path, scratch: Path) -> None:
    """Export the model of a wizard's job into an empty folder."""
    outcome = read_outcome(job)
    assert outcome is not None
    plan = outcome.plan
    folder = intake.folder_here(plan.profile.ref)
    bench = contract.Workbench(
        folder=scratch / "made",
        model_folder=folder,
        profile=plan.profile,
        device=plan.device,
        calibration=None,
        cache=scratch / "cache",
        seed=plan.needs.seed,
        threads=THREADS,
        report=lambda fraction, detail: None,
    )
    contract.apply_step(Step(strategy="to_onnx"), contract.artifact_of(folder), bench)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
