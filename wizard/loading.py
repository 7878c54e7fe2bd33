"""Loads the big libraries quickly, in processes of ours that need them.

Covers: keeping Python's garbage collector out of imports, leaving without tearing everything down.
Does not cover: which process needs which library.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import NoReturn

_trains_nothing = threading.Event()
_loading = threading.Lock()


def load(*modules: str) -> None:
    """Import them; what they make stays, so the garbage collector need never look at it.

    Looking through it while it grows takes a sixth of the time (DECISIONS.md, 2026-11-29).
    """
    missing = [name for name in modules if name not in sys.modules]
    if not missing:  # what else is there by now may go again
        return
    with without_collecting():
        for name in missing:
            importlib.import_module(name)
        gc.freeze()


@contextmanager
def without_collecting() -> Iterator[None]:
    """Keep the garbage collector from looking at what is being made, until it is made."""
    was_on = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if was_on:
            gc.enable()


def skip_losses() -> None:
    """Say that this process will train nothing; call it before `load_transformers`."""
    _trains_nothing.set()


def load_transformers() -> None:
    """PyTorch and what every class of transformers needs; waits where another thread began it.

    Its losses match boxes with scipy, which takes as long to import as a third of PyTorch.
    """
    with _loading:
        load("torch", "transformers")
        with _told_of_no_scipy() if _trains_nothing.is_set() else nullcontext():
            load("transformers.modeling_utils")


def begin() -> None:
    """Begin the same in a thread and return."""
    threading.Thread(target=load_transformers, daemon=True).start()


@contextmanager
def _told_of_no_scipy() -> Iterator[None]:
    from transformers import utils

    asked = utils.is_scipy_available
    utils.is_scipy_available = lambda: False
    try:
        yield
    finally:
        utils.is_scipy_available = asked


def leave(status: int) -> NoReturn:
    """End this process at once: taking PyTorch apart in an orderly way takes most of a second.

    What was written to standard output and error is out; nothing else may be open.
    """
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)
