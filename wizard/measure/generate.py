"""Writes text with a model that keeps what it has read: greedy, one token at a time.

Loaded by path inside the measuring process, like feeds.py: numpy only, nothing of ours.
Covers: continuing a prompt until a stop token or a limit, after a source where the model has a
part that reads one; tokens that are never written; the milliseconds of the first and of each later
token, how likely a given text is.
Does not cover: sampling, beams, several texts at a time.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np

    Arrays = dict[str, np.ndarray[Any, Any]]

PAST, PRESENT = "past_key_values.", "present."
# Models of two parts: what is written has a name of its own; the source is one of these, and its
# free axis (of a sound, that of the batch) is as short as nothing once it was read.
WORDS, MASK = "decoder_input_ids", "attention_mask"
SOURCES = {"input_ids": 1, "input_features": 0}


class Writer:
    """One session and the cache that it passes from call to call.

    `source`: the inputs of a model of two parts that it reads before it writes. Tokens of `never`
    are not written, those of `first_never` do not begin a text.
    """

    def __init__(
        self,
        session: Any,
        source: Mapping[str, Any] | None = None,
        never: Sequence[int] = (),
        first_never: Sequence[int] = (),
    ) -> None:
        self._session = session
        self._source = dict(source or {})
        self._never, self._first_never = list(never), list(first_never)
        self._inputs = [one.name for one in session.get_inputs()]
        self._outputs = [one.name for one in session.get_outputs()]
        self._empty = {
            one.name: empty(one.shape) for one in session.get_inputs() if one.name.startswith(PAST)
        }
        self._past: Arrays = {}
        self._read = 0

    def begin(self) -> None:
        """Forget everything."""
        import numpy as np

        self._read = 0
        self._past = {name: np.zeros(shape, np.float32) for name, shape in self._empty.items()}

    def read(self, tokens: Sequence[int]) -> Any:
        """The logits [tokens, vocabulary] after each of these tokens, which are then remembered."""
        import numpy as np

        end = self._read + len(tokens)
        words = np.asarray([tokens], np.int64)
        given = {
            "input_ids": words,
            WORDS: words,
            MASK: np.ones((1, end), np.int64),
            "position_ids": np.arange(self._read, end, dtype=np.int64)[None],
            **(was_read(self._source) if self._read else self._source),
            **self._past,
        }
        found = self._session.run(None, {name: given[name] for name in self._inputs})
        told = dict(zip(self._outputs, found, strict=True))
        self._past = {name: told[name.replace(PAST, PRESENT)] for name in self._past}
        self._read = end
        return told["logits"][0].astype(np.float32)

    def write(
        self, prompt: Sequence[int], limit: int, stops: Sequence[int]
    ) -> tuple[list[int], list[float]]:
        """At most `limit` likeliest next tokens, without the stop token; milliseconds of each."""
        import numpy as np

        self.begin()
        said: list[int] = []
        taken: list[float] = []
        following = list(prompt)
        while len(said) < limit:
            began = time.perf_counter()
            logits = self.read(following)[-1]
            logits[self._never if said else [*self._never, *self._first_never]] = -np.inf
            token = int(logits.argmax())
            taken.append(1000 * (time.perf_counter() - began))
            if token in stops:
                break
            said.append(token)
            following = [token]
        return said, taken

    def likeliest(self, prompt: Sequence[int], among: Sequence[int]) -> int:
        """Which of some tokens would follow the prompt: the language that is heard, say."""
        self.begin()
        return among[int(self.read(prompt)[-1][list(among)].argmax())]

    def thoughts(
        self, prompt: Sequence[int], target: Sequence[int]
    ) -> tuple[Any, Any, Sequence[int]]:
        """At each place of the expected text: likeliest token, unlikelihood of the expected one.

        Where nothing is expected, the prompt is held against what the model would have said.
        """
        known, following = (prompt, target) if len(target) else (prompt[:1], prompt[1:])
        self.begin()
        logits = self.read([*known, *following[:-1]])[len(known) - 1 :]
        return (*likelihood(logits[: len(following)], following), following)


def likelihood(logits: Any, tokens: Sequence[int]) -> tuple[Any, Any]:
    """The likeliest token and the negative log likelihood of the given one, position by position.

    `logits` [tokens, vocabulary] are those before each token.
    """
    import numpy as np

    shifted = logits - logits.max(axis=-1, keepdims=True)
    total = np.log(np.exp(shifted).sum(axis=-1))
    chosen = shifted[np.arange(len(tokens)), list(tokens)]
    return logits.argmax(axis=-1), total - chosen


def empty(shape: Sequence[Any]) -> list[int]:
    """The shape of a cache, for one text, in which nothing is yet.

    Its free axis is 0: that of the tokens, or of a sound, which has one length, that of the batch.
    """
    rest = [size if isinstance(size, int) else 0 for size in shape[1:]]
    return [int(0 in rest), *rest]


def one_more(session: Any, given: Mapping[str, Any]) -> Arrays:
    """The request after `given`: one token per text, everything before it in the cache."""
    import numpy as np

    names = [one.name for one in session.get_outputs()]
    inputs = {one.name: given[one.name] for one in session.get_inputs()}
    told = dict(zip(names, session.run(None, inputs), strict=True))
    past = {name: told[name.replace(PAST, PRESENT)] for name in given if name.startswith(PAST)}
    if WORDS in given:
        source = {name: given[name] for name in (*SOURCES, MASK) if name in given}
        return {**was_read(source), WORDS: given[WORDS][:, -1:], **past}
    batch, tokens = given["input_ids"].shape
    return {
        "input_ids": given["input_ids"][:, -1:],
        "attention_mask": np.ones((batch, tokens + 1), np.int64),
        "position_ids": np.full((batch, 1), tokens, np.int64),
        **past,
    }


def was_read(source: Mapping[str, Any]) -> Arrays:
    """A source that is in the cache already: nothing of it, and its mask."""
    return {
        name: value[(slice(None),) * SOURCES[name] + (slice(0),)] if name in SOURCES else value
        for name, value in source.items()
    }
