"""Looks at the Hub that need no child: a search, and what a model would still cost to download.

Covers: both in the name of the present caller. Does not cover: reading what was found.
"""

from __future__ import annotations

from wizard.intake import hub
from wizard.jobs import caller
from wizard.nouns import HubModel, ModelProfile, Source, Task

SHORTEST = 2


def search(words: str) -> list[HubModel]:
    """Models on the Hub whose name holds those words; those of a task we do come first.

    Empty for fewer than two letters and when the Hub must not be asked. Raises HubUnreachable.
    """
    wanted = words.strip()
    if len(wanted) < SHORTEST or hub.offline():
        return []
    return hub.search(wanted, tuple(one.value for one in Task), token=caller.token())


def left_to_download(profile: ModelProfile) -> int:
    """Bytes that a job would fetch: what it needs and what is not in the local cache yet."""
    if profile.ref.source is not Source.HUB or profile.ref.revision is None:
        return 0
    place = hub.cache_of(profile.ref.name) / "snapshots" / profile.ref.revision
    return sum(size for name, size in profile.downloads if not (place / name).exists())
