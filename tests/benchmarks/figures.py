"""The figures we promise, measured: `make bench` prints a table and writes figures.jsonl.

Covers: whole job cold and warm, inspect and plan warm, look-ups, whole run against the bare
library calls, first page against an empty Gradio page, int8 against fp32 at 128 tokens.
Does not cover: anything judged by one timing; each figure is a median or a ratio of medians.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = Path(__file__).with_name("figures.jsonl")


def command(*arguments: str, home: Path) -> tuple[float, str]:
    """Seconds and standard output of one `wizard` command."""
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "wizard", *arguments],
        cwd=ROOT,
        env={**os.environ, "WIZARD_HOME": str(home)},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode not in {0, 3, 4}:
        raise SystemExit(done.stderr)
    return time.perf_counter() - began, done.stdout


def bare_python() -> float:
    """Seconds of a Python that does nothing, the floor under every command."""
    began = time.perf_counter()
    subprocess.run([sys.executable, "-c", "pass"], check=True)
    return time.perf_counter() - began


def median_of(count: int, measure: Callable[[], float]) -> float:
    """The middle of `count` measurements."""
    return statistics.median(measure() for _ in range(count))


def whole_job() -> dict[str, float]:
    """`intents` on this machine: cold export, then three times with the export cached."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        job = (
            "run",
            "sample:intents",
            "--latency-ms",
            "50",
            "--max-drop",
            "1",
            "--json",
            "--quiet",
        )
        cold, printed = command(*job, "--out", f"{folder}/cold", home=home)
        seconds = json.loads(printed)["seconds"]
        warm = median_of(
            3, lambda: command(*job, "--out", tempfile.mktemp(dir=folder), home=home)[0]
        )
        return {
            "run cold, s": cold,
            "run with cached export, s": warm,
            "export alone, s": seconds["export"],
        }


def look_ups() -> dict[str, float]:
    """Seconds beyond a bare Python for the quick commands."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        command("inspect", "sample:intents", home=home)
        floor = median_of(5, bare_python)
        found = {}
        for name, words in {
            "inspect warm": ("inspect", "sample:intents"),
            "plan warm": ("plan", "sample:intents", "--latency-ms", "5"),
            "devices": ("devices",),
            "rules": ("rules",),
            "--help": ("--help",),
        }.items():
            taken = median_of(5, lambda words=words: command(*words, home=home)[0])
            found[f"{name}, s beyond Python start"] = taken - floor
        return found


def bare_calls() -> dict[str, float]:
    """Whole run (cached export left out on both sides) over the library calls it makes."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        words = ("run", "sample:intents", "--only", "int8_dynamic", "--json", "--quiet")
        command(*words, "--out", f"{folder}/first", home=home)
        whole, _ = command(*words, "--out", f"{folder}/second", home=home)
        export = next((home / "cache").rglob("*.onnx"))
        began = time.perf_counter()
        subprocess.run(
            [sys.executable, str(Path(__file__).with_name("bare.py")), str(export)],
            check=True,
            cwd=ROOT,
        )
        bare = time.perf_counter() - began
        return {"whole run / bare library calls": whole / bare}


FIGURES = {"job": whole_job, "look-ups": look_ups, "overhead": bare_calls}


def main() -> None:
    """Measure what was asked for (all by default), print it and append it to figures.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", default=list(FIGURES), choices=[*FIGURES, []])
    asked = parser.parse_args().which
    found: dict[str, float] = {}
    for name in asked:
        found |= FIGURES[name]()
    for name, value in found.items():
        print(f"{value:8.2f}  {name}")
    from wizard import engine
    from wizard.nouns import jsonable

    line = {"on": time.strftime("%Y-%m-%d"), "figures": found, "host": jsonable(engine.host())}
    with OUT.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
