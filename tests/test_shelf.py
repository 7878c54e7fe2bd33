"""Kept work is whole or not there, noticed when it is damaged, and never too much."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from wizard.shelf import EXPORTS, KEPT, MAKING, Shelf, key_of, place, place_all

NOW = 1_000_000.0


def kept(shelf, key, content=b"work", *, used=None):
    """An entry with one file; `used` is when it was last taken."""
    with shelf.keep("made", key, NOW) as folder:
        (folder / "inner").mkdir()
        (folder / "inner" / "model.onnx").write_bytes(content)
    if used is not None:
        os.utime(shelf.root / KEPT / f"made-{key}", (used, used))
    return shelf.root / KEPT / f"made-{key}"


def test_what_was_kept_is_found_with_its_age(tmp_path):
    """The same bytes under the same names, and when they were made."""
    shelf = Shelf(root=tmp_path)
    kept(shelf, "a")
    entry = shelf.find("made", "a")

    assert (entry.folder / "inner" / "model.onnx").read_bytes() == b"work"
    assert entry.made == NOW
    assert shelf.find("made", "b") is None


def test_work_that_failed_is_not_kept(tmp_path):
    """An error in the middle leaves nothing behind."""
    shelf = Shelf(root=tmp_path)
    with pytest.raises(FileNotFoundError), shelf.keep("made", "a", NOW) as folder:
        (folder / "lost" / "model.onnx").write_bytes(b"half")

    assert shelf.find("made", "a") is None
    assert list((tmp_path / KEPT).iterdir()) == []


def test_a_kill_while_keeping_leaves_no_entry(tmp_path):
    """kill -9 between two files: nothing is found, and the rest goes within a day or so."""
    code = (
        "import os, signal, sys\nfrom pathlib import Path\nfrom wizard.shelf import Shelf\n"
        "with Shelf(root=Path(sys.argv[1])).keep('made', 'a', 0.0) as folder:\n"
        "    (folder / 'model.onnx').write_bytes(b'half')\n"
        "    os.kill(os.getpid(), signal.SIGKILL)\n"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(tmp_path)], check=False)
    shelf = Shelf(root=tmp_path)
    left = next((tmp_path / KEPT).iterdir())
    os.utime(left, (time.time() - 100_000,) * 2)

    assert ended.returncode == -signal.SIGKILL
    assert left.name.startswith(MAKING)
    assert shelf.find("made", "a") is None
    kept(shelf, "b")
    assert not left.exists()


@pytest.mark.parametrize("damage", ["a changed byte", "a lost file", "half a manifest"])
def test_a_damaged_entry_is_thrown_away(tmp_path, damage):
    """Not found, not there any more; the same work can be kept anew."""
    shelf = Shelf(root=tmp_path)
    folder = kept(shelf, "a")
    model, whole = folder / "inner" / "model.onnx", folder / "whole.json"
    if damage == "a changed byte":
        model.write_bytes(b"wort")
    elif damage == "a lost file":
        model.unlink()
    else:
        whole.write_bytes(whole.read_bytes()[:20])

    assert shelf.find("made", "a") is None
    assert not folder.exists()
    kept(shelf, "a")
    assert shelf.find("made", "a") is not None


def test_the_least_recently_used_goes_first(tmp_path):
    """Three entries where two fit: the one that was taken longest ago is gone."""
    shelf = Shelf(root=tmp_path, most_bytes=2_700)
    kept(shelf, "a", b"a" * 1000, used=time.time() - 300)
    kept(shelf, "b", b"b" * 1000, used=time.time() - 200)
    shelf.find("made", "a")  # taken just now
    kept(shelf, "c", b"c" * 1000)

    assert shelf.find("made", "b") is None
    assert shelf.find("made", "a")
    assert shelf.find("made", "c")
    assert shelf.bytes() <= 2_700


def test_one_entry_never_pushes_out_all_others(tmp_path):
    """What is larger than half of what may be kept is not kept at all."""
    shelf = Shelf(root=tmp_path, most_bytes=2_000)
    kept(shelf, "a", b"a" * 500)
    kept(shelf, "b", b"b" * 1500)

    assert shelf.find("made", "b") is None
    assert shelf.find("made", "a")


def test_exports_count_and_go_as_well(tmp_path):
    """An old export makes room; a time to forget by leaves exports alone."""
    shelf = Shelf(root=tmp_path, most_bytes=3_000)
    export = tmp_path / EXPORTS / "abc"
    export.mkdir(parents=True)
    (export / "model.onnx").write_bytes(b"e" * 2_500)
    os.utime(export, (1, 1))
    shelf.trim(older_than=time.time())
    assert export.is_dir()
    kept(shelf, "a", b"a" * 1000)

    assert not export.exists()
    assert shelf.find("made", "a")


def test_what_strangers_left_is_forgotten_in_time(tmp_path):
    """Entries that nobody used since a time go; one used later stays."""
    shelf = Shelf(root=tmp_path)
    kept(shelf, "old", used=time.time() - 7200)
    kept(shelf, "new")
    shelf.trim(older_than=time.time() - 3600)

    assert shelf.find("made", "old") is None
    assert shelf.find("made", "new")
    assert len(shelf) == 1


def test_a_shelf_that_is_not_there_is_empty(tmp_path):
    """Looking and tidying need no folder."""
    shelf = Shelf(root=tmp_path / "none")
    shelf.trim(older_than=time.time())

    assert shelf.find("made", "a") is None
    assert shelf.bytes() == 0


def test_external_data_is_copied_and_models_are_linked(tmp_path):
    """onnx refuses data files with a second name; a model's file may share its bytes."""
    source = tmp_path / "from"
    source.mkdir()
    for name in ("model.onnx", "model.onnx.data", "whole.json"):
        (source / name).write_bytes(b"x")
    place_all(source, tmp_path / "to")
    names = sorted(path.name for path in Path(tmp_path / "to").iterdir())

    assert names == ["model.onnx", "model.onnx.data"]
    assert (tmp_path / "to" / "model.onnx").samefile(source / "model.onnx")
    assert not (tmp_path / "to" / "model.onnx.data").samefile(source / "model.onnx.data")
    with pytest.raises(FileExistsError):
        place(source / "model.onnx", tmp_path / "to" / "model.onnx")


def test_a_key_names_everything_and_no_order(tmp_path):
    """The same parts in another order are the same work; another part is other work."""
    assert key_of({"a": 1, "b": [2]}) == key_of({"b": [2], "a": 1})
    assert key_of({"a": 1}) != key_of({"a": 2})
