"""The recorded runs as one table: `results.jsonl` -> markdown, for the README.

Pure but for reading that file. Covers: which lines count (the newest run of each model), the
sentence on what was reached, date, versions, machine. Does not cover: measuring.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from wizard.measure.saturation import saturates

RESULTS = Path(__file__).with_name("results.jsonl")
Line = Mapping[str, Any]
HEAD = (
    "| model | by | size | latency | loss, points (95 %) | to a verdict | peak memory | front |",
    "|---|---|---|---|---|---|---|---|",
)
OURS, STAR = "wizard", "\\*"


def read(path: Path = RESULTS) -> list[Line]:
    """Every line on record, oldest first; none where there is no file yet."""
    if not path.is_file():
        return []
    return [json.loads(one) for one in path.read_text(encoding="utf-8").splitlines() if one]


def newest(lines: Iterable[Line]) -> dict[str, list[Line]]:
    """By model, the lines of its newest run, in the order they were written."""
    found: dict[str, list[Line]] = {}
    for line in lines:
        known = found.setdefault(line["work"], [])
        if known and known[0]["run"] != line["run"]:
            known.clear()
        known.append(line)
    return found


def markdown(lines: Sequence[Line] | None = None) -> str:
    """Table, what was reached, and where and when; nothing without a record."""
    works = newest(read() if lines is None else lines)
    if not works:
        return "Nothing is on record yet."
    rows = [row(line) for found in works.values() for line in found]
    return "\n".join([*HEAD, *rows, "", reached(works), "", origin(works)])


def row(line: Line) -> str:
    """One line of the table; who has no file says why."""
    first = f"| {line['model']} | {line['title']} |"
    if line.get("because"):
        return f"{first} {line['because'].replace('|', '/')} |  |  |  |  |  |"
    value, low, high = line["latency"]
    loss = "{:.2f} ({:.2f} to {:.2f})".format(*(100 * one for one in line["loss"]))
    loss += ", broken" if line["collapse"] else ""
    times = f"{value:.2f} ({low:.2f} to {high:.2f}){STAR if line.get('busy') else ''}"
    peak = f"{line['peak_mb'] / 1000:.1f} GB"
    front = "yes" if line["front"] else f"no: {', '.join(line['dominated_by'])}"
    return (
        f"{first} {line['size_ratio']:.3f} | {times} | {loss} | "
        f"{seconds(line)} | {peak} | {front} |"
    )


def seconds(line: Line) -> str:
    """Until one may say whether it holds; for us also until the job had ended."""
    said = f"{line['verdict_s']:.0f} s{STAR if crowded(line) else ''}"
    return f"{said} (job {line['whole_s']:.0f})" if line["by"].startswith(OURS) else said


def reached(works: Mapping[str, Sequence[Line]]) -> str:
    """Whether ours is on every front, and who was sooner."""
    on, off, later = [], [], []
    for found in works.values():
        files = [one for one in found if not one.get("because")]
        for one in files:
            if one["by"].startswith(OURS):
                (on if one["front"] else off).append(f"{one['model']} ({one['by']})")
        mine = next((one for one in files if one["by"] == OURS), None)
        sooner = [
            one["title"]
            for one in files
            if mine and not one["by"].startswith(OURS) and one["verdict_s"] < mine["verdict_s"]
        ]
        later += [f"{found[0]['model']}: {', '.join(sooner)}"] if sooner else []
    said = f"On the front of all results: {len(on)} of {len(on) + len(off)} of ours"
    said += f"; not {', '.join(off)}." if off else "."
    if later:
        return f"{said} Sooner at a verdict than we: {'; '.join(later)}."
    return f"{said} Nobody was sooner at a verdict."


def origin(works: Mapping[str, Sequence[Line]]) -> str:
    """Dates, machine and versions."""
    every = [one for found in works.values() for one in found]
    dates = sorted({one["on"] for one in every})
    versions: dict[str, str] = {}
    for one in every:
        versions |= one["versions"]
    named = ", ".join(f"{name} {version}" for name, version in sorted(versions.items()))
    when = dates[0] if len(dates) == 1 else f"{dates[0]} to {dates[-1]}"
    starred = any(crowded(one) or one.get("busy") for one in every)
    busy = f" {STAR} Other programs ran meanwhile: do not rely on that time." if starred else ""
    where = f"on {_machines(works)}"
    return f"Measured {when} with `make bench-peers` {where}; {named}.{busy}"


def _machines(works: Mapping[str, Sequence[Line]]) -> str:
    """The machine of most models, and those of the others with their models."""
    measured: dict[str, list[str]] = {}
    for found in works.values():
        host = found[-1]["host"]
        threads = found[-1].get("threads", "two")
        said = f"{host['usable_cores']} cores of {host['cpu']}{_narrow(host)} (threads: {threads})"
        measured.setdefault(said, []).append(found[-1]["model"])
    first, *others = sorted(measured, key=lambda one: -len(measured[one]))
    return "; ".join([first, *(f"{', '.join(measured[one])} on {one}" for one in others)])


def _narrow(host: Mapping[str, Any]) -> str:
    """What decides how much 8 bits gain, and how true they can be, on x86."""
    narrow = saturates(host.get("machine", ""), host.get("isa", ()))
    return " without VNNI" if narrow else ""


def crowded(line: Line) -> bool:
    """Whether more wanted to run than our two threads and one more, while the file was made."""
    return bool(line.get("load", 0.0) > line["host"]["usable_cores"] + 1)
