"""Children started before they are needed: the libraries load while the user still chooses.

Covers: a child for a model's card and one for the next job, for a command (once) or for a process
that serves many (again after each card). Does not cover: what they do once they are told.
"""

from __future__ import annotations

from wizard.jobs import control, questions

_serving: list[bool] = []  # whether jobs are prepared for too


def get_ready(*, for_job: bool = False, exports: bool = True) -> None:
    """Start the child of the next card, and of the next job if told so and none is at work.

    `exports`: whether the job makes the model's file itself, in a process that loads PyTorch now.
    """
    questions.get_ready()
    if for_job and not control.at_work():
        control.get_ready(exports=exports)


def keep_ready(*, for_jobs: bool) -> None:
    """The same from now on, whenever a card was made: for a process that serves many."""
    _serving[:] = [for_jobs]
    get_ready(for_job=for_jobs)


def settle() -> None:
    """A model's card is known: what was made ready for it goes, or waits for the next one."""
    if _serving:
        get_ready(for_job=_serving[0])
    else:
        questions.stand_down()
