import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest


class Home:
    """A public home of files, on this machine."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.files: dict[str, tuple[bytes, int | None]] = {}
        self.asked: list[str] = []

    def put(self, name: str, content: bytes, cut: int | None = None) -> str:
        """Offer a file, of which each answer breaks off after ``cut`` bytes."""
        self.files[f"/{name}"] = content, cut
        return self.url + name


@pytest.fixture
def home() -> Iterator[Home]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            home.asked.append(self.path)
            content, cut = home.files.get(self.path, (b"", None))
            self.send_response(200 if self.path in home.files else 404)
            self.send_header("Connection", "close")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content[:cut])
            self.close_connection = True

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        home = Home(f"http://127.0.0.1:{server.server_port}/")
        yield home
        server.shutdown()
        thread.join()


@pytest.fixture(autouse=True)
def impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("no_proxy", "127.0.0.1")
