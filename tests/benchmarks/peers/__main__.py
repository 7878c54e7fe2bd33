"""`make bench-peers`: every peer and the wizard on every model, one line a file on record.

Covers: the order, going on where a run was stopped, one peer's failure being one row.
Does not cover: how each part works (works, environments, making, weighing, table).
PEERS_CACHE names where environments, models and files are kept; they take about 6 GB.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import platformdirs

from tests.benchmarks.peers import making, table
from tests.benchmarks.peers.environments import PEERS
from tests.benchmarks.peers.works import WORKS, Work


def say(text: str) -> None:
    """Progress, on stderr."""
    print(f"{time.strftime('%H:%M:%S')} {text}", file=sys.stderr, flush=True)


def make_all(bench: making.Bench, work: Work, wanted: set[str]) -> list[making.Made]:
    """What everybody makes of one model; what is there already is not made again.

    Peers start from our float32 file and rows: where we gave none, nobody is asked.
    """
    making.model_made(bench, work)
    found = []
    for contract in making.OURS:
        if contract.id in wanted:
            say(f"{work.id}: {contract.id}")
            folder = bench.folder(work, contract.id)
            found.append(making.kept(folder, lambda it=contract: making.ours(bench, work, it)))
    for peer in PEERS if making.has_started(bench, work) else ():
        if peer.id in wanted:
            say(f"{work.id}: {peer.id}")
            folder = bench.folder(work, peer.id)
            found.append(making.kept(folder, lambda it=peer: making.theirs(bench, work, it)))
    for one in found:
        say(f"{work.id}: {one.by}: {one.because or f'{one.verdict:.0f} s {one.recipe}'}")
    return found


def weigh_all(bench: making.Bench, work: Work, found: list[making.Made]) -> list[dict[str, Any]]:
    """One line for each of them."""
    from tests.benchmarks.peers import weighing
    from wizard import engine
    from wizard.nouns import jsonable

    files = {one.by: Path(one.file) for one in found if one.file}
    records: Mapping[str, Any] = {}
    if files:
        say(f"{work.id}: weighing {len(files)} files")
        records = weighing.weigh(making.job_of(bench, work, "wizard"), files)
    common = {
        "run": time.strftime("%Y%m%d-%H%M%S"),
        "on": time.strftime("%Y-%m-%d"),
        "work": work.id,
        "model": work.title,
        "trained": work.trained,
        "host": jsonable(engine.host()),
        "threads": "as suits each file",
    }
    return [
        {
            **common,
            "by": one.by,
            "title": one.title,
            "because": one.because,
            "versions": one.versions,
            "recipe": one.recipe,
            "export_s": one.export,
            "make_s": one.make,
            "verdict_s": one.verdict,
            "whole_s": one.whole,
            "peak_mb": one.peak_mb,
            "load": one.load,
            **records.get(one.by, {}),
        }
        for one in found
    ]


def main() -> None:
    """Make, weigh and record what was asked for (everything by default); print the table."""
    everybody = [*(one.id for one in making.OURS), *(one.id for one in PEERS)]
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("works", nargs="*", metavar="MODEL", help=", ".join(w.id for w in WORKS))
    parser.add_argument("--by", nargs="*", default=everybody, choices=everybody)
    parser.add_argument("--rows", type=int, help="test rows of the models that are not samples")
    parser.add_argument("--only-make", action="store_true", help="make the files, weigh nothing")
    parser.add_argument("--out", type=Path, default=table.RESULTS)
    asked = parser.parse_args()
    named = os.environ.get("PEERS_CACHE")
    cache = Path(named) if named else platformdirs.user_cache_path("compression-wizard") / "peers"
    bench = making.Bench(cache=cache.absolute())
    for work in WORKS:
        if asked.works and work.id not in asked.works:
            continue
        if asked.rows and work.make is not None:
            work = replace(work, rows=asked.rows)  # noqa: PLW2901 - the same work, smaller
        found = make_all(bench, work, set(asked.by))
        if not asked.only_make:
            with asked.out.open("a", encoding="utf-8") as file:
                for line in weigh_all(bench, work, found):
                    file.write(json.dumps(line) + "\n")
    print(table.markdown(table.read(asked.out)))


if __name__ == "__main__":
    main()
