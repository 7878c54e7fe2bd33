"""What is timed of a task: a whole answer; of a model that writes, the first and a further token.

Covers: the latencies of a measurement, of one model beside itself and of two in turns.
Does not cover: timing itself (speed.py).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from wizard.measure import speed
from wizard.measure.process import Process
from wizard.nouns import Latency, Measurement, Workload


@dataclass(frozen=True, slots=True, kw_only=True)
class Paces:
    """As the fields of a measurement: of a whole answer or a first token, of each further one."""

    latency: Latency
    against: Latency | None = None
    token: Latency | None = None
    token_against: Latency | None = None

    def of(self, measurement: Measurement) -> Measurement:
        """The measurement with these times."""
        return replace(
            measurement,
            latency=self.latency,
            against=self.against,
            token=self.token,
            token_against=self.token_against,
        )

    @property
    def close(self) -> bool:
        """Whether one of the times is a little shorter or longer than the original's."""
        return any(speed.close(*pair) for pair in self._pairs)

    @property
    def _pairs(self) -> list[tuple[Latency, Latency]]:
        both = [(self.against, self.latency), (self.token_against, self.token)]
        return [(was, now) for was, now in both if was and now]

    def and_again(self, more: Paces, original: Measurement) -> Paces:
        """Both times and those of another pair of processes, as one session."""
        own, *tokens = zip(self._pairs, more._pairs, strict=True)
        against, latency = speed.merged(*own, original.latency.apart)
        if not tokens:
            return Paces(latency=latency, against=against)
        apart = (original.token or original.latency).apart
        token_against, token = speed.merged(*tokens[0], apart)
        return Paces(latency=latency, against=against, token=token, token_against=token_against)


def of_itself(
    first: Process, second: Process, workload: Workload, seconds: float, *, writes: bool
) -> Paces:
    """One model in two processes; where there are two times, each gets half of the seconds."""
    if not writes:
        return Paces(latency=speed.of_itself(first, second, workload, seconds))
    half = seconds / 2
    return Paces(
        latency=speed.of_itself(first, second, workload, half),
        token=speed.of_itself(first, second, workload, half, cached=True),
    )


def in_turns(
    first: Process,
    process: Process,
    workload: Workload,
    seconds: float,
    *,
    writes: bool,
    original: Measurement | None = None,
) -> Paces:
    """The second model's times, and the first's of the same session.

    `original` tells how far two fresh processes of the first were apart.
    """
    part = seconds / 2 if writes else seconds
    apart = original.latency.apart if original else 1.0
    before, after = speed.in_turns(first, process, workload, part, between=apart)
    if not writes:
        return Paces(latency=after, against=before)
    apart = original.token.apart if original and original.token else apart
    was, now = speed.in_turns(first, process, workload, part, cached=True, between=apart)
    return Paces(latency=after, against=before, token=now, token_against=was)
