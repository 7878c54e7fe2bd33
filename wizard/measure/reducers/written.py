"""Texts that a model with a cache writes, and how likely the expected ones are to it.

Covers: greedy writing from a prompt, after a source where there is one, in the language that is
heard where several could be; the likeliest token and the negative log likelihood of the expected
one at each place of the expected text (of the prompt itself where nothing is expected and nothing
else is read); the text of the tokens; the request after another, for timing
each further token.
Does not cover: how right a text is (scorers/written.py), writing itself (measure/generate.py).
"""

from __future__ import annotations

import importlib.util
from collections.abc import Mapping, Sequence
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = Mapping[str, np.ndarray[Any, Any]]

TOKENIZER = "tokenizer.json"


@lru_cache(maxsize=1)
def _generate() -> Any:
    """By its path, as this file itself is loaded."""
    place = Path(__file__).resolve().parents[1] / "generate.py"
    found = importlib.util.spec_from_file_location(place.stem, place)
    assert found is not None  # noqa: S101 - the file stands beside us
    assert found.loader is not None  # noqa: S101 - likewise
    module = importlib.util.module_from_spec(found)
    found.loader.exec_module(module)
    return module


@lru_cache(maxsize=1)
def _tokenizer(path: Path) -> Any:
    """Opened with the first text, after the process's memory was read."""
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(path))


def run(session: Any, inputs: Arrays, beside: Path) -> Arrays:
    """What is written to one row's prompt, and what is thought of the expected text."""
    import numpy as np

    generate = _generate()
    words = generate.WORDS if generate.WORDS in inputs else "input_ids"
    source = {name: inputs[name] for name in (*generate.SOURCES, generate.MASK) if name in inputs}
    prompt = [int(one) for one in inputs[words][0]]
    target = [int(one) for one in inputs["target"][0]]
    stops = [int(one) for one in inputs["stops"]]
    never = [int(one) for one in inputs.get("never", ())]
    first_never = [int(one) for one in inputs.get("first_never", ())]
    alone = words == "input_ids"
    writer = generate.Writer(session, {} if alone else source, never, first_never)
    languages = [int(one) for one in inputs.get("languages", ())]
    if languages:
        prompt[1] = writer.likeliest(prompt[:1], languages)
    said, taken = writer.write(prompt, int(inputs["limit"][0]), stops)
    nothing: tuple[list[int], list[float], list[int]] = ([], [], [])
    top, unlikely, expected = writer.thoughts(prompt, target) if target or alone else nothing
    text = _tokenizer(beside / TOKENIZER).decode(said, skip_special_tokens=True)
    return {
        "said": np.asarray(said, np.int32),
        "ms": np.asarray(taken, np.float32),
        "top": np.asarray(top, np.int32),
        "unlikely": np.asarray(unlikely, np.float32),
        "expected": np.asarray(expected, np.int32),
        "text": np.frombuffer(text.strip().encode(), np.uint8),
    }


def reduce(rows: Sequence[tuple[Arrays, Arrays]]) -> Arrays:
    """All of it; an example is one prompt."""
    return rows[0][1]


def after(session: Any, inputs: Arrays) -> Arrays:
    """The request of one more token, once `inputs` was read."""
    following: Arrays = _generate().one_more(session, inputs)
    return following
