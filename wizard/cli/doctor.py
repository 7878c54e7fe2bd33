"""What works on this machine, and the one-line fix for what does not.

Covers: packages, memory, disk, 8-bit instructions, a writable home, kept work, the presets, the
samples, a browser for the tests. Does not cover: anything slow; torch is looked for, not imported.
"""

from __future__ import annotations

import importlib.util
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass

from wizard import engine
from wizard.errors import WizardError

NEEDED = ("torch", "transformers", "onnx", "onnxruntime", "onnxscript", "numpy", "scipy", "gradio")
RAM_FOR_BERT_BASE_MB = 2_500
DISK_FOR_ONE_JOB_MB = 1_000
FAST_INT8 = frozenset({"avx512_vnni", "avx_vnni", "dotprod", "i8mm", "amx_int8"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """One thing looked at: does it work, what was seen, and the fix if it does not."""

    name: str
    works: bool
    seen: str
    fix: str = ""
    optional: bool = False


def findings() -> tuple[Finding, ...]:
    """Every finding, in the order in which a stranger needs them."""
    looks: tuple[Callable[[], Finding], ...] = (
        _presets,
        _samples,
        _home,
        _kept,
        _memory,
        _disk,
        _int8,
        _one_runtime,
        _browser,
    )
    return (*(_package(name) for name in NEEDED), *(look() for look in looks))


def _package(name: str) -> Finding:
    found = importlib.util.find_spec(name) is not None
    seen = f"{name} {engine.host().versions.get(name, '')}".strip() if found else "not installed"
    return Finding(
        name=f"package {name}", works=found, seen=seen, fix="pip install compression-wizard"
    )


def _presets() -> Finding:
    try:
        seen = f"{len(engine.rules())} rules, {len(engine.devices())} devices"
    except WizardError as error:
        return Finding(name="presets", works=False, seen=str(error), fix="reinstall the package")
    return Finding(name="presets", works=True, seen=seen)


def _samples() -> Finding:
    names = ", ".join(engine.samples())
    return Finding(
        name="samples", works=bool(names), seen=names or "none", fix="reinstall the package"
    )


def _home() -> Finding:
    fix = "set WIZARD_HOME to a folder you may write"
    try:
        engine.home().mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=engine.home()):
            return Finding(name="home", works=True, seen=str(engine.home()))
    except OSError as error:
        return Finding(name="home", works=False, seen=str(error), fix=fix)


def _kept() -> Finding:
    """What earlier jobs left for later ones; it bounds itself."""
    from wizard.shelf import Shelf

    megabytes = Shelf(root=engine.cache_root()).bytes() // 10**6
    seen = f"{megabytes} MB in {engine.cache_root()} (safe to delete)"
    return Finding(name="kept work", works=True, seen=seen, optional=True)


def _memory() -> Finding:
    megabytes = engine.host().ram_bytes // 10**6
    return Finding(
        name="memory",
        works=megabytes >= RAM_FOR_BERT_BASE_MB,
        seen=f"{megabytes} MB",
        fix="models above 100 MB need a machine with more memory",
        optional=True,
    )


def _disk() -> Finding:
    megabytes = engine.host().disk_free_bytes // 10**6
    return Finding(
        name="free disk",
        works=megabytes >= DISK_FOR_ONE_JOB_MB,
        seen=f"{megabytes} MB",
        fix="free some disk, or set WIZARD_HOME to another one",
    )


def _int8() -> Finding:
    isa = engine.host().isa
    fast = sorted(isa & FAST_INT8)
    return Finding(
        name="8-bit arithmetic",
        works=bool(fast),
        seen=", ".join(fast) if fast else "none of this CPU's instructions multiply 8-bit numbers",
        fix="8-bit models will be smaller here, but hardly faster",
        optional=True,
    )


def _one_runtime() -> Finding:
    """Two onnxruntime packages in one environment: the slower one wins silently."""
    others = [
        name
        for name in ("onnxruntime-gpu", "onnxruntime-directml", "onnxruntime-openvino")
        if name in engine.host().versions
    ]
    return Finding(
        name="one onnxruntime",
        works=not others,
        seen=f"also {', '.join(others)}" if others else "yes",
        fix=f"pip uninstall {' '.join(others)}",
    )


def _browser() -> Finding:
    found = next((p for p in ("chromium", "google-chrome", "chrome") if shutil.which(p)), None)
    return Finding(
        name="browser for the tests",
        works=found is not None,
        seen=found or "none found",
        fix="apt-get install chromium, or python -m playwright install chromium",
        optional=True,
    )
