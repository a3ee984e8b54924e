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
            self.send_header("Content-Length", str(len(page.content)))
            self.end_headers()
            self.wfile.write(page.content[: page.cut])
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
