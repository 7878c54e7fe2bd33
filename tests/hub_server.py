"""A small Hugging Face Hub on loopback: models made by the tests, faults on request.

Covers: models and data sets, search, info with sizes and hashes, the tree, resolve with HEAD, GET
and ranges, the redirect of large files to another host (LFS), revisions, and every fault of FAULTS.
Does not cover: uploads, commits, Xet.
"""

import hashlib
import json
import threading
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import parse_qs, unquote, urlparse

LARGE = (".safetensors", ".onnx", ".parquet", ".data")
CHUNK = 2048


@dataclass
class Fault:
    """What goes wrong with a repository or with one of its files.

    `status` answers instead; `times` is how often (None: always). `cut` breaks the connection
    after so many bytes; `drip` waits so many seconds between pieces; `body` are other bytes than
    announced; `size` is announced instead of the true one; `etag` likewise.
    """

    status: int | None = None
    headers: dict = field(default_factory=dict)
    times: int | None = None
    cut: int | None = None
    drip: float = 0.0
    body: bytes | None = None
    size: int | None = None
    etag: str | None = None
    no_range: bool = False

    def happens(self):
        """Whether it still does; a fault that happens so many times is then over."""
        if self.times is None:
            return True
        self.times -= 1
        return self.times >= 0


class Hub:
    """Repositories as {id: {file: bytes}}; faults by id or "id/file"; what was asked for."""

    def __init__(self):
        self.repositories = {}
        self.datasets = {}
        self.facts = {}
        self.faults = {}
        self.asked = []
        self.served = 0
        self.token = None  # with one, repositories marked "private" need it
        self.url = ""
        self.store = ""  # where large files lie: another host, as on the real Hub

    def of(self, kind):
        return self.datasets if kind == "datasets" else self.repositories

    def environment(self, home):
        """What sends a child's real client here, with a cache in `home`.

        Exports made by other tests of this process may have taken the client offline.
        """
        return {
            "HF_ENDPOINT": self.url,
            "HF_HOME": str(home / "hf"),
            "HF_HUB_DISABLE_XET": "1",
            "HF_HUB_OFFLINE": "0",
        }

    def sha(self, repo, kind="models"):
        """A commit made of the content."""
        content = sorted(self.of(kind)[repo].items())
        return hashlib.sha1(repr(content).encode(), usedforsecurity=False).hexdigest()


def git_sha1(data):
    """Git's name for a content."""
    return hashlib.sha1(b"blob %d\0" % len(data) + data, usedforsecurity=False).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub that its server carries."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self):
        return self.server.hub

    def log_message(self, *words):
        """Silence."""

    def do_HEAD(self):
        self._answer()

    def do_GET(self):
        self._answer()

    def do_POST(self):
        length = int(self.headers.get("Content-Length") or 0)
        self.sent = json.loads(self.rfile.read(length) or b"{}") if length else {}
        self._answer()

    def _answer(self):
        place = urlparse(self.path)
        path, self.query = unquote(place.path), parse_qs(place.query)
        self.hub.asked.append((self.command, path, self.headers.get("Authorization")))
        kind = "datasets" if path.startswith(("/api/datasets", "/datasets/")) else "models"
        if path.startswith("/store/"):
            self._stored(path.removeprefix("/store/"))
        elif path == f"/api/{kind}":
            self._search(kind)
        elif path.startswith(f"/api/{kind}/"):
            self._api(kind, path.removeprefix(f"/api/{kind}/"))
        else:
            self._file(kind, path.removeprefix("/datasets").lstrip("/"))

    def _api(self, kind, path):
        for part in ("/tree/", "/paths-info/", "/revision/"):
            repo, found, rest = path.partition(part)
            if found:
                break
        if not self._known(kind, repo):
            return
        revision = rest.split("/", 1)[0] or "main"
        if revision not in {"main", "refs%2Fconvert%2Fparquet", self.hub.sha(repo, kind)}:
            self._send(404, b"{}", {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "no"})
        elif part == "/tree/" and found:
            self._tree(kind, repo, rest.split("/", 1)[1] if "/" in rest else "")
        elif part == "/paths-info/" and found:
            self._json([self._entry(kind, repo, one) for one in self._named(kind, repo)])
        else:
            self._info(kind, repo)

    def _named(self, kind, repo):
        wanted = self.sent.get("paths", [])
        return [one for one in wanted if one in self.hub.of(kind)[repo]]

    def _known(self, kind, repo, *, file=False):
        fault = self.hub.faults.get(repo)
        if fault == "gated files" and not file:
            fault = None  # as the real Hub: everybody may read about it
        said = self.headers.get("Authorization") or ""
        if isinstance(fault, str) and self.hub.token:
            fault = None if said == f"Bearer {self.hub.token}" else fault
        if fault in ("gated", "gated files"):
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"})
        elif fault == "private":
            self._send(401, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no"})
        elif isinstance(fault, int):
            self._send(fault, b"{}", {})
        elif isinstance(fault, Fault) and fault.status and fault.happens():
            self._send(fault.status, b"{}", fault.headers)
        elif repo not in self.hub.of(kind):
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no"})
        else:
            return True
        return False

    def _search(self, kind):
        words = (self.query.get("search") or [""])[0].lower()
        found = [name for name in self.hub.of(kind) if words in name.lower()]
        told = [{"id": name, "modelId": name, **self.hub.facts.get(name, {})} for name in found]
        told.sort(key=lambda one: -one.get("downloads", 0))
        self._json(told[: int((self.query.get("limit") or ["100"])[0])])

    def _entry(self, kind, repo, name):
        data = self.hub.of(kind)[repo][name]
        fault = self.hub.faults.get(f"{repo}/{name}")
        size = fault.size if isinstance(fault, Fault) and fault.size is not None else len(data)
        entry = {"type": "file", "path": name, "size": size, "oid": git_sha1(data)}
        if name.endswith(LARGE):
            entry["lfs"] = {
                "oid": hashlib.sha256(data).hexdigest(),
                "size": size,
                "pointerSize": 130,
            }
        return entry

    def _tree(self, kind, repo, under):
        names = self.hub.of(kind)[repo]
        under = under.strip("/")
        inside = [name for name in names if not under or name.startswith(f"{under}/")]
        if under and not inside:
            self._send(404, b"{}", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "no"})
            return
        entries = [self._entry(kind, repo, name) for name in inside]
        if (self.query.get("recursive") or ["false"])[0].lower() != "true":
            cut = len(under) + 1 if under else 0
            deep = {name[cut:].split("/")[0] for name in inside if "/" in name[cut:]}
            entries = [one for one in entries if "/" not in one["path"][cut:]]
            entries += [
                {"type": "directory", "path": f"{under}/{one}".strip("/"), "size": 0, "oid": "0"}
                for one in sorted(deep)
            ]
        self._json(entries)

    def _info(self, kind, repo):
        entries = [self._entry(kind, repo, name) for name in self.hub.of(kind)[repo]]
        siblings = []
        for one in entries:
            told = {"rfilename": one["path"]}
            if "blobs" in self.query:
                told |= {"size": one["size"], "blobId": one["oid"]}
                if "lfs" in one:
                    told["lfs"] = {**one["lfs"], "sha256": one["lfs"]["oid"]}
            siblings.append(told)
        self._json(
            {
                "id": repo,
                "modelId": repo,
                "sha": self.hub.sha(repo, kind),
                "tags": [],
                "downloads": 0,
                "likes": 0,
                "private": False,
                "siblings": siblings,
                **self.hub.facts.get(repo, {}),
            }
        )

    def _json(self, value):
        self._send(200, json.dumps(value).encode(), {"Content-Type": "application/json"})

    def _file(self, kind, path):
        repo, _, rest = path.partition("/resolve/")
        if not self._known(kind, repo, file=True):
            return
        _, _, name = rest.partition("/")
        data = self.hub.of(kind)[repo].get(name)
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "no"})
            return
        fault = self.hub.faults.get(f"{repo}/{name}")
        large = name.endswith(LARGE)
        etag = hashlib.sha256(data).hexdigest() if large else git_sha1(data)
        if isinstance(fault, Fault) and fault.etag:
            etag = fault.etag
        facts = {"X-Repo-Commit": self.hub.sha(repo, kind), "ETag": f'"{etag}"'}
        if large:
            facts |= {
                "X-Linked-Etag": f'"{etag}"',
                "X-Linked-Size": str(len(data)),
                "Location": f"{self.hub.store}/store/{kind}/{repo}/{name}",
            }
            self._send(302, b"", facts)
        else:
            self._content(data, facts, fault)

    def _stored(self, path):
        kind, owner, name, rest = path.split("/", 3)
        repo = f"{owner}/{name}"
        fault = self.hub.faults.get(f"{repo}/{rest}")
        self._content(self.hub.of(kind)[repo][rest], {}, fault)

    def _content(self, data, facts, fault):
        """The bytes, or the part asked for; what the fault makes of them."""
        fault = fault if isinstance(fault, Fault) else Fault()
        if fault.status and fault.happens():
            self._send(fault.status, b"{}", fault.headers)
            return
        data = data if fault.body is None else fault.body
        status, asked = 200, self.headers.get("Range", "")
        if asked.startswith("bytes=") and not fault.no_range:
            first, _, last = asked.removeprefix("bytes=").partition("-")
            start, end = int(first), int(last or len(data) - 1)
            facts["Content-Range"] = f"bytes {start}-{end}/{len(data)}"
            data, status = data[start : end + 1], 206
        facts["Accept-Ranges"] = "bytes"
        if self.command == "HEAD" or (fault.cut is None and not fault.drip):
            self.hub.served += len(data) if self.command == "GET" else 0
            self._send(status, data, facts)
            return
        self._slowly(status, data, facts, fault)

    def _slowly(self, status, data, facts, fault):
        self._head(status, len(data), facts)
        cut = fault.cut is not None and fault.happens()
        data = data[: fault.cut] if cut else data
        with suppress(OSError):
            for start in range(0, len(data), CHUNK):
                piece = data[start : start + CHUNK]
                self.wfile.write(piece)
                self.wfile.flush()
                self.hub.served += len(piece)
                threading.Event().wait(fault.drip)
        self.close_connection = self.close_connection or cut

    def _head(self, status, length, headers):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(length))
        self.end_headers()

    def _send(self, status, data, headers):
        self._head(status, len(data), headers)
        if self.command != "HEAD":
            with suppress(OSError):
                self.wfile.write(data)


@contextmanager
def _serving(hub):
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = hub
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.daemon = True
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()


@contextmanager
def a_hub():
    """A running hub; `hub.url` is its address."""
    hub = Hub()
    with _serving(hub) as hub.url, _serving(hub) as store:
        hub.store = store.replace("127.0.0.1", "localhost")
        yield hub
