"""Speech as sounds are prepared, with the letters that a model's answers stand for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from wizard.errors import ConfigUnreadable
from wizard.examples import feeds, prepared
from wizard.examples.preparers import sounds
from wizard.nouns import ExampleSet, ModelProfile

BLANK, SPACE = "<pad>", "|"  # what wav2vec2's tokenizer calls them where its file does not say


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """input_values of every recording; `letters` and `blank` for whoever reads the answers."""
    import numpy as np

    letters, blank = alphabet(folder)
    width = max(map(len, letters))
    codes = np.array([[ord(one) for one in text.ljust(width, "\0")] for text in letters], np.int32)
    return {
        **sounds.prepare(profile, folder, examples, kept),
        **feeds.shared("letters", codes),
        **feeds.shared("blank", np.array([blank], np.int32)),
    }


def alphabet(folder: Path) -> tuple[list[str], int]:
    """What each of the model's answers writes ("" for marks that write nothing), and the blank.

    Raises ConfigUnreadable for a vocabulary that is not one of letters or pieces.
    """
    vocabulary = _object(folder, "vocab.json", needed=True)
    if not vocabulary or not all(isinstance(number, int) for number in vocabulary.values()):
        because = "its vocab.json is not one list of letters"
        raise ConfigUnreadable(model=folder.name, because=because)
    told = _object(folder, "tokenizer_config.json", needed=False)
    blank, space = _said(told, "pad_token", BLANK), _said(told, "word_delimiter_token", SPACE)
    if blank not in vocabulary:
        because = f"its vocab.json lacks the blank '{blank}'"
        raise ConfigUnreadable(model=folder.name, because=because)
    marks = {blank, *(_said(told, f"{one}_token", f"<{one}>") for one in ("unk", "bos", "eos"))}
    marks |= {"<s>", "</s>", "<unk>", "[UNK]", "[PAD]"}
    letters = [""] * (max(vocabulary.values()) + 1)
    for token, number in vocabulary.items():
        letters[number] = " " if token == space else "" if token in marks else token
    return letters, int(vocabulary[blank])


def _object(folder: Path, name: str, *, needed: bool) -> dict[str, Any]:
    found = prepared.json_object(folder / name, folder.name)
    if found is None and needed:
        raise ConfigUnreadable(model=folder.name, because=f"it has no {name}")
    return found or {}


def _said(told: dict[str, Any], name: str, otherwise: str) -> str:
    """A token, which the file gives as text or as an object with its content."""
    found = told.get(name)
    if isinstance(found, dict):
        found = found.get("content")
    return found if isinstance(found, str) else otherwise
