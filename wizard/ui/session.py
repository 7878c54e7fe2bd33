"""What one open page remembers: who, which model, which needs, which job.

Covers: the one value in gr.State. Does not cover: results; those are read from the job.
"""

from __future__ import annotations

from dataclasses import dataclass

from wizard.nouns import ModelProfile, Needs


@dataclass(frozen=True, slots=True, kw_only=True)
class Session:
    """`answered` counts the steps whose Next was pressed; `asked` is the model as typed.

    `dry_job` is the dry run of the plan on the screen.
    """

    owner: str = ""
    asked: str = ""
    profile: ModelProfile | None = None
    needs: Needs | None = None
    answered: int = 0
    job: str | None = None
    dry_job: str | None = None
    finished: bool = False

    def __hash__(self) -> int:
        """By content: Gradio asks whether it changed, and a profile may hold mappings."""
        return hash(repr(self))
