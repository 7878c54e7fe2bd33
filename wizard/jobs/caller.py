"""In whose name the Hub is asked: a visitor's, this machine's own, or nobody's.

Covers: the token of the present request, kept in memory for as long as the request lasts.
Does not cover: how it travels to a child (questions.py, control.py), what the client does with it
(hub.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar

from wizard import limits

# A child gets its token on standard input: what stands in an environment, every process it
# starts inherits.
SECRETS = ("HF_TOKEN", "HUGGING_FACE_HUB_TOKEN", "OAUTH_CLIENT_SECRET")
NOBODY = ""

_visitor: ContextVar[str | None] = ContextVar("visitor", default=None)


@contextmanager
def on_behalf_of(token: str | None) -> Iterator[None]:
    """What is asked inside is asked in the name of that visitor; None changes nothing."""
    before = _visitor.set(token or _visitor.get())
    try:
        yield
    finally:
        _visitor.reset(before)


def token() -> str | None:
    """A token, "" for nobody's, None for the login that the client finds on this machine.

    Where strangers are served, the machine's own is not lent to them.
    """
    visitor = _visitor.get()
    if visitor is not None:
        return visitor
    if limits.serves_strangers():
        return NOBODY
    return os.environ.get("HF_TOKEN") or os.environ.get("HUGGING_FACE_HUB_TOKEN")


def is_visitor() -> bool:
    """Whether a visitor's own token is used: what it opens is not for other visitors."""
    return _visitor.get() is not None


def environment() -> dict[str, str]:
    """The environment of this process without what only this process may know."""
    return {name: value for name, value in os.environ.items() if name not in SECRETS}
