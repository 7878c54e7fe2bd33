"""The figures we promise, measured: `make bench` prints a table and writes figures.jsonl.

Covers: whole job cold and warm, a second contract, contracts that plain 8 bits miss, half of the
arithmetic gone, five minutes kept on a larger model, inspect and plan warm, look-ups, whole run
against the bare library calls, first page against an empty Gradio page, int8 against fp32 at 128
tokens, memory, MiniLM by size, a verdict on 10,000 rows, overflows emulated, ten forecasts of a
job against what it needed.
Does not cover: anything judged by one timing; each figure is a median or a ratio of medians.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import psutil

ROOT = Path(__file__).resolve().parents[2]
OUT = Path(__file__).with_name("figures.jsonl")
sys.path.insert(0, str(ROOT))  # run as a script, it finds `tests` all the same


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
    """`intents` on this machine: all of it, then three times with only the export kept."""
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
            "--afresh",
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


def second_contract() -> dict[str, float]:
    """`intents` by one contract in a new home, then by another: what the first has done is used.

    `times taken again` counts candidates whose speed of the first job did not hold any more.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        job = ("run", "sample:intents", "--json", "--quiet")
        first, _ = command(
            *job, "--latency-ms", "50", "--max-drop", "1", "--out", f"{folder}/1", home=home
        )
        second, printed = command(
            *job, "--latency-ms", "20", "--max-drop", "2", "--out", f"{folder}/2", home=home
        )
        answer = json.loads(printed)
        reused = [one["what"] for one in answer["reused"] if one["of"] != "original"]
        measured = sum(one["measured"] is not None for one in answer["candidates"])
        return {
            "first contract, s": first,
            "first contract / second": first / second,
            "second contract: candidates measured": measured,
            "second contract: answers used again": reused.count("answers"),
            "second contract: times taken again": measured - reused.count("timing"),
        }


def five_minutes() -> dict[str, float]:
    """A contract that nothing keeps, so that the ladder is climbed until the minutes are spent."""
    with tempfile.TemporaryDirectory() as place:
        folder = a_distilbert(Path(place) / "distilbert")
        words = ("--tokens", "128", "--size-mb", "20", "--max-drop", "2", "--minutes", "5")
        taken, printed = command(
            *("run", str(folder), *words, "--json", "--quiet", "--out", f"{place}/out"),
            home=Path(place) / "home",
        )
        answer = json.loads(printed)
        return {
            "--minutes 5 on DistilBERT's shape, min": taken / 60,
            "--minutes 5 on DistilBERT's shape, candidates measured": sum(
                one["measured"] is not None for one in answer["candidates"]
            ),
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
        return found | {"reading every preset, s of processor": median_of(5, presets)}


def presets() -> float:
    """Processor seconds of reading rules, devices and families in a new process."""
    code = (
        "import time\n"
        "from wizard import library\n"
        "start = time.process_time()\n"
        "library.rules(), library.devices(), library.families(), library.machine_rates()\n"
        "print(time.process_time() - start)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, check=True)
    return float(done.stdout)


def bare_calls() -> dict[str, float]:
    """Whole run (cached export left out on both sides) over the library calls it makes.

    The bare calls infer as often as the run did to answer the rows and to be timed; median of
    three of each, in turns.
    """
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        words = ("run", "sample:intents", "--only", "int8_dynamic", "--json", "--quiet", "--afresh")
        command(*words, "--out", f"{folder}/first", home=home)
        export = next((home / "cache").rglob("*.onnx"))
        taken: dict[str, list[float]] = {"whole": [], "bare": []}
        for turn in range(3):
            out = Path(folder) / str(turn)
            taken["whole"].append(command(*words, "--out", str(out), home=home)[0])
            began = time.perf_counter()
            subprocess.run(
                [
                    sys.executable,
                    str(Path(__file__).with_name("bare.py")),
                    str(export),
                    *timed(out),
                ],
                check=True,
                cwd=ROOT,
                capture_output=True,
            )
            taken["bare"].append(time.perf_counter() - began)
        whole, bare = (statistics.median(taken[one]) for one in ("whole", "bare"))
        return {"whole run / bare library calls": whole / bare}


def timed(out: Path) -> tuple[str, str]:
    """How often a run has timed the original (twice: with itself, with the other) and the other."""
    found = json.loads((out / "measurements.json").read_text())
    before, after = found["before"]["latency"], found["after"]
    original = before["p50"]["n"] + after["against"]["p50"]["n"]
    return str(original), str(after["latency"]["p50"]["n"])


def a_distilbert(folder: Path) -> Path:
    """A classifier of DistilBERT's shape with random weights and our own tokenizer."""
    import torch
    from transformers import DistilBertConfig, DistilBertForSequenceClassification

    torch.manual_seed(0)
    DistilBertForSequenceClassification(DistilBertConfig()).save_pretrained(folder)
    return with_our_tokenizer(folder)


def with_our_tokenizer(folder: Path) -> Path:
    """The checkpoint with the tokenizer of `intents` beside it."""
    sample = ROOT / "assets" / "samples" / "intents" / "model"
    for name in ("tokenizer.json", "tokenizer_config.json"):
        (folder / name).write_bytes((sample / name).read_bytes())
    return folder


def proportional_mb(process: psutil.Process) -> float:
    """Megabytes of a process and everything it started; shared pages are divided (PSS)."""
    total = 0
    for one in (process, *process.children(recursive=True)):
        with contextlib.suppress(psutil.NoSuchProcess, psutil.AccessDenied):
            total += one.memory_full_info().pss
    return total / 1e6


def encoder() -> dict[str, float]:
    """A whole job on DistilBERT's shape at 128 tokens: int8 latency ratio and peak memory."""
    with tempfile.TemporaryDirectory() as place:
        folder = a_distilbert(Path(place) / "distilbert")
        words = ("--tokens", "128", "--only", "int8_dynamic", "--json")
        planned = command("plan", str(folder), *words, home=Path(place) / "home")[1]
        forecast = json.loads(planned)["job"]["memory"]["value"]
        with (Path(place) / "answer.json").open("w") as answer:
            running = psutil.Popen(
                [
                    *(sys.executable, "-m", "wizard", "run", str(folder), *words, "--quiet"),
                    *("--out", f"{place}/out"),
                ],
                cwd=ROOT,
                env={**os.environ, "WIZARD_HOME": f"{place}/home"},
                stdout=answer,
            )
            peak = 0.0
            while running.poll() is None:
                peak = max(peak, job_mb(Path(place) / "home"))
                time.sleep(0.1)
        found = json.loads((Path(place) / "answer.json").read_text())
        after = found["candidates"][0]["measured"]
        before = found["original"]
        weights = before["size"]["value"]
        speed = json.loads(next(Path(place).glob("out/measurements.json")).read_text())
        ratio = (
            speed["after"]["latency"]["p50"]["value"] / speed["after"]["against"]["p50"]["value"]
        )
        return {
            "int8 / fp32 latency, DistilBERT shape, 128 tokens": ratio,
            "int8 / fp32 size, DistilBERT shape": after["size"]["value"] / weights,
            "peak memory of the job, MB": peak,
            "peak beyond 0.6 GB / fp32 bytes": (peak - 600) / weights,
            "forecast of the peak / measured": forecast / peak,
        }


def job_mb(home: Path) -> float:
    """Memory of the jobs of that home: a command's child lives in a session of its own."""
    from tests.benchmarks.peers.making import jobs_in

    return sum(proportional_mb(one) for one in jobs_in(home))


def first_page() -> dict[str, float]:
    """Seconds until the first page can be used, against an empty Gradio page; medians of nine.

    Ours counts only when everything of step 1 stands (heading, choices, Next); then a click on
    another sample and one on Next must each do what they say, or there is no figure.
    """
    from playwright.sync_api import sync_playwright

    from tests.ui.browser import ARGUMENTS, find

    empty = "import gradio as gr\nwith gr.Blocks() as b:\n    gr.Markdown('# x')\n"
    empty += "b.launch(server_port={})"
    ours = "from wizard import engine\nfrom wizard.ui.app import serve\n"
    ours += "serve(engine, host='127.0.0.1', port={}, open_browser=False)"
    taken: dict[str, list[float]] = {"ours": [], "empty": []}
    servers = [
        subprocess.Popen([sys.executable, "-c", code.format(port)], cwd=ROOT, stdout=-3, stderr=-3)
        for code, port in ((ours, 7971), (empty, 7972))
    ]
    try:
        with sync_playwright() as playwright:
            browser = playwright.chromium.launch(executable_path=find(), args=list(ARGUMENTS))
            for turn in range(10):
                for name, port in (("ours", 7971), ("empty", 7972)):
                    page = browser.new_context().new_page()
                    began = time.perf_counter()
                    open_page(page, f"http://127.0.0.1:{port}")
                    for one in STANDS[name]:
                        page.wait_for_selector(one)
                    if turn:
                        taken[name].append(time.perf_counter() - began)
                    if name == "ours":
                        works(page)
                    page.context.close()
            browser.close()
    finally:
        for server in servers:
            server.kill()
    medians = {name: statistics.median(values) for name, values in taken.items()}
    return {"first page / empty Gradio page": medians["ours"] / medians["empty"]}


STANDS = {"ours": ("h2", "#sample label >> nth=2", "#own-model", "#next-model"), "empty": ("h1",)}


def works(page: Any) -> None:
    """The page does what a first click asks of it: it takes another sample, and goes on."""
    page.locator("#sample label:has(input[value='digits'])").click()
    page.wait_for_selector("#sample input[value='digits']:checked", timeout=5000)
    page.locator("#next-model").click()
    page.wait_for_selector("#rail dd:has-text('Handwritten')", timeout=10_000)
    page.wait_for_selector("#group", timeout=5000)


def open_page(page: Any, url: str) -> None:
    """Go there, however long the server takes to start; what stands is for the caller to see."""
    for _ in range(120):
        try:
            page.goto(url, wait_until="commit")
        except Exception:  # noqa: BLE001 - the server is not up yet
            time.sleep(0.5)
        else:
            return


def minilm() -> dict[str, float]:
    """all-MiniLM-L6-v2 by two contracts of size and mean cosine, found by the plan itself."""
    from tests.benchmarks.peers import works

    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        works.minilm(folder, 300)
        rows = ("--data", f"{place}/test.txt", "--calibration", f"{place}/calibration.txt")
        weights = (folder / "model" / "model.safetensors").stat().st_size / 1e6
        for share, points in ((0.30, "0.1"), (0.15, "3")):
            limit = ("--size-mb", f"{0.99 * share * weights:.1f}", "--max-drop", points)
            model, home = str(folder / "model"), folder / "home"
            answer, weighed = answered(model, *rows, *limit, "--tokens", "128", home=home)
            before, after = weighed["before"], weighed["after"]
            named = f"MiniLM within {share} of the file"
            found[f"{named}: size"] = after["size"]["value"] / before["size"]["value"]
            found[f"{named}: mean cosine"] = after["quality"]["agreement"]["value"]
            found[f"{named}: kept"] = kept(answer)
    return found


def harder_contracts() -> dict[str, float]:
    """Three contracts that plain 8 bits miss, each within one point: what is delivered."""
    found: dict[str, float] = {}
    with tempfile.TemporaryDirectory() as place:
        home = Path(place) / "home"
        size, latency = "size of the file", "latency of float32"
        _, plain = answered("sample:intents", "--only", "int8_dynamic", home=home)
        limit_ms = f"{0.3 * plain['before']['latency']['p50']['value']:.2f}"
        for name, words, what in (
            ("intents", ("--latency-ms", limit_ms), latency),
            ("intents", ("--priority", "smallest", "--size-mb", "2.29"), size),
            ("digits", ("--priority", "smallest", "--size-mb", "0.063"), size),
        ):
            answer, weighed = answered(f"sample:{name}", *words, "--max-drop", "1", home=home)
            before, after = weighed["before"], weighed["after"]
            now, was = after["size"], before["size"]
            if what == latency:
                now, was = after["latency"]["p50"], after["against"]["p50"]
            share = now["value"] / was["value"]
            said = f"{name} within 1 point: {what}"
            found |= {said: share, f"{said}: kept": kept(answer)}
    return found


def answered(model: str, *words: str, home: Path) -> tuple[Any, Any]:
    """What one whole job says as JSON, and the measurements of what it delivers."""
    out = Path(tempfile.mkdtemp(dir=home.parent)) / "bundle"
    told = command("run", model, *words, "--json", "--quiet", "--out", str(out), home=home)[1]
    return json.loads(told), json.loads((out / "measurements.json").read_text(encoding="utf-8"))


def kept(answer: Any) -> float:
    """1 where the job's contract was kept."""
    return float(answer["verdict"]["overall"] == "PASS")


def half_the_arithmetic() -> dict[str, float]:
    """`intents` with half of its multiply-adds, trained again: points lost, seconds, share."""
    import dataclasses

    from tests.planted.stage import stage
    from wizard import measure
    from wizard.nouns import Step
    from wizard.strategies import _contract as contract

    here = stage("intents", rows=2400)
    bench = dataclasses.replace(here.workbench("half"), threads=2)
    artifact, began = contract.artifact_of(here.model_folder), time.perf_counter()
    for name, settings in (("structured_pruning", {"macs": 0.5}), ("recovery", {})):
        artifact = contract.apply_step(Step(strategy=name, settings=settings), artifact, bench)
    taken = time.perf_counter() - began
    exported = contract.apply_step(Step(strategy="to_onnx"), artifact, bench)
    after = measure.weigh_candidate(exported, here.original, here.bench)
    return {
        "half the arithmetic of intents, recovered: points lost": 100
        * (here.original.quality.value.value - after.quality.value.value),
        "half the arithmetic of intents, recovered: s": taken,
        "half the arithmetic of intents, recovered: arithmetic left": after.audit.work_share,
    }


def verdicts() -> dict[str, float]:
    """Processor seconds of a whole verdict over 10,000 rows; the median of three."""
    from tests.benchmarks import verdicts

    return {
        f"verdict on 10,000 rows, {kind}, s": median_of(3, lambda kind=kind: verdicts.seconds(kind))
        for kind in verdicts.KINDS
    }


def emulation() -> dict[str, float]:
    """Overflowing 8-bit sums of `intents` emulated: seconds, and the rows that they reached."""
    from tests.planted.stage import stage
    from wizard.measure import emulated, quality

    here = stage("intents", rows=2400)
    made, rows = here.make("int8_dynamic"), []

    def scored(raw: Any) -> Any:
        from wizard.examples.reading import pick

        rows.append(len(raw))
        some = pick(here.data.test, range(len(raw)))
        return quality.score(raw, some, here.profile, None, "")

    began = time.perf_counter()
    found, _ = emulated.under_saturation(made, here.test, scored)
    taken = time.perf_counter() - began
    assert found is not None
    return {"emulation on intents, s": taken, "emulation on intents, rows": rows[0]}


def forecasts() -> dict[str, float]:
    """Memory, disk and seconds of thirteen jobs as they were forecast, over what was measured."""
    from tests.benchmarks.forecasts import forecasts as measured

    return measured()


FIGURES = {
    "job": whole_job,
    "second": second_contract,
    "minutes": five_minutes,
    "look-ups": look_ups,
    "overhead": bare_calls,
    "encoder": encoder,
    "page": first_page,
    "minilm": minilm,
    "harder": harder_contracts,
    "half": half_the_arithmetic,
    "verdict": verdicts,
    "emulation": emulation,
    "forecast": forecasts,
}


def main() -> None:
    """Measure what was asked for (all by default), print it and append it to figures.jsonl."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("which", nargs="*", default=list(FIGURES), choices=[*FIGURES, []])
    asked = parser.parse_args().which
    found: dict[str, float] = {}
    for name in asked:
        found |= FIGURES[name]()
    for name, value in found.items():
        print(f"{value:8.4g}  {name}")
    from wizard import engine
    from wizard.nouns import jsonable

    line = {"on": time.strftime("%Y-%m-%d"), "figures": found, "host": jsonable(engine.host())}
    with OUT.open("a", encoding="utf-8") as file:
        file.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    main()
