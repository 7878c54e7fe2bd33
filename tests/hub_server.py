"""A small Hugging Face Hub on loopback: models made by the tests, faults on request.

Covers: model info with file sizes, resolve with HEAD and GET, revisions, gated, missing, failing.
Does not cover: datasets, uploads, LFS redirects.
"""

import hashlib
import json
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlparse


class Hub:
    """Repositories as {id: {file: bytes}}; faults as {id: status}; what was asked for."""

    def __init__(self):
        self.repositories = {}
        self.faults = {}
        self.asked = []
        self.url = ""

    def sha(self, repo):
        """A commit made of the content."""
        content = sorted(self.repositories[repo].items())
        return hashlib.sha1(repr(content).encode(), usedforsecurity=False).hexdigest()


class Handler(BaseHTTPRequestHandler):
    """Answers for the hub that its server carries."""

    protocol_version = "HTTP/1.1"

    @property
    def hub(self):
        return self.server.hub

    def log_message(self, *words):
        """Silence."""

    def do_HEAD(self):
        self._answer(body=False)

    def do_GET(self):
        self._answer(body=True)

    def _answer(self, *, body):
        path = unquote(urlparse(self.path).path)
        self.hub.asked.append((self.command, path, self.headers.get("Authorization")))
        if "/tree/" in path:
            self._tree(path.removeprefix("/api/models/"))
        elif path.startswith("/api/models/"):
            self._info(path.removeprefix("/api/models/"))
        else:
            self._file(path.lstrip("/"), body=body)

    def _known(self, repo, *, file=False):
        fault = self.hub.faults.get(repo)
        if fault == "gated files" and not file:
            fault = None  # as the real Hub: everybody may read about it
        if fault in {"gated", "gated files"}:
            self._send(403, b"{}", {"X-Error-Code": "GatedRepo", "X-Error-Message": "gated"})
        elif fault:
            self._send(fault, b"{}", {})
        elif repo not in self.hub.repositories:
            self._send(404, b"{}", {"X-Error-Code": "RepoNotFound", "X-Error-Message": "no"})
        else:
            return True
        return False

    def _tree(self, path):
        repo = path.partition("/tree/")[0]
        if self._known(repo):
            entries = [
                {"type": "file", "path": name, "size": len(data), "oid": "0" * 40}
                for name, data in self.hub.repositories[repo].items()
            ]
            kind = {"Content-Type": "application/json"}
            self._send(200, json.dumps(entries).encode(), kind)

    def _info(self, path):
        repo, _, revision = path.partition("/revision/")
        if not self._known(repo):
            return
        if revision and revision not in {"main", self.hub.sha(repo)}:
            code = {"X-Error-Code": "RevisionNotFound", "X-Error-Message": "no"}
            self._send(404, b"{}", code)
            return
        files = self.hub.repositories[repo]
        answer = {
            "id": repo,
            "modelId": repo,
            "sha": self.hub.sha(repo),
            "tags": [],
            "downloads": 0,
            "likes": 0,
            "private": False,
            "siblings": [
                {"rfilename": name, "size": len(data), "blobId": "0" * 40}
                for name, data in files.items()
            ],
        }
        self._send(200, json.dumps(answer).encode(), {"Content-Type": "application/json"})

    def _file(self, path, *, body):
        repo, _, rest = path.partition("/resolve/")
        if not self._known(repo, file=True):
            return
        name = rest.split("/", 1)[1]
        data = self.hub.repositories[repo].get(name)
        if data is None:
            self._send(404, b"", {"X-Error-Code": "EntryNotFound", "X-Error-Message": "no"})
            return
        etag = hashlib.sha256(data).hexdigest()
        commit = self.hub.sha(repo)
        facts = {"ETag": f'"{etag}"', "X-Repo-Commit": commit, "Accept-Ranges": "bytes"}
        self._send(200, data, facts, body=body)

    def _send(self, status, data, headers, *, body=True):
        self.send_response(status)
        for name, value in headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body and self.command != "HEAD":
            self.wfile.write(data)


@contextmanager
def a_hub():
    """A running hub; `hub.url` is its address."""
    hub = Hub()
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.hub = hub
    hub.url = f"http://127.0.0.1:{server.server_port}"
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield hub
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
