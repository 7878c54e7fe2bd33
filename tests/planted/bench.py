"""The planted-failure bench: `make planted` prints what was caught and who was accused.

A fault counts as caught only when the verdict is not PASS and the sentences name it; a healthy
candidate counts as accused when it gets a MISS or any finding.
"""

from __future__ import annotations

import sys

from tests.planted.faults import FAULTS, Fault
from tests.planted.healthy import HEALTHY, Healthy

ACCUSING = ("stored twice", "not numbers", "same answer", "one answer to", "point the same way",
            "all but certain", "another order", "each time", "graph optimization")  # fmt: skip


def try_fault(one: Fault) -> tuple[bool, str]:
    """Whether it was caught and named, and what was said."""
    told = one.plant()
    return one.caught(told), f"{told.verdict.value}: {told.said}"


def try_healthy(one: Healthy) -> tuple[bool, str]:
    """Whether it was accused, and what was said."""
    told = one.make()
    found = told.accuses or any(word in told.said for word in ACCUSING)
    return found, f"{told.verdict.value}: {told.said}"


def main(only: list[str]) -> int:
    """Run everything (or what matches the words given); 1 when anything went wrong."""
    faults = [one for one in FAULTS if wanted(one.title, only)]
    healthy = [one for one in HEALTHY if wanted(one.title, only)]
    caught = accused = 0
    for one in faults:
        right, said = try_fault(one)
        caught += right
        line(right, one.title, said)
    for other in healthy:
        wrong, said = try_healthy(other)
        accused += wrong
        line(not wrong, other.title, said)
    print(f"caught {caught}/{len(faults)}, accused {accused}/{len(healthy)}")
    return 0 if caught == len(faults) and accused == 0 else 1


def wanted(title: str, only: list[str]) -> bool:
    return not only or any(word in title for word in only)


def line(right: bool, title: str, said: str) -> None:
    print(
        f"{'ok  ' if right else 'WRONG'} {title:48} {said if not right else said[:150]}", flush=True
    )


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
