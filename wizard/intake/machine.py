"""The machine we run on: its processor, cores, memory, disk and versions.

Covers: Linux, macOS and Windows; what a container allows rather than what the host has.
Does not cover: timing anything.
"""

from __future__ import annotations

import ctypes
import os
import platform
import sys
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from wizard import library
from wizard.nouns import Device, HostFacts

PACKAGES = (
    "compression-wizard",
    "torch",
    "transformers",
    "onnx",
    "onnxruntime",
    "onnxscript",
    "numpy",
    "scipy",
    "gradio",
    "huggingface-hub",
    "tokenizers",
    "optimum",
    "onnxruntime-gpu",
    "onnxruntime-directml",
    "onnxruntime-openvino",
)
# /proc/cpuinfo's words -> ours
X86_FLAGS = {
    "sse4_2": "sse4_2",
    "avx": "avx",
    "avx2": "avx2",
    "f16c": "f16c",
    "avx512f": "avx512f",
    "avx512_vnni": "avx512_vnni",
    "avx_vnni": "avx_vnni",
    "avx512_bf16": "avx512_bf16",
    "amx_int8": "amx_int8",
    "amx_bf16": "amx_bf16",
}
ARM_FLAGS = {
    "asimd": "neon",
    "asimdhp": "fp16",
    "asimddp": "dotprod",
    "i8mm": "i8mm",
    "sve": "sve",
    "bf16": "bf16",
}
MAC_FEATURES = {
    "hw.optional.arm.FEAT_FP16": "fp16",
    "hw.optional.arm.FEAT_DotProd": "dotprod",
    "hw.optional.arm.FEAT_I8MM": "i8mm",
    "hw.optional.arm.FEAT_BF16": "bf16",
    "hw.optional.avx2_0": "avx2",
    "hw.optional.avx512f": "avx512f",
    "hw.optional.avx512vnni": "avx512_vnni",
}
WINDOWS_FEATURES = {38: "sse4_2", 39: "avx", 40: "avx2", 41: "avx512f", 43: "dotprod"}


def host_facts(folder: Path) -> HostFacts:
    """What the machine is now; `folder` is where free disk is looked at."""
    import psutil

    cpu, isa = _processor()
    while not folder.exists():
        folder = folder.parent
    usable = _usable_cores()
    return HostFacts(
        cpu=cpu,
        machine=platform.machine(),
        isa=isa,
        physical_cores=min(psutil.cpu_count(logical=False) or usable, usable),
        usable_cores=usable,
        ram_bytes=_memory(psutil.virtual_memory().total),
        disk_free_bytes=shutil_free(folder),
        system=f"{platform.system()} {'.'.join(platform.release().split('.')[:2])}",
        python=platform.python_version(),
        versions=_versions(),
    )


def shutil_free(folder: Path) -> int:
    """Free bytes on the disk of `folder`."""
    import shutil

    return shutil.disk_usage(folder).free


def _versions() -> dict[str, str]:
    found = {}
    for name in PACKAGES:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            continue
    return found


def _processor() -> tuple[str, frozenset[str]]:
    if sys.platform == "linux":
        return _from_cpuinfo(Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace"))
    if sys.platform == "darwin":
        return _from_sysctl()
    if sys.platform == "win32":
        return _from_windows()
    return platform.processor() or "unknown processor", frozenset()


def _from_cpuinfo(text: str) -> tuple[str, frozenset[str]]:
    facts: dict[str, str] = {}
    for line in text.splitlines():
        name, _, value = line.partition(":")
        facts.setdefault(name.strip(), value.strip())
    words = (facts.get("flags") or facts.get("Features") or "").split()
    table = {**X86_FLAGS, **ARM_FLAGS} if "Features" in facts else X86_FLAGS
    isa = frozenset(table[word] for word in words if word in table)
    named = facts.get("model name") or facts.get("Model") or facts.get("Hardware")
    return named or platform.machine(), isa


def _from_sysctl() -> tuple[str, frozenset[str]]:
    libc = ctypes.CDLL(None)
    isa = {flag for name, flag in MAC_FEATURES.items() if _sysctl_number(libc, name)}
    if platform.machine() == "arm64":
        isa.add("neon")
    return _sysctl_text(libc, "machdep.cpu.brand_string") or "Apple processor", frozenset(isa)


def _sysctl_number(libc: ctypes.CDLL, name: str) -> int:
    value, size = ctypes.c_int64(0), ctypes.c_size_t(8)
    failed = libc.sysctlbyname(name.encode(), ctypes.byref(value), ctypes.byref(size), None, 0)
    return 0 if failed else value.value


def _sysctl_text(libc: ctypes.CDLL, name: str) -> str:
    value, size = ctypes.create_string_buffer(256), ctypes.c_size_t(256)
    failed = libc.sysctlbyname(name.encode(), value, ctypes.byref(size), None, 0)
    return "" if failed else value.value.decode("utf-8", "replace")


def _from_windows() -> tuple[str, frozenset[str]]:
    kernel = ctypes.windll.kernel32  # type: ignore[attr-defined]  # exists on Windows only
    flags = {
        flag for code, flag in WINDOWS_FEATURES.items() if kernel.IsProcessorFeaturePresent(code)
    }
    if platform.machine().lower() in {"arm64", "aarch64"}:
        flags.add("neon")
    return os.environ.get("PROCESSOR_IDENTIFIER", "unknown processor"), frozenset(flags)


def _usable_cores() -> int:
    """Cores we may really use: affinity and the container's quota."""
    affinity = getattr(os, "sched_getaffinity", None)
    cores = len(affinity(0)) if affinity else os.cpu_count() or 1
    quota = _first_line(Path("/sys/fs/cgroup/cpu.max")).split()
    if len(quota) == 2 and quota[0].isdigit():
        cores = min(cores, max(1, round(int(quota[0]) / int(quota[1]))))
    return cores


def _memory(total: int) -> int:
    limit = _first_line(Path("/sys/fs/cgroup/memory.max"))
    return min(total, int(limit)) if limit.isdigit() else total


def _first_line(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").strip()
    except OSError:
        return ""


def this_machine(host: HostFacts) -> Device:
    """The machine we run on as a device; its rates follow from its instructions."""
    rates = library.machine_rates()
    row = next(one for one in rates.rates if one.isa in host.isa or one.isa == "any")
    cycles = host.physical_cores * rates.gigahertz
    return Device(
        id="this-machine",
        name="This machine",
        group="This machine",
        subtitle=f"{host.cpu}, {host.usable_cores} cores, {host.ram_bytes / 1e9:.0f} GB",
        arch="arm64" if host.machine.lower() in {"arm64", "aarch64"} else "x86_64",
        isa=host.isa,
        runtimes=("onnxruntime-cpu",),
        cores=host.usable_cores,
        fp32_gops=cycles * row.fp32_per_cycle,
        fp16_gops=None,
        int8_gops=cycles * row.int8_per_cycle,
        bandwidth_gbs=rates.bandwidth_gbs,
        overhead_us_per_op=rates.overhead_us_per_op,
        memory_bytes=int(host.ram_bytes * rates.memory_share),
        max_file_bytes=None,
        abilities=rates.abilities[row.abilities],
        sources=(row.source, *rates.sources),
        measured_here=True,
    )
