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


def test_a_damaged_file_in_the_cache_is_fetched_again(home, tmp_path):
    (tmp_path / "file.bin").write_bytes(CONTENT[:100])
    assert fetched([home.put("a", CONTENT)], tmp_path) == CONTENT
    assert (tmp_path / "file.bin").read_bytes() == CONTENT


def test_the_first_source_that_has_the_file_is_taken(home, tmp_path):
    urls = [home.url + "nowhere", home.put("wrong", b"other"), home.put("right", CONTENT), home.put("last", CONTENT)]
    assert fetched(urls, tmp_path) == CONTENT
    assert home.asked == ["/nowhere", "/wrong", "/right"]


def test_a_wrong_checksum(home, tmp_path):
    sentence = refusal([home.put("a", CONTENT[::-1])], tmp_path)
    assert sentence == (
        "file.bin could not be downloaded (127.0.0.1: it sent another file, or a part of it (the sha256 differs)): "
        f"check the network and try again, or put the file with sha256 {sha256(CONTENT)} at "
        f"{tmp_path / 'file.bin'} yourself."
    )
    assert everything(tmp_path) == []


def test_a_damaged_file_in_the_cache_stays_until_there_is_a_right_one(home, tmp_path):
    (tmp_path / "file.bin").write_bytes(b"damaged")
    sentence = refusal([home.put("a", b"wrong")], tmp_path)
    assert sentence.startswith(
        f"your file {tmp_path / 'file.bin'} differs from the one that is wanted, and file.bin could"
    )
    assert (tmp_path / "file.bin").read_bytes() == b"damaged"


@pytest.mark.parametrize("received", [0, 4000])
def test_a_connection_that_is_cut(home, tmp_path, received):
    sentence = refusal([home.put("a", CONTENT, cut=received)], tmp_path)
    assert "(127.0.0.1: it sent another file, or a part of it (the sha256 differs)): check the network" in sentence
    assert everything(tmp_path) == []
    assert fetched([home.put("b", CONTENT, cut=4000), home.put("c", CONTENT)], tmp_path) == CONTENT


def test_a_missing_network(home, tmp_path, monkeypatch):
    def no_name(*arguments, **options):
        raise OSError(-2, "Name or service not known")

    monkeypatch.setattr("socket.create_connection", no_name)
    urls = ["http://first.example/a", "http://second.example/a"]
    sentence = refusal(urls, tmp_path)
    assert sentence.startswith(
        "file.bin could not be downloaded (first.example: [Errno -2] Name or service not known; "
        "second.example: [Errno -2] Name or service not known): check the network and try again, or put "
    )
    assert everything(tmp_path) == []


def test_a_file_that_is_not_there(home, tmp_path):
    assert "(127.0.0.1: Not Found)" in refusal([home.url + "nowhere"], tmp_path)


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


def test_a_disk_that_fills_up_leaves_no_half_file(home, tmp_path, monkeypatch):
    def full(*arguments):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    sentence = refusal([home.put("a", CONTENT)], tmp_path, CacheError)
    assert "can't be used (No space left on device)" in sentence
    assert everything(tmp_path) == []


def test_a_user_who_stops_the_download_leaves_no_half_file(home, tmp_path, monkeypatch):
    def stop(*_, **__):
        raise KeyboardInterrupt

    monkeypatch.setattr("urllib.request.urlopen", stop)
    with pytest.raises(KeyboardInterrupt):
        fetched([home.put("a", CONTENT)], tmp_path)
    assert everything(tmp_path) == []


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
