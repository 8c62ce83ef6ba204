"""A web server on this machine, for tests: it resumes, breaks off and redirects when it is told to."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Server(ThreadingHTTPServer):
    """Files by path; `cuts` says after how many bytes the next answers break off, None for not at all."""

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), Handler)
        self.files: dict[str, bytes] = {}
        self.tag = '"1"'
        self.cuts: list[int | None] = []
        self.redirects: dict[str, str] = {}
        self.says_length = True
        #: Whether it goes on in a file that has changed, as no server should.
        self.joins_anything = False
        #: Paths that are answered with a failure of the server's own.
        self.failing: set[str] = set()
        #: Path, Range and status of every answer.
        self.answers: list[tuple[str, str | None, int]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}"


class Handler(BaseHTTPRequestHandler):
    server: Server

    def do_GET(self) -> None:
        server, path, wanted = self.server, self.path.partition("?")[0], self.headers.get("Range")
        if path in server.redirects:
            return self.answer(302, b"", {"Location": server.redirects[path]})
        if path in server.failing:
            return self.answer(503, b"")
        if path not in server.files:
            return self.answer(404, b"")
        data = server.files[path]
        if server.tag and self.headers.get("If-None-Match") == server.tag:
            return self.answer(304, b"")
        if wanted and (server.joins_anything or self.headers.get("If-Range") == server.tag):
            start = int(wanted.removeprefix("bytes=").removesuffix("-"))
            if start >= len(data):
                return self.answer(416, b"")
            return self.answer(206, data[start:], {"Content-Range": f"bytes {start}-{len(data) - 1}/{len(data)}"})
        return self.answer(200, data)

    def answer(self, status: int, data: bytes, headers: dict[str, str] | None = None) -> None:
        self.server.answers.append((self.path, self.headers.get("Range"), status))
        self.send_response(status)
        if self.server.tag:
            self.send_header("ETag", self.server.tag)
        if self.server.says_length:
            self.send_header("Content-Length", str(len(data)))
        for name, value in (headers or {}).items():
            self.send_header(name, value)
        self.end_headers()
        cut = self.server.cuts.pop(0) if data and self.server.cuts else None
        self.wfile.write(data if cut is None else data[:cut])

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture
def web(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setenv("no_proxy", "*")
    server = Server()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    server.server_close()
    thread.join()
