"""Fetch a file from its public home: try its sources in turn, go on after a cut, check, cache.

A file is held in memory until its checksum is right and then put into the cache in one step, so that whatever happens
on the way, the cache never holds half a file.
"""

from __future__ import annotations

import hashlib
import http.client
import io
import os
import sys
import tempfile
import time
import urllib.error
import urllib.request
import zipfile
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag, urlsplit

from autograd.files import write_file
from nn.data.errors import CacheError, DownloadError

LIMIT = 64 * 2**20  # bytes: several times the largest file here; a source that sends more is broken or hostile
TIMEOUT = 20.0  # seconds without a byte
PAUSE = 0.5  # seconds before going on after a cut
CUTS = 20  # how often one source may break off
QUIET = 2.0  # seconds before a download shows its progress

Progress = Callable[[str, int, int | None], None]


@dataclass(frozen=True)
class RemoteFile:
    """A file, the sum that says it is the right one, and where to get it.

    Attributes:
        name: its name in the cache.
        checksum: ``"sha256:…"`` or ``"md5:…"``, in hexadecimal.
        urls: where to get it, the first first. ``…zip#member`` is that member of a ZIP archive.
    """

    name: str
    checksum: str
    urls: tuple[str, ...]

    def matches(self, content: bytes) -> bool:
        """Whether this is the file's content."""
        algorithm, _, expected = self.checksum.partition(":")
        return hashlib.new(algorithm, content, usedforsecurity=False).hexdigest() == expected


def cache_folder() -> Path:
    """Where downloaded files are kept: ``$GLASSGRAD_DATA``, or ``glassgrad`` in the user's cache folder (XDG)."""
    if own := os.environ.get("GLASSGRAD_DATA"):
        return Path(own).expanduser()
    xdg = Path(os.environ.get("XDG_CACHE_HOME", ""))
    return (xdg if xdg.is_absolute() else Path("~/.cache").expanduser()) / "glassgrad"


def fetch(file: RemoteFile, folder: Path, progress: Progress | None = None) -> bytes:
    """The content of ``file``: out of the cache, or downloaded, checked and put there.

    Args:
        file: what to get.
        folder: the folder of the cache for it; made if it is missing.
        progress: called with the file's name, the bytes so far and the bytes in all (None if unknown) as they come. By
            default a line on a terminal's stderr tells, for downloads that take more than two seconds.

    Raises:
        CacheError: the folder can't be written; nothing was downloaded.
        DownloadError: no source gave the right file; nothing was kept.
    """
    path = folder / file.name
    try:
        content = path.read_bytes()
    except FileNotFoundError:
        pass
    except OSError as error:
        raise _unusable(folder, error) from None
    else:
        if file.matches(content):
            return content
    _check_writable(folder)
    content = _download(file, path, progress)
    try:
        write_file(path, content)
    except OSError as error:
        raise _unusable(folder, error) from None
    return content


def _check_writable(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            pass
    except OSError as error:
        raise _unusable(folder, error) from None


def _unusable(folder: Path, error: OSError) -> CacheError:
    why = getattr(error, "reason", error.strerror)
    return CacheError(
        f"The folder for downloaded data, {folder}, can't be used ({why}): set GLASSGRAD_DATA to a folder that can be "
        "written."
    )


def _download(file: RemoteFile, path: Path, progress: Progress | None) -> bytes:
    line = _Line() if progress is None else None
    failures = []
    try:
        for url in file.urls:
            address, member = urldefrag(url)
            try:
                content = _get(address, file.name, progress or line)
                if member:
                    content = _unzip(content, member)
                if file.matches(content):
                    return content
                failures.append(
                    f"{urlsplit(url).hostname} sent another file (its {file.checksum.partition(':')[0]} differs)"
                )
            except (OSError, http.client.HTTPException, _BadSourceError) as error:
                failures.append(f"{urlsplit(url).hostname}: {_reason(error)}")
    finally:
        if line:
            line.close()
    raise DownloadError(
        f"{file.name} could not be downloaded ({'; '.join(failures)}): check the network and try again, or put the "
        f"file with {file.checksum.replace(':', ' ')} at {path} yourself."
    )


class _BadSourceError(Exception):
    """A source that answers, but not with the file."""


def _reason(error: Exception) -> str:
    match error:
        case urllib.error.HTTPError():
            return f"it answered {error.code} {error.reason}"
        case TimeoutError() | urllib.error.URLError(reason=TimeoutError()):
            return f"no answer within {TIMEOUT:g} seconds"
        case urllib.error.URLError(reason=OSError() as inner):
            return inner.strerror or str(inner)
        case urllib.error.URLError():
            return str(error.reason)
        case OSError(strerror=str() as reason):
            return reason
        case _:
            return str(error) or type(error).__name__


def _get(url: str, name: str, progress: Progress | None) -> bytes:
    """Everything behind a URL. After a cut, the rest is asked for, as long as each answer brings more."""
    content = bytearray()
    total: int | None = None
    for _ in range(CUTS):
        had = len(content)
        try:
            total = _read_on(url, content, name, progress)
        except urllib.error.HTTPError:
            raise
        except (OSError, http.client.HTTPException):
            if not content:
                raise
        else:
            if total is None or len(content) >= total:
                return bytes(content)
        if len(content) <= had:
            break
        time.sleep(PAUSE)
    raise _BadSourceError(f"the connection was cut after {len(content)} of {total or 'unknown'} bytes")


def _read_on(url: str, content: bytearray, name: str, progress: Progress | None) -> int | None:
    """Ask for what follows ``content`` (RFC 9110, section 14) and append it; the size of the whole, if it is told."""
    request = urllib.request.Request(url, headers={"User-Agent": "glassgrad"})
    if content:
        request.add_header("Range", f"bytes={len(content)}-")
    with urllib.request.urlopen(request, timeout=TIMEOUT) as response:
        if response.status != 206:
            content.clear()
        elif not response.headers.get("Content-Range", "").startswith(f"bytes {len(content)}-"):
            raise _BadSourceError("it answered with another range than was asked for")
        length = response.headers.get("Content-Length", "")
        total = len(content) + int(length) if length.isdecimal() else None
        while piece := response.read1(2**16):
            content += piece
            if len(content) > LIMIT:
                raise _BadSourceError(f"it sent more than {LIMIT} bytes")
            if progress:
                progress(name, len(content), total)
    return total


def _unzip(archive: bytes, member: str) -> bytes:
    try:
        with zipfile.ZipFile(io.BytesIO(archive)) as files, files.open(member) as file:
            return file.read(LIMIT)
    except (zipfile.BadZipFile, zlib.error, KeyError, EOFError, NotImplementedError, RuntimeError):
        raise _BadSourceError(f"it sent no ZIP archive with {member}") from None


class _Line:
    """A line on a terminal that tells how far a download is."""

    def __init__(self) -> None:
        self.start = self.last = time.monotonic()
        self.shown = False

    def __call__(self, name: str, received: int, total: int | None) -> None:
        now = time.monotonic()
        if not sys.stderr.isatty() or now - self.start < QUIET or now - self.last < 0.1:
            return
        self.last, self.shown = now, True
        whole = f" of {total / 1e6:.1f}" if total else ""
        sys.stderr.write(f"\r{name}: {received / 1e6:.1f}{whole} MB\033[K")
        sys.stderr.flush()

    def close(self) -> None:
        if self.shown:
            sys.stderr.write("\r\033[K")
