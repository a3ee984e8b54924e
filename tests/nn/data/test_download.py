import hashlib
import io
import re
import sys
from pathlib import Path

import pytest

from glassgrad.nn.data import cache_folder
from glassgrad.nn.data.download import fetch
from glassgrad.nn.errors import CacheError, DownloadError

CONTENT = bytes(range(256)) * 40


def sha256(content):
    return hashlib.sha256(content).hexdigest()


def fetched(urls, folder):
    return fetch(folder / "file.bin", sha256(CONTENT), urls)


def everything(folder: Path) -> list[str]:
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*"))


def refusal(urls, folder, error=DownloadError):
    """The sentence, which is one line."""
    with pytest.raises(error) as raised:
        fetched(urls, folder)
    sentence = str(raised.value)
    assert "\n" not in sentence
    assert sentence.endswith(".")
    return sentence


def test_a_file_is_downloaded_once_and_then_comes_from_the_cache(home, tmp_path):
    urls = [home.put("a", CONTENT)]
    assert fetched(urls, tmp_path / "new" / "folder") == CONTENT
    assert fetched(urls, tmp_path / "new" / "folder") == CONTENT
    assert home.asked == ["/a"]
    assert everything(tmp_path / "new" / "folder") == ["file.bin"]


def test_the_first_source_that_has_the_file_is_taken(home, tmp_path):
    urls = [home.url + "nowhere", home.put("wrong", b"other"), home.put("right", CONTENT), home.put("last", CONTENT)]
    assert fetched(urls, tmp_path) == CONTENT
    assert home.asked == ["/nowhere", "/wrong", "/right"]


def test_a_wrong_checksum_leaves_what_was_there(home, tmp_path):
    for before in (None, b"damaged"):
        if before is not None:
            (tmp_path / "file.bin").write_bytes(before)
        sentence = refusal([home.put("a", CONTENT[::-1]), home.put("cut", CONTENT, cut=4000), home.url + "b"], tmp_path)
        differs = f"your file {tmp_path / 'file.bin'} differs from the one that is wanted, and " if before else ""
        other = "127.0.0.1: it sent another file, or a part of it (the sha256 differs)"
        assert sentence == (
            f"{differs}file.bin could not be downloaded ({other}; {other}; 127.0.0.1: Not Found): check the network "
            f"and try again, or put the file with sha256 {sha256(CONTENT)} at {tmp_path / 'file.bin'} yourself."
        )
        assert everything(tmp_path) == ["file.bin"] * bool(before)
    assert (tmp_path / "file.bin").read_bytes() == b"damaged"
    assert fetched([home.put("c", CONTENT)], tmp_path) == CONTENT


@pytest.mark.parametrize(
    ("replaced", "error", "said"),
    [
        ("socket.create_connection", TimeoutError("timed out"), "timed out"),
        (
            "http.client.HTTPResponse.read",
            ConnectionResetError(104, "Connection reset by peer"),
            "[Errno 104] Connection reset by",
        ),
    ],
)
def test_a_source_that_does_not_answer_or_hangs_up(home, tmp_path, monkeypatch, replaced, error, said):
    def fails(*arguments, **options):
        raise error

    monkeypatch.setattr(replaced, fails)
    assert f"(127.0.0.1: {said}" in refusal([home.put("a", CONTENT)], tmp_path)


@pytest.mark.skipif(sys.platform == "win32", reason="another sentence of the system")
@pytest.mark.parametrize(("inside", "reason"), [(".", "File exists"), ("sub", "Not a directory")])
def test_a_file_in_the_place_of_the_folder(home, tmp_path, inside, reason):
    (tmp_path / "cache").write_text("a file")
    sentence = refusal([home.put("a", CONTENT)], tmp_path / "cache" / inside, CacheError)
    assert re.search(rf"can't be used \(({reason}|Not a directory)\): set GLASSGRAD_DATA", sentence)
    assert home.asked == []


@pytest.mark.parametrize("terminal", [True, False])
def test_a_terminal_is_told_of_a_download(home, tmp_path, monkeypatch, terminal):
    stderr = io.StringIO()
    stderr.isatty = lambda: terminal
    monkeypatch.setattr("sys.stderr", stderr)
    for _ in range(2):
        fetched([home.put("a", CONTENT)], tmp_path)
    assert stderr.getvalue() == "downloading file.bin\n" * terminal


def test_the_cache_folder_is_where_the_user_says(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("GLASSGRAD_DATA", "~/mine")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert cache_folder() == tmp_path / "mine"
    monkeypatch.delenv("GLASSGRAD_DATA")
    assert cache_folder() == tmp_path / "xdg" / "glassgrad"
    monkeypatch.setenv("XDG_CACHE_HOME", "relative/is/ignored")
    assert cache_folder() == tmp_path / ".cache" / "glassgrad"
    monkeypatch.delenv("XDG_CACHE_HOME")
    assert cache_folder() == tmp_path / ".cache" / "glassgrad"
