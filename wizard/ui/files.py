"""Serves Gradio's own scripts, styles and fonts from memory, compressed once.

Covers: GET of a script, style or font under /assets/ or /static/. Gradio would read and compress
each of them anew for every visitor, which is most of what a first visit costs the server.
Does not cover: everything else, which goes on to Gradio: other methods, ranges, big files, and
browsers that take no gzip.
"""

from __future__ import annotations

import gzip
from collections.abc import Awaitable, Callable, MutableMapping
from functools import lru_cache
from pathlib import Path
from typing import Any

import gradio as gr

Scope = MutableMapping[str, Any]
Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]
Asgi = Callable[[Scope, Receive, Send], Awaitable[None]]
Headers = list[tuple[bytes, bytes]]

FRONTEND = (Path(gr.__file__).parent / "templates" / "frontend").resolve()
BIGGEST = 1_000_000  # bytes; a bigger file is no part of a page of ours
# Names under /assets/ change with their content; those under /static/ do not.
AGES = {"assets": b"public, max-age=31536000, immutable", "static": b"public, max-age=86400"}
TYPES = {".js": b"text/javascript", ".css": b"text/css", ".woff2": b"font/woff2"}


class KeptFiles:
    """An ASGI layer before Gradio."""

    def __init__(self, app: Asgi) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer with a kept file, or let Gradio answer."""
        answer = _answer(scope)
        if answer is None:
            await self.app(scope, receive, send)
            return
        headers, body = answer
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})


def _answer(scope: Scope) -> tuple[Headers, bytes] | None:
    if scope["type"] != "http" or scope["method"] != "GET":
        return None
    said = {name.lower(): value for name, value in scope["headers"]}
    if b"range" in said or b"gzip" not in said.get(b"accept-encoding", b""):
        return None
    return kept(scope["path"])


@lru_cache(maxsize=512)
def kept(path: str) -> tuple[Headers, bytes] | None:
    """Headers and body for the path of an address; None where Gradio shall answer."""
    top = path.strip("/").partition("/")[0]
    if top not in AGES or "\0" in path:
        return None
    file = (FRONTEND / path.lstrip("/")).resolve()
    kind = TYPES.get(file.suffix)
    if kind is None or not file.is_relative_to(FRONTEND / top) or not file.is_file():
        return None
    if file.stat().st_size > BIGGEST:
        return None
    body = file.read_bytes()
    headers = [(b"content-type", kind), (b"cache-control", AGES[top])]
    if kind.startswith(b"text/"):
        body = gzip.compress(body, mtime=0)
        headers += [(b"content-encoding", b"gzip"), (b"vary", b"Accept-Encoding")]
    return [*headers, (b"content-length", str(len(body)).encode())], body
