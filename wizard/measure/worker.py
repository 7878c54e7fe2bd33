"""The measuring process: numpy and onnxruntime, one model, one question at a time.

Started by path (`python worker.py`), so that nothing of ours is loaded with it. Says that it has
loaded; the first line on stdin then names the model, its feeds and the threads; each further one
is a JSON request. All are answered by one JSON line on stdout. Ends when stdin does.
Covers: load, time, answer, memory, processor time, more or fewer threads, a look inside
(inside.py). A reducer that has a `run` of its own asks the model as often as its answers need
(writing, token by token); one that has `after` knows the request that follows another.
Does not cover: what the numbers mean.
"""

from __future__ import annotations

import importlib.util
import json
import os
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime as ort


def _feeds(path: str) -> Any:
    return _module("examples/feeds.py").load_feeds(Path(path))


def _module(name: str) -> Any:
    """A file of ours by its path: importing the package would load all of it."""
    place = Path(__file__).resolve().parents[1] / name
    found = importlib.util.spec_from_file_location(place.stem, place)
    assert found is not None  # noqa: S101 - the file stands beside us
    assert found.loader is not None  # noqa: S101 - likewise
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


def _memory() -> tuple[float, float]:
    """Peak and present memory of this process in MB. ru_maxrss counts the parent's too."""
    try:
        text = Path("/proc/self/status").read_text(encoding="utf-8")
    except OSError:
        import psutil

        facts = psutil.Process().memory_info()
        return getattr(facts, "peak_wset", facts.rss) / 1e6, facts.rss / 1e6
    lines = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    peak, now = (float(lines[name].split()[0]) * 1024 / 1e6 for name in ("VmHWM", "VmRSS"))
    return peak, now


def _apart(one: Any, other: Any) -> float:
    """The largest difference; another shape is as far apart as can be."""
    if one.shape != other.shape:
        return float("inf")
    return float(np.abs(one - other).max(initial=0)) if one.dtype != bool else 0.0


class Worker:
    """One model in one session."""

    def __init__(self, model: str, feeds: str, threads: int) -> None:
        self._model, self._threads = model, threads
        self._feeds = _feeds(feeds)
        self._answered = _module("measure/answered.py")
        self._reducer = _module(f"measure/reducers/{self._feeds.reducer}.py")
        self.base_mb = _memory()[0]
        began = time.perf_counter()
        self._session: Any = self._open(model, optimized=True)
        self.load_ms = 1000 * (time.perf_counter() - began)
        self._names = [one.name for one in self._session.get_inputs()]
        self._outputs = [one.name for one in self._session.get_outputs()]
        self._inputs: dict[str, Any] = {}
        self._beside = Path(feeds).parent
        self._by_threads = {threads: self._session}

    def _open(
        self, model: str, *, optimized: bool, threads: int | None = None
    ) -> ort.InferenceSession:
        options = ort.SessionOptions()
        options.intra_op_num_threads = threads or self._threads
        options.inter_op_num_threads = 1
        options.log_severity_level = 4
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        if not optimized:
            options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
        return ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])

    def _wanted(self, inputs: dict[str, Any]) -> dict[str, Any]:
        return {name: inputs[name] for name in self._names}

    def shape(self, batch: int, tokens: int | None, *, cached: bool = False) -> dict[str, Any]:
        """Fix the timed request's shape; `cached`: the one that follows it, one token more."""
        self._inputs = self._wanted(self._feeds.exactly(batch, tokens))
        if cached:
            self._inputs = self._wanted(self._reducer.after(self._session, self._inputs))
        return {"base_mb": self.base_mb, "load_ms": self.load_ms}

    def time(self, runs: int) -> dict[str, Any]:
        """Milliseconds of each of `runs` requests."""
        taken = []
        for _ in range(runs):
            began = time.perf_counter()
            self._session.run(None, self._inputs)
            taken.append(1000 * (time.perf_counter() - began))
        return {"ms": taken}

    def by_threads(self, counts: list[int], rounds: int, runs: int) -> dict[str, Any]:
        """The usual milliseconds of a request by so many threads each, taken in turns."""
        for count in counts:
            if count not in self._by_threads:
                session = self._open(self._model, optimized=True, threads=count)
                session.run(None, self._inputs)
                self._by_threads[count] = session
        taken: dict[int, list[float]] = {count: [] for count in counts}
        for _ in range(rounds):
            for count in counts:
                self._session = self._by_threads[count]
                taken[count] += self.time(runs)["ms"]
        return {"ms": [float(np.median(taken[count])) for count in counts]}

    def go_on_with(self, threads: int) -> dict[str, Any]:
        """From now on so many threads answer; the others' memory is given back."""
        self._threads, self._session = threads, self._by_threads[threads]
        self._by_threads = {threads: self._session}
        return {}

    def cpu(self) -> dict[str, Any]:
        """Processor seconds that this process has used."""
        return {"seconds": time.process_time()}

    def memory(self, runs: int) -> dict[str, Any]:
        """First request, then some more; peak and steady memory."""
        first = self.time(1)["ms"][0]
        self.time(runs)
        peak, steady = _memory()
        return {"peak_mb": peak, "steady_mb": steady, "first_ms": first, "load_ms": self.load_ms}

    def answer(self, out: str, start: int, count: int) -> dict[str, Any]:
        """Answers to examples `start`..; one row at a time, as a user would send them.

        What the task's reducer keeps of them is written to `out` (.npz).
        """
        end = min(self._feeds.examples, start + count)
        kept = [self._example(index) for index in range(start, end)]
        names = list(kept[0]) if kept else []
        self._answered.Answered({name: [one[name] for one in kept] for name in names}).save(out)
        return {"rows": end - start, "of": self._feeds.examples}

    def _example(self, index: int) -> Any:
        rows = [self._feeds.row(row) for row in self._feeds.rows_of(index)]
        told: Any = self._reducer.reduce([(row, self._said(row)) for row in rows])
        return told

    def _said(self, inputs: dict[str, Any]) -> dict[str, Any]:
        """The outputs by name, in the file's order, or what the reducer asks for."""
        if hasattr(self._reducer, "run"):
            told: dict[str, Any] = self._reducer.run(self._session, inputs, self._beside)
            return told
        values = self._session.run(None, self._wanted(inputs))
        return dict(zip(self._outputs, values, strict=True))

    def plain(self, rows: int, one_at_a_time: bool) -> dict[str, Any]:
        """Largest difference between optimized and unoptimized graphs over some rows.

        Of the output that differs most for its size (`scale`). `again` is the largest difference
        between two answers to the same row. `one_at_a_time`: the optimized graph is closed while
        the other is open, so that a large file is in memory once.
        """
        seen = {name: {"difference": 0.0, "scale": 0.0, "again": 0.0} for name in self._outputs}
        every, flips = range(min(rows, len(self._feeds))), 0
        with tempfile.TemporaryDirectory(dir=self._beside) as place:
            for index in every:
                inputs = self._wanted(self._feeds.row(index))
                said, repeated = (self._session.run(None, inputs) for _ in range(2))
                for kept, one, other in zip(seen.values(), said, repeated, strict=True):
                    kept["again"] = max(kept["again"], _apart(one, other))
                np.savez(f"{place}/{index}.npz", *said)
            if one_at_a_time:
                self._close()
            plain = self._open(self._model, optimized=False)
            for index in every:
                answers = plain.run(None, self._wanted(self._feeds.row(index)))
                with np.load(f"{place}/{index}.npz") as kept_answers:
                    said = [kept_answers[f"arr_{at}"] for at in range(len(answers))]
                for kept, one, other in zip(seen.values(), said, answers, strict=True):
                    kept["difference"] = max(kept["difference"], _apart(one, other))
                    kept["scale"] = max(kept["scale"], float(np.abs(other).max(initial=0)))
                flips += int(said[0].argmax(-1).flat[0] != answers[0].argmax(-1).flat[0])
            del plain
            if one_at_a_time:
                self._session = self._open(self._model, optimized=True)
                self._by_threads = {self._threads: self._session}
        worst = max(seen.values(), key=lambda one: one["difference"] / max(one["scale"], 1e-9))
        return {**worst, "flips": flips}

    def _close(self) -> None:
        """Give the open model's memory back."""
        self._session = None
        self._by_threads.clear()

    def layers(
        self,
        layers: list[dict[str, Any]],
        sessions: dict[str, str],
        feeds: str,
        rows: int,
        within: float,
    ) -> dict[str, Any]:
        """How far each layer's output moved between the files named in `sessions`."""
        known, inside = _feeds(feeds), _module("measure/inside.py")
        rows, emulated = min(rows, len(known)), sessions.pop("emulated", None)
        opened = {name: self._open(path, optimized=True) for name, path in sessions.items()}
        told: dict[str, Any] = inside.look(layers, opened, known.row, rows, within)
        opened.clear()  # their memory is given back before the next one takes its own
        if emulated:
            session = self._open(emulated, optimized=True)
            told["overflowing"] = inside.overflowing(session, known.row, rows, within)
        return told


def _tell(words: dict[str, Any]) -> None:
    print(json.dumps(words), flush=True)  # noqa: T201 - the protocol


def main() -> int:
    """Answer requests until the other side closes."""
    _tell({"loaded": True})
    told = sys.stdin.readline()
    if not told:  # there is nothing to measure after all
        return 0
    worker = Worker(**json.loads(told))
    _tell({"ready": True})
    for line in sys.stdin:
        request = json.loads(line)
        reply = getattr(worker, request.pop("do"))(**request)
        _tell(reply)
    return 0


if __name__ == "__main__":
    os._exit(main())  # everything is written; taking it all apart takes a twentieth of a second
