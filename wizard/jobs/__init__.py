"""Jobs: a folder each, worked by a child process, readable whatever happens.

Covers: making a job, following its events, cancelling it, seeing that it died, queueing, small
questions answered in a child (a model card, a look into a data file).
Does not cover: what a job does; that is `run`.
"""

from wizard.jobs import caller
from wizard.jobs.ahead import get_ready, keep_ready, settle
from wizard.jobs.control import (
    cancel,
    events,
    follow,
    jobs_of,
    listing,
    request_of,
    start,
    status,
    sweep,
)
from wizard.jobs.counting import counted
from wizard.jobs.questions import ask, memory_of_those_going_on
from wizard.jobs.store import TURN, JobState, JobStatus, Request, folder_of, keep_outcome

__all__ = [
    "TURN",
    "JobState",
    "JobStatus",
    "Request",
    "ask",
    "caller",
    "cancel",
    "counted",
    "events",
    "folder_of",
    "follow",
    "get_ready",
    "jobs_of",
    "keep_outcome",
    "keep_ready",
    "listing",
    "memory_of_those_going_on",
    "request_of",
    "settle",
    "start",
    "status",
    "sweep",
]
