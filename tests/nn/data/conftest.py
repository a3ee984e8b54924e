import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


@dataclass
class Page:
    """What the server has at a path, and how well it serves it."""

    content: bytes
    cut: int | None = None  # break off after so many bytes of each answer
    status: int = 200
    length: bool = True  # whether Content-Length is told; without it the body comes in chunks
    claims: str | None = None  # what Content-Length says


@dataclass
class Home:
    """A public home of files, on this machine."""

    url: str = ""
    pages: dict[str, Page] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)

    def put(self, name: str, content: bytes, **how: object) -> str:
        self.pages[f"/{name}"] = Page(content, **how)  # type: ignore[arg-type]
        return self.url + name


@pytest.fixture
def home() -> Iterator[Home]:
    home = Home()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            home.asked.append(self.path)
            page = home.pages.get(self.path, Page(b"", status=404))
            self.send_response(page.status)
            self.send_header("Connection", "close")
            if page.length:
                self.send_header("Content-Length", page.claims or str(len(page.content)))
            else:
                self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            sent = page.content[: page.cut]
            if page.length:
                self.wfile.write(sent)
            else:
                self.wfile.write(b"%x\r\n%s\r\n" % (len(sent), sent) if sent else b"")
                self.wfile.write(b"0\r\n\r\n" if sent == page.content else b"")
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
    monkeypatch.setenv("no_proxy", "127.0.0.1")
