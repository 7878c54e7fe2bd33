"""The peers and an environment for each: made by the bench itself, outside the repository, kept.

Covers: which packages at which versions, making the environment once, saying why it cannot be.
Does not cover: what a peer does there (adapters/). torch is pinned exactly: an open range would
pull gigabytes of CUDA libraries. TORCH_INDEX names the index of the small CPU build.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

TORCH = "torch==2.13.0"
ONNX = ("onnx==1.23.*", "onnxruntime==1.32.*")
SECONDS = 900


class PeerFailed(Exception):
    """A peer that cannot be installed or run; its message is the reason, one line."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Peer:
    """Somebody else's way to a smaller file. Without packages it runs in our environment."""

    id: str
    title: str
    adapter: str
    environment: str = ""
    packages: tuple[str, ...] = ()


NNCF = ("nncf==3.4.0", TORCH, *ONNX)
OLIVE = ("olive-ai==0.13.0", "requests", "datasets", "transformers==5.23.*", TORCH, *ONNX)
OPTIMUM = ("optimum-onnx==0.1.0", "optimum==2.1.0", "transformers==4.57.*", TORCH, *ONNX)
PEERS = (
    Peer(id="ort-dynamic", title="ONNX Runtime quantize_dynamic", adapter="ort_dynamic"),
    Peer(id="ort-static", title="ONNX Runtime quantize_static", adapter="ort_static"),
    Peer(
        id="nncf",
        title="NNCF quantize",
        adapter="nncf_quantize",
        environment="nncf",
        packages=NNCF,
    ),
    Peer(
        id="nncf-accuracy",
        title="NNCF with accuracy control",
        adapter="nncf_accuracy",
        environment="nncf",
        packages=NNCF,
    ),
    Peer(
        id="olive",
        title="Olive dynamic pass",
        adapter="olive_dynamic",
        environment="olive",
        packages=OLIVE,
    ),
    Peer(
        id="optimum",
        title="optimum-onnx dynamic",
        adapter="optimum_dynamic",
        environment="optimum",
        packages=OPTIMUM,
    ),
)


def python_of(peer: Peer, cache: Path) -> Path:
    """The peer's interpreter; its environment is made on first use. Raises PeerFailed."""
    if not peer.packages:
        return Path(sys.executable)
    digest = hashlib.sha256("\n".join(peer.packages).encode()).hexdigest()[:8]
    folder = cache / "environments" / f"{peer.environment}-{digest}"
    python = folder / "bin" / "python"
    if (folder / "complete").is_file():
        return python
    _run([sys.executable, "-m", "venv", "--clear", str(folder)], peer)
    index = os.environ.get("TORCH_INDEX")
    pip = [str(python), "-m", "pip", "install", "--quiet"]
    _run([*pip, *(("--index-url", index) if index else ()), TORCH], peer)
    _run([*pip, *peer.packages], peer)
    (folder / "complete").touch()
    return python


def _run(command: list[str], peer: Peer) -> None:
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS)
    except subprocess.TimeoutExpired as error:
        raise PeerFailed(f"{peer.title} was not installed within {SECONDS} s") from error
    if done.returncode:
        lines = [one for one in done.stderr.splitlines() if one.startswith("ERROR")]
        raise PeerFailed(f"not installed: {(lines or ['pip failed'])[-1][:200]}")
