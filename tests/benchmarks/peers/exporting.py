"""The float32 file that every peer starts from, made by a process of its own, as by hand.

`python -m tests.benchmarks.peers.exporting JOB SCRATCH`: the wizard's wrapper and PyTorch's own
`torch.onnx.export`, without what the wizard adds: its shortcuts, answers held against PyTorch's
(those of encoders; of models that write they stay, a second of GPT-2's).
"""

from __future__ import annotations

import sys
from pathlib import Path
from unittest.mock import patch

from tests.benchmarks.peers.making import THREADS
from wizard import intake
from wizard.nouns import Step
from wizard.run import read_outcome
from wizard.strategies import _as_traced, _torch
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
    agreed = _torch.Parity(largest_difference=0.0, shapes=())
    with (
        _as_traced.traced_again(),
        patch.object(_torch, "_numbers", lambda *_: []),
        patch.object(_torch, "_compare", lambda *_: agreed),
    ):
        contract.apply_step(Step(strategy="to_onnx"), contract.artifact_of(folder), bench)


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
