"""Homes for real runs: each has its own jobs, all share the exports of one test run."""

import os
from pathlib import Path

import pytest

from tests.planted import stage


@pytest.fixture(scope="session")
def new_home(one_run, tmp_path_factory):
    """`new_home()` makes a home of the wizard; an export that another has made is found in it."""

    def made(folder=None):
        home = folder or tmp_path_factory.mktemp("home")
        (home / "cache").mkdir(parents=True)
        exports = stage.cache() / "exports"
        exports.mkdir(parents=True, exist_ok=True)
        (home / "cache" / "exports").symlink_to(exports, target_is_directory=True)
        return home

    return made


@pytest.fixture(autouse=True)
def own_home(own_home, new_home):
    """That of a test in this process, too."""
    new_home(Path(os.environ["WIZARD_HOME"]))
    return own_home


@pytest.fixture(scope="module")
def home(new_home):
    """One for the whole module, so that what was measured is used again as it is for a user."""
    return new_home()
