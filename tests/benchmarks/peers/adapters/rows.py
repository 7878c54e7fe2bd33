"""What every adapter reads and says. Runs in a peer's environment: numpy and the peer, no more.

A job is a JSON file: `model` (float32 ONNX), `folder` (checkpoint), `calibration` and `test`
(prepared inputs, .npz), `rows` (how many of the test count), `labels` (their right answers, or
none), `out` (file to make), `points` that may be lost, `task`, `shape`, `tokens` of the timed
request, `threads`.
"""

import importlib.util
import json
import sys
from importlib import metadata
from pathlib import Path

FEEDS = Path(__file__).resolve().parents[4] / "wizard" / "examples" / "feeds.py"


def job():
    """The job named on the command line."""
    return json.loads(Path(sys.argv[1]).read_text(encoding="utf-8"))


def feeds(path):
    """Prepared inputs: the very rows that the wizard uses."""
    found = importlib.util.spec_from_file_location("feeds", FEEDS)
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module.load_feeds(Path(path))


def inputs(model_path, path, most=None):
    """Rows as the model's own inputs, one at a time; the first `most` of them."""
    import onnx

    graph = onnx.load(model_path, load_external_data=False).graph
    names = [one.name for one in graph.input]
    rows = feeds(path)
    return [
        {name: rows.row(at)[name] for name in names}
        for at in range(min(len(rows), most or len(rows)))
    ]


def done(*packages, **facts):
    """The last line of an adapter: the versions that made the file, and what else is known."""
    versions = {one: metadata.version(one) for one in (*packages, "onnx", "onnxruntime")}
    print(json.dumps({"versions": versions, **facts}))
