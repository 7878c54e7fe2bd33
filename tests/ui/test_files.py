"""Gradio's files come from memory, compressed once, and are the same bytes."""

import gzip

import pytest

from wizard.ui import files

SCRIPT = next(
    one for one in files.FRONTEND.glob("assets/index-*.js") if one.stat().st_size > 10_000
)


def asked(path, method="GET", **headers):
    """Status, headers and body; 418 where the layer lets Gradio answer."""
    sent = []

    async def send(message):
        sent.append(message)

    async def elsewhere(scope, receive, send):
        await send({"type": "http.response.start", "status": 418, "headers": []})
        await send({"type": "http.response.body", "body": b""})

    said = {"accept-encoding": "gzip, br", **headers}
    listed = [(name.encode(), value.encode()) for name, value in said.items()]
    scope = {"type": "http", "method": method, "path": path, "headers": listed}
    with pytest.raises(StopIteration):  # nothing to wait for: the whole answer in one step
        files.KeptFiles(elsewhere)(scope, None, send).send(None)
    start, body = sent
    found = {name.decode(): value.decode() for name, value in start["headers"]}
    return start["status"], found, body["body"]


def test_a_script_comes_compressed_and_is_the_same_script():
    """Its name changes with its content, so that a browser may keep it."""
    status, headers, body = asked(f"/assets/{SCRIPT.name}")

    assert status == 200
    assert gzip.decompress(body) == SCRIPT.read_bytes()
    assert headers["content-encoding"] == "gzip"
    assert int(headers["content-length"]) == len(body) < SCRIPT.stat().st_size / 2
    assert "immutable" in headers["cache-control"]
    assert "javascript" in headers["content-type"]


def test_a_font_comes_as_it_is():
    """It is compressed already."""
    font = next(files.FRONTEND.glob("static/fonts/IBMPlexSans/*Regular.woff2"))
    _, headers, body = asked("/" + font.relative_to(files.FRONTEND).as_posix())

    assert body == font.read_bytes()
    assert "content-encoding" not in headers


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "/theme.css",
        "/index.html",
        "/assets",
        "/assets/no-such.js",
        "/assets/\0.js",
        "/assets/../static/js/iframeResizer.contentWindow.min.js",
        "//etc/passwd",
    ],
)
def test_everything_else_is_left_to_gradio(path):
    """Pages, unknown files, and paths that climb out of the two folders."""
    assert asked(path)[0] == 418


@pytest.mark.parametrize(
    ("method", "headers"),
    [("HEAD", {}), ("GET", {"range": "bytes=0-9"}), ("GET", {"accept-encoding": "identity"})],
)
def test_only_a_plain_request_is_answered(method, headers):
    """No ranges, and gzip only for who takes it."""
    assert asked(f"/assets/{SCRIPT.name}", method, **headers)[0] == 418
