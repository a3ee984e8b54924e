import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from glassgrad import nn


@dataclass
class Page:
    """What the server has at a path, and how well it serves it."""

    content: bytes
    cut: int | None = None  # break off after so many bytes of each answer
    cuts: int = 10**9  # but only so often
    ranges: bool = True  # whether a range is understood
    shift: int = 0  # how far a range is off
    status: int = 200
    length: bool = True  # whether Content-Length is told; without it the body comes in chunks
    claims: str | None = None  # what Content-Length says


@dataclass
class Home:
    """A public home of files, on this machine."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[tuple[str, str | None]] = field(default_factory=list)  # path, Range

    def put(self, name: str, content: bytes, **how: object) -> str:
        self.pages[f"/{name}"] = Page(content, **how)  # type: ignore[arg-type]
        return self.url + name


@pytest.fixture
def home() -> Iterator[Home]:
    home = Home()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers["Range"]
            home.asked.append((self.path, wanted))
            page = home.pages.get(self.path, Page(b"", status=404))
            start = int(wanted.removeprefix("bytes=").removesuffix("-")) if wanted and page.ranges else 0
            body = page.content[start:]
            self.send_response(206 if wanted and page.ranges else page.status)
            self.send_header("Connection", "close")
            if wanted and page.ranges:
                whole = len(page.content)
                self.send_header("Content-Range", f"bytes {start + page.shift}-{whole - 1}/{whole}")
            if page.length:
                self.send_header("Content-Length", page.claims or str(len(body)))
            else:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            sent = body
            if page.cut is not None and page.cuts > 0:
                page.cuts -= 1
                sent = body[: page.cut]
            if page.length:
                self.wfile.write(sent)
            else:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent) if sent else b"")
                self.wfile.write(b"0\r\n\r\n" if sent == body else b"")
            self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        home.url = f"http://127.0.0.1:{server.server_port}/"
        yield home
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(nn.data.download, "PAUSE", 0.0)
    monkeypatch.setenv("no_proxy", "127.0.0.1")
