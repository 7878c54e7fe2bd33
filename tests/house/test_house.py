"""The promises of the house itself: layers, names, sizes, light imports, words that stay out."""

import ast
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SOURCES = sorted((ROOT / "wizard").rglob("*.py"))
HEAVY = ("torch", "transformers", "onnxruntime", "onnx", "numpy", "scipy", "gradio", "PIL")


def _tracked():
    listed = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True)
    return [ROOT / line for line in listed.stdout.splitlines()]


def test_every_public_name_is_listed_and_exists():
    """`from wizard import *` gives exactly what __all__ says, sorted."""
    import wizard

    assert wizard.__all__ == sorted(wizard.__all__)
    assert all(hasattr(wizard, name) for name in wizard.__all__)


def test_a_public_name_is_the_function_even_where_a_room_shares_it():
    """Also after the rooms `advise` and `compare` were imported; `import wizard` loads neither."""
    code = (
        "import sys, wizard\n"
        "loaded = [one for one in sys.modules if one.startswith('wizard.')]\n"
        "import wizard.advise, wizard.compare.judge\n"
        "from wizard import engine\n"
        "same = wizard.advise is engine.advise and wizard.compare is engine.compare\n"
        "print(loaded, same, hasattr(wizard, 'no_such_name'))"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.stdout.strip() == "[] True False", done.stderr


def test_every_module_opens_with_its_duty():
    """Each module says in its first lines what it covers."""
    silent = [str(p) for p in SOURCES if not ast.get_docstring(ast.parse(p.read_text("utf-8")))]

    assert silent == []


def test_no_heavy_library_is_imported_when_a_module_is():
    """torch, numpy and the like are imported inside the function that needs them."""
    allowed = ("wizard/ui/", "wizard/measure/worker.py")
    guilty = []
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name.startswith(allowed):
            continue
        for node in ast.parse(path.read_text("utf-8")).body:
            modules = [a.name for a in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                modules = [node.module or ""]
            guilty += [f"{name}: {m}" for m in modules if m.split(".")[0] in HEAVY]

    assert guilty == []


@pytest.mark.parametrize("command", [["--help"], ["devices"], ["rules"], ["strategies"]])
def test_look_ups_answer_without_a_heavy_library(command):
    """`wizard --help` and the look-ups load no torch, no numpy, no gradio."""
    code = (
        "import sys\nfrom wizard.cli import main\n"
        f"try:\n    main({command!r})\nexcept SystemExit:\n    pass\n"
        f"print([m for m in {HEAVY!r} if m in sys.modules], file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True)

    assert done.stderr.strip().splitlines()[-1] == "[]"


def test_processes_are_started_in_two_rooms_only():
    """`subprocess` belongs to jobs and measure."""
    guilty = [
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if re.search(r"^\s*(import|from) subprocess", path.read_text("utf-8"), re.M)
        and path.relative_to(ROOT).parts[1] not in {"jobs", "measure"}
    ]

    assert guilty == []


def test_the_interface_knows_no_technique_device_or_family():
    """Adding a technique, a device or a family never touches wizard/ui."""
    from wizard import library
    from wizard.strategies._contract import discover

    names = {*discover(), *library.devices(), *library.families()} - {"this-machine"}
    words = {name for name in names if len(name) > 4}
    guilty = []
    for path in (ROOT / "wizard" / "ui").rglob("*.py"):
        text = path.read_text("utf-8")
        guilty += [f"{path.name}: {w}" for w in words if re.search(rf"[\"']{w}[\"']", text)]

    assert guilty == []


def test_broad_catching_stands_only_at_the_top_of_a_child():
    """Three child programs have it, and the contract, which cleans up and raises again."""
    allowed = {
        "wizard/jobs/child.py",
        "wizard/jobs/questions.py",
        "wizard/jobs/steps.py",
        "wizard/strategies/_contract.py",
    }
    found = {
        path.relative_to(ROOT).as_posix()
        for path in SOURCES
        if re.search(r"except (Base)?Exception\b", path.read_text("utf-8"))
    }

    assert found <= allowed


def test_the_space_runs_the_gradio_we_pin():
    """README's front matter, pyproject and requirements.txt name one gradio version."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    pinned = next(d for d in project["dependencies"] if d.startswith("gradio"))
    readme = (ROOT / "README.md").read_text("utf-8")

    assert pinned.split("==")[1] == re.search(r"^sdk_version: (\S+)$", readme, re.M).group(1)
    assert pinned in (ROOT / "requirements.txt").read_text("utf-8")


def test_no_file_names_a_private_place():
    """No machine path, registry host or token stands in a tracked text file."""
    # In brackets, so that what is forbidden does not stand here either.
    forbidden = re.compile(
        r"/wor[k]/main|/wor[k]/shared|/roo[t]/|python[h]osted|hf_[A-Za-z0-9]{30,}"
    )
    guilty = []
    for path in _tracked():
        if path.suffix in {".png", ".npz", ".safetensors", ".woff2"}:
            continue
        if path.is_file() and forbidden.search(path.read_text("utf-8", errors="ignore")):
            guilty.append(str(path.relative_to(ROOT)))

    assert guilty == []


def test_rooms_stay_small():
    """No module over 1000 lines; the ten largest are printed after the tests."""
    assert max(len(p.read_text("utf-8").splitlines()) for p in SOURCES) <= 1000
