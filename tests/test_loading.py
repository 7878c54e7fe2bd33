"""Libraries loaded quickly: with the garbage collector as it was, and nothing missing after."""

import gc
import subprocess
import sys
from contextlib import suppress

from wizard import loading

CODE = """
from wizard import loading
loading.skip_losses()
loading.begin()
loading.load_transformers()
from transformers.loss import loss_for_object_detection as losses
from transformers import utils
assert utils.is_scipy_available()
assert not hasattr(losses, "linear_sum_assignment")
import scipy.optimize
print("left out", flush=True)
loading.leave(7)
"""


def test_the_collector_is_on_again_after_an_import():
    """And off where it was off."""
    for name in ("this_module_is_not_there", "json"):
        with suppress(ImportError):
            loading.load(name)
        assert gc.isenabled()
    gc.disable()
    try:
        with suppress(ImportError):
            loading.load("this_module_is_not_there")
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_what_is_there_already_is_left_to_the_collector():
    """A second call in mid-work would keep for good whatever lives then, a model among it."""
    loading.load("json")
    before = gc.get_freeze_count()

    loading.load("json")

    assert gc.get_freeze_count() == before


def test_scipy_is_hidden_from_the_losses_alone_and_a_process_leaves_with_its_status():
    """Two threads that load at once leave transformers as it is; what was printed arrives."""
    done = subprocess.run([sys.executable, "-c", CODE], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (7, "left out\n"), done.stderr
