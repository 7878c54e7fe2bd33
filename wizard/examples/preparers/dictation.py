"""Speech as a model of two parts hears it, and what it should write down.

Covers: recordings in its window; the tokens that writing begins with (language, task, no times) as
transformers chooses them, the languages it may find where none is named; tokens that are never
written, or never first; the transcript with its end; empty caches.
Does not cover: recordings longer than the window (refused), times, prompts, translation.
"""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from wizard.errors import ConfigUnreadable, DataNotForTask
from wizard.examples import feeds, hearing, sounds
from wizard.examples.preparers import _tokens, sources
from wizard.examples.preparers.prompts import TOKENIZER, ends
from wizard.nouns import ExampleSet, ModelProfile

FEATURES = "input_features"
TASK_DONE = "transcribe"
POSITIONS = 448  # tokens that Whisper may write, those it begins with included
WRITTEN_AT_MOST = POSITIONS // 2  # as much as Whisper's own code writes of one window
Said = Mapping[str, Any]


def prepare(
    profile: ModelProfile, folder: Path, examples: ExampleSet, kept: Path
) -> dict[str, Any]:
    """What is heard in every recording, and beside it what should be written and how it begins.

    Raises DataNotForTask for other data and for a recording longer than the window,
    ConfigUnreadable where the files do not say how writing begins.
    """
    import numpy as np

    tokenizer = _tokens.tokenizer(profile, folder, kept)
    if not (kept / TOKENIZER).is_file():  # what is written must become text again
        shutil.copyfile(folder / TOKENIZER, kept / TOKENIZER)
    told = writing(folder)
    listened = _heard(examples, profile, folder)
    targets = _targets(tokenizer, examples, told["stops"])
    most = max((len(one) for one in targets), default=0)
    if most:
        told["limit"] = [min(*told["limit"], most + sources.BESIDE)]
    prompt = np.asarray(told.pop("prompt"), np.int32)
    made = {
        **feeds.stacked(FEATURES, listened),
        **feeds.stacked(sources.DECODER, np.tile(prompt, (len(targets), 1))),
        **caches(sources.settings_of(folder), folder),
        **feeds.ragged("target", [np.asarray(one, np.int32) for one in targets], -1),
    }
    for name, values in told.items():
        made |= feeds.shared(name, np.asarray(values, np.int32))
    return made


def writing(folder: Path) -> dict[str, list[int]]:
    """How a model's writing begins (`prompt`, `languages`) and ends, what it never writes.

    Raises ConfigUnreadable.
    """
    said = sources.settings_of(folder)
    prompt, languages = begins(said, folder)
    room = int(said.get("max_target_positions") or POSITIONS) - len(prompt)
    return {
        "prompt": prompt,
        "languages": languages,
        "stops": ends(folder),
        "never": sources.never(said),
        "first_never": [int(one) for one in said.get("begin_suppress_tokens") or []],
        "limit": [min(room, WRITTEN_AT_MOST)],
    }


def _heard(examples: ExampleSet, profile: ModelProfile, folder: Path) -> Any:
    """[rows, bands, frames] in half precision: no number is as large as 2, and half is enough."""
    import numpy as np

    task = profile.task.on_hub if profile.task else "nothing we do"
    if examples.sounds is None:
        raise DataNotForTask(path=examples.origin, task=task, needed="recordings are needed")
    settings = hearing.read(folder)
    stored, seconds = sounds.Stored(examples.sounds), settings["chunk_length"]
    rows = []
    for row in examples.rows:
        wave, rate = stored[row]
        if len(wave) > seconds * rate:
            needed = f"it hears {seconds} seconds at once, and a recording is longer"
            raise DataNotForTask(path=examples.origin, task=task, needed=needed)
        at_its_rate = hearing.at_rate(wave, rate, settings["sampling_rate"])
        rows.append(hearing.heard(at_its_rate, settings).astype(np.float16))
    return np.stack(rows)


def _targets(tokenizer: Any, examples: ExampleSet, stops: list[int]) -> list[list[int]]:
    """The tokens of each transcript, which begins with a space as Whisper's do, and the end."""
    if not examples.answers:
        return [[] for _ in examples.rows]
    texts = [f" {answers[0].strip()}" for answers in examples.answers]
    found = tokenizer.encode_batch(texts, add_special_tokens=False)
    return [[*one.ids, *stops[:1]] for one in found]


def begins(said: Said, folder: Path) -> tuple[list[int], list[int]]:
    """What writing begins with, and the languages of which the one heard takes the second place.

    As transformers 5 chooses them (WhisperForConditionalGeneration.generate without arguments),
    but never with times. Raises ConfigUnreadable.
    """
    start = said.get("decoder_start_token_id")
    if not isinstance(start, int):
        because = "it does not say decoder_start_token_id, so nobody knows how its texts begin"
        raise ConfigUnreadable(model=folder.name, because=because)
    language, task, known = (said.get(one) for one in ("language", "task", "lang_to_id"))
    forced = {} if language or task else dict(said.get("forced_decoder_ids") or [])
    ids = _numbers(said, "lang_to_id", [language] if language else [], folder)
    ids = ids or ([forced[1]] if forced.get(1) is not None else [])
    languages = [] if ids or not known else sorted(known.values())
    prompt = [start, *(ids or languages[:1]), *(forced[at] for at in sorted(forced) if at > 1)]
    if task or (language and said.get("task_to_id")):
        prompt += _numbers(said, "task_to_id", [task or TASK_DONE], folder)
    untimed = said.get("no_timestamps_token_id")
    if isinstance(untimed, int) and prompt[-1] != untimed:
        prompt.append(untimed)
    return prompt, languages


def _numbers(said: Said, table: str, names: list[str], folder: Path) -> list[int]:
    """The tokens of languages or tasks, by their names in the model's own table."""
    known: dict[str, int] = said.get(table) or {}
    found = [known.get(one, known.get(f"<|{_code(one)}|>")) for one in names]
    if None in found:
        because = f"its {table} does not know {names[0]}"
        raise ConfigUnreadable(model=folder.name, because=because)
    return [one for one in found if one is not None]


def _code(name: str) -> str:
    """A language's code by its English name; any other name as it is."""
    from transformers.models.whisper.tokenization_whisper import TO_LANGUAGE_CODE

    return str(TO_LANGUAGE_CODE.get(name.lower(), name.lower()))


def caches(said: Said, folder: Path) -> dict[str, Any]:
    """Both caches of every layer, empty: the written of no tokens, the heard of no recordings."""
    import numpy as np

    made = sources.caches(said, folder)
    positions = said.get("max_source_positions")
    if not isinstance(positions, int):
        because = "it does not say max_source_positions, so the shape of its cache is unknown"
        raise ConfigUnreadable(model=folder.name, because=because)
    for name in [one for one in made if ".encoder." in one]:
        heads, _, size = made.pop(name).tolist()
        shape = (0, heads, positions, size)
        made |= feeds.shared(name.removesuffix(f".{feeds.EACH}"), np.zeros(shape, np.float32))
    return made
