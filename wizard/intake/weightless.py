"""A stand-in for a model whose weights were not downloaded: its architecture with random numbers.

Covers: the small files of a model, weights drawn from its config with a fixed seed, kept by what
they are made of. Sizes and times of what is made from it are the real ones; its answers mean
nothing. Practitioners look at random weights first too (Hohman et al., CHI 2024).
Does not cover: the real weights (source.py, weights.py).
"""

from __future__ import annotations

import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from wizard.errors import ConfigUnreadable, NotAModelFolder
from wizard.intake import source
from wizard.intake.count import NO_SUCH_MODEL, loader_for
from wizard.nouns import ModelProfile

WEIGHTS = "model.safetensors"
SEED = 0
KEPT = "random-weights"  # below the cache


def with_random_weights(
    profile: ModelProfile, cache: Path, report: Callable[[float, str], None]
) -> Path:
    """A checkpoint folder of the model's architecture; no weights of the model are fetched.

    Raises ConfigUnreadable when no model can be built from the config, and what fetching raises.
    """
    small = source.small_files_of(profile.ref, report)
    target = cache / KEPT / _key(small, profile)
    if (target / WEIGHTS).is_file():
        return target
    report(0.3, "drawing random weights")
    target.parent.mkdir(parents=True, exist_ok=True)
    making = Path(tempfile.mkdtemp(prefix=".making-", dir=target.parent))
    try:
        for one in small.iterdir():
            if one.is_file() and one.suffix in {".json", ".txt", ".model", ".spm", ".md"}:
                shutil.copyfile(one, making / one.name)
        (making / "model.safetensors.index.json").unlink(missing_ok=True)
        _draw(making, profile)
        if not target.is_dir():
            making.rename(target)
    finally:
        shutil.rmtree(making, ignore_errors=True)
    return target


def _key(folder: Path, profile: ModelProfile) -> str:
    path = folder / "config.json"
    if not path.is_file():
        raise NotAModelFolder(model=str(profile.ref))
    made_of = {
        "small": {
            one.name: hashlib.sha256(one.read_bytes()).hexdigest()
            for one in sorted(folder.glob("*.json"))
        },
        "task": profile.task,
        "versions": [version("torch"), version("transformers")],
        "seed": SEED,
    }
    return hashlib.sha256(json.dumps(made_of, sort_keys=True).encode()).hexdigest()[:32]


def _draw(folder: Path, profile: ModelProfile) -> None:
    """Build the model as transformers initializes it and save its weights beside its config."""
    import torch
    import transformers

    try:
        config = transformers.AutoConfig.from_pretrained(
            folder, local_files_only=True, trust_remote_code=False
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(SEED)
            model = loader_for(profile.task).from_config(config, trust_remote_code=False)
        model.float().save_pretrained(folder, max_shard_size="100TB")
    except NO_SUCH_MODEL as error:
        because = f"no model can be built from it ({type(error).__name__})"
        raise ConfigUnreadable(model=profile.title, because=because) from error
